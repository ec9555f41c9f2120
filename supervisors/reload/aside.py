"""Work on the disk beside the loop: a disk that hangs must not take the root's attention from its children."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Generic, TypeVar

from pykka._envelope import Envelope

from transports.clock import Clock
from transports.errors import HoldfastError
from transports.mailbox import Call, Mailbox

T = TypeVar("T")
WITHIN_S = 5.0


@dataclass(slots=True)
class _Awaited(Generic[T]):
    """Exactly one of `then` and `failed` is called; `late` when the result comes after all."""

    then: Callable[[T], None]
    failed: Callable[[str], None]
    late: Callable[[T], None]
    over: bool = False

    def answer(self, value: T) -> None:
        if self.over:
            self.late(value)
        else:
            self.over = True
            self.then(value)

    def fail(self, why: str) -> None:
        if not self.over:
            self.over = True
            self.failed(why)


class Aside:
    """Does work in a thread of its own, and tells of it in the loop."""

    def __init__(self, clock: Clock, mailbox: Mailbox, within_s: float = WITHIN_S) -> None:
        self._clock, self._mailbox, self._within_s = clock, mailbox, within_s

    def do(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[str], None],
        late: Callable[[T], None] = lambda _: None,
    ) -> None:
        """Have `then(result)` called, or `failed(why)` when it raises OSError or HoldfastError, or takes too long: then
        `late(result)` follows, if it comes at all."""
        awaited, told = _Awaited(then, failed, late), f"the disk did not answer within {self._within_s:g} s"
        timer = self._mailbox.at(self._clock.now() + self._within_s, lambda: awaited.fail(told))

        def in_the_loop(what: Callable[[], None]) -> None:
            def call() -> None:
                timer.cancel()
                what()

            self._mailbox.put(Envelope(Call(call)))

        def run() -> None:
            try:
                result = work()
            except (OSError, HoldfastError) as refused:
                why = str(refused)
                in_the_loop(lambda: awaited.fail(why))
            else:
                in_the_loop(lambda: awaited.answer(result))

        try:
            Thread(target=run, name="aside", daemon=True).start()
        except RuntimeError as refused:  # the system has no thread to give
            why = str(refused)
            in_the_loop(lambda: awaited.fail(why))
