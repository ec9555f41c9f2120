"""Reads a file of lines from where it was left: what is there, then what is added, wherever the file goes meanwhile.

A full file is put aside in one of two ways, and both are followed, without a line lost or told twice:

    Renamed   NAME becomes NAME.1, that NAME.2, ...   (rotated.py: one writer)
    Copied    NAME is copied to NAME.1 and cut to 0   (logs.py: the writer keeps its descriptor)

Nothing is held open between two looks, and no more than a block is in memory.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 64 * 1024  # also the longest line; the rest of a longer one is a line of its own
HEAD_BYTES = 128  # of the first line, which begins with its time
ROUNDS = 4  # files may move while they are read; then it is looked again where they are


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be read: from `at` to the end of the file `inode` (0: whichever it is), which is now at `path`."""

    path: Path
    inode: int
    at: int


class Trail:
    """See the module's note; `parts` are the file and those put aside, newest first. Begins with the oldest line."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._parts = parts
        self._inode = self._at = 0  # read so far, of which file
        self._head = b""  # how it begins
        self._rest = b""  # a line that has no end yet
        self._skips = False  # what is read begins inside a line that nobody wants

    def near_end(self, lines: int) -> None:
        """Begin so near the end that at least this many lines follow, if there are as many, and not many more."""
        for path in self._parts:
            inode = _inode(path)
            if inode:
                found, at = _back(path, lines)
                lines -= found
                self._inode, self._at, self._head = inode, max(0, at - 1), _head(path)
                if at > 0:  # the byte before it tells whether a line begins there
                    self._skips = True
                    return

    def news(self) -> Iterator[str]:
        """The whole lines since the last time. Raises OSError other than that a file is not there."""
        for _ in range(ROUNDS):
            for stretch in self._ahead():
                if stretch.at == 0:
                    yield from self.torn()
                if not (yield from self._read(stretch)):
                    break
            else:
                return

    def torn(self) -> Iterator[str]:
        """What stands at the end without being a whole line."""
        if self._rest:
            yield _text(self._rest)
        self._rest = b""

    def _ahead(self) -> list[Stretch]:
        """What there is to read, oldest first."""
        raise NotImplementedError

    def _read(self, stretch: Stretch) -> Generator[str, None, bool]:
        """Gives the lines; returns whether the file was the one that was meant."""
        try:
            file = stretch.path.open("rb")
        except FileNotFoundError:
            return not stretch.inode
        with file:
            inode = os.fstat(file.fileno()).st_ino
            if stretch.inode not in (0, inode):
                return False
            self._head = file.read(HEAD_BYTES)
            file.seek(stretch.at)
            while block := file.read(BLOCK_BYTES):
                self._inode, self._at = inode, file.tell()
                yield from self._lines(block)
            self._inode, self._at = inode, file.tell()
        return True

    def _lines(self, block: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + block).split(b"\n")
        if self._skips:
            self._skips = not lines
            lines = lines[1:]
            self._rest = b"" if self._skips else self._rest
        yield from map(_text, lines)
        if len(self._rest) > BLOCK_BYTES:
            yield from self.torn()


class Renamed(Trail):
    """A file that is renamed when it is full; it is known again by how it begins, for its number may be another's."""

    def __init__(self, parts: Sequence[Path]) -> None:
        super().__init__(parts)
        self._known: list[bytes] = []  # how the files began that were there when it was looked last

    def _ahead(self) -> list[Stretch]:
        heads = {path: head for path in reversed(self._parts) if (head := _head(path))}
        found = [Stretch(path, inode, 0) for path in heads if (inode := _inode(path))]
        known, self._known = self._known, list(heads.values())
        for n, each in enumerate(found):
            if self._head and heads[each.path].startswith(self._head):
                return [Stretch(each.path, each.inode, self._at), *found[n + 1 :]]
        # the one that was read is gone: what is not older than it
        return [each for each in found if not any(map(heads[each.path].startswith, known))]


class Copied(Trail):
    """A file that is copied and cut when it is full: `parts` are it and its copy."""

    def _ahead(self) -> list[Stretch]:
        path, copy = self._parts
        if self._inode in (0, _inode(copy)):
            return [Stretch(copy, self._inode, self._at), Stretch(path, 0, 0)]
        try:
            now = path.stat()
        except FileNotFoundError:
            return []
        if now.st_ino != self._inode:
            return [Stretch(path, now.st_ino, 0)]
        if now.st_size < self._at:
            return [Stretch(copy, 0, self._at), Stretch(path, 0, 0)]
        return [Stretch(path, now.st_ino, self._at)] if now.st_size > self._at else []


def _back(path: Path, lines: int) -> tuple[int, int]:
    """How many lines end after a place that is far enough from the end, and that place."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0, 0
    with file:
        found, at = 0, file.seek(0, os.SEEK_END)
        while at > 0 and lines > 0 and found <= lines:
            step = min(BLOCK_BYTES, at)
            at -= step
            file.seek(at)
            found += file.read(step).count(b"\n")
        return found, at


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except FileNotFoundError:
        return b""


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").removesuffix("\r")
