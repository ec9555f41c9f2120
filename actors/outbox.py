"""What a producer has said and the spool has not yet acknowledged: a bounded ring, as a value machine without I/O.

    add(...) ──> [ oldest ... newest ] ──sendable()──> append to the spooler
                   └── acknowledged(pseq) takes away from the left
    opened(last) after a handshake: what the spool already has goes, the rest is sent again, numbered behind it

Numbers are given when they can be: before the first handshake nobody knows the last number that the spool has. When
the ring is full the oldest entry goes, and a gap with its range and count takes its place and its number, so that the
hole is announced where it is. What was sent may have been kept: it is not given up before a handshake has told, or a
gap could name readings that arrive. An entry is one transaction: payloads kept together, with an optional commit.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from transports.samples import Gap

CommitOf = tuple[str, str, int, int, bytes]
Covers = tuple[int, int, int, int]
NOTHING: Covers = (0, 0, 0, 0)  # sequence numbers begin with 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction. `first_pseq` numbers its first payload (0: not numbered yet). `covers` is what a gap must say
    if it is dropped: (first source seq, last source seq, oldest and newest time in UTC ns). What covers nothing (a gap
    that tells of something else, a commit) is never dropped. `count` scans are in it, if not all of that range."""

    payloads: tuple[bytes, ...]
    covers: Covers = NOTHING
    commit: CommitOf | None = None
    first_pseq: int = 0
    is_gap: bool = False
    count: int = 0

    @property
    def last_pseq(self) -> int:
        return self.first_pseq + len(self.payloads) - 1

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.payloads)) + 64

    @property
    def is_overflow(self) -> bool:
        """Whether this is a gap that stands for dropped entries; it grows over its neighbours, but never goes."""
        return self.is_gap and self.covers != NOTHING

    @property
    def may_go(self) -> bool:
        return not self.is_gap and self.covers != NOTHING

    @property
    def scans(self) -> int:
        """How many scans a gap must count if this is dropped."""
        return self.count or self.covers[1] - self.covers[0] + 1


class Outbox:
    """The ring of one producer in one topic. `packed` makes the payload of a gap."""

    def __init__(
        self, source: str, packed: Callable[[Gap], bytes], max_bytes: int, max_sent_bytes: int = 4 * 1024 * 1024
    ) -> None:
        self._source, self._packed = source, packed
        self._max_bytes, self._max_sent_bytes = max_bytes, min(max_sent_bytes, max_bytes // 2)
        self._entries: deque[Entry] = deque()  # the first `_sent` of them are on their way
        self._sent = 0
        self._in_doubt = 0  # the first of them were sent in a session that is gone: kept or not
        self._sent_bytes = 0
        self._bytes = 0
        self._next_pseq = 0  # 0 until a handshake has told it
        self.is_open = False  # whether a session with the spooler stands
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many entries are not acknowledged."""
        return len(self._entries)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def add(self, entry: Entry) -> None:
        """Take one more transaction, at the cost of the oldest when the ring is full."""
        if self._next_pseq:
            entry = self._numbered(entry)
        self._entries.append(entry)
        self._bytes += entry.size_bytes
        while self._bytes > self._max_bytes and self._drop_oldest():
            pass

    def announce(self, gap: Gap) -> None:
        """Put a gap in front of everything: it tells of a time before the oldest entry. Only before a handshake."""
        assert not self._next_pseq
        entry = Entry((self._packed(gap),), is_gap=True)
        self._entries.appendleft(entry)
        self._bytes += entry.size_bytes

    def opened(self, last_pseq: int) -> None:
        """A session stands and the spool has everything up to `last_pseq`: drop that, number and send the rest."""
        while self._entries and self._entries[0].first_pseq > 0 and self._entries[0].last_pseq <= last_pseq:
            self._pop()
        if self._next_pseq <= last_pseq:
            self._next_pseq = last_pseq + 1
        self._entries = deque(entry if entry.first_pseq else self._numbered(entry) for entry in self._entries)
        self._sent = self._sent_bytes = self._in_doubt = 0
        self.is_open = True

    def lost(self) -> None:
        """The session is gone; nothing is sent until it is opened again."""
        self._in_doubt = max(self._in_doubt, self._sent)
        self._sent = self._sent_bytes = 0
        self.is_open = False

    def sendable(self) -> Sequence[Entry]:
        """Entries to send now, oldest first; they count as sent."""
        if not self.is_open:
            return ()
        ready: list[Entry] = []
        while self._sent < len(self._entries) and (self._sent_bytes < self._max_sent_bytes or not self._sent):
            entry = self._entries[self._sent]
            self._sent += 1
            self._sent_bytes += entry.size_bytes
            ready.append(entry)
        return ready

    def unsent(self, count: int) -> None:
        """The last `count` entries handed out could not be sent after all."""
        for _ in range(count):
            self._sent -= 1
            self._sent_bytes -= self._entries[self._sent].size_bytes

    def acknowledged(self, last_pseq: int) -> None:
        """Everything up to `last_pseq` is durable."""
        while self._sent and self._entries[0].last_pseq <= last_pseq:
            self._pop()

    def _numbered(self, entry: Entry) -> Entry:
        first, self._next_pseq = self._next_pseq, self._next_pseq + len(entry.payloads)
        return replace(entry, first_pseq=first)

    def _pop(self) -> Entry:
        entry = self._entries.popleft()
        self._bytes -= entry.size_bytes
        if self._sent:
            self._sent -= 1
            self._sent_bytes -= entry.size_bytes
        return entry

    def _drop_oldest(self) -> bool:
        """Put a gap in the place of the oldest entry that may go, or let the gap before it grow over it.

        False when none may go; the newest always stays.
        """
        at = self._oldest_droppable()
        if at is None:
            return False
        lost = self._entries[at]
        gap = self._gap_over(lost)
        self._remove(at)
        if at > max(self._sent, self._in_doubt) and self._entries[at - 1].is_overflow:
            gap = self._gap_over(lost, self._entries[at - 1])
            at -= 1
            self._remove(at)
        self._entries.insert(at, gap)
        self._bytes += gap.size_bytes
        self.dropped += lost.scans
        return True

    def _oldest_droppable(self) -> int | None:
        first, newest = max(self._sent, self._in_doubt), len(self._entries) - 1
        return next((at for at in range(first, newest) if self._entries[at].may_go), None)

    def _gap_over(self, lost: Entry, before: Entry | None = None) -> Entry:
        covers, count = lost.covers, lost.scans
        if before is not None:
            covers, count = _joined(before.covers, covers), before.count + count
        first_seq, last_seq, since_ns, until_ns = covers
        payload = self._packed(Gap(self._source, "buffer full", since_ns, until_ns, first_seq, last_seq, count))
        return Entry((payload,), covers, None, lost.last_pseq if lost.first_pseq else 0, is_gap=True, count=count)

    def _remove(self, at: int) -> None:
        self._bytes -= self._entries[at].size_bytes
        del self._entries[at]


def _joined(one: Covers, other: Covers) -> Covers:
    return min(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), max(one[3], other[3])
