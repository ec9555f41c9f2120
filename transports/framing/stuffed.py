"""Frames between marks, in which an escape makes an ordinary byte of what would be a mark.

SLIP (RFC 1055)     END frame END           END = C0, ESC = DB;   C0 is sent as DB DC, DB as DB DD
STX ... ETX         02 frame 03             02, 03 and 10 within it are sent as 10 02, 10 03, 10 10
DLE STX ... DLE ETX 10 02 frame 10 03       10 within it is sent as 10 10
"""

import re
from collections.abc import Mapping

_END, _ESC = b"\xc0", b"\xdb"
_SLIP = {b"\xdc": _END, b"\xdd": _ESC}


class Stuffed:
    """Frames from `start` to `end`, unstuffed. Without `start` every `end` ends one and begins the next.

    `meanings` says which byte stands for which behind an escape; None lets each stand for itself. An escape that means
    nothing spoils its frame, which is counted. ValueError for marks that cannot be told apart.
    """

    due: float | None = None

    def __init__(
        self,
        start: bytes,
        end: bytes,
        escape: bytes,
        max_frame_bytes: int,
        meanings: Mapping[bytes, bytes] | None = None,
    ) -> None:
        if not _distinct(start, end, escape):
            raise ValueError("escape must be one byte; start and end other bytes, or two, of which it is the first")
        self.lost = 0
        self._start, self._end, self._max_bytes = start, end, max_frame_bytes
        self._meanings = _own_meanings(start, end, escape) if meanings is None else meanings
        self._escape = escape
        plain = [re.escape(mark) for mark in (start, end) if len(mark) == 1]
        self._tokens = re.compile(b"|".join([re.escape(escape) + b".", *plain]), re.DOTALL)
        self._held, self._frame = bytearray(), bytearray()
        self.reset()

    def reset(self) -> None:
        self._held.clear()
        self._frame.clear()
        self._inside, self._spoilt = not self._start, False

    def feed(self, chunk: bytes, now: float = 0.0) -> list[bytes]:
        self._held += chunk
        frames: list[bytes] = []
        at = self._begun(0)
        while self._inside and (token := self._tokens.search(self._held, at)):
            self._grow(self._held[at : token.start()])
            frames += self._marked(token[0])
            at = self._begun(token.end())
        del self._held[: self._passed(at)]
        return frames

    def _begun(self, at: int) -> int:
        """Past the next start, or past all noise that cannot be the beginning of one; nothing within a frame."""
        if self._inside:
            return at
        found = self._held.find(self._start, at)
        if found < 0:
            return max(at, len(self._held) - len(self._start) + 1)
        self._inside = True
        return found + len(self._start)

    def _passed(self, at: int) -> int:
        """Up to where all is worked off: an escape at the very end waits for the byte that it belongs to."""
        if not self._inside:
            return at
        whole = len(self._held) - (self._held[at:].endswith(self._escape))
        self._grow(self._held[at:whole])
        return whole

    def _marked(self, token: bytes) -> list[bytes]:
        if token == self._start:
            self.lost += bool(self._frame) and not self._spoilt  # the end of the one before was lost on the way
            self._frame.clear()
            self._spoilt = False
            return []
        if token == self._end:
            return self._ended()
        meant = self._meanings.get(token[1:], None if self._meanings else token[1:])
        if meant is not None:
            self._grow(meant)
            return []
        self._spoil()
        return self._ended() if token[1:] == self._end else []  # the END of SLIP is one wherever it stands

    def _ended(self) -> list[bytes]:
        whole = not self._spoilt and (self._frame or self._start)  # SLIP: nothing between two ENDs is no frame
        frames = [bytes(self._frame)] if whole else []
        self._frame.clear()
        self._inside, self._spoilt = not self._start, False
        return frames

    def _grow(self, plain: bytes | bytearray) -> None:
        if self._spoilt:
            return
        self._frame += plain
        if len(self._frame) > self._max_bytes:
            self._spoil()

    def _spoil(self) -> None:
        """What has begun is no frame: too long, or with an escape that means nothing."""
        self.lost += not self._spoilt
        self._spoilt = True
        self._frame.clear()


def slip(max_frame_bytes: int) -> Stuffed:
    """Frames as RFC 1055 has them."""
    return Stuffed(b"", _END, _ESC, max_frame_bytes, _SLIP)


def stuff(payload: bytes, start: bytes, end: bytes, escape: bytes) -> bytes:
    """The frame that `Stuffed` takes for this payload."""
    special = {escape, *(mark for mark in (start, end) if len(mark) == 1)}
    each = re.compile(b"|".join(map(re.escape, sorted(special))))
    return start + each.sub(lambda found: escape + found[0], payload) + end


def stuff_slip(payload: bytes) -> bytes:
    """The frame of RFC 1055 for this payload; the END before it ends whatever noise was on the line."""
    return _END + payload.replace(_ESC, _ESC + b"\xdd").replace(_END, _ESC + b"\xdc") + _END


def _own_meanings(start: bytes, end: bytes, escape: bytes) -> Mapping[bytes, bytes]:
    """Marks of two bytes leave only the doubled escape; beside marks of one byte each byte stands for itself."""
    return {escape: escape} if len(start) == len(end) == 2 else {}


def _distinct(start: bytes, end: bytes, escape: bytes) -> bool:
    if len(escape) != 1 or not end or start == end:
        return False
    marks = [mark for mark in (start, end) if mark]
    alone = all(len(mark) == 1 and mark != escape for mark in marks)
    paired = all(len(mark) == 2 and mark[:1] == escape and mark[1:] != escape for mark in marks)
    return alone or paired
