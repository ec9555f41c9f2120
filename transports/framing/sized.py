"""Frames that have their size: always the same one, or the one that their header says.

LengthPrefixed, Header(at=2, bytes=2, add=1, skip=4):

| 0      1   | 2      3    | 4 ...                    |
| begins ... | n, unsigned | n + add bytes            |     a frame: what follows the first `skip` bytes
"""

from dataclasses import dataclass
from typing import Literal


class FixedSize:
    """Frames of `size` bytes, side by side. A byte lost on the way shifts all that follow until `reset`."""

    due: float | None = None

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("a frame has at least one byte")
        self.lost = 0
        self._size, self._held = size, bytearray()

    def feed(self, chunk: bytes, now: float = 0.0) -> list[bytes]:
        self._held += chunk
        whole = len(self._held) - len(self._held) % self._size
        frames = [bytes(self._held[at : at + self._size]) for at in range(0, whole, self._size)]
        del self._held[:whole]
        return frames

    def reset(self) -> None:
        self._held.clear()


@dataclass(frozen=True, slots=True)
class Header:
    """Where a frame says how long it is, and what that number counts.

    The number has `length_bytes` bytes from `at` on; with `add` it is how many bytes follow it. The first `skip` bytes
    are cut off; None cuts off everything up to the end of the number.
    """

    length_bytes: int
    order: Literal["big", "little"] = "big"
    at: int = 0
    add: int = 0
    skip: int | None = None

    @property
    def end(self) -> int:
        """How many bytes must be there before the size is known."""
        return self.at + self.length_bytes

    @property
    def skipped(self) -> int:
        """How many bytes at a frame's beginning are cut off."""
        return self.end if self.skip is None else self.skip

    def size(self, held: bytes | bytearray, begin: int) -> int:
        """The size in bytes of the whole frame that begins there."""
        number = int.from_bytes(held[begin + self.at : begin + self.end], self.order)
        return self.end + number + self.add

    def of(self, payload: bytes) -> bytes:
        """The header of a frame that consists of the number and this payload. OverflowError: it is too long."""
        return (len(payload) - self.add).to_bytes(self.length_bytes, self.order)


class LengthPrefixed:
    """Frames whose header says how long they are; with `begins`, each begins with these bytes.

    A size that no frame can have shows that the stream is out of step. Then the search goes on one byte further, up to
    the next `begins` or to the next header that can be true: what was passed over counts as one lost frame.
    """

    due: float | None = None

    def __init__(self, header: Header, max_frame_bytes: int, begins: bytes = b"") -> None:
        if header.length_bytes < 1 or header.at < len(begins):
            raise ValueError("the number of a header has at least one byte and lies behind what begins a frame")
        self.lost = 0
        self._header, self._max_bytes, self._begins = header, max_frame_bytes, begins
        self._held = bytearray()
        self._astray = False

    def reset(self) -> None:
        self._held.clear()
        self._astray = False

    def feed(self, chunk: bytes, now: float = 0.0) -> list[bytes]:
        self._held += chunk
        frames: list[bytes] = []
        begin = self._beginning(0)
        while len(self._held) - begin >= self._header.end:
            size = self._header.size(self._held, begin)
            if not max(self._header.end, self._header.skipped) <= size <= self._max_bytes:
                self._stray()
                begin = self._beginning(begin + 1)
                continue
            if len(self._held) - begin < size:
                break
            frames.append(bytes(self._held[begin + self._header.skipped : begin + size]))
            self._astray = False
            begin = self._beginning(begin + size)
        del self._held[:begin]
        return frames

    def _beginning(self, at: int) -> int:
        """From `at` on, where a frame begins or may begin."""
        if not self._begins:
            return at
        found = self._held.find(self._begins, at)
        if found < 0:
            found = self._tail(at)
        if found > at:
            self._stray()
        return found

    def _tail(self, at: int) -> int:
        """Where the last bytes may be the beginning of `begins`."""
        first = max(at, len(self._held) - len(self._begins) + 1)
        tails = range(first, len(self._held) + 1)
        return next(back for back in tails if self._begins.startswith(bytes(self._held[back:])))

    def _stray(self) -> None:
        self.lost += not self._astray
        self._astray = True
