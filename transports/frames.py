"""From bytes to scans: frames are cut out, their checksum is verified, their fields become tags.

    chunk ──framer──> frames ──checksum──> whole frames ──reader──> scans
                 └ lost          └ damaged             └ misfits

Pure: bytes and times in, scans out. Each source (a port, a client, a sender of datagrams) has its own `Frames`; what
was thrown away is counted in one `Rejections` for all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from transports.checksums import Checksum
from transports.fields import Reader
from transports.frame_settings import FrameSettings
from transports.samples import Scan

_SHOWN_BYTES = 80


@dataclass(slots=True)
class Rejections:
    """How many frames were thrown away, by reason, and the last one of them as text."""

    lost: int = 0  # too long, torn, out of step
    damaged: int = 0  # with a wrong checksum
    misfits: int = 0  # of another form
    last: str = ""

    @property
    def all(self) -> int:
        """All of them together."""
        return self.lost + self.damaged + self.misfits


class Frames:
    """What one source says."""

    def __init__(self, settings: FrameSettings, reader: Reader, rejections: Rejections) -> None:
        self._framer, self._reader, self._rejections = settings.framer(), reader, rejections
        self._checksum: Checksum | None = settings.sum_of_frames
        self._encoding = settings.encoding

    @property
    def due(self) -> float | None:
        """When to come again without a byte (monotonic s), if ever."""
        return self._framer.due

    def reset(self) -> None:
        """Forget a frame that has begun."""
        self._framer.reset()

    def scans(self, chunk: bytes, now: float, time_ns: int) -> list[Scan]:
        """What the chunk, or the time that has come, completes: oldest first, stamped with `time_ns`."""
        lost_before = self._framer.lost
        frames = self._framer.feed(chunk, now)
        self._rejections.lost += self._framer.lost - lost_before
        return list(self._read(frames, time_ns))

    def _read(self, frames: list[bytes], time_ns: int) -> Iterator[Scan]:
        for frame in frames:
            whole = frame if self._checksum is None else self._checksum.verified(frame)
            if whole is None:
                self._rejections.damaged += bool(frame.strip(b"\r\n"))
                self._show(frame)
                continue
            scan = self._reader.scan(whole, time_ns)
            if scan is not None:
                yield scan
            elif not self._reader.ignores(whole):
                self._rejections.misfits += 1
                self._show(whole)

    def _show(self, frame: bytes) -> None:
        if frame.strip(b"\r\n"):
            try:
                self._rejections.last = frame[:_SHOWN_BYTES].decode(self._encoding, errors="replace")
            except UnicodeError:  # a few codecs know no replacement
                self._rejections.last = frame[:_SHOWN_BYTES].hex(" ")
