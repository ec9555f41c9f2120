"""A descriptor that is readable when another one is, or when a time has come: for links that wait for both."""

import select

from transports.alarm import Alarm


class Wakes:
    """epoll(7) over a descriptor and an alarm; whoever waits sees one descriptor. Close it before the other one."""

    def __init__(self, descriptor: int) -> None:
        self._alarm = Alarm()
        self._both = select.epoll()
        for each in (descriptor, self._alarm.fileno()):
            self._both.register(each, select.EPOLLIN)

    def fileno(self) -> int:
        """Readable until `next_in` is called, once the time has come; -1 when closed."""
        return -1 if self._both.closed else self._both.fileno()

    def next_in(self, seconds: float | None) -> None:
        """Wake once in so many seconds (None: what was set stays); what has rung is heard."""
        self._alarm.heard()
        if seconds is not None:
            self._alarm.ring_in(seconds)

    def close(self) -> None:
        """Give both back. May be called twice."""
        if not self._both.closed:
            self._both.close()
            self._alarm.close()
