"""Writing to the disk beside the actor's loop, in order: a disk that hangs must not keep an uplink from delivering.

A thread of its own does one work after another. Whoever asked is told in the loop, within a time: what the disk does
later is no longer awaited. While it is overdue, or too much waits for it, everything else is refused at once.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

from pykka._envelope import Envelope

from transports.clock import Clock
from transports.mailbox import Call, Mailbox

WITHIN_S = 5.0
WAITING_MOST = 256

Work = Callable[[], None]  # may raise OSError
Then = Callable[[str], None]  # why it was not done, "" when it was


class Disk(Protocol):
    """Where work is done beside the loop."""

    def do(self, work: Work, then: Then) -> None:
        """Have it done after all that was asked for before; `then` is called once, in the loop."""
        ...

    def end(self) -> None:
        """Nothing more is asked for."""
        ...


class Beside:
    """See the module's note."""

    def __init__(self, mailbox: Mailbox, clock: Clock) -> None:
        self._mailbox, self._clock = mailbox, clock
        self._works: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._since: dict[int, float] = {}  # when each that is not done was asked for (monotonic), oldest first
        self._number = 0
        self._thread: Thread | None = None

    def do(self, work: Work, then: Then) -> None:
        now = self._clock.now()
        if any(now - since > WITHIN_S for since in list(self._since.values())[:1]):
            then(f"the disk has not answered for {WITHIN_S:g} s")
        elif len(self._since) >= WAITING_MOST:
            then(f"{WAITING_MOST} wait for the disk")
        else:
            self._ask(work, then, now)

    def end(self) -> None:
        self._works.put(None)

    def _ask(self, work: Work, then: Then, now: float) -> None:
        self._number += 1
        number, awaited = self._number, [then]
        self._since[number] = now

        def tell(why: str) -> None:
            if awaited:
                awaited.pop()(why)

        def done(why: str) -> None:
            del self._since[number]
            timer.cancel()
            tell(why)

        def run() -> None:
            why = _why_not(work)
            self._mailbox.put(Envelope(Call(lambda: done(why))))

        timer = self._mailbox.at(now + WITHIN_S, lambda: tell(f"the disk did not answer within {WITHIN_S:g} s"))
        self._works.put(run)
        if self._thread is None:
            self._thread = Thread(target=self._loop, name="requests", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        while (run := self._works.get()) is not None:
            run()


def _why_not(work: Work) -> str:
    try:
        work()
    except OSError as refused:
        return str(refused.strerror)
    return ""
