"""A gateway around a spool, without its processes: devices, aggregator, rules, uplinks, and the spooler's own words.

Each act does to the spool what the actors do, and notes what the world outside learns by it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from tests.crashpoints.disk import BLOCK_BYTES, RecordingDisk
from tests.crashpoints.facts import (
    Acknowledged,
    Advance,
    Committed,
    Durable,
    Fact,
    Given,
    GivenUp,
    GivingUp,
    Mark,
    Reader,
    Refused,
    Said,
    Submitted,
)
from transports.errors import SpoolError, SpoolFull
from transports.spool import DATA, GAP, START, Commit, Dropped, Hole, Kind, Position, Settings, Spool, SyncJob

DIRECTORY = "spool"
CONSUMERS: Mapping[str, tuple[str, ...]] = {"raw": ("agg", "rules"), "out": ("cloud", "archive"), "dead": ()}
DEVICES = ("press", "oven", "mill")
RELAYS = ("agg", "rules")  # what they read in raw they write to out, with the commit
SPOOLER = "spooler"
ATTEMPTS = 20
NOW_NS = 1_700_000_000_000_000_000
SETTINGS = Settings(
    segment_bytes=1500,
    raw_bytes=7 * BLOCK_BYTES,
    out_bytes=8 * BLOCK_BYTES,
    dead_bytes=4 * BLOCK_BYTES,
    reserve_bytes=2 * BLOCK_BYTES,
)


class Broken(AssertionError):
    """The spool has broken a promise while the workload ran, without any crash."""


@dataclass(slots=True)
class Had:
    """A consumer: what it has had, by the commit that says so, and what it was handed since."""

    number: int = 0
    marks: frozenset[Mark] = frozenset()
    handed: tuple[tuple[Position, Mark], ...] = ()
    end: Position = START


class Gateway:
    """`facts` grows with (number of operations, fact)."""

    def __init__(self, disk: RecordingDisk, luck: random.Random, now_ns: int = NOW_NS) -> None:
        self.disk, self.luck, self.now_ns = disk, luck, now_ns
        self.facts: list[tuple[int, Fact]] = []
        self.made: dict[tuple[str, str], list[Said]] = {}  # by topic and producer, what is not acknowledged
        self.last: dict[tuple[str, str], int] = {}
        self.had: dict[Reader, Had] = {}
        self.advances: dict[Reader, dict[int, Advance]] = {}
        self.numbers = 0
        self.at: dict[tuple[str, Position], Mark] = {}
        self.given_up: list[Dropped] = []
        self.unanswered = False
        self.untold: list[Dropped] = []

    # --- life --------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the spool, shake hands with everybody, and resend what it does not have."""
        self.now_ns, self.untold = self.now_ns + 10**9, []
        self._note(GivingUp())
        try:
            self.spool = Spool.open(DIRECTORY, SETTINGS, CONSUMERS, self.now_ns, files=self.disk)
        except SpoolFull:  # an operator makes room elsewhere
            self.disk.room, self.unanswered = None, True
            self._note(GivingUp())
            self.spool = Spool.open(DIRECTORY, SETTINGS, CONSUMERS, self.now_ns, files=self.disk)
        for topic, consumers in CONSUMERS.items():
            self._note(GivenUp(topic, ()))
            for consumer in consumers:
                self.resume((topic, consumer))
        for (topic, producer), made in list(self.made.items()):
            last, _ = self.spool.producer(topic, producer)
            self._acknowledged(topic, producer, last)
            if producer in (*RELAYS, SPOOLER):
                self.made[topic, producer], self.last[topic, producer] = [], last  # they begin anew behind it
            elif made[-1:] and made[-1].mark[1] > last:
                self.send(topic, producer, list(self.made[topic, producer]))
        self.enforce()

    def resume(self, reader: Reader) -> None:
        """A consumer has restarted: it goes on at its cursor, in the state that it finds there."""
        self.spool.rewind(*reader)
        position, state = self.spool.cursor(*reader)
        number = int(state or b"0")
        advance = self.advances[reader][number] if number else Advance(reader, 0, START, frozenset())
        if position != advance.position:
            raise Broken(f"{reader} finds {position} with the state of {advance.position}")
        self.had[reader] = Had(number, advance.had, (), position)

    # --- producers ---------------------------------------------------------------------------------------------------

    def take(self, topic: str, producer: str, number: int, kind: Kind = DATA, size: int = 40) -> None:
        """A producer has something new to say, `number` records of it."""
        first = self.last.get((topic, producer), 0) + 1
        if self.luck.random() < 0.1 and not self.made.get((topic, producer)):
            first += 3  # a number may be left out
        said = [self._said(producer, first + n, kind, size) for n in range(number)]
        self.made.setdefault((topic, producer), []).extend(said)
        self.last[topic, producer] = said[-1].mark[1]
        self.send(topic, producer, said)

    def _said(self, producer: str, pseq: int, kind: Kind, size: int, text: str = "") -> Said:
        payload = f"{producer} {pseq} {kind.name} {text}".encode()
        filler = bytes(self.luck.randrange(256) for _ in range(8)) * (1 + self.luck.randrange(2 * size) // 8)
        return Said((producer, pseq), payload + filler, kind, 1 + self.luck.randrange(20))

    def send(self, topic: str, producer: str, said: Sequence[Said], advance: Advance | None = None) -> None:
        """Append, and make room if the disk is full."""
        runs: list[list[Said]] = []
        for each in said:  # an append is of one kind, and its numbers follow each other
            if runs and runs[-1][-1].kind is each.kind and runs[-1][-1].mark[1] + 1 == each.mark[1]:
                runs[-1].append(each)
            else:
                runs.append([each])
        for run in runs or [[]]:
            for attempt in count():
                if self._append(topic, producer, run, advance):
                    break
                self.make_room(topic, attempt)

    def make_room(self, topic: str, attempt: int) -> None:
        """The disk is full: something must go; if that does not help, an operator makes room elsewhere."""
        try:
            self._give_up(lambda: self.spool.shed(topic))
        except SpoolFull:
            attempt = ATTEMPTS
        if attempt >= ATTEMPTS:
            self.disk.room = None

    def _append(self, topic: str, producer: str, said: Sequence[Said], advance: Advance | None) -> bool:
        self.numbers += 1
        number, before = self.numbers, self.spool.end(topic)
        held, _ = self.spool.producer(topic, producer)
        fresh = tuple(each for each in said if each.mark[1] > held)
        self._note(Submitted(number, topic, fresh, advance))
        pseq, kind = (said[0].mark[1], said[0].kind) if said else (held + 1, DATA)
        commit = _commit(advance) if advance else None
        try:
            counts = [each.samples for each in said]
            self.spool.append(topic, producer, pseq, [each.payload for each in said], self.now_ns, commit, kind, counts)
        except SpoolFull:
            self._note(Refused(number))
            return False
        end = self.spool.end(topic)
        if end.seq != before.seq + len(fresh):
            raise Broken(f"{len(fresh)} new records of {producer} took {topic} from {before} to {end}")
        positions = tuple(Position(end.epoch, before.seq + 1 + at) for at in range(len(fresh)))
        self._note(Given(number, positions))
        self.at.update({(topic, at): each.mark for at, each in zip(positions, fresh, strict=True)})
        if advance:
            self._advanced(advance)
        return True

    # --- consumers ---------------------------------------------------------------------------------------------------

    def relay(self, name: str, max_bytes: int) -> None:
        """The aggregator (durable) or the rules (not): from raw to out, the commit in the same transaction."""
        reader = "raw", name
        records = self.fetch(reader, max_bytes, durable=name == "agg")
        if not records:
            return
        keep = [mark for mark in records if name == "agg" or self.luck.random() < 0.5]
        last = self.last.get(("out", name), 0)
        out = [self._said(name, last + 1 + at, DATA, 30, f"of {mark}") for at, mark in enumerate(keep)]
        self.made.setdefault(("out", name), []).extend(out)
        self.last["out", name] = last + len(out)
        self.send("out", name, out, self._advance(reader))

    def deliver(self, name: str, max_bytes: int) -> None:
        """An uplink reads on; now and then it finds a record that cannot be delivered."""
        for producer, pseq in self.fetch(("out", name), max_bytes):
            if self.luck.random() < 0.05:
                said = self._said(name, self.last.get(("dead", name), 0) + 1, DATA, 30, f"of {producer} {pseq}")
                self.made.setdefault(("dead", name), []).append(said)
                self.last["dead", name] = said.mark[1]
                self.send("dead", name, [said])

    def confirm(self, name: str) -> None:
        """What an uplink has read was delivered: it commits."""
        reader = "out", name
        advance = self._advance(reader)
        self._note(Committed(advance))
        for attempt in count():
            try:
                self.spool.commit(_commit(advance))
                break
            except SpoolFull:
                self.make_room("out", attempt)
        self._advanced(advance)

    def fetch(self, reader: Reader, max_bytes: int, durable: bool = False) -> list[Mark]:
        """Read on, and see that it is what was given, and new."""
        had, fetched = self.had[reader], self.spool.fetch(*reader, max_bytes, durable)
        for hole in fetched.holes:
            if not self._on_purpose(hole):
                raise Broken(f"{reader} meets {hole} without any damage")
            had.marks |= {self.at[place] for place in self.at if _in(hole, *place)}  # it has been told
        seen = {mark for _, mark in had.handed} | had.marks
        handed = tuple((record.position, (record.producer, record.pseq)) for record in fetched.records)
        twice = [mark for _, mark in handed if mark in seen]
        if twice and durable:
            raise Broken(f"{reader} is handed {twice[0]} twice")
        had.handed, had.end = had.handed + handed, max(had.end, fetched.end)
        return [mark for _, mark in handed]

    def _advance(self, reader: Reader) -> Advance:
        had = self.had[reader]
        self.numbers += 1
        advance = Advance(reader, self.numbers, had.end, had.marks | {mark for _, mark in had.handed})
        self.advances.setdefault(reader, {})[advance.number] = advance
        return advance

    def _advanced(self, advance: Advance) -> None:
        _, state = self.spool.cursor(*advance.reader)
        if state != b"%d" % advance.number:
            raise Broken(f"{advance.reader} commits {advance.position}, and the spool does not take it")
        had = self.had[advance.reader]
        had.number, had.marks, had.handed = advance.number, advance.had, ()

    # --- the spooler -------------------------------------------------------------------------------------------------

    def sync(self, meanwhile: Sequence[Callable[[], None]] = ()) -> None:
        """Group commit; `meanwhile` is done while another thread is in the middle of its first fdatasync."""
        job = self.spool.dirty()
        promised = {(topic, producer): self.spool.producer(topic, producer)[0] for topic, producer in self.made}
        numbers = {reader: had.number for reader, had in self.had.items()}
        if job:
            self._run(job, meanwhile)
        for (topic, producer), last in promised.items():
            self._acknowledged(topic, producer, last)
        for reader, number in numbers.items():
            self._note(Durable(reader, number))

    def _run(self, job: SyncJob, meanwhile: Sequence[Callable[[], None]]) -> None:
        def others() -> None:
            for act in meanwhile:
                act()

        self.disk.meanwhile = others
        try:
            job.run()
        finally:
            self.disk.meanwhile = None
        self.spool.synced(job)

    def enforce(self) -> None:
        """Once a second: consumed segments go, and quotas are kept."""
        self.now_ns += 10**9
        self._give_up(lambda: self.spool.enforce(self.now_ns))
        while self.untold and self._told(self.untold[0]):
            self.untold.pop(0)

    def _give_up(self, act: Callable[[], list[Dropped]]) -> None:
        self._note(GivingUp())
        try:
            dropped = act()
        except SpoolError:
            self.unanswered = True
            raise
        for topic in CONSUMERS:
            self._note(GivenUp(topic, tuple((each.first, each.last) for each in dropped if each.topic == topic)))
        self.given_up += dropped
        self.untold += dropped

    def _on_purpose(self, hole: Hole) -> bool:
        lost = [place for place in self.at if _in(hole, *place)]
        return self.unanswered or all(any(_in(dropped, *place) for dropped in self.given_up) for place in lost)

    def _told(self, dropped: Dropped) -> bool:
        """What was given up is told of in the topic itself, when there is room to say it; nothing else goes for it."""
        last = self.last.get((dropped.topic, SPOOLER), 0) + 1
        text = " ".join(map(str, ("gap", *dropped.first, *dropped.last)))
        said = Said((SPOOLER, last), text.encode(), GAP, 0)
        if not self._append(dropped.topic, SPOOLER, [said], None):
            return False
        self.made.setdefault((dropped.topic, SPOOLER), []).append(said)
        self.last[dropped.topic, SPOOLER] = last
        return True

    def _acknowledged(self, topic: str, producer: str, pseq: int) -> None:
        made = self.made[topic, producer]
        self.made[topic, producer] = [each for each in made if each.mark[1] > pseq]
        self._note(Acknowledged(topic, producer, pseq))

    def _note(self, fact: Fact) -> None:
        self.facts.append((len(self.disk.operations), fact))


def _in(missing: Hole | Dropped, topic: str, position: Position) -> bool:
    """By seq: of records before the oldest segment nobody knows the epoch any more."""
    return topic == missing.topic and missing.first.seq <= position.seq <= missing.last.seq


def _commit(advance: Advance) -> Commit:
    return Commit(*advance.reader, advance.position, b"%d" % advance.number)
