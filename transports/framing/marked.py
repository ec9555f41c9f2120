"""Frames that marks in the stream begin and end, where no mark can occur within a frame."""

import re


class _Marked:
    """Frames that end at a mark in the stream; some marks also begin one.

    `_held` begins after the last mark. No mark lies wholly before `_looked`, so no byte is searched twice.
    """

    due: float | None = None

    def __init__(self, begins: bytes, ends: bytes, max_frame_bytes: int) -> None:
        if not ends:
            raise ValueError("what ends a frame has at least one byte")
        self.lost = 0
        self._begins, self._max_bytes = begins, max_frame_bytes
        self._marks = re.compile(b"|".join(re.escape(mark) for mark in (begins, ends) if mark))
        self._tail = max(len(begins), len(ends)) - 1  # so many bytes may be the beginning of a mark
        self._held = bytearray()
        self.reset()

    def reset(self) -> None:
        self._held.clear()
        self._looked = 0
        self._inside = not self._begins
        self._too_long = False

    def feed(self, chunk: bytes, now: float = 0.0) -> list[bytes]:
        self._held += chunk
        frames: list[bytes] = []
        begin = 0
        while mark := self._marks.search(self._held, max(begin, self._looked)):
            opens = bool(self._begins) and mark[0] == self._begins
            if self._inside:
                frames += self._ended(begin, mark.start(), torn=opens)
            self._inside = opens or not self._begins
            self._too_long = False
            begin = mark.end()
        del self._held[:begin]
        self._bound()
        return frames

    def _ended(self, begin: int, end: int, torn: bool) -> list[bytes]:
        """The frame held from `begin` to `end`, unless it is too long or was cut short by the start of another."""
        if self._too_long:
            return []  # counted when it grew too long
        if end - begin > self._max_bytes or (torn and end > begin):
            self.lost += 1
            return []
        return [] if torn else [bytes(self._held[begin:end])]

    def _bound(self) -> None:
        """Of a frame that can only be too long, and of noise between frames, keep what may begin a mark."""
        grown = self._inside and not self._too_long and len(self._held) > self._max_bytes + self._tail
        if grown:
            self.lost += 1
            self._too_long = True
        if self._too_long or not self._inside:
            del self._held[: max(0, len(self._held) - self._tail)]
        self._looked = max(0, len(self._held) - self._tail)


class Delimited(_Marked):
    """Frames that end with `delimiter`, any byte string."""

    def __init__(self, delimiter: bytes, max_frame_bytes: int) -> None:
        super().__init__(b"", delimiter, max_frame_bytes)


class Enclosed(_Marked):
    """Frames between `start` and `end`, such as STX and ETX; what lies outside is noise and passes uncounted.

    A start inside a frame begins it anew: the end of the one before was lost on the way, and that one is counted.
    So `start` may not occur in what a frame says. ValueError when one mark is part of the other: which of the two a
    stream shows could then depend on where a chunk ends.
    """

    def __init__(self, start: bytes, end: bytes, max_frame_bytes: int) -> None:
        if not start or start in end or end in start:
            raise ValueError("start and end must be two different marks, neither of them part of the other")
        super().__init__(start, end, max_frame_bytes)
