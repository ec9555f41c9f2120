"""An uplink: what waits in the spool goes to the far end, in order, and is committed when the far end has it.

    spooler ──Fetched──> batching ──> encode ──> window has room? ──> uplink.send ──> far end
       ^                                                                                 │
       └──────────── Commit, up to where everything is taken <── window <── taken ───────┘

It holds a bounded window and never more: on a lost connection everything in it is forgotten and fetched again from the
committed cursor. At-least-once, in order per source; each record carries its id, so the reader can tell repetitions.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.batching import Limits
from actors.consumer import Consumer, Position, Wanted
from actors.delivery import Window
from actors.departures import Departure, Departures
from actors.routes import OUT
from transports import catalog, codec
from transports.backoff import Backoff
from transports.building import build
from transports.errors import NotUnderstood, UplinkDown, UplinkRefused
from transports.mailbox import PeerDown, PeerUp, Timer
from transports.messages import Message
from transports.payloads import OutRecord
from transports.samples import Gap
from transports.uplinks import Identity, Outgoing, Uplink

log = logging.getLogger("holdfast.uplink")
COMMIT_S = 0.1  # acknowledgements of this long are committed together
FETCH_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Work:
    """What an uplink process is told: plain values, from its spec file."""

    type: str
    settings: Mapping[str, Any]
    payload: str = "json"
    batch_records: int = 1
    batch_bytes: int = 128 * 1024
    batch_wait_s: float = 0.0
    window_messages: int = 64
    window_bytes: int = 4 * 1024 * 1024
    retry_first_s: float = 0.5
    retry_ceiling_s: float = 4.0


@dataclass(slots=True)
class Tally:
    """What an uplink tells of itself."""

    connected: bool = False
    connections: int = 0
    messages: int = 0
    records: int = 0
    samples: int = 0
    refused: int = 0
    last_error: str = ""
    last_delivery_ns: int = 0


class UplinkActor(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, gateway: str, work: Work) -> None:
        super().__init__(place, fate)
        self._work, self._gateway = work, gateway
        self._tally = Tally()
        self._uplink: Uplink | None = None
        self._watched: tuple[int, bool] = (-1, False)
        self._step_timer: Timer | None = None
        self._commit_timer: Timer | None = None
        self._batch_timer: Timer | None = None
        limits = Limits(work.batch_records, work.batch_bytes, work.batch_wait_s)
        self._departures = Departures(limits, Window(work.window_messages, work.window_bytes))
        self._attempts = 0
        self._taken: Position = (0, 0)  # everything up to here has been taken; committed a moment later

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        path, work = f"uplink.{self.place.name}", self._work
        self._module = catalog.load(catalog.UPLINKS, work.type, f"{path}.type")
        self._settings = build(self._module.Settings, work.settings, path)
        self._encode = catalog.load(catalog.PAYLOADS, work.payload, f"{path}.payload").encode
        self._backoff = Backoff(work.retry_first_s, ceiling_s=work.retry_ceiling_s)
        wanted, place = Wanted(OUT, self.place.name, FETCH_BYTES), self.place
        self._consumer = Consumer(self.mailbox, place.clock, wanted, place.session, lambda *_: None, self._fetched)
        self.mailbox.at(self.place.clock.now(), self._connect)

    def end(self) -> None:
        if self._uplink is not None:
            self._uplink.close(farewell=True)
            self._settle()
        self._commit()

    def state(self) -> Mapping[str, Any]:
        return {
            **asdict(self._tally),
            "type": self._work.type,
            "in_flight": self._departures.in_flight,
            "fetched": self._departures.uncommitted,
        }

    def on_message(self, sender: str, message: Message) -> Any:
        if not self._consumer.hear(message) and not isinstance(message, (PeerUp, PeerDown)):
            return NotImplemented
        return None

    # --- the connection ----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        try:
            self._uplink = self._module.connect(self._settings, Identity(self._gateway, self.place.name))
        except UplinkDown as down:
            self._lost(str(down))
            return
        self._step()

    def _step(self) -> None:
        uplink, now = self._uplink, self.place.clock.now()
        if uplink is None:
            return
        try:
            uplink.step(now)
            self._settle()
            if uplink.ready() and not self._tally.connected:
                self._connected()
            self._send()
            self._watch(uplink)
        except UplinkDown as down:
            self._lost(str(down))

    def _connected(self) -> None:
        tally = self._tally
        tally.connected, tally.last_error = True, ""
        tally.connections += 1
        self._attempts = 0
        log.info("connected")
        self._consumer.open()

    def _lost(self, why: str) -> None:
        tally = self._tally
        if why != tally.last_error or tally.connected:
            log.warning("%s", why)
        tally.connected, tally.last_error = False, why
        self._hang_up()
        self._consumer.close()
        self._departures.reset()
        delay_s = self._backoff.delay_s(self._attempts, random.random())
        self._attempts += 1
        self.mailbox.at(self.place.clock.now() + delay_s, self._connect)

    def _hang_up(self) -> None:
        uplink, self._uplink = self._uplink, None
        if uplink is None:
            return
        self._settle_from(uplink)  # what was acknowledged before the end need not be repeated
        self._commit()
        self.mailbox.forget(self._watched[0])
        self._watched = -1, False
        if self._step_timer is not None:
            self._step_timer.cancel()
        uplink.close(farewell=False)

    def _watch(self, uplink: Uplink) -> None:
        wanted = uplink.fileno(), uplink.wants_write()
        if wanted != self._watched:
            self.mailbox.forget(self._watched[0])
            if wanted[0] >= 0:
                self.mailbox.when_readable(wanted[0], self._step, writable=wanted[1])
            self._watched = wanted
        if self._step_timer is not None:
            self._step_timer.cancel()
        self._step_timer = self.mailbox.at(uplink.next_step(self.place.clock.now()), self._step)

    # --- from the spool ----------------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        """Ask for more when there is room for it: at most one fetch's worth waits in memory."""
        if self._departures.wants_more():
            self._consumer.fetch()

    def _fetched(self, records: Sequence[tuple[Position, bytes]]) -> None:
        now = self.place.clock.now()
        for position, payload in records:
            self._departures.add(self._understood(position, payload), len(payload), now)
        self._go_on()

    def _understood(self, position: Position, payload: bytes) -> OutRecord:
        """The record, or a gap in its place when it is damaged."""
        epoch, seq = position
        try:
            return OutRecord(OUT, epoch, seq, codec.unpack(payload))
        except NotUnderstood as damaged:
            log.error("record %s is damaged: %s", position, damaged)
            self._tally.refused += 1
            gap = Gap(f"spool/{OUT}/{epoch}", "damaged", 0, self.place.clock.utc_ns(), seq, seq, 1)
            return OutRecord(OUT, epoch, seq, gap)

    def _go_on(self) -> None:
        due = self._departures.next_due()
        if due is not None and self._batch_timer is None:
            self._batch_timer = self.mailbox.at(due, self._company_is_due)
        self._step()
        self._fetch()

    def _company_is_due(self) -> None:
        self._batch_timer = None
        self._departures.due(self.place.clock.now())
        self._go_on()

    # --- to the far end ----------------------------------------------------------------------------------------------

    def _send(self) -> None:
        while self._tally.connected and (departure := self._departures.next()) is not None:
            payload = self._encoded(departure.records)
            self._departures.left(departure, len(payload))
            message = Outgoing(departure.ticket, {"device": str(departure.key)}, payload)
            try:
                self._hand_over(message)
            except UplinkRefused as refused:
                self._refused(departure, message, str(refused))

    def _encoded(self, records: Sequence[OutRecord]) -> bytes:
        payload: bytes = self._encode(records, self._gateway, self._work.batch_records > 1)
        return payload

    def _hand_over(self, message: Outgoing) -> None:
        assert self._uplink is not None
        self._uplink.send(message)

    def _refused(self, departure: Departure, message: Outgoing, why: str) -> None:
        """What can never be delivered is delivered as a gap, under the same ids: the hole is announced where it is."""
        records = departure.records
        self._tally.refused += len(records)
        log.error("%d records, from %d on, can never be delivered: %s", len(records), records[0].seq, why)
        gaps = [replace(record, item=_gap_of(record, why)) for record in records]
        self._departures.emptied(departure.ticket)
        try:
            self._hand_over(replace(message, payload=self._encoded(gaps)))
        except UplinkRefused:
            self._advance(self._departures.taken(message.ticket).position)

    def _settle(self) -> None:
        if self._uplink is not None:
            self._settle_from(self._uplink)
            self._fetch()

    def _settle_from(self, uplink: Uplink) -> None:
        tally = self._tally
        for ticket in uplink.taken():
            arrival = self._departures.taken(ticket)
            tally.messages += 1
            tally.records += arrival.records
            tally.samples += arrival.samples
            tally.last_delivery_ns = self.place.clock.utc_ns()
            self._advance(arrival.position)

    # --- commits -----------------------------------------------------------------------------------------------------

    def _advance(self, position: Position | None) -> None:
        if position is None:
            return
        self._taken = position
        if self._commit_timer is None:
            self._commit_timer = self.mailbox.at(self.place.clock.now() + COMMIT_S, self._commit)

    def _commit(self) -> None:
        if self._commit_timer is not None:
            self._commit_timer.cancel()
            self._commit_timer = None
            self._consumer.commit(self._taken)


def _gap_of(record: OutRecord, why: str) -> Gap:
    """The gap that stands for a record which cannot be delivered."""
    item = record.item
    if isinstance(item, Gap):
        return replace(item, detail=f"refused: {why}"[:200])
    last = item.seq + len(item.times_ns) - 1
    reason = f"refused: {why}"[:200]
    return Gap(item.source, reason, item.times_ns[0], item.times_ns[-1], item.seq, last, len(item.times_ns))
