"""Disks for the tests of the spool: one in memory that can lose power, and the real one with a hand on it."""

import errno
import os
import random
from collections.abc import Callable, Mapping
from itertools import pairwise

from transports.spool import File, Files, OsFiles

NOW_NS = 1_700_000_000_000_000_000
CONSUMERS: Mapping[str, tuple[str, ...]] = {"raw": ("agg",), "out": ("cloud", "archive")}
PAGE = 64  # small, so that a power cut tears small records


class _Node:
    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = b""
        self.pending: list[tuple[int, bytes] | int] = []  # a write, or the size of a truncation


class _MemoryFile:
    def __init__(self, disk: "MemoryFiles", node: _Node) -> None:
        self._disk, self._node = disk, node

    def pread(self, size: int, offset: int) -> bytes:
        self._disk.read_bytes += len(found := bytes(self._node.data[offset : offset + size]))
        return found

    def pwrite(self, data: bytes, offset: int) -> None:
        self._disk.spend()
        _apply(self._node.data, (offset, data))
        self._node.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        self._disk.spend()
        _apply(self._node.data, size)
        self._node.pending.append(size)

    def fdatasync(self) -> None:
        self._disk.spend()
        self._node.durable, self._node.pending = bytes(self._node.data), []

    def close(self) -> None:
        pass


class PowerCut(Exception):
    """The machine is gone."""


class MemoryFiles:
    """A file system whose unsynced writes survive a power cut in any subset of their pages.

    `operations_left` counts down with every change; at 0 the power goes.
    """

    def __init__(self) -> None:
        self.names: dict[str, _Node] = {}
        self.durable_names: dict[str, _Node] = {}
        self.read_bytes = 0
        self.operations_left = -1

    def spend(self) -> None:
        if self.operations_left == 0:
            raise PowerCut
        self.operations_left -= 1

    def make_dir(self, path: str) -> None:
        pass

    def listdir(self, path: str) -> list[str]:
        return [name.removeprefix(f"{path}/") for name in self.names if os.path.dirname(name) == path]

    def create(self, path: str) -> File:
        self.spend()
        if path in self.names:
            raise FileExistsError(errno.EEXIST, "exists", path)
        self.names[path] = _Node()
        return self.open(path)

    def open(self, path: str) -> File:
        return _MemoryFile(self, self._node(path))

    def size(self, path: str) -> int:
        return len(self._node(path).data)

    def allocated(self, path: str) -> int:
        return -(-self.size(path) // 4096) * 4096

    def rename(self, old: str, new: str) -> None:
        self.spend()
        node = self._node(old)
        del self.names[old]
        self.names[new] = node

    def unlink(self, path: str) -> None:
        self.spend()
        self._node(path)
        del self.names[path]

    def fsync_dir(self, path: str) -> None:
        self.spend()
        for name in {*self.names, *self.durable_names}:
            if os.path.dirname(name) == path:
                self._keep(name)

    def power_cut(self, luck: random.Random) -> None:
        """Back to what is durable, with a part of the rest."""
        for name in sorted({*self.names, *self.durable_names}):
            if luck.random() < 0.5:
                self._keep(name)
        for node in {id(node): node for node in (*self.names.values(), *self.durable_names.values())}.values():
            after = bytearray(node.durable)
            for change in node.pending:
                for part in _pages(change):
                    if luck.random() < 0.7:
                        _apply(after, part)
            node.data, node.durable, node.pending = after, bytes(after), []
        self.names, self.operations_left = dict(self.durable_names), -1

    def edit(self, path: str, change: Callable[[bytearray], None]) -> None:
        node = self._node(path)
        change(node.data)
        node.durable, node.pending = bytes(node.data), []

    def copy(self) -> "MemoryFiles":
        twin = MemoryFiles()
        for name, node in self.names.items():
            twin.names[name] = twin.durable_names[name] = fresh = _Node()
            fresh.data, fresh.durable = bytearray(node.data), bytes(node.data)
        return twin

    def _keep(self, name: str) -> None:
        if name in self.names:
            self.durable_names[name] = self.names[name]
        else:
            self.durable_names.pop(name, None)

    def _node(self, path: str) -> _Node:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return self.names[path]


def _apply(data: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        del data[change:]
        return
    offset, written = change
    data.extend(bytes(max(0, offset - len(data))))
    data[offset : offset + len(written)] = written


def _pages(change: tuple[int, bytes] | int) -> list[tuple[int, bytes] | int]:
    if isinstance(change, int):
        return [change]
    offset, written = change
    cuts = [0, *range(PAGE - offset % PAGE, len(written), PAGE), len(written)]
    return [(offset + a, written[a:b]) for a, b in pairwise(cuts)]


class HandOnDisk(OsFiles):
    """The real file system; `refuse` names the operation that fails now, and with which errno."""

    def __init__(self) -> None:
        self.refuse: dict[str, int] = {}
        self.room: int | None = None
        self.bad_sectors: set[int] = set()
        self.calls: list[tuple[str, str]] = []

    def create(self, path: str) -> File:
        self.check("create", path)
        return _Handled(self, path, super().create(path))

    def open(self, path: str) -> File:
        return _Handled(self, path, super().open(path))

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self.room = self.room + 1_000_000 if self.room is not None else None

    def check(self, what: str, path: str) -> None:
        self.calls.append((what, path))
        if what in self.refuse:
            raise OSError(self.refuse[what], os.strerror(self.refuse[what]))


class _Handled:
    def __init__(self, disk: HandOnDisk, path: str, file: File) -> None:
        self._disk, self._path, self._file = disk, path, file

    def pread(self, size: int, offset: int) -> bytes:
        self._disk.check("pread", self._path)
        if any(offset <= bad < offset + size or bad <= offset < bad + 4096 for bad in self._disk.bad_sectors):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._file.pread(size, offset)

    def pwrite(self, data: bytes, offset: int) -> None:
        self._disk.check("pwrite", self._path)
        if self._disk.room is not None:
            fits = min(len(data), self._disk.room)
            self._disk.room -= fits
            if fits < len(data):
                self._file.pwrite(data[:fits], offset)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._file.pwrite(data, offset)

    def truncate(self, size: int) -> None:
        self._disk.check("truncate", self._path)
        self._file.truncate(size)

    def fdatasync(self) -> None:
        self._disk.check("fdatasync", self._path)
        self._file.fdatasync()

    def close(self) -> None:
        self._file.close()


_: type[Files] = MemoryFiles
