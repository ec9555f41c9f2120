"""What the root says to systemd: that it is ready, how it is, that it still works. Without systemd, nothing.

sd_notify(3): a datagram of `NAME=value` lines to the socket that NOTIFY_SOCKET names, a path or `@` and an abstract
name:

    READY=1        the start, or a reload, is over          STATUS=text      what `systemctl status` shows
    RELOADING=1    a reload begins, MONOTONIC_USEC=now      WATCHDOG=1       a sign of life, see watchdog.py
    STOPPING=1     the end begins                           EXTEND_TIMEOUT_USEC=n   the next one takes n µs at most

Nothing here waits or fails: what a full or vanished socket did not take is kept, and said before the next thing.
The variables are taken out of the environment, so that no child speaks for the root.
"""

import os
import socket
from collections.abc import MutableMapping

STATUS_CHARACTERS = 200


class Notify:
    """The line to systemd. `address` is NOTIFY_SOCKET's text, "" for nobody; `watchdog_s` is how old a sign of life may
    be, None where none is expected."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if address else None
        self._unsent: dict[str, bytes] = {}  # by what it is about, oldest first
        self._status = ""

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> "Notify":
        """The line that this environment names, if any; its variables are removed from it."""
        address, usec, pid = (environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
        if not address.startswith(("/", "@")):  # sd_notify(3) knows vsock too; that is for whole machines
            return cls()
        ours = pid in ("", str(os.getpid()))
        return cls(address, int(usec) / 1e6 if ours and usec.isdecimal() and int(usec) else None)

    def ready(self) -> None:
        """The start, or the reload, is over."""
        self._tell("READY=1")

    def reloading(self, now: float) -> None:
        """A reload begins at this monotonic time; `ready` ends it, however it went."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={int(now * 1e6)}")

    def stopping(self) -> None:
        """The end begins."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """How it is, in one line, said when it is news."""
        line = " ".join(text.split())[:STATUS_CHARACTERS]
        if line != self._status:
            self._status = line
            self._tell(f"STATUS={line}")

    def extend(self, seconds: float) -> None:
        """What is under way (start, reload or stop) goes on, and says so again within this time."""
        self._tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def main_pid(self, pid: int) -> None:
        """The service is that process, should systemd have started another."""
        self._tell(f"MAINPID={pid}")

    def feed(self) -> None:
        """A sign of life. One that finds no room is not kept: it would be a lie by then."""
        if self._flush():
            self._sent(b"WATCHDOG=1")

    def close(self) -> None:
        """Say no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, text: str) -> None:
        name = text.partition("=")[0]
        self._unsent.pop(name, None)  # an older one of its kind is no news any more
        self._unsent[name] = text.encode("utf-8", "replace")
        self._flush()

    def _flush(self) -> bool:
        """Say what waits, oldest first; whether nothing waits any more."""
        for name, message in list(self._unsent.items()):
            if not self._sent(message):
                return False
            del self._unsent[name]
        return True

    def _sent(self, message: bytes) -> bool:
        if self._socket is None:
            return True
        try:
            self._socket.sendto(message, self._address)
        except OSError:  # its queue is full (EAGAIN), or systemd is just being replaced (ECONNREFUSED, ENOENT)
            return False
        return True
