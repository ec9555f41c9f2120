"""What processes use, read from /proc a few at a time, so that the root's loop never stands still for it.

    /proc/PID/statm   resident pages             proc(5), since Linux 2.6
    /proc/PID/stat    fields 14 and 15: CPU time in user and kernel mode, in clock ticks
    /proc/PID/fd      its size is the number of open descriptors since Linux 6.2; before, its entries are counted

psutil reads the same files in twice the time (26 instead of 13 us a process, and 6 instead of 2 for the descriptors).
A process that has ended, or that this user may not look into, has no usage. The numbers of a pid are trusted while
`watch` says so: only the root reaps its children, so until then nobody else has that pid.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil

from supervisors.limits import Usage
from transports.clock import Clock

EVERY_S = 2.0  # how often each process is read
AT_ONCE = 8  # processes read in one go: about 0.15 ms
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # of /proc/PID/stat, counted from the field after the name, which may hold spaces and ")"


@dataclass(slots=True)
class _Watched:
    pid: int
    descriptors: bool  # whether they are to be counted
    due: float
    at: float  # monotonic s of the last reading
    cpu_s: float
    usage: Usage | None = None


class Usages:
    """The processes that are watched, by name, and what each used last. Call `look` again after `pause_s`."""

    def __init__(self, clock: Clock, every_s: float = EVERY_S) -> None:
        self._clock, self._every_s = clock, every_s
        self._watched: dict[str, _Watched] = {}  # in the order of their turns: the first has waited longest

    def watch(self, name: str, pid: int, descriptors: bool = False) -> None:
        """Read this process from now on, instead of what had that name; its first turn is the next one."""
        now = self._clock.now()
        cpu_s = _cpu_s(pid)
        self._watched.pop(name, None)
        self._watched[name] = _Watched(pid, descriptors, now + self._every_s, now, 0.0 if cpu_s is None else cpu_s)

    def forget(self, name: str) -> None:
        """Its process has ended; harmless when it is not watched."""
        self._watched.pop(name, None)

    def last(self, name: str) -> Usage | None:
        """What it used when it was last read; None before that."""
        watched = self._watched.get(name)
        return watched.usage if watched is not None else None

    @property
    def pause_s(self) -> float:
        """How long to wait before the next `look`, for everybody to have a turn every `every_s`."""
        return self._every_s / max(1, ceil(len(self._watched) / AT_ONCE))

    def look(self, now: float) -> Sequence[tuple[str, Usage]]:
        """Read those whose turn it is, at most AT_ONCE of them: a fraction of a millisecond."""
        seen: list[tuple[str, Usage]] = []
        for name in [name for name, _ in zip(self._watched, range(AT_ONCE), strict=False)]:
            watched = self._watched[name]
            if watched.due > now + self.pause_s / 2:
                break  # and so are all behind it
            self._watched[name] = self._watched.pop(name)  # to the end of the queue
            watched.due = now + self._every_s
            usage = _read(watched, now)
            if usage is not None:
                watched.usage, watched.at, watched.cpu_s = usage, now, usage.cpu_s
                seen.append((name, usage))
        return seen


def _read(watched: _Watched, now: float) -> Usage | None:
    cpu_s, rss_bytes = _cpu_s(watched.pid), _rss_bytes(watched.pid)
    if cpu_s is None or not rss_bytes:  # it has ended, and a zombie has no memory
        return None
    span_s = now - watched.at
    share = max(0.0, cpu_s - watched.cpu_s) / span_s if span_s > 0 else 0.0
    return Usage(rss_bytes, cpu_s, share, _descriptors(watched.pid) if watched.descriptors else None)


def _rss_bytes(pid: int) -> int | None:
    text = _text(f"/proc/{pid}/statm")
    return int(text.split(b" ", 2)[1]) * _PAGE_BYTES if text else None


def _cpu_s(pid: int) -> float | None:
    fields = _text(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) * _TICK_S if fields else None


def _descriptors(pid: int) -> int | None:
    with suppress(OSError):
        return os.stat(f"/proc/{pid}/fd").st_size or len(os.listdir(f"/proc/{pid}/fd"))
    return None


def _text(path: str) -> bytes:
    """The file's content, b"" when it cannot be had: the process has ended, or this one has no descriptor left."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 1024)
    except ProcessLookupError:  # it ended between the two
        return b""
    finally:
        os.close(descriptor)
