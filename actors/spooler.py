"""The spooler: the one process that owns the disk. It speaks three verbs: append, fetch, commit.

    producers ──Append──> written ──(group commit: one fdatasync, in a thread)──> Appended
    consumers ──Fetch───> Fetched, at once or when something comes ──Commit──> forgotten

It answers an append only when it is durable, and hands out what is written before that: waiting for the disk costs
acknowledgement, not latency. A session is opened by a handshake and belongs to one process; appends of an older one,
still on their way when it died, are not taken. An error of the disk is the death of this process; its successor
reopens and verifies.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.group_commit import GroupCommit
from transports import codec
from transports.building import build
from transports.errors import Down, NotUnderstood
from transports.messages import Append, Appended, Commit, Fetch, Fetched, Message, NoSession
from transports.samples import Gap
from transports.spool import DATA, GAP, Dropped, Hole, Position, Settings, Spool
from transports.spool import Commit as SpoolCommit

log = logging.getLogger("holdfast.spooler")
ENFORCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What the spooler is told. `consumers` names the readers of each topic; nobody else can fetch."""

    directory: str
    settings: Mapping[str, Any]
    consumers: Mapping[str, Sequence[str]]


@dataclass(slots=True)
class _Receipt:
    """What is to be acknowledged when the disk has it."""

    sender: str
    append: Append
    pseq: int


class Spooler(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._work = work
        self._settings = build(Settings, work.settings, "spool")
        self._sessions: dict[tuple[str, str], int] = {}
        self._waiting: dict[tuple[str, str], tuple[str, Fetch]] = {}
        self._appended = self._fetched = 0

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        clock = self.place.clock
        Path(self._work.directory).mkdir(parents=True, exist_ok=True)
        self._spool = Spool.open(self._work.directory, self._settings, self._work.consumers, clock.utc_ns())
        self._group = GroupCommit(self.mailbox, clock, self._spool, self._settings, self._durable)
        self.mailbox.at(clock.now() + ENFORCE_S, self._enforce)

    def end(self) -> None:
        receipts = self._group.stop()
        self._spool.close()  # makes everything durable
        for receipt in receipts:
            self._acknowledge(receipt)

    def state(self) -> Mapping[str, Any]:
        topics = {}
        for topic, stat in self._spool.stat().items():
            waiting = {name: self._spool.waiting(topic, name) for name in self._work.consumers[topic]}
            topics[topic] = {
                "segments": stat.segments,
                "bytes": stat.bytes,
                "end": list(stat.end),
                "waiting": waiting,
                "damaged": stat.damaged,
                "quarantined": stat.quarantined,
                "torn_bytes": stat.torn_bytes,
            }
        window = "each append" if self._settings.strict else f"{self._settings.sync_s:g} s"
        told = {"appended": self._appended, "fetched": self._fetched, "syncs": self._group.syncs}
        return {**told, "power_cut_window": window, "topics": topics}

    def on_message(self, sender: str, message: Message) -> Any:
        try:
            return self._obey(sender, message)
        except NotUnderstood as wrong:  # one bad request is its sender's problem, not everybody's
            log.error("a request of %s is refused: %s", sender, wrong)
            return None

    def _obey(self, sender: str, message: Message) -> Any:
        match message:
            case Append():
                self._append(sender, message)
            case Fetch():
                self._fetch(sender, message)
            case Commit(topic=topic, consumer=consumer, session=session, place=place, state=state):
                if self._sessions.get((topic, f"<{consumer}")) == session:
                    self._spool.commit(SpoolCommit(topic, consumer, Position(*place), state))
                    self._group.committed()
            case _:
                return NotImplemented
        return None

    # --- append ------------------------------------------------------------------------------------------------------

    def _append(self, sender: str, append: Append) -> None:
        key = append.topic, append.producer
        if append.pseq == 0:
            self._sessions[key] = append.session
            last, time_ns = self._spool.producer(append.topic, append.producer)
            self._tell(sender, Appended(append.topic, append.producer, append.session, last, time_ns))
            return
        if self._sessions.get(key) != append.session:
            self._tell(sender, NoSession(append.topic, append.producer, append.session))
            return
        commit = append.commit and SpoolCommit(
            append.commit[0], append.commit[1], Position(append.commit[2], append.commit[3]), append.commit[4]
        )
        kind = GAP if append.gaps else DATA
        now_ns = self.place.clock.utc_ns()
        pseq = self._spool.append(append.topic, append.producer, append.pseq, append.frames, now_ns, commit, kind)
        self._appended += len(append.frames)
        self._group.appended(key, _Receipt(sender, append, pseq), len(append.frames))
        self._serve(append.topic)

    def _acknowledge(self, receipt: _Receipt) -> None:
        append = receipt.append
        self._tell(receipt.sender, Appended(append.topic, append.producer, append.session, receipt.pseq))

    def _durable(self, receipts: Iterable[_Receipt]) -> None:
        for receipt in receipts:
            self._acknowledge(receipt)
        for topic, consumer in list(self._waiting):
            if self._waiting[topic, consumer][1].durable:
                self._hand_out(topic, consumer)

    # --- fetch -------------------------------------------------------------------------------------------------------

    def _fetch(self, sender: str, fetch: Fetch) -> None:
        topic, consumer = fetch.topic, fetch.consumer
        key = topic, f"<{consumer}"
        if fetch.first:
            self._sessions[key] = fetch.session
            self._waiting.pop((topic, consumer), None)
            self._spool.rewind(topic, consumer)
            position, state = self._spool.cursor(topic, consumer)
            self._tell(sender, Fetched(topic, consumer, fetch.session, (), (position.epoch, position.seq), state))
        elif self._sessions.get(key) == fetch.session:
            self._waiting[topic, consumer] = sender, fetch
            self._hand_out(topic, consumer)
        else:
            self._tell(sender, NoSession(topic, consumer, fetch.session))

    def _serve(self, topic: str) -> None:
        for waiting_topic, consumer in list(self._waiting):
            if waiting_topic == topic and not self._waiting[topic, consumer][1].durable:
                self._hand_out(topic, consumer)

    def _hand_out(self, topic: str, consumer: str) -> None:
        sender, fetch = self._waiting[topic, consumer]
        got = self._spool.fetch(topic, consumer, fetch.max_bytes, fetch.durable)
        if not got.records and not got.holes:
            return
        del self._waiting[topic, consumer]
        told = sorted(
            [(record.position, record.payload) for record in got.records]
            + [(hole.last, codec.pack(_gap(hole))) for hole in got.holes],
            key=lambda each: each[0],
        )
        self._fetched += len(told)
        places = [(position.epoch, position.seq) for position, _ in told]
        self._tell(sender, Fetched(topic, consumer, fetch.session, places, frames=[payload for _, payload in told]))

    # --- upkeep ------------------------------------------------------------------------------------------------------

    def _enforce(self) -> None:
        self.mailbox.at(self.place.clock.now() + ENFORCE_S, self._enforce)
        for dropped in self._spool.enforce(self.place.clock.utc_ns()):
            log.warning("%s: %d records were given up (%s)", dropped.topic, dropped.count, dropped.reason)
            self._announce(dropped)

    def _announce(self, dropped: Dropped) -> None:
        """A gap in the topic itself, so that everyone who reads it learns what is missing."""
        last, _ = self._spool.producer(dropped.topic, self.place.name)
        payload = codec.pack(_gap(dropped))
        self._spool.append(dropped.topic, self.place.name, last + 1, [payload], self.place.clock.utc_ns(), kind=GAP)
        self._group.written()
        self._serve(dropped.topic)

    def _tell(self, to: str, message: Message) -> None:
        try:
            self.mailbox.back(to, message)
        except Down:
            return  # whoever comes in its place begins with a handshake


def _gap(missing: Hole | Dropped) -> Gap:
    """Missing records of a topic as a gap that travels north: their seq are the spool's."""
    source = f"spool/{missing.topic}/{missing.first.epoch}"
    first, last = missing.first.seq, missing.last.seq
    return Gap(source, missing.reason, missing.since_ns, missing.until_ns, first, last, missing.count)
