"""When a polled link is read: on the device's own period, and on those that some of its tags have."""

from collections.abc import Callable

from actors.polling import Polling
from transports.clock import Clock
from transports.mailbox import Mailbox, Timer

Read = Callable[[float | None], None]  # with a tag's own period (s), or None for the device's


class Timetable:
    """Calls `read` on time from `begin` until `end`. One grid for all: neighbours wake together, and sleep."""

    def __init__(self, mailbox: Mailbox, clock: Clock, period_s: float, read: Read) -> None:
        self._mailbox, self._clock, self._read = mailbox, clock, read
        self._period_s = period_s
        self._timers: dict[float | None, Timer] = {}
        self._running = 0  # which beginning it is: a read may end this one, and begin another
        self.overruns = 0  # due times that passed while a read took too long

    def begin(self, paces: tuple[float, ...] = ()) -> None:
        """Read everything now, and then each on its period."""
        self.end()
        beginning, now = self._running, self._clock.now()
        for pace in (None, *paces):
            if beginning == self._running:
                self._due(pace, now)

    def end(self) -> None:
        """Read no more."""
        self._running += 1
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, pace: float | None, due: float) -> None:
        beginning = self._running
        self._read(pace)
        if beginning != self._running:
            return
        polling = Polling(0.0, self._period_s if pace is None else pace)
        now = self._clock.now()
        self.overruns += polling.missed(due, now)
        following = polling.following(due, now)
        self._timers[pace] = self._mailbox.at(following, lambda: self._due(pace, following))
