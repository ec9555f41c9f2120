"""What became of each command: a file of lines, so that a key is never executed twice, whatever dies.

    DATA_DIR/commands/NAME.journal      {"key", "at" (UTC ns), "outcome", "detail"}, outcome "begun" before the device
                                        hears of it, then what came of it; the last line of a key counts

`begin` writes the line, to the disk itself for a lasting command, before it returns. A torn line at the end is one that
was being written: its command had not begun. Lines older than a day are forgotten when the file has grown too large,
and so are the oldest ones beyond a number.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.commanding.checks import Ending
from transports.errors import HoldfastError

log = logging.getLogger("holdfast.commands")
BEGUN = "begun"
KEPT_NS = 24 * 3600 * 10**9  # so long is the outcome of a key known
KEPT_MOST = 5_000  # and of so many keys
FILE_BYTES = 2 * 1024 * 1024  # then it is written anew, with what is still of use


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of a key."""

    key: str
    at_ns: int
    outcome: str
    detail: str = ""


class Journal:
    """The journal at `path`, made with its directory when it is first written to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._known: dict[str, Line] = {line.key: line for line in _lines(path)}
        self._bytes = path.stat().st_size if path.exists() else 0

    def find(self, key: str) -> Line | None:
        """What is known of a key, None if it was never begun."""
        return self._known.get(key)

    def unfinished(self) -> list[Line]:
        """What had begun when the process before this one died: nobody knows what came of it."""
        return [line for line in self._known.values() if line.outcome == BEGUN]

    def begin(self, key: str, at_ns: int, lasting: bool) -> None:
        """The key is about to be executed. Raises HoldfastError when that cannot be written: then it must not be."""
        try:
            self._write(Line(key, at_ns, BEGUN), lasting)
        except OSError as refused:
            raise HoldfastError(f"{self._path} cannot be written ({refused.strerror}); see to the disk") from refused

    def end(self, key: str, at_ns: int, outcome: Ending, detail: str) -> None:
        """What became of it. When that cannot be written, the key stays begun: unknown, after a crash."""
        try:
            self._write(Line(key, at_ns, outcome.value, detail[:500]), lasting=False)
        except OSError as refused:
            log.error("%s cannot be written (%s)", self._path, refused.strerror)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, line: Line, lasting: bool) -> None:
        try:
            if self._bytes > FILE_BYTES:
                self._forget_old(line.at_ns)
            if self._descriptor < 0:
                self._open()
            self._bytes += _written(self._descriptor, _packed(line))
            if lasting:
                os.fdatasync(self._descriptor)
        except OSError:
            self.close()  # opened anew, a line of which only a part was written is cut off
            raise
        self._known.pop(line.key, None)  # the newest last
        self._known[line.key] = line

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o640)
        self._mend()
        _sync_directory(self._path.parent)

    def _mend(self) -> None:
        """Cut off a torn line, or the next one would be part of it."""
        size_bytes = os.fstat(self._descriptor).st_size
        if not size_bytes or os.pread(self._descriptor, 1, size_bytes - 1) == b"\n":
            return
        start = max(0, size_bytes - 65536)
        tail = os.pread(self._descriptor, size_bytes - start, start)
        os.ftruncate(self._descriptor, start + tail.rfind(b"\n") + 1)

    def _forget_old(self, now_ns: int) -> None:
        """Write what is still of use to a new file, which takes the old one's place when it is whole on the disk."""
        young = [line for line in self._known.values() if line.at_ns > now_ns - KEPT_NS or line.outcome == BEGUN]
        self._known = {line.key: line for line in young[-KEPT_MOST:]}
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            self._bytes = _written(descriptor, b"".join(map(_packed, self._known.values())))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self.close()
        fresh.rename(self._path)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(path: Path) -> Iterator[Line]:
    """Every whole line, oldest first; one that cannot be read is passed over, and said."""
    if not path.exists():
        return
    *whole, torn = path.read_bytes().split(b"\n")
    for text in whole:
        try:
            said = json.loads(text)
            yield Line(str(said["key"]), int(said["at"]), str(said["outcome"]), str(said["detail"]))
        except (ValueError, KeyError, TypeError):
            log.error("a line of %s is damaged and is passed over: %.80r", path, text)
    if torn:
        log.warning(
            "the last line of %s was torn by a crash: that command had not begun, or its outcome is unknown", path
        )


def _packed(line: Line) -> bytes:
    said = {"key": line.key, "at": line.at_ns, "outcome": line.outcome, "detail": line.detail}
    return json.dumps(said).encode() + b"\n"


def _written(descriptor: int, data: bytes) -> int:
    """All of it, or an OSError."""
    left = data
    while left:
        left = left[os.write(descriptor, left) :]
    return len(data)
