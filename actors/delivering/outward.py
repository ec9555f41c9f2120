"""From records that are ready to messages on their way, and back from the far end's word to what is delivered.

Departures ──next──> encode ──pacing──> Uplink.send ──taken──> delivered(lane, up to a place)
                        └── refused, or condemned (poison.py) ──> dead letter, and a gap in its place
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from actors.delivering.batching import Limits
from actors.delivering.dead_letters import DeadLetters, in_place_of
from actors.delivering.departures import Departure, Departures, Position
from actors.delivering.lanes import BACKFILL
from actors.delivering.pacing import Pacing
from actors.delivering.probation import WITNESS_BYTES, Probation
from actors.delivering.uplink_settings import Work
from actors.delivering.window import Window
from transports import codec
from transports.clock import Clock
from transports.content_encoding import compressed
from transports.errors import UplinkRefused
from transports.payloads import OutRecord
from transports.uplinks import Gathering, Outgoing, Uplink

Encode = Callable[[Sequence[OutRecord], str, bool], bytes]


@dataclass(frozen=True, slots=True)
class Form:
    """How records become payloads, and what these are (a media type)."""

    encode: Encode
    content_type: str


NO_FORM = Form(lambda records, gateway, many: b"", "")  # of an uplink that makes its own of the records
# What is about to leave in the live lane is left for backfill when it is too old; what is too old all the same is so by
# a hair, and not marked.
SLACK = 1.1
STATUS_BYTES = 256  # about; an uplink that connects may say so in a message of its own


@dataclass(slots=True)
class Tally:
    """What an uplink tells of itself."""

    connected: bool = False
    connections: int = 0
    messages: int = 0
    records: int = 0
    samples: int = 0
    historical: int = 0
    refused: int = 0
    last_refused: str = ""
    last_error: str = ""
    last_delivery_ns: int = 0


class Outward:
    """`delivered` is how far each lane has got since somebody took note of it, `refused` whose samples were set aside,
    where, and how many; `arrived` counts messages since the last commit. `free_at` is when a message that waits for a
    rate may leave (monotonic seconds; None: none waits)."""

    def __init__(self, work: Work, gateway: str, form: Form, clock: Clock, tally: Tally, letters: DeadLetters) -> None:
        self._gateway, self._form, self._clock = gateway, form, clock
        self._compress = work.compress
        self._tally, self._letters = tally, letters
        self._many = work.batch_records > 1
        patience = SLACK if work.live_first else 1.0
        self._stale_ns = round((work.live_within_s * patience + work.batch_wait_s) * 1e9)
        limits = Limits(work.batch_records, work.batch_bytes, work.batch_wait_s)
        self.departures = Departures(limits, Window(work.window_messages, work.window_bytes))
        self.probation = Probation(self.departures, work.max_attempts)
        self._pacing = Pacing(
            work.max_messages_per_s, work.max_bytes_per_s, work.backfill_messages_per_s, work.backfill_bytes_per_s
        )
        self._pacing.begun(clock.now())
        self._flying: dict[int, tuple[Departure, Outgoing]] = {}
        self._early: dict[int, Departure] = {}  # taken, but a dead letter of theirs is not kept yet
        self._written = True
        self.delivered: dict[str, Position] = {}
        self.arrived = 0
        self.refused: list[tuple[Position, str, int]] = []
        self.free_at: float | None = None
        self.has_backlog = False  # whether the other lane has something to send

    # --- records in --------------------------------------------------------------------------------------------------

    def add(self, record: OutRecord, payload_bytes: int, now: float, lane: str) -> None:
        """A record came from the spool; what was set aside before goes as a gap."""
        letter = self._letters.of((record.epoch, record.seq)) if self._letters else None
        if letter is not None:
            record = in_place_of(record, letter.why)
        self.departures.add(record, payload_bytes, now, lane)

    def skip(self, place: Position, lane: str) -> None:
        """A record that comes next was delivered before."""
        delivered = self.departures.skip(place, lane)
        if delivered is not None:
            self.delivered[lane] = delivered

    def add_damaged(self, gap: OutRecord, payload: bytes, why: str, now: float, lane: str) -> None:
        """A record that cannot be read: a gap stands for it, and its bytes are kept."""
        if self._letters.of((gap.epoch, gap.seq)) is None:
            self._tally.refused += 1
            self._letters.bury(gap, payload, why)
        self.departures.add(gap, len(payload), now, lane)

    # --- the connection ----------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """The far end has let us in."""
        self._pacing.left(STATUS_BYTES, False, self._clock.now())
        self.probation.connected()

    def lost(self) -> None:
        """The connection is gone: forget everything, the spool has it all."""
        condemned = self.probation.lost(self._written)
        if condemned is not None:
            self._condemned(condemned)
        self.departures.reset()
        self._flying.clear()
        self._early.clear()
        self.free_at = None

    # --- to the far end ----------------------------------------------------------------------------------------------

    def send(self, uplink: Uplink, gathering: Gathering | None = None) -> None:
        """Send what may leave now; `gathering` is the same uplink, if it is one. Raises UplinkDown."""
        self.free_at = None
        if self.probation.is_on:
            self._send_singly(uplink)
        else:
            while (departure := self.departures.next()) is not None and self._leave(uplink, departure):
                pass
        if gathering is not None:
            gathering.flush()
        self._written = not uplink.wants_write()

    def _send_singly(self, uplink: Uplink) -> None:
        while (message := self.probation.next()) is not None:
            self._written = False
            if not (self._repeat(uplink, message) if isinstance(message, Outgoing) else self._leave(uplink, message)):
                break

    def settle(self, uplink: Uplink) -> bool:
        """Take note of what the far end has. Whether there was anything."""
        tickets = uplink.taken()
        for ticket in tickets:
            departure, message = self._flying.pop(ticket, (None, None))
            if message is None:
                self._witnessed(ticket)
                continue
            assert departure is not None
            if len(message.payload) <= WITNESS_BYTES:
                self.probation.witness = message
            self.probation.acknowledged(departure.first)
            self._taken(ticket, departure)
        return bool(tickets)

    def kept(self) -> None:
        """Some dead letters are kept: what waited for them is settled."""
        for ticket, departure in list(self._early.items()):
            del self._early[ticket]
            self._taken(ticket, departure)

    def _leave(self, uplink: Uplink, departure: Departure) -> bool:
        """Send a message, unless a rate forbids it now."""
        letter = self._letters.of(departure.first) if self._letters else None
        if letter is not None and letter.hopeless:
            self.departures.left(departure, 0)
            self._taken(departure.ticket, departure)
            return True
        records = self._as_they_are_now(departure)
        try:
            message = self._message(departure, records)
        except UplinkRefused as refused:
            self.departures.left(departure, 0)
            self._refused(uplink, departure, str(refused))
            return True
        message_bytes = len(message.payload) or departure.records_bytes
        if not self._may_leave(message_bytes, departure.lane == BACKFILL):
            return False
        self.departures.left(departure, message_bytes)
        if records[0].historical:
            self._tally.historical += len(records)
        self._flying[departure.ticket] = departure, message
        try:
            uplink.send(message)
        except UplinkRefused as refused:
            self._refused(uplink, departure, str(refused))
        return True

    def _message(self, departure: Departure, records: Sequence[OutRecord]) -> Outgoing:
        """Raises UplinkRefused for records that cannot be given this form."""
        payload = self._form.encode(records, self._gateway, self._many)
        octets, encoding = compressed(payload, self._compress)
        fields = {"device": str(departure.key)}
        return Outgoing(departure.ticket, fields, octets, records, self._form.content_type, encoding)

    def _as_they_are_now(self, departure: Departure) -> Sequence[OutRecord]:
        """Records of the live lane that have waited too long are history, too."""
        first = departure.records[0]
        is_late = first.kept_ns and self._clock.utc_ns() - first.kept_ns > self._stale_ns
        if first.historical or self.has_backlog or not is_late:
            return departure.records  # beside a backlog it would be history out of its order
        return [replace(record, historical=True) for record in departure.records]

    def _may_leave(self, payload_bytes: int, backfill: bool) -> bool:
        if self._pacing.unlimited:
            return True
        now = self._clock.now()
        free_at = self._pacing.free_at(payload_bytes, backfill, now)
        if free_at > now:
            self.free_at = free_at
            return False
        self._pacing.left(payload_bytes, backfill, now)
        return True

    def _repeat(self, uplink: Uplink, witness: Outgoing) -> bool:
        if not self._may_leave(len(witness.payload), False):
            return False
        self.probation.repeating = self.departures.new_ticket()
        uplink.send(replace(witness, ticket=self.probation.repeating))
        return True

    # --- what cannot be delivered ------------------------------------------------------------------------------------

    def _refused(self, uplink: Uplink, departure: Departure, why: str) -> None:
        """What can never be delivered is delivered as a gap, under the same id: the hole is announced where it is."""
        if len(departure.records) > 1:
            self._flying.pop(departure.ticket, None)
            self.departures.split(departure)
            return
        (record,) = departure.records
        if self._letters.of(departure.first) is None:
            self._bury(record, why)
            self.departures.emptied(departure.ticket)
            try:
                message = self._message(departure, [in_place_of(record, why)])
                self._flying[departure.ticket] = departure, message
                uplink.send(message)
                return
            except UplinkRefused:
                pass
        self._letters.give_up(departure.first)
        self._flying.pop(departure.ticket, None)
        self._taken(departure.ticket, departure)

    def _condemned(self, place: Position) -> None:
        if self._letters.of(place) is not None:
            self._letters.give_up(place)
            return
        for departure, _ in self._flying.values():
            if departure.first == place:
                self._bury(departure.records[0], "the far end drops the connection at it")

    def _bury(self, record: OutRecord, why: str) -> None:
        self._tally.refused += 1
        self._tally.last_refused = why
        self._letters.bury(record, codec.pack(record.item), why)

    # --- what was delivered ------------------------------------------------------------------------------------------

    def _witnessed(self, ticket: int) -> None:
        if ticket == self.probation.repeating:
            self.probation.repeating = 0
            self.probation.acknowledged(None)

    def _taken(self, ticket: int, departure: Departure) -> None:
        """As soon as its dead letters are kept it has arrived."""
        if self._letters and any(self._letters.pending((each.epoch, each.seq)) for each in departure.records):
            self._early[ticket] = departure
        else:
            self._arrived(ticket, departure)

    def _arrived(self, ticket: int, departure: Departure) -> None:
        tally, arrival = self._tally, self.departures.taken(ticket)
        tally.messages += 1
        self.arrived += 1
        tally.records += arrival.records
        tally.samples += arrival.samples
        tally.last_delivery_ns = self._clock.utc_ns()
        if arrival.position is not None:
            self.delivered[arrival.lane] = arrival.position
        if self._letters:
            for record in departure.records:
                letter = self._letters.settled((record.epoch, record.seq))
                if letter is not None and letter.samples:
                    self.refused.append(((record.epoch, record.seq), letter.producer, letter.samples))
