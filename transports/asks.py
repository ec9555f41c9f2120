"""The questions of a mailbox that still await their answers: each has a number, a deadline and somebody who waits.

However it ends, exactly one of `then(value)` and `failed(error)` is called, in the actor's own thread: with the answer,
with the error at the other side, with AskTimeout at the deadline, or with Down when the peer is known to be gone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transports.errors import AskTimeout, Down, HoldfastError
from transports.messages import Reply
from transports.waiting import Timer, Waiting


@dataclass(slots=True)
class _Asked:
    then: Callable[[Any], None]
    failed: Callable[[HoldfastError], None]
    to: str
    timer: Timer


class Asks:
    """See the module's note. Numbers are shared with the timers: one count a mailbox."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._asked: dict[int, _Asked] = {}

    def number(self) -> int:
        """For the next question."""
        return next(self._waiting.numbers)

    def sent(
        self,
        number: int,
        to: str,
        timeout_s: float,
        then: Callable[[Any], None],
        failed: Callable[[HoldfastError], None],
    ) -> None:
        """The question is under way: await its answer for `timeout_s`."""
        deadline = self._waiting.clock.now() + timeout_s
        timer = self._waiting.at(deadline, lambda: self._overdue(number, timeout_s))
        self._asked[number] = _Asked(then, failed, to, timer)

    def replied(self, number: int, reply: Reply) -> None:
        """An answer came; one that nobody awaits any more is passed over."""
        asked = self._asked.pop(number, None)
        if asked is None:
            return
        asked.timer.cancel()
        if reply.error:
            self._waiting.call(lambda: asked.failed(HoldfastError(reply.error)))
        else:
            self._waiting.call(lambda: asked.then(reply.value))

    def abandon(self, name: str) -> None:
        """What was asked of `name` will not be answered: it is down."""
        for number, asked in list(self._asked.items()):
            if asked.to == name:
                del self._asked[number]
                asked.timer.cancel()
                self._waiting.call(lambda failed=asked.failed: failed(Down(name)))  # type: ignore[misc]

    def _overdue(self, number: int, timeout_s: float) -> None:
        asked = self._asked.pop(number, None)
        if asked is not None:
            asked.failed(AskTimeout(f"{asked.to} did not answer within {timeout_s:g} s"))
