"""Links over a stream: one that listens to what talks by itself, one that asks and takes the answer.

What is particular to a port, a connection or a socket is the stream's (transports/streams.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from transports.clock import Clock, MachineClock
from transports.errors import LinkRefused, LinkTimeout, Problem
from transports.fields import Reader, tags_of
from transports.frame_settings import FrameSettings
from transports.frames import Frames, Rejections
from transports.samples import DataType, Quality, Scan, Tag, Value
from transports.sockets import host_of
from transports.streams import Chunk, Stream, is_ready
from transports.wakes import Wakes
from transports.writing import Limits

PEER = Tag("peer", DataType.STRING)
_MOST_SOURCES = 256  # at once; of more, those that have been silent longest lose the frame that they had begun


def peer_problems(reader: Reader, peer: bool, path: str) -> Iterable[Problem]:
    """The tag `peer` is the link's own."""
    if peer and any(field.tag.name == PEER.name for field in reader.fields):
        yield Problem(f"{path}.peer", "True", "makes a tag peer, of which there is one already; rename that one")


@lru_cache(maxsize=256)  # one tuple for all scans of the same tags: readers recognise it by identity
def _with_peer(tags: tuple[Tag, ...]) -> tuple[Tag, ...]:
    return (*tags, PEER)


class _StreamLink:
    """What both have: tags, commands, and a count of what did not fit."""

    def __init__(self, stream: Stream, settings: FrameSettings, clock: Clock | None = None) -> None:
        self.stream, self._settings, self._clock = stream, settings, clock or MachineClock()
        self._reader = settings.reader()
        self._fields = {field.tag.name: field for field in self._reader.fields}
        self.tags = tags_of(tuple(self._reader.fields))
        self.writable: Mapping[str, Limits] = settings.limits
        self.rejections = Rejections()

    @property
    def rejected(self) -> int:
        """How many frames were skipped since the connection: of another form, damaged, too long or torn."""
        return self.rejections.all

    @property
    def last_rejected(self) -> str:
        """The last one of them, its first 80 bytes."""
        return self.rejections.last

    def write(self, tag: str, value: Value) -> None:
        """Sends the tag's command. Raises LinkRefused, LinkTimeout (the line takes no bytes), LinkDown."""
        name = self.stream.name
        if tag not in self._settings.writes:
            raise LinkRefused(f"{name}: {tag} cannot be written; give its command in writes.{tag}")
        try:
            command = self._settings.command(self._fields[tag], value)
        except (ValueError, OverflowError) as wrong:
            raise LinkRefused(f"{name}: {tag}: {wrong}") from wrong
        self.stream.send(command)

    def close(self) -> None:
        self.stream.close()


class ListeningLink(_StreamLink):
    """A device, or several, that talk by themselves: the descriptor says when to read.

    With `peer` each scan says in a tag of that name who has said it.
    """

    def __init__(self, stream: Stream, settings: FrameSettings, peer: bool = False, clock: Clock | None = None) -> None:
        super().__init__(stream, settings, clock)
        self._frames: dict[str, Frames] = {}
        self._spoken: set[str] = set()  # sources of which a reading has come
        self._peer = peer
        self.tags = (*self.tags, PEER) if peer else self.tags
        self._wakes = None if settings.gap_s is None else Wakes(stream.fileno())

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self.stream.fileno() if self._wakes is None else self._wakes.fileno()

    def close(self) -> None:
        if self._wakes is not None:
            self._wakes.close()
        super().close()

    def read(self) -> Sequence[Scan]:
        """What has become complete, oldest first. Never waits. Raises LinkDown."""
        chunks = self.stream.receive()
        now, time_ns = self._clock.now(), self._clock.utc_ns()
        scans = [*self._ended(now, time_ns), *self._said(chunks, now, time_ns)]
        self._wake(now)
        return scans

    # --- what was said -----------------------------------------------------------------------------------------------

    def _ended(self, now: float, time_ns: int) -> Iterable[Scan]:
        """Frames that a pause has ended, before anything new is looked at."""
        due = [source for source, frames in self._frames.items() if frames.due is not None and frames.due <= now]
        for source in due:
            yield from self._heard(source, b"", now, time_ns)

    def _said(self, chunks: Sequence[Chunk], now: float, time_ns: int) -> Iterable[Scan]:
        for chunk in chunks:
            if chunk.data:
                yield from self._heard(chunk.source, chunk.data, now, time_ns)
            else:
                yield from self._left(chunk.source, time_ns)

    def _heard(self, source: str, data: bytes, now: float, time_ns: int) -> Sequence[Scan]:
        scans = self._frames_of(source).scans(data, now, time_ns)
        if scans:
            self.stream.fits(source)
            self._spoken.add(source)
        return [self._signed(scan, source) for scan in scans] if self._peer else scans

    def _frames_of(self, source: str) -> Frames:
        """Those of a source; the one that has been silent longest stands first."""
        frames = self._frames.pop(source, None) or Frames(self._settings, self._reader, self.rejections)
        self._frames[source] = frames
        if len(self._frames) > _MOST_SOURCES:
            oldest = next(iter(self._frames))
            del self._frames[oldest]
            self._spoken.discard(oldest)
        return frames

    def _left(self, source: str, time_ns: int) -> Sequence[Scan]:
        """A source has gone: what it said is Bad now, unless another one says the same tags."""
        self._frames.pop(source, None)
        if source not in self._spoken:
            return []
        self._spoken.discard(source)
        own = tags_of(tuple(self._reader.fields))
        gone = Scan(time_ns, own, [None] * len(own), Quality.BAD_NO_COMMUNICATION)
        if self._peer:
            return [self._signed(gone, source)]
        return [] if self._spoken else [gone]

    def _signed(self, scan: Scan, source: str) -> Scan:
        """The scan with the name of who has said it."""
        tags = _with_peer(scan.tags)
        quality = [scan.quality] * len(scan.tags) if isinstance(scan.quality, int) else list(scan.quality)
        host = host_of(source)
        return Scan(scan.time_ns, tags, [*scan.values, host], [*quality, Quality.GOOD] if any(quality) else 0)

    # --- time --------------------------------------------------------------------------------------------------------

    def _wake(self, now: float) -> None:
        """Be woken when a pause will have ended a frame."""
        if self._wakes is None:
            return
        times = [frames.due for frames in self._frames.values() if frames.due is not None]
        self._wakes.next_in(min(times) - now if times else None)


class PolledLink(_StreamLink):
    """A device that answers when asked."""

    def __init__(self, stream: Stream, settings: FrameSettings, clock: Clock | None = None) -> None:
        super().__init__(stream, settings, clock)
        self._requests = settings.asked
        self._frames = Frames(settings, self._reader, self.rejections)
        self._answered: dict[int, tuple[Tag, ...]] = {}  # what each request has brought so far
        self._first = 0

    def read(self) -> Sequence[Scan]:
        """Sends each request once and returns the first frame that fits as its answer. Raises LinkTimeout, LinkDown.

        Where some requests are answered and some are not, the tags that those have brought before are Bad.
        """
        scans: list[Scan] = []
        for step in range(len(self._requests)):
            at = (self._first + step) % len(self._requests)
            try:
                scan = self._answer(self._requests[at])
            except LinkTimeout:
                if not scans:  # the next reading begins with another one, so that one dead request hides no other
                    self._first = (at + 1) % len(self._requests)
                    raise
                scans += self._missed(at)
            else:
                self._answered[at] = scan.tags
                scans.append(scan)
        return scans

    def _answer(self, request: bytes) -> Scan:
        self._frames.reset()
        self.stream.forget()  # what came too late for the reading before
        rejected_before = self.rejected
        self.stream.send(request)
        deadline = self._clock.now() + self._settings.timeout_s
        while (now := self._clock.now()) < deadline:
            until = min(deadline, self._frames.due or deadline)
            is_ready(self.stream.fileno(), until - now)
            if scans := self._scans():
                return scans[0]
        unfit = f"; but one that does not fit: {self.last_rejected!r}" if self.rejected > rejected_before else ""
        raise LinkTimeout(f"{self.stream.name}: no answer within {self._settings.timeout_s:g} s{unfit}")

    def _scans(self) -> list[Scan]:
        chunks = [chunk.data for chunk in self.stream.receive()] or [
            b""
        ]  # one without bytes: a pause may have ended it
        now, time_ns = self._clock.now(), self._clock.utc_ns()
        return [scan for data in chunks for scan in self._frames.scans(data, now, time_ns)]

    def _missed(self, at: int) -> list[Scan]:
        tags = self._answered.get(at)
        return [Scan(self._clock.utc_ns(), tags, [None] * len(tags), Quality.BAD_TIMEOUT)] if tags else []
