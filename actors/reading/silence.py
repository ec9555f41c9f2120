"""Whether a device that talks by itself has fallen silent: an old value must not be taken for a steady one."""

from collections.abc import Callable

from transports.clock import Clock
from transports.mailbox import Mailbox, Timer


class Silence:
    """Calls `fallen` once when nothing was heard for `after_s`, and again only after something was. 0 s: never."""

    def __init__(self, mailbox: Mailbox, clock: Clock, after_s: float, fallen: Callable[[], None]) -> None:
        self._mailbox, self._clock, self._after_s, self._fallen = mailbox, clock, after_s, fallen
        self._timer: Timer | None = None
        self._heard_at = 0.0

    def heard(self) -> None:
        """The device said something, or is listened to from now on."""
        self._heard_at = self._clock.now()
        if self._timer is None and self._after_s:
            self._timer = self._mailbox.at(self._heard_at + self._after_s, self._look)

    def end(self) -> None:
        """Nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """The timer is not moved with each thing heard: it looks how long ago the last one was."""
        self._timer = None
        due = self._heard_at + self._after_s
        if due > self._clock.now():
            self._timer = self._mailbox.at(due, self._look)
        else:
            self._fallen()
