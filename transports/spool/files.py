"""The file operations that the spool needs, and no others: small enough to be replaced by a model in tests."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from transports.durable import sync_directory


class File(Protocol):
    """An open file, read and written at given offsets. Every method raises OSError."""

    def pread(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes; fewer only at the end of the file."""
        ...

    def pwrite(self, data: bytes, offset: int) -> None:
        """All of `data`. After an error any part of it may be in the file."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def fdatasync(self) -> None:
        """Return when the contents and the length would survive a power cut. Called from other threads too."""
        ...

    def close(self) -> None:
        """Give the descriptor back. May be called twice."""
        ...


class Files(Protocol):
    """A file system. Names appear, move and go durably only after `fsync_dir`. Every method raises OSError."""

    def make_dir(self, path: str) -> None:
        """Make a directory and its parents; one that exists is fine."""
        ...

    def listdir(self, path: str) -> Sequence[str]:
        """The names in a directory, in no order."""
        ...

    def create(self, path: str) -> File:
        """A new empty file; the name must be free."""
        ...

    def open(self, path: str) -> File:
        """An existing file."""
        ...

    def size(self, path: str) -> int:
        """The length of a file in bytes, without reading it."""
        ...

    def allocated(self, path: str) -> int:
        """What a file takes on the disk in bytes, without reading it."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in another directory perhaps."""
        ...

    def unlink(self, path: str) -> None:
        """Take a file's name away."""
        ...

    def fsync_dir(self, path: str) -> None:
        """Return when the names in this directory would survive a power cut."""
        ...


class OsFile:
    """A file of the operating system. It closes with its last holder: a sync under way keeps its descriptor alive."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def pread(self, size: int, offset: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    def pwrite(self, data: bytes, offset: int) -> None:
        written = os.pwrite(self._descriptor, data, offset)
        while written < len(data):  # a disk that fills up takes a part first and refuses at the next call
            written += os.pwrite(self._descriptor, data[written:], offset + written)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def fdatasync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        with suppress(OSError):
            self.close()


class OsFiles:
    """The file system of the operating system."""

    def make_dir(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def listdir(self, path: str) -> Sequence[str]:
        return os.listdir(path)

    def create(self, path: str) -> File:
        return OsFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def open(self, path: str) -> File:
        return OsFile(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def allocated(self, path: str) -> int:
        return os.stat(path).st_blocks * 512  # stat(2): in units of 512 bytes, whatever the block size

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def fsync_dir(self, path: str) -> None:
        sync_directory(path)


class CountedFiles:
    """Another file system, and how many bytes were written to it: what a flash disk wears by."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.written_bytes = 0
        self.make_dir, self.listdir, self.size, self.allocated = (
            files.make_dir,
            files.listdir,
            files.size,
            files.allocated,
        )
        self.rename, self.unlink, self.fsync_dir = files.rename, files.unlink, files.fsync_dir

    def create(self, path: str) -> File:
        return _CountedFile(self, self._files.create(path))

    def open(self, path: str) -> File:
        return _CountedFile(self, self._files.open(path))


class _CountedFile:
    def __init__(self, files: CountedFiles, file: File) -> None:
        self._files, self._file = files, file
        self.pread, self.truncate, self.fdatasync, self.close = file.pread, file.truncate, file.fdatasync, file.close

    def pwrite(self, data: bytes, offset: int) -> None:
        self._files.written_bytes += len(data)
        self._file.pwrite(data, offset)
