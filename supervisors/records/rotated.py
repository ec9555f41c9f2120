"""A file of lines that is bounded for years: full, it is put aside as `NAME.1`, and the oldest of those is deleted.

    events.ndjson      written now
    events.ndjson.1    full, read only; .2 is older, and so on

Files are renamed, never copied: a reader that has one open reads it to its end. A line is written with one write(2),
and one that a power cut or a full disk tore stands alone: the next begins on a line of its own.
"""

import errno
import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from transports.durable import sync_directory


class Rotated:
    """The writer; there is one to a file. At most `files` files of about `max_bytes` each.

    With `durable` a line is on the disk (fsync) when `append` returns.
    """

    def __init__(self, path: Path, max_bytes: int, files: int, durable: bool = False) -> None:
        self._path, self._max_bytes, self._files, self._durable = path, max_bytes, files, durable
        self._descriptor = -1

    def append(self, line: str) -> None:
        """Write one line, given without its end. Raises OSError; nothing is promised then, and the next call tries
        again from the start."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            size = self._opened()
            if size and size + len(data) > self._max_bytes:
                self._rotate()
                size = self._opened()
            self._write(data if not size or self._ends_a_line(size) else b"\n" + data)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file; `append` opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _opened(self) -> int:
        """The size of the file, which is open now; one that somebody has removed is begun anew."""
        if self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0:
            self.close()
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            if self._durable:
                sync_directory(self._path.parent)
        return os.fstat(self._descriptor).st_size

    def _ends_a_line(self, size: int) -> bool:
        return os.pread(self._descriptor, 1, size - 1) == b"\n"

    def _write(self, data: bytes) -> None:
        if os.write(self._descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # the disk took a part of it
        if self._durable:
            os.fsync(self._descriptor)

    def _rotate(self) -> None:
        self.close()
        slots = parts(self._path, self._files)
        for newer, older in reversed(list(pairwise(slots))):
            with suppress(FileNotFoundError):
                newer.replace(older)


def parts(path: Path, files: int) -> list[Path]:
    """The file itself and those put aside, newest first; whether they are there is another matter."""
    return [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, files))]
