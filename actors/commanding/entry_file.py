"""A file of lines that is only appended to, and now and then written anew. What was torn off is cut off."""

import os
from pathlib import Path

from transports.durable import sync_directory

_BLOCK = 65_536


class EntryFile:
    """The file at `path`, made with its directory when it is first written to. Every call may raise OSError.

    A `durable` one lies on a disk: what is appended with `sync`, and the file's own name, survive a power cut.
    `size_bytes` is as of the last reading or appending.
    """

    def __init__(self, path: Path, durable: bool) -> None:
        self.path, self._durable = path, durable
        self._descriptor = -1
        self.size_bytes = 0

    def read(self) -> bytes:
        """All of it, with a torn line at the end if there is one; nothing where there is no file."""
        try:
            data = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return b""
        self.size_bytes = len(data)
        return data

    def append(self, lines: bytes, sync: bool) -> None:
        """Whole lines at the end; with `sync` they are on the disk when this returns."""
        try:
            if self._descriptor < 0:
                self._open()
            self.size_bytes += _written(self._descriptor, lines)
            if sync and self._durable:
                os.fdatasync(self._descriptor)
        except OSError:
            self.close()  # opened anew, a line of which only a part was written is cut off
            raise

    def replace(self, lines: bytes) -> None:
        """A new file with these, which takes the old one's place when it is whole on the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f"{self.path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            _written(descriptor, lines)
            if self._durable:
                os.fdatasync(descriptor)
        except OSError:
            fresh.unlink(missing_ok=True)  # on a full disk it is in the way
            raise
        finally:
            os.close(descriptor)
        self.close()
        fresh.rename(self.path)

    def close(self) -> None:
        """Give the descriptor back; the next line opens it again. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o640)
        self._mend()
        if self._durable:
            sync_directory(self.path.parent)
            sync_directory(self.path.parent.parent)  # in which the directory itself may be new

    def _mend(self) -> None:
        """Cut off a torn line, however long, or the next one would be part of it."""
        whole = size_bytes = os.fstat(self._descriptor).st_size
        while whole:
            start = max(0, whole - _BLOCK)
            end = os.pread(self._descriptor, whole - start, start).rfind(b"\n") + 1
            whole = start + end
            if end:
                break
        if whole != size_bytes:
            os.ftruncate(self._descriptor, whole)
        self.size_bytes = whole


def _written(descriptor: int, data: bytes) -> int:
    """All of it, or an OSError."""
    left = data
    while left:
        left = left[os.write(descriptor, left) :]
    return len(data)
