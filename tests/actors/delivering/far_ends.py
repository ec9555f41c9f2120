"""An uplink's inside between a spooler and a far end that are played in the test, with a clock that is turned by hand.

    ModelSpooler <──offer── Line <── Intake ──> Outward ──send──> FarEnd
                  ──answers──>                         <──taken──

Nothing happens by itself: `answer` lets the spooler say one thing, `step` is a turn of the actor's loop.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import msgpack

from actors.actor import Place
from actors.delivering.dead_letters import DeadLetters
from actors.delivering.intake import Intake
from actors.delivering.outward import Form, Outward, Tally
from actors.delivering.passing import Grade, grade_of
from actors.delivering.uplink_settings import Work
from transports import codec
from transports.clock import HandClock
from transports.compression import decompressed
from transports.errors import UplinkDown, UplinkRefused
from transports.mailbox import Mailbox, PeerDown, PeerUp, Timer
from transports.messages import Append, Appended, Commit, Fetch, Fetched, Message
from transports.names import SPOOLER
from transports.payloads import OutRecord
from transports.samples import Batch, Gap, Scan, Tag, batch_of
from transports.uplinks import Outgoing

Where = tuple[int, int]
NAME = "cloud"
TAGS = (Tag("n"),)


@dataclass
class ModelSpooler:
    """Everything that was appended, the cursor, and the answers that are on their way."""

    clock: HandClock
    records: list[tuple[Where, int, bytes]] = field(default_factory=list)
    cursor: Where = (0, 0)
    state: bytes = b""
    dead: list[bytes] = field(default_factory=list)
    takes_dead: bool = True
    refused: list[tuple[str, int]] = field(default_factory=list)
    commits: list[tuple[Where, bytes]] = field(default_factory=list)
    is_up: bool = True
    epoch: int = 1
    answers: deque[Message] = field(default_factory=deque)
    _session: int = 0
    _lanes: dict[str, Where] = field(default_factory=dict)
    _waiting: dict[str, Fetch] = field(default_factory=dict)

    @property
    def end(self) -> Where:
        return self.records[-1][0] if self.records else (0, 0)

    def append(self, source: str = "press", count: int = 1, grade: Grade = Grade.ALL) -> None:
        for _ in range(count):
            seq = self.end[1] + 1
            now_ns = self.clock.utc_ns()
            item: Batch | Gap = batch_of(source, seq, [Scan(now_ns, TAGS, [float(seq)])])
            if grade is Grade.AGGREGATED and isinstance(item, Batch):
                item = replace(item, aggregate="hourly")
            elif grade is Grade.ALARMS:
                item = Gap(source, "buffer full", now_ns, now_ns, seq, seq, 1)
            payload = codec.pack(item)
            self.records.append(((self.epoch, seq), now_ns, payload))
        for lane in list(self._waiting):
            self._serve(lane)

    def hears(self, item: Message) -> None:
        match item:
            case Append():
                self._append(item)
            case Fetch(first=True):
                self._session, self._lanes = item.session, {}
                self._waiting.clear()
                self.answers.append(
                    Fetched("out", NAME, item.session, (), self.cursor, self.state, item.lane, self.end)
                )
            case Fetch() if item.session == self._session:
                self._waiting[item.lane] = item
                if item.after is not None:
                    self._lanes[item.lane] = item.after
                self._serve(item.lane)
            case Commit() if item.session == self._session:
                if item.place >= self.cursor:
                    self.cursor, self.state = item.place, item.state
                    self.refused += item.refused
                    self.commits.append((item.place, item.state))

    def restart(self) -> None:
        """A new process in a new epoch; answers of the old one are lost."""
        self.epoch += 1
        self._session = 0
        self._waiting.clear()
        self.answers.clear()
        self.is_up = True

    def _append(self, item: Append) -> None:
        if item.pseq == 0 or self.takes_dead:
            self.dead += item.frames
            last = item.pseq + len(item.frames) - 1 if item.pseq else len(self.dead)
            self.answers.append(Appended(item.topic, item.producer, item.session, last))

    def _serve(self, lane: str) -> None:
        fetch = self._waiting[lane]
        after = self._lanes.get(lane, self.cursor)
        found: list[tuple[Where, int, bytes]] = []
        room = fetch.max_bytes
        for record in self.records[bisect_right(self.records, after, key=lambda record: record[0]) :]:
            if room <= 0 or (fetch.until is not None and record[0] > fetch.until):
                break
            found.append(record)
            room -= len(record[2])
        if not found and fetch.until is None:
            return
        del self._waiting[lane]
        if found:
            self._lanes[lane] = found[-1][0]
        places, times, frames = [r[0] for r in found], [r[1] for r in found], [r[2] for r in found]
        self.answers.append(
            Fetched("out", NAME, fetch.session, places, lane=lane, end=self.end, times_ns=times, frames=frames)
        )


@dataclass
class Line:
    """In the place of a mailbox: what is offered reaches the spooler at once, timers ring when `ring` is called."""

    spooler: ModelSpooler
    timers: list[Timer] = field(default_factory=list)

    def watch(self, name: str) -> None:
        assert name == SPOOLER

    def offer(self, to: str, item: Message) -> bool:
        if self.spooler.is_up:
            self.spooler.hears(item)
        return self.spooler.is_up

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        timer = Timer(when, len(self.timers), what)
        self.timers.append(timer)
        return timer

    def ring(self, now: float) -> None:
        for timer in [timer for timer in self.timers if timer.at <= now]:
            self.timers.remove(timer)
            timer.fire()


@dataclass
class FarEnd:
    """One connection. `sent` are the messages that wait to be acknowledged; `poison` says which it dies of."""

    poison: Callable[[dict[str, Any]], bool] = lambda _: False
    refuses: Callable[[dict[str, Any]], bool] = lambda _: False
    sent: list[tuple[Outgoing, list[dict[str, Any]]]] = field(default_factory=list)
    taken_tickets: list[int] = field(default_factory=list)
    dead: bool = False

    def wants_write(self) -> bool:
        return False

    def send(self, message: Outgoing) -> None:
        octets = decompressed(message.payload) if message.content_encoding else message.payload
        told = msgpack.unpackb(octets, strict_map_key=False)
        if any(self.refuses(record) for record in told):
            raise UplinkRefused("no")
        self.sent.append((message, told))

    def taken(self) -> Sequence[int]:
        taken, self.taken_tickets = self.taken_tickets, []
        return taken


def encode(records: Sequence[OutRecord], gateway: str, many: bool) -> bytes:
    """A payload that a test reads easily."""
    told = [
        {
            "place": [record.epoch, record.seq],
            "source": record.item.source,
            "historical": record.historical,
            "grade": grade_of(record.item).value,
            "gap": record.item.reason if isinstance(record.item, Gap) else "",
        }
        for record in records
    ]
    packed: bytes = msgpack.packb(told)
    return packed


class Inside:
    """An uplink without its process: what the actor does with Intake and Outward. `delivered` is what the far end
    acknowledged, in its order; it outlives `crash`."""

    def __init__(self, **work: Any) -> None:
        self.clock = HandClock(now=1000.0)
        self.spooler = ModelSpooler(self.clock)
        self.work = Work("fake", {}, **work)
        self.delivered: list[dict[str, Any]] = []
        self.left_in: dict[Where, tuple[str, str]] = {}  # by which lane, of which source
        self.far_end: FarEnd | None = None
        self.kind: dict[str, Any] = {}
        self.session = 0
        self.limit = Grade.ALL  # of what may pass, from the next connection on
        self.crash()

    def crash(self) -> None:
        """The process dies, and another begins."""
        self.session += 1000
        self.line = Line(self.spooler)
        mailbox = cast(Mailbox, self.line)
        place = Place(NAME, Path(), self.clock, cast(Any, None), 1, self.session)
        self.tally = Tally()
        self.letters = DeadLetters(mailbox, self.clock, NAME, self.session, lambda: self.outward.kept())
        self.outward = Outward(self.work, "g", Form(encode, ""), self.clock, self.tally, self.letters)
        self.intake = Intake(mailbox, place, self.work, self.outward)
        self.far_end = None
        self.spooler.answers.clear()
        self.letters.hear(PeerUp(SPOOLER))

    def connect(self) -> None:
        assert self.far_end is None
        self.far_end = FarEnd(**self.kind)
        self.outward.connected()
        self.intake.restrict(self.limit)
        self.intake.open()
        self.step()

    def cut(self) -> None:
        """The connection is lost."""
        far_end, self.far_end = self.far_end, None
        assert far_end is not None
        self.outward.settle(cast(Any, far_end))
        self.intake.commit()
        self.outward.lost()
        self.intake.close()

    def step(self) -> None:
        far_end = self.far_end
        if far_end is not None:
            self.outward.settle(cast(Any, far_end))
            self.intake.look()
            self.outward.send(cast(Any, far_end))
            self.intake.pump()

    def answer(self) -> bool:
        """The spooler says one thing; whether it had something to say."""
        if not self.spooler.answers:
            return False
        message = self.spooler.answers.popleft()
        if not self.intake.hear(message):
            self.letters.hear(message)
        due = self.outward.departures.next_due()
        if due is not None and due <= self.clock.now():
            self.outward.departures.due(self.clock.now())
        self.step()
        return True

    def acknowledge(self, at: int = 0) -> None:
        """The far end takes a message; or dies of it."""
        assert self.far_end is not None
        message, told = self.far_end.sent.pop(at)
        if any(self.far_end.poison(record) for record in told):
            raise UplinkDown("it dropped the connection")
        self.delivered += told
        departure = self.outward._flying.get(message.ticket)
        if departure is not None:
            for record in departure[0].records:
                self.left_in[record.epoch, record.seq] = departure[0].lane, record.item.source
        self.far_end.taken_tickets.append(message.ticket)
        self.step()

    def settle_down(self, most: int = 100_000) -> None:
        """Let everything go on until nothing happens any more; whenever it dies, connect again."""
        for _ in range(most):
            if self.far_end is None:
                self.connect()
            assert self.far_end is not None
            busy = self.answer()
            if self.far_end.sent:
                try:
                    self.acknowledge()
                except UplinkDown:
                    self.cut()
                busy = True
            if not busy and not self._wakes():
                break
        self.intake.commit()

    def _wakes(self) -> bool:
        """Turn the clock to the next thing that is waited for."""
        departures, now = self.outward.departures, self.clock.now()
        times = [timer.at for timer in self.line.timers if timer.what is not None]
        times += [at for at in (departures.next_due(), self.outward.free_at) if at is not None]
        if not times:
            return False
        self.clock.advance(max(0.0, min(times) - now))
        self.line.ring(self.clock.now())
        departures.due(self.clock.now())
        self.step()
        return True

    def spooler_dies(self) -> None:
        self.spooler.is_up = False
        self.spooler.answers.clear()
        for hears in (self.intake.hear, self.letters.hear):
            hears(PeerDown(SPOOLER))

    def spooler_returns(self) -> None:
        self.spooler.restart()
        for hears in (self.intake.hear, self.letters.hear):
            hears(PeerUp(SPOOLER))

    @property
    def places(self) -> list[Where]:
        """Where what was delivered was, in its order."""
        return [(told["place"][0], told["place"][1]) for told in self.delivered]
