"""The ring of what is not acknowledged: nothing is lost but what a gap names, nothing is kept twice."""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.producing.account import Account
from actors.producing.outbox import Entry, Outbox
from transports import codec
from transports.samples import Gap

TAGS = 3
ENTRY_BYTES = 164  # of an entry with one payload of 100 bytes


def reading(first: int, last: int = 0, size_bytes: int = 100) -> Entry:
    """One payload that tells which scans are in it, of three tags; a scan's time is ten times its number."""
    last = last or first
    counts = ((last - first + 1) * TAGS,)
    return Entry((f"{first}-{last}".encode().ljust(size_bytes),), (first, last, first * 10, last * 10), counts=counts)


def note(text: str) -> Entry:
    """Something that is no reading: a gap of the device's own."""
    return Entry((text.encode(),), is_gap=True)


def outbox_of(max_bytes: int = 10**6, max_sent_bytes: int = 10**6) -> Outbox:
    return Outbox("press", codec.pack, max_bytes, max_sent_bytes)


def gaps(entries: "list[Entry]") -> list[Gap]:
    return [codec.unpack(entry.payloads[0]) for entry in entries if entry.is_overflow]  # type: ignore[misc]


def drained(outbox: Outbox, last_pseq: int = 0) -> list[Entry]:
    """Everything that waits, in order, as the spooler would get it after a handshake."""
    outbox.opened(last_pseq)
    entries: list[Entry] = []
    while more := outbox.sendable():
        entries += more
        outbox.acknowledged(more[-1].last_pseq)
    return entries


# --- sessions -------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_before_a_handshake() -> None:
    outbox = outbox_of()
    outbox.add(reading(1))
    assert outbox.sendable() == ()
    outbox.opened(0)
    assert [entry.first_pseq for entry in outbox.sendable()] == [1]
    assert outbox.sendable() == [], "and once is enough"


def test_numbers_go_on_behind_what_a_former_incarnation_got_kept() -> None:
    outbox = outbox_of()
    outbox.add(Entry((b"a", b"b", b"c")))
    outbox.add(Entry((b"d",)))
    outbox.opened(41)
    assert [(entry.first_pseq, entry.last_pseq) for entry in outbox.sendable()] == [(42, 44), (45, 45)]


def test_what_the_spool_kept_before_it_fell_away_is_not_sent_again() -> None:
    outbox = outbox_of()
    outbox.opened(0)
    for seq in (1, 2, 3):
        outbox.add(reading(seq))
    outbox.sendable()
    outbox.lost()
    outbox.opened(2)
    assert [entry.first_pseq for entry in outbox.sendable()] == [3]


def test_what_the_spool_did_not_keep_is_sent_again_under_its_number() -> None:
    outbox = outbox_of()
    outbox.opened(0)
    for seq in (1, 2, 3):
        outbox.add(reading(seq))
    sent = outbox.sendable()
    outbox.lost()
    assert outbox.sendable() == ()
    outbox.opened(0)
    assert outbox.sendable() == sent


def test_an_acknowledgement_frees_what_it_covers_and_nothing_else() -> None:
    outbox = outbox_of()
    outbox.opened(0)
    for seq in (1, 2, 3):
        outbox.add(reading(seq))
    outbox.sendable()
    outbox.acknowledged(2)
    assert (outbox.waiting, outbox.waiting_bytes) == (1, ENTRY_BYTES)
    outbox.acknowledged(2)
    assert outbox.waiting == 1, "said twice is said once"
    outbox.acknowledged(3)
    assert (outbox.waiting, outbox.waiting_bytes) == (0, 0)


def test_a_transaction_that_is_kept_in_part_is_not_acknowledged() -> None:
    outbox = outbox_of()
    outbox.opened(0)
    outbox.add(Entry((b"a", b"b", b"c")))
    outbox.sendable()
    outbox.acknowledged(2)
    assert outbox.waiting == 1


def test_only_so_much_is_on_its_way_at_once() -> None:
    outbox = outbox_of(max_sent_bytes=2 * ENTRY_BYTES)
    outbox.opened(0)
    for seq in range(1, 6):
        outbox.add(reading(seq))
    assert len(outbox.sendable()) == 2
    assert outbox.sendable() == []
    outbox.acknowledged(1)
    assert [entry.first_pseq for entry in outbox.sendable()] == [3]


def test_an_entry_larger_than_what_may_be_on_its_way_travels_alone() -> None:
    outbox = outbox_of(max_sent_bytes=50)
    outbox.opened(0)
    outbox.add(reading(1))
    outbox.add(reading(2))
    assert len(outbox.sendable()) == 1
    outbox.acknowledged(1)
    assert len(outbox.sendable()) == 1


def test_what_could_not_be_sent_is_handed_out_again() -> None:
    outbox = outbox_of()
    outbox.opened(0)
    for seq in (1, 2, 3):
        outbox.add(reading(seq))
    handed_out = outbox.sendable()
    outbox.unsent(2)
    assert outbox.sendable() == handed_out[1:]


def test_a_commit_travels_with_its_entry() -> None:
    outbox = outbox_of()
    commit = ("raw", "agg", 1, 7, b"state")
    outbox.add(Entry((b"window",), commit=commit))
    outbox.add(Entry((), commit=commit))
    outbox.opened(0)
    assert [entry.commit for entry in outbox.sendable()] == [commit, commit]
    outbox.acknowledged(1)
    assert outbox.waiting == 0


def test_an_announcement_comes_before_everything_else() -> None:
    outbox = outbox_of()
    outbox.add(reading(1))
    outbox.announce(Gap("press", "process ended", 0, 5))
    outbox.opened(9)
    first, second = outbox.sendable()
    assert codec.unpack(first.payloads[0]) == Gap("press", "process ended", 0, 5)
    assert (first.first_pseq, second.first_pseq) == (10, 11)


# --- the full ring --------------------------------------------------------------------------------------------------


def test_a_full_ring_gives_up_the_oldest_and_says_exactly_what() -> None:
    outbox = outbox_of(max_bytes=5 * ENTRY_BYTES)
    for seq in range(1, 11):
        outbox.add(reading(seq))
    entries = drained(outbox)
    assert gaps(entries) == [Gap("press", "buffer full", 10, 60, 1, 6, 6, samples=18)]
    assert entries[0].counts == (18,), "the ledger gets what the gap stands for"
    assert [entry.covers[0] for entry in entries[1:]] == [7, 8, 9, 10]
    assert outbox.dropped == 6


def test_the_gap_stands_where_the_readings_are_missing() -> None:
    outbox = outbox_of(max_bytes=4 * ENTRY_BYTES, max_sent_bytes=ENTRY_BYTES)
    outbox.opened(0)
    outbox.add(reading(1))
    outbox.sendable()  # on its way: it may have arrived
    for seq in range(2, 8):
        outbox.add(reading(seq))
    outbox.acknowledged(1)
    entries = drained(outbox, last_pseq=1)
    assert gaps(entries) == [Gap("press", "buffer full", 20, 50, 2, 5, 4, samples=12)]
    assert [entry.first_pseq for entry in entries] == [5, 6, 7], "the gap has the number of what it stands for"


def test_readings_that_were_sent_are_not_given_up_before_it_is_known_whether_they_were_kept() -> None:
    outbox = outbox_of(max_bytes=8 * ENTRY_BYTES, max_sent_bytes=2 * ENTRY_BYTES)
    outbox.opened(0)
    for seq in range(1, 3):
        outbox.add(reading(seq))
    outbox.sendable()
    outbox.lost()
    for seq in range(3, 30):
        outbox.add(reading(seq))
    entries = drained(outbox, last_pseq=1)  # the spool had kept the first of the two
    assert [entry.covers[0] for entry in entries[:2]] == [2, 3]
    assert [(gap.first_seq, gap.count) for gap in gaps(entries)] == [(3, outbox.dropped)]


def test_a_gap_that_was_sent_does_not_grow_any_more() -> None:
    outbox = outbox_of(max_bytes=6 * ENTRY_BYTES, max_sent_bytes=2 * ENTRY_BYTES)
    for seq in range(1, 11):
        outbox.add(reading(seq))
    outbox.opened(0)
    assert outbox.sendable()[0].is_overflow
    outbox.lost()
    for seq in range(11, 30):
        outbox.add(reading(seq))
    first, second = gaps(drained(outbox))
    assert first.last_seq is not None
    assert second.first_seq is not None
    assert first.last_seq < second.first_seq
    assert outbox.dropped == (first.count or 0) + (second.count or 0)


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_gap_that_may_have_been_kept_does_not_grow_over_what_comes_behind_it(is_heard: bool) -> None:
    outbox = outbox_of(max_bytes=10**6, max_sent_bytes=10)
    outbox.opened(0)
    outbox.give_up(reading(1), "too large")
    assert outbox.sendable()[0].is_overflow
    if not is_heard:
        outbox.lost()
    outbox.give_up(reading(2), "too large")
    assert [(gap.first_seq, gap.last_seq) for gap in gaps(drained(outbox, last_pseq=0))] == [(1, 1), (2, 2)]


def test_an_announced_gap_is_neither_dropped_nor_changed_by_a_full_ring() -> None:
    outbox = outbox_of(max_bytes=5 * ENTRY_BYTES)
    announced = Gap("press", "process ended: killed by SIGKILL", 3, 5)
    for seq in range(1, 5):
        outbox.add(reading(seq))
    outbox.announce(announced)
    outbox.opened(20)
    outbox.lost()
    for seq in range(5, 40):
        outbox.add(reading(seq))
    entries = drained(outbox, last_pseq=20)
    assert codec.unpack(entries[0].payloads[0]) == announced
    assert [(gap.first_seq, gap.since_ns) for gap in gaps(entries)] == [(1, 10)]
    assert gaps(entries)[0].count == outbox.dropped


def test_notes_stay_in_their_place_between_gaps() -> None:
    outbox = outbox_of(max_bytes=5 * ENTRY_BYTES)
    for seq in range(1, 4):
        outbox.add(reading(seq))
    outbox.add(note("the cable was pulled"))
    for seq in range(4, 30):
        outbox.add(reading(seq))
    entries = drained(outbox)
    assert [entry.covers[:2] for entry in entries[:3]] == [(1, 3), (0, 0), (4, 4 + outbox.dropped - 4)]
    assert entries[1].payloads == (b"the cable was pulled",)


def test_a_gap_counts_the_scans_of_this_topic_only() -> None:
    outbox = outbox_of(max_bytes=4 * ENTRY_BYTES)
    for seq in range(1, 41, 2):  # every other scan goes to another topic
        outbox.add(reading(seq))
    (gap,) = gaps(drained(outbox))
    assert gap.count == outbox.dropped
    assert (gap.first_seq, gap.last_seq) == (1, 2 * outbox.dropped - 1)


def test_the_newest_reading_is_kept_whatever_its_size() -> None:
    outbox = outbox_of(max_bytes=1000)
    for seq in range(1, 4):
        outbox.add(reading(seq))
    outbox.add(reading(4, size_bytes=5000))
    entries = drained(outbox)
    assert [entry.covers[:2] for entry in entries] == [(1, 3), (4, 4)]


@pytest.mark.parametrize("is_open", [True, False])
def test_memory_is_bounded_when_nobody_acknowledges(is_open: bool) -> None:
    outbox = outbox_of(max_bytes=20_000, max_sent_bytes=10**9)
    if is_open:
        outbox.opened(0)
    for seq in range(1, 5_000):
        outbox.add(reading(seq))
        outbox.sendable()
        assert outbox.waiting_bytes <= 20_000
    assert outbox.dropped > 4_000


# --- what can never be kept -----------------------------------------------------------------------------------------


def test_what_cannot_be_kept_at_all_is_a_gap_in_its_place() -> None:
    outbox = outbox_of()
    outbox.opened(0)
    outbox.add(reading(1))
    outbox.give_up(reading(2), "too large")
    outbox.add(reading(3))
    entries = drained(outbox)
    assert [entry.first_pseq for entry in entries] == [1, 2, 3]
    assert codec.unpack(entries[1].payloads[0]) == Gap("press", "too large", 20, 20, 2, 2, 1, samples=TAGS)
    assert (outbox.dropped, outbox.account.dropped) == (1, TAGS)


def test_a_device_of_which_nothing_can_be_kept_fills_no_memory() -> None:
    outbox = outbox_of(max_bytes=2000)
    for seq in range(1, 1001):
        outbox.give_up(reading(seq), "too large")
    (gap,) = gaps(drained(outbox))
    assert gap == Gap("press", "too large", 10, 10_000, 1, 1000, 1000, samples=1000 * TAGS)


def test_gaps_of_both_kinds_by_turns_fill_no_memory_and_name_both_reasons() -> None:
    outbox = outbox_of(max_bytes=2000)
    for seq in range(1, 1001, 2):
        outbox.add(reading(seq))
        outbox.give_up(reading(seq + 1), "too large")
        assert outbox.waiting_bytes < 2000 + 3 * ENTRY_BYTES
    entries = drained(outbox)
    first = gaps(entries)[0]
    assert set(first.reason.split("; ")) == {"buffer full", "too large"}
    assert (first.samples, first.count) == ((first.last_seq or 0) * TAGS, first.last_seq)


# --- the account ----------------------------------------------------------------------------------------------------


def test_an_acknowledged_gap_counts_as_the_samples_that_it_stands_for() -> None:
    outbox = outbox_of(max_bytes=5 * ENTRY_BYTES)
    for seq in range(1, 11):
        outbox.add(reading(seq))
    assert outbox.account == Account(taken=30, waiting=12, missing=18, dropped=18)
    drained(outbox)
    assert outbox.account == Account(taken=30, acknowledged=30, dropped=18)


def test_what_the_process_before_may_have_read_is_nobodys_number() -> None:
    outbox = outbox_of()
    outbox.announce(Gap("press", "process ended", 0, 5))
    outbox.opened(0)
    assert [entry.counts for entry in outbox.sendable()] == [(0,)]
    assert outbox.account == Account()


# --- against a model ------------------------------------------------------------------------------------------------


@dataclass
class Spool:
    """What the other side has: payloads by number, and how far that is durable."""

    kept: list[tuple[int, bytes, bool]] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)  # of each number, what it accounts for
    ends: list[int] = field(default_factory=lambda: [0])  # the last number of each transaction: kept whole or not
    durable: int = 0

    @property
    def last(self) -> int:
        return self.kept[-1][0] if self.kept else 0

    def append(self, entry: Entry) -> None:
        """As transports.spool does: what it has already is passed over."""
        for number, payload in enumerate(entry.payloads, entry.first_pseq):
            if number > self.last:
                self.kept.append((number, payload, entry.is_overflow))
                self.counts[number] = entry.counts[number - entry.first_pseq]
        self.ends.append(self.last)

    def forget_after(self, pseq: int) -> None:
        self.kept = [each for each in self.kept if each[0] <= pseq]
        self.ends = [end for end in self.ends if end <= pseq]
        self.counts = {number: count for number, count in self.counts.items() if number <= pseq}


class Life(RuleBasedStateMachine):
    """A producer and a spooler that comes and goes; what is on the wire arrives in order, and only a part of it."""

    @initialize(
        max_bytes=st.integers(200, 3000), max_sent_bytes=st.integers(100, 3000), announced=st.booleans(), data=st.data()
    )
    def begin(self, max_bytes: int, max_sent_bytes: int, announced: bool, data: st.DataObject) -> None:
        self.max_bytes = max_bytes
        self.outbox = outbox_of(max_bytes, max_sent_bytes)
        self.spool, self.wire = Spool(), list[Entry]()
        self.next_seq, self.made, self.notes = 1, set[int](), list[bytes]()
        self.announced, self.met = announced, False
        self.acknowledged = 0
        self.largest_bytes = self.taken = 0
        self.numbered: list[Entry] = []

    # --- the producer ------------------------------------------------------------------------------------------------

    @rule(
        scans=st.lists(st.integers(1, 3), min_size=1, max_size=3),
        size_bytes=st.integers(12, 400),
        skip=st.integers(0, 2),
    )
    def reads(self, scans: list[int], size_bytes: int, skip: int) -> None:
        first, payloads = self.next_seq, []
        for count in scans:
            payloads.append(f"{self.next_seq}-{self.next_seq + count - 1}".encode().ljust(size_bytes // len(scans)))
            self.made |= set(range(self.next_seq, self.next_seq + count))
            self.next_seq += count
        last = self.next_seq - 1
        self.next_seq += skip  # these go to another topic
        counts = tuple(count * TAGS for count in scans)
        self.add(Entry(tuple(payloads), (first, last, first * 10, last * 10), counts=counts))

    @rule()
    def reads_what_cannot_be_kept(self) -> None:
        seq = self.next_seq
        self.made.add(seq)
        self.next_seq += 1
        self.taken += TAGS
        self.outbox.give_up(reading(seq), "too large")

    @rule(times=st.integers(5, 20), size_bytes=st.integers(12, 400))
    def reads_for_a_while(self, times: int, size_bytes: int) -> None:
        for _ in range(times):
            self.reads([1], size_bytes, 0)

    @precondition(lambda self: len(self.notes) < 3)
    @rule()
    def says_something_else(self) -> None:
        self.notes.append(b"note %d" % len(self.notes))
        self.add(Entry((self.notes[-1],), counts=(0,)))

    def add(self, entry: Entry) -> None:
        self.largest_bytes = max(self.largest_bytes, entry.size_bytes)
        self.taken += entry.samples
        self.outbox.add(entry)

    @rule(data=st.data())
    def sends(self, data: st.DataObject) -> None:
        entries = list(self.outbox.sendable())
        refused = data.draw(st.integers(0, len(entries)))
        self.outbox.unsent(refused)
        self.wire += entries[: len(entries) - refused]

    # --- the spooler -------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def takes(self, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(0, len(self.wire)))):
            self.spool.append(self.wire.pop(0))

    @precondition(lambda self: self.outbox.is_open)
    @rule(data=st.data())
    def acknowledges(self, data: st.DataObject) -> None:
        self.spool.durable = data.draw(self.some_end())
        self.outbox.acknowledged(self.spool.durable)
        self.acknowledged = self.spool.durable

    def some_end(self) -> st.SearchStrategy[int]:
        """How far a sync may have got: the end of a transaction, never behind what is durable."""
        return st.sampled_from([end for end in self.spool.ends if end >= self.spool.durable])

    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        self.takes(data)
        self.wire.clear()
        self.spool.forget_after(data.draw(self.some_end()))
        self.outbox.lost()

    @precondition(lambda self: not self.outbox.is_open)
    @rule()
    def opens(self) -> None:
        if not self.met and self.announced:
            self.outbox.announce(Gap("press", "process ended", 0, 5))
        self.met = True
        self.spool.durable = self.acknowledged = self.spool.last
        self.outbox.opened(self.spool.last)

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def memory_is_bounded(self) -> None:
        gap_bytes = 64 + 100
        apart = (len(self.notes) + 4) * gap_bytes  # a gap can grow over readings, not over notes or what was sent
        assert self.outbox.waiting_bytes <= self.max_bytes + 3 * self.largest_bytes + apart
        assert (self.outbox.waiting == 0) == (self.outbox.waiting_bytes == 0)

    @invariant()
    def the_account_adds_up_to_the_sample(self) -> None:
        """read = acknowledged + waiting + what the gaps in the ring stand for; and the spool agrees."""
        account = self.outbox.account
        assert account.taken == self.taken == len(self.made) * TAGS
        assert account.taken == account.acknowledged + account.waiting + account.missing
        assert account.dropped == self.outbox.dropped * TAGS
        durable = sum(count for number, count in self.spool.counts.items() if number <= self.acknowledged)
        assert account.acknowledged == durable

    @invariant()
    def what_is_on_the_wire_is_numbered_without_a_hole(self) -> None:
        for one, next_one in zip(self.wire, self.wire[1:], strict=False):
            follows = one.last_pseq + 1
            assert next_one.first_pseq == follows or (next_one.is_overflow and next_one.first_pseq >= follows)

    @invariant()
    def nothing_is_kept_twice_and_all_in_order(self) -> None:
        numbers = [number for number, _, _ in self.spool.kept]
        assert numbers == sorted(set(numbers))
        seqs = [seq for first, last in self.told() for seq in (first, last)]
        assert seqs == sorted(seqs)

    def told(self) -> list[tuple[int, int]]:
        """The range of each payload and of each gap of a full ring, in the order in which they are kept."""
        ranges = []
        for _, payload, is_gap in self.spool.kept:
            if is_gap:
                gap = codec.unpack(payload)
                assert isinstance(gap, Gap)
                ranges.append((gap.first_seq or 0, gap.last_seq or 0))
            elif b"-" in payload and payload[0:1].isdigit():
                first, last = payload.split(b"-")
                ranges.append((int(first), int(last)))
        return ranges

    def teardown(self) -> None:
        """In the end everything has arrived, or is in exactly one gap, and the ledger adds up."""
        if not hasattr(self, "outbox"):
            return
        self.outbox.lost()
        self.opens()
        while entries := self.outbox.sendable():
            for entry in entries:
                self.spool.append(entry)
            self.outbox.acknowledged(self.spool.last)
        assert (self.outbox.waiting, self.outbox.waiting_bytes) == (0, 0)
        self.nothing_is_kept_twice_and_all_in_order()
        arrived, lost = set[int](), 0
        for (first, last), (_, payload, is_gap) in zip(self.told(), self._readings_and_gaps(), strict=True):
            if is_gap:
                gap = codec.unpack(payload)
                assert isinstance(gap, Gap)
                missing = {seq for seq in self.made if first <= seq <= last}
                assert gap.samples == len(missing) * TAGS
                assert (gap.count, gap.since_ns, gap.until_ns) == (len(missing), first * 10, last * 10)
                lost += len(missing)
                self.made -= missing
            else:
                arrived |= set(range(first, last + 1))
        assert arrived == self.made, "read = delivered + gaps"
        assert lost == self.outbox.dropped
        assert [payload for _, payload, _ in self.spool.kept if payload.startswith(b"note")] == self.notes
        texts = [payload for _, payload, _ in self.spool.kept if b"process ended" in payload]
        assert len(texts) == self.announced

    def _readings_and_gaps(self) -> list[tuple[int, bytes, bool]]:
        return [each for each in self.spool.kept if each[2] or each[1][0:1].isdigit()]


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40)
