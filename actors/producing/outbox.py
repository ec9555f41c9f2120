"""What a producer has said and the spool has not yet acknowledged: a bounded ring, as a value machine without I/O.

    add(...) ──> [ oldest ... newest ] ──sendable()──> append to the spooler
                   └── acknowledged(pseq) takes away from the left
    opened(last) after a handshake: what the spool already has goes, the rest is sent again, numbered behind it

Numbers are given when they can be: before the first handshake nobody knows the last number that the spool has. When
the ring is full the oldest entry goes, and a gap with its range and count takes its place and its number, so that the
hole is announced where it is. What was sent may have been kept: it is not given up before a handshake has told, or a
gap could name readings that arrive. An entry is one transaction: payloads kept together, with an optional commit.

The account, in samples, always adds up: taken = acknowledged + waiting + missing, where a gap that is acknowledged
counts as the samples that it stands for, as it does in the spool's ledger.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from actors.producing.account import Account
from transports.samples import Gap

CommitOf = tuple[str, str, int, int, bytes]
Covers = tuple[int, int, int, int]
NOTHING: Covers = (0, 0, 0, 0)  # sequence numbers begin with 1
FULL = "buffer full"


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction. `first_pseq` numbers its first payload (0: not numbered yet). `covers` is what a gap must say
    if it is dropped: (first source seq, last source seq, oldest and newest time in UTC ns). What covers nothing (a gap
    that tells of something else, a commit) is never dropped. `count` scans are in it, if not all of that range.
    `counts` are the samples that each payload accounts for; `reason` is why those of an overflow gap are missing.
    `mark` is the read that brought it, where the device must be told what is durable (actors/reading/receipts.py)."""

    payloads: tuple[bytes, ...]
    covers: Covers = NOTHING
    commit: CommitOf | None = None
    first_pseq: int = 0
    is_gap: bool = False
    count: int = 0
    counts: tuple[int, ...] = ()
    reason: str = ""
    mark: int = 0

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

    @property
    def samples(self) -> int:
        """What it counts in the ledger."""
        return sum(self.counts)


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
        self.dropped = 0  # scans
        self.account = Account()

    @property
    def waiting(self) -> int:
        """How many entries are not acknowledged."""
        return len(self._entries)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def marks(self) -> Iterator[int]:
        """The marks of what is not acknowledged, oldest first."""
        return (entry.mark for entry in self._entries if entry.mark)

    def add(self, entry: Entry) -> None:
        """Take one more transaction, at the cost of the oldest when the ring is full."""
        self.account.taken += entry.samples
        self._insert(len(self._entries), self._numbered(entry))
        while self._bytes > self._max_bytes and self._drop_oldest():
            pass

    def give_up(self, entry: Entry, reason: str) -> None:
        """Take none of it, which is not to be kept at all: a gap at the end says what is missing and why."""
        self.account.taken += entry.samples
        self._insert_gap(len(self._entries), self._numbered(self._gap_for(entry, reason)))
        self._count_dropped(entry)

    def announce(self, gap: Gap) -> None:
        """Put a gap in front of everything: it tells of a time before the oldest entry. Only before a handshake."""
        assert not self._next_pseq
        entry = Entry((self._packed(gap),), is_gap=True, counts=(gap.samples or 0,))
        self.account.taken += entry.samples
        self._insert(0, entry)

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
        """With the next number, where that is known already."""
        if not self._next_pseq:
            return entry
        first, self._next_pseq = self._next_pseq, self._next_pseq + len(entry.payloads)
        return replace(entry, first_pseq=first)

    def _pop(self) -> None:
        """The spool has the first one."""
        size_bytes = self._entries[0].size_bytes
        self.account.acknowledged += self._entries[0].samples
        self._remove(0)
        if self._sent:
            self._sent -= 1
            self._sent_bytes -= size_bytes

    def _drop_oldest(self) -> bool:
        """Put a gap in the place of the oldest entry that may go, or let the gap before it grow over it.

        False when none may go; the newest always stays.
        """
        at = self._oldest_droppable()
        if at is None:
            return False
        lost = self._remove(at)
        self._insert_gap(at, self._gap_for(lost, FULL))
        self._count_dropped(lost)
        return True

    def _count_dropped(self, lost: Entry) -> None:
        self.dropped += lost.scans
        self.account.dropped += lost.samples

    def _oldest_droppable(self) -> int | None:
        newest = len(self._entries) - 1
        return next((at for at in range(self._fixed, newest) if self._entries[at].may_go), None)

    @property
    def _fixed(self) -> int:
        """How many of the first are not to be changed: they were sent, and the spool may have them as they are."""
        return max(self._sent, self._in_doubt)

    def _insert_gap(self, at: int, gap: Entry) -> None:
        """Together with the gaps right before it: what never grows together would never stop growing in number."""
        while at > self._fixed and self._entries[at - 1].is_overflow:
            at -= 1
            gap = self._joined(self._remove(at), gap)
        self._insert(at, gap)

    def _gap_for(self, lost: Entry, reason: str) -> Entry:
        pseq = lost.last_pseq if lost.first_pseq else 0
        return replace(self._gap(lost.covers, lost.scans, lost.samples, reason, pseq), mark=lost.mark)

    def _joined(self, one: Entry, other: Entry) -> Entry:
        reasons = dict.fromkeys([*one.reason.split("; "), *other.reason.split("; ")])
        covers, samples = _joined(one.covers, other.covers), one.samples + other.samples
        gap = self._gap(covers, one.count + other.count, samples, "; ".join(reasons), other.first_pseq)
        return replace(gap, mark=one.mark or other.mark)  # the lowest: they stand in the order of reading

    def _gap(self, covers: Covers, count: int, samples: int, reason: str, pseq: int) -> Entry:
        first_seq, last_seq, since_ns, until_ns = covers
        gap = Gap(self._source, reason, since_ns, until_ns, first_seq, last_seq, count, samples=samples or None)
        return Entry((self._packed(gap),), covers, None, pseq, True, count, (samples,), reason)

    def _insert(self, at: int, entry: Entry) -> None:
        self._bytes += entry.size_bytes
        self.account.entered(entry.samples, entry.is_gap)
        self._entries.insert(at, entry)

    def _remove(self, at: int) -> Entry:
        entry = self._entries[at]
        self._bytes -= entry.size_bytes
        self.account.left(entry.samples, entry.is_gap)
        del self._entries[at]
        return entry


def _joined(one: Covers, other: Covers) -> Covers:
    return min(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), max(one[3], other[3])
