"""What an uplink takes from the spool: the live lane and the backlog, as much as there is room for, and the commits.

    spooler ──Fetched (lane)──> Intake ──records──> Outward ──delivered (lane, place)──> Intake ──Commit──> spooler

lanes.py says where to read; here it is asked for, and seen when the live lane has fallen behind. That is when its
oldest record that has not left was kept longer ago than `live_within_s`, be it after an outage, or because the far end
takes less than comes. What has left stays; the rest is forgotten here, comes again through the backfill lane, and when
all that has left is taken the live lane goes on behind the end of the topic.

While not everything may pass (`restrict`) the live lane alone reads, all of it in its order, and what may not pass is
left in the spool: neither delivered nor committed (lanes.py).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from actors.actor import Place
from actors.delivering import lanes, sifting
from actors.delivering.lanes import BACKFILL, LIVE, Lanes
from actors.delivering.outward import Outward
from actors.delivering.passing import Grade, grade_of
from actors.delivering.sifting import Sifting
from actors.delivering.uplink_settings import Work
from actors.fetching.lane_consumer import Arrived, LaneConsumer
from actors.fetching.session import Position, Wanted
from actors.routes import OUT
from transports import codec
from transports.errors import NotUnderstood
from transports.mailbox import Mailbox
from transports.messages import Message
from transports.payloads import OutRecord
from transports.samples import Gap

log = logging.getLogger("holdfast.uplink")
FETCH_BYTES = 512 * 1024


class Intake:
    """Fills `outward`. `moved` tells that there is something to commit."""

    def __init__(self, mailbox: Mailbox, place: Place, work: Work, outward: Outward) -> None:
        self._clock, self._work, self._outward = place.clock, work, outward
        self._departures = outward.departures
        wanted = Wanted(OUT, place.name, FETCH_BYTES)
        self._consumer = LaneConsumer(mailbox, wanted, place.session, self._begun, self._arrived)
        self._lanes = Lanes()
        self._is_placed = False
        self._turning = False  # the live lane is about to jump
        self._drained = False  # nothing is left in the stretch that backfill reads
        self._committed: tuple[Position, bytes] = (0, 0), b""
        self._limit = Grade.ALL
        self._sifting: Sifting | None = None  # while not everything may pass

    def restrict(self, limit: Grade) -> None:
        """Let only so much pass from the next `open` on. Only while it is closed."""
        assert not self._is_placed
        if limit is not self._limit:
            self._outward.probation.witness = None  # it may be of what may not pass any more
        self._limit = limit

    def open(self) -> None:
        """The far end is there: read on."""
        self._is_placed = False
        self._consumer.open()

    def close(self) -> None:
        """The far end is gone; what was not delivered comes again."""
        self._take_note()
        self._is_placed = self._turning = False
        self._lanes = replace(self._lanes, backfill=None)
        self._consumer.close()

    def hear(self, message: Message) -> bool:
        """Whether the message was for this consumer alone, and then handled."""
        return self._consumer.hear(message)

    # --- reading -----------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Ask for what there is room for."""
        if not self._is_placed:
            return
        departures, consumer = self._departures, self._consumer
        if self._turning and departures.is_clear(LIVE):
            self._jump()
        if not self._turning and departures.wants_more(LIVE):
            consumer.fetch(LIVE)
        if self._sifting is None:
            self._pump_backlog()

    def _pump_backlog(self) -> None:
        departures, consumer = self._departures, self._consumer
        if self._lanes.backfill is not None and self._drained and departures.is_clear(BACKFILL):
            self._take_note()
            self._lanes = lanes.exhausted(self._lanes)
        if self._lanes.backfill is None:
            self._begin_backfill()
        self._outward.has_backlog = self._lanes.backfill is not None
        if self._lanes.backfill is not None and not self._drained and departures.wants_more(BACKFILL):
            consumer.fetch(BACKFILL)

    def look(self) -> None:
        """See whether the live lane has fallen behind, though nothing came."""
        waiting = self._departures.waiting(LIVE)
        if waiting is None or not self._is_old(waiting.records[-1].kept_ns) or not self._may_jump():
            return
        self._departures.recede(LIVE)
        self._turning = True
        self.pump()

    def _begun(self, cursor: Position, state: bytes) -> None:
        if self._is_placed:  # the spooler was away; we go on
            self._lanes = lanes.passed(self._lanes, cursor)
        else:
            self._lanes = self._opened(cursor, state)
            self._committed = cursor, state
            self._consumer.place(LIVE, self._begins_at())
            self._is_placed = True
        self.pump()

    def _begins_at(self) -> Position:
        self._outward.has_backlog = False
        self._sifting = sifting.begun(self._lanes, self._limit)
        return self._lanes.live if self._sifting is None else self._sifting.began

    def _opened(self, cursor: Position, state: bytes) -> Lanes:
        try:
            return lanes.opened(self._lanes, cursor, state)
        except NotUnderstood as unknown:
            log.error("%s: what was delivered behind the cursor is delivered again", unknown)
            return lanes.opened(self._lanes, cursor, b"")

    def _arrived(self, lane: str, records: Sequence[Arrived]) -> None:
        if not records:  # only a lane with an end has nothing left
            self._drained = True
            self._departures.flush(lane)
        elif lane == LIVE and self._is_old(records[0][1]) and self._may_jump():
            self._turning = True
        else:
            self._add(lane, records)

    def _add(self, lane: str, records: Sequence[Arrived]) -> None:
        now, outward, historical = self._clock.now(), self._outward, lane == BACKFILL
        for place, kept_ns, payload in records:
            try:
                record = OutRecord(OUT, *place, codec.unpack(payload), historical, kept_ns)
            except NotUnderstood as damaged:
                if self._is_wanted(place, Grade.ALARMS, lane):  # as a gap
                    self._add_damaged(lane, place, kept_ns, payload, str(damaged))
                continue
            if self._is_wanted(place, grade_of(record.item), lane):
                outward.add(record, len(payload), now, lane)

    def _is_wanted(self, place: Position, grade: Grade, lane: str) -> bool:
        """Whether this record, the next one of the lane, is to be delivered now."""
        if self._sifting is not None:
            return self._sifting.wants(self._lanes, place, grade)
        if self._lanes.sifted is lanes.UNSIFTED or not lanes.is_sifted(self._lanes, place, grade):
            return True
        self._outward.skip(place, lane)
        return False

    def _add_damaged(self, lane: str, place: Position, kept_ns: int, payload: bytes, why: str) -> None:
        """A gap comes in its place."""
        epoch, seq = place
        item = Gap(f"spool/{OUT}/{epoch}", "damaged", 0, self._clock.utc_ns(), seq, seq, 1)
        gap = OutRecord(OUT, epoch, seq, item, lane == BACKFILL, kept_ns)
        self._outward.add_damaged(gap, payload, why, self._clock.now(), lane)

    # --- the lanes ---------------------------------------------------------------------------------------------------

    def _is_old(self, kept_ns: int) -> bool:
        return self._work.live_first and 0 < kept_ns < self._clock.utc_ns() - self._work.live_within_s * 1e9

    def _may_jump(self) -> bool:
        return (
            self._sifting is None
            and not self._turning
            and not self._consumer.awaits(LIVE)
            and lanes.may_jump(self._lanes, self._consumer.end)
        )

    def _jump(self) -> None:
        self._turning = False
        self._take_note()
        before = self._lanes.live
        self._lanes = lanes.jumped(self._lanes, self._consumer.end)
        self._consumer.place(LIVE, self._lanes.live)
        left_out = lanes.records_in((before, self._lanes.live))
        log.info("live goes first: %d records are left for later", left_out)

    def _begin_backfill(self) -> None:
        self._lanes = lanes.begun(self._lanes)
        if self._lanes.backfill is not None:
            self._drained = False
            self._consumer.place(BACKFILL, *self._lanes.backfill)

    def _take_note(self) -> None:
        """Take over what was delivered since the last time."""
        outward = self._outward
        if self._sifting is not None and LIVE in outward.delivered:
            self._lanes = self._sifting.taken(self._lanes, outward.delivered.pop(LIVE))
        for lane, place in outward.delivered.items():
            self._lanes = lanes.delivered(self._lanes, lane, place)
        for place, producer, samples in outward.refused:
            self._lanes = lanes.refused(self._lanes, place, producer, samples)
        outward.delivered.clear()
        outward.refused.clear()

    # --- commits -----------------------------------------------------------------------------------------------------

    @property
    def moved(self) -> bool:
        """Whether there may be something to commit."""
        return (
            bool(self._outward.delivered)
            or self._lanes.cursor > self._committed[0]
            or (self._sifting is not None and self._sifting.is_far)
        )

    def commit(self) -> None:
        """Say how far everything is delivered, and what is done behind that."""
        self._take_note()
        self._outward.arrived = 0
        self._lanes, refused = lanes.reported(self._lanes)
        if self._sifting is not None and self._is_placed and self._departures.is_clear(LIVE):
            self._lanes = self._sifting.taken(self._lanes, self._sifting.read)  # nothing that may pass is left
            self._sifting.noted = self._sifting.read
        now = self._lanes.cursor, lanes.packed(self._lanes)
        if now != self._committed or refused:
            self._committed = now
            self._consumer.commit(*now, refused)

    def state(self) -> Mapping[str, Any]:
        """For `holdfast status`."""
        known, end = self._lanes, self._consumer.end
        backlog = [*lanes.backlog(known)]
        live = known.live if self._sifting is None else max(known.live, self._sifting.read)
        return {
            "may_pass": self._limit.name.lower(),
            "lanes": {
                "cursor": list(known.cursor),
                "live": list(known.live),
                "backfill": [list(place) for place in known.backfill] if known.backfill else None,
                "done": len(known.done),
                "in_order": not self._work.live_first or len(known.done) >= lanes.MOST_DONE,
            },
            "backlog": sum(map(lanes.records_in, backlog)) + lanes.records_in((known.live, live)),
            "live_behind": lanes.records_in((live, max(end, live))),
        }
