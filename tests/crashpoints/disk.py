"""A disk in memory that writes down what is done to it, and can refuse: no room, a sync that fails.

What a power cut leaves of the record is in pending.py. What the kernel promises, and nothing else:

- a file's data and length are durable when an fdatasync of it, begun after they were written, has returned well;
- a name is made, moved or taken away durably when an fsync of its directory has returned, and only with those above it;
- after an fdatasync that failed the pages count as clean, so a later one does not write them either, though they are
  read from the cache as if nothing had happened. What is written over them anew is a new write.
"""

import errno
import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from transports.spool import File

BLOCK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Write:
    node: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    node: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """`begun` is how many operations there were when it began; those after it are not its business."""

    node: int
    begun: int
    well: bool = True


@dataclass(frozen=True, slots=True)
class MakeDir:
    path: str


@dataclass(frozen=True, slots=True)
class Create:
    path: str
    node: int


@dataclass(frozen=True, slots=True)
class Rename:
    old: str
    new: str
    node: int


@dataclass(frozen=True, slots=True)
class Unlink:
    path: str
    node: int


@dataclass(frozen=True, slots=True)
class SyncDir:
    path: str


Operation = Write | Truncate | Sync | MakeDir | Create | Rename | Unlink | SyncDir


@dataclass(frozen=True, slots=True)
class Image:
    """What is on a disk: directories, and files with their contents."""

    folders: frozenset[str] = frozenset()
    files: Mapping[str, bytes] = field(default_factory=dict)

    def key(self) -> int:
        """Equal for equal images, and hardly ever for others."""
        return hash((self.folders, frozenset(self.files.items())))


class RecordingDisk:
    """The spool's Files. `room` is what still fits; `refused_syncs` how many come until they work again.

    `meanwhile` is called once, in the middle of the next fdatasync: what the owner's thread does while another syncs.
    """

    def __init__(self, image: Image) -> None:
        self.base = image
        self.operations: list[Operation] = []
        self.nodes = [bytearray(data) for data in image.files.values()]
        self.names = {path: node for node, path in enumerate(image.files)}
        self.folders = set(image.folders)
        self.room: int | None = None
        self.refused_syncs = 0
        self.meanwhile: Callable[[], None] | None = None

    def make_dir(self, path: str) -> None:
        missing = [path]
        while missing[-1] not in self.folders and posixpath.dirname(missing[-1]):
            missing.append(posixpath.dirname(missing[-1]))
        for folder in reversed(missing):
            if folder not in self.folders:
                self.operations.append(MakeDir(folder))
                self.folders.add(folder)

    def listdir(self, path: str) -> list[str]:
        if path not in self.folders:
            raise _no_entry(path)
        everything = [*self.names, *self.folders]
        return [posixpath.basename(name) for name in everything if posixpath.dirname(name) == path]

    def create(self, path: str) -> File:
        if path in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if posixpath.dirname(path) not in self.folders:
            raise _no_entry(path)
        node = len(self.nodes)
        self.nodes.append(bytearray())
        self.names[path] = node
        self.operations.append(Create(path, node))
        return _RecordingFile(self, node)

    def open(self, path: str) -> File:
        return _RecordingFile(self, self._node(path))

    def size(self, path: str) -> int:
        return len(self.nodes[self._node(path)])

    def allocated(self, path: str) -> int:
        return -(-self.size(path) // BLOCK_BYTES) * BLOCK_BYTES

    def rename(self, old: str, new: str) -> None:
        node, replaced = self._node(old), self.names.get(new)
        self.names[new] = self.names.pop(old)
        self.operations.append(Rename(old, new, node))
        if replaced is not None and self.room is not None:
            self.room += len(self.nodes[replaced])

    def unlink(self, path: str) -> None:
        node = self._node(path)
        del self.names[path]
        self.operations.append(Unlink(path, node))
        if self.room is not None:
            self.room += len(self.nodes[node])

    def fsync_dir(self, path: str) -> None:
        if path not in self.folders:
            raise _no_entry(path)
        self.operations.append(SyncDir(path))

    def _node(self, path: str) -> int:
        if path not in self.names:
            raise _no_entry(path)
        return self.names[path]


class _RecordingFile:
    def __init__(self, disk: RecordingDisk, node: int) -> None:
        self._disk, self._node = disk, node

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self._disk.nodes[self._node][offset : offset + size])

    def pwrite(self, data: bytes, offset: int) -> None:
        disk, node = self._disk, self._disk.nodes[self._node]
        fits, size = len(data), len(node)
        if disk.room is not None:  # what is written over has its place already
            fits = min(fits, max(0, size - offset) + disk.room)
        if fits:
            put(node, offset, data[:fits])
            disk.operations.append(Write(self._node, offset, bytes(data[:fits])))
        if disk.room is not None:
            disk.room -= len(node) - size
        if fits < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def truncate(self, size: int) -> None:
        data = self._disk.nodes[self._node]
        if self._disk.room is not None:
            self._disk.room += max(0, len(data) - size)
        cut(data, size)
        self._disk.operations.append(Truncate(self._node, size))

    def fdatasync(self) -> None:
        disk, begun = self._disk, len(self._disk.operations)
        meanwhile, disk.meanwhile = disk.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        refused = disk.refused_syncs > 0
        disk.operations.append(Sync(self._node, begun, not refused))
        if refused:
            disk.refused_syncs -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def close(self) -> None:
        pass


def put(data: bytearray, offset: int, written: bytes) -> None:
    """Write into a file, with zeros up to there if it is shorter."""
    if offset > len(data):
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(written)] = written


def cut(data: bytearray, size: int) -> None:
    """Give a file this size."""
    del data[size:]
    data.extend(bytes(size - len(data)))


def _no_entry(path: str) -> OSError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
