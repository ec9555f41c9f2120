"""What can never be delivered: kept in the topic `dead`, and told north as a gap under its id.

    set aside ──Append to `dead`──> kept ──┐
        └──── a gap in its place ──> taken ┴──> settled: its place may be committed, its samples count as refused

A record is settled only when its dead letter is durable, or could not be kept within `KEEP_WITHIN_S`: then the log is
the only place that knows it. So long its place is not committed, and after a restart it is tried again.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from actors.producing.outbox import Entry, Outbox
from actors.producing.producer import Producer
from transports import codec
from transports.clock import Clock
from transports.mailbox import Mailbox
from transports.messages import Message
from transports.payloads import OutRecord
from transports.samples import Batch, Gap

log = logging.getLogger("holdfast.uplink")
DEAD = "dead"
KEEP_WITHIN_S = 10.0
MOST_BYTES = 8 * 1024 * 1024  # of letters that the spool does not take; more than that is only logged

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Letter:
    """Why a record was set aside, whose it is, and how many samples are in it. `kept`: nothing more is waited for.
    `hopeless`: not even the gap in its place can be delivered."""

    why: str
    producer: str
    samples: int
    kept: bool = False
    hopeless: bool = False


class DeadLetters:
    """Those of one uplink that are not settled yet. `on_kept()` is called when some are kept, or given up;
    `say` tells an operator of what is set aside."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        name: str,
        session: int,
        on_kept: Callable[[], None],
        say: Callable[[str], None] = log.error,
    ) -> None:
        self._mailbox, self._clock, self._on_kept, self._say = mailbox, clock, on_kept, say
        outbox = Outbox(name, codec.pack, max_bytes=1 << 62)  # bounded by MOST_BYTES: none is dropped silently
        self._producer = Producer(mailbox, name, session, {DEAD: outbox}, lambda *_: None)
        self._letters: dict[Place, Letter] = {}
        self._sent: deque[Place] = deque()  # in the order of the outbox
        self.count = 0

    def bury(self, record: OutRecord, payload: bytes, why: str) -> None:
        """Keep the payload of a record that can never be delivered; it is on its way until it is `kept`."""
        place, item = (record.epoch, record.seq), record.item
        samples = item.samples if isinstance(item, Batch) else 0
        self._letters[place] = Letter(why, item.aggregate or item.source, samples)
        self.count += 1
        if self.count & (self.count - 1) == 0:  # the first, the second, the fourth, ...: a flood is one story
            self._say(f"a record of {item.source} can never be delivered and is set aside ({self.count} so far): {why}")
        if self._producer.waiting_bytes + len(payload) > MOST_BYTES:
            self._kept(place, "the spool takes no dead letters")
            return
        self._sent.append(place)
        self._mailbox.at(self._clock.now() + KEEP_WITHIN_S, lambda: self._overdue(place))
        self._producer.add(DEAD, Entry((payload,), counts=(samples,)))

    def hear(self, message: Message) -> bool:
        """Whether the message was for this producer, and then handled."""
        mine = self._producer.hear(message)
        if len(self._sent) > self._producer.waiting:
            while len(self._sent) > self._producer.waiting:
                self._kept(self._sent.popleft())
            self._on_kept()
        return mine

    def __bool__(self) -> bool:
        return bool(self._letters)

    def of(self, place: Place) -> Letter | None:
        """What was set aside there and is not settled."""
        return self._letters.get(place)

    def pending(self, place: Place) -> bool:
        """Whether the letter of this place must still be waited for."""
        letter = self._letters.get(place)
        return letter is not None and not letter.kept

    def give_up(self, place: Place) -> None:
        """The gap in its place cannot be delivered either."""
        log.error("not even the gap in place of record %s can be delivered", place)
        self._letters[place] = replace(self._letters[place], hopeless=True)

    def settled(self, place: Place) -> Letter | None:
        """The far end knows; what was set aside there, if it was."""
        return self._letters.pop(place, None)

    def _overdue(self, place: Place) -> None:
        if self.pending(place):
            self._kept(place, f"the spool did not take it within {KEEP_WITHIN_S:g} s")
            self._on_kept()

    def _kept(self, place: Place, trouble: str = "") -> None:
        if trouble:
            log.error("the dead letter of record %s is not kept: %s", place, trouble)
        if place in self._letters:
            self._letters[place] = replace(self._letters[place], kept=True)


def in_place_of(record: OutRecord, why: str) -> OutRecord:
    """The gap that stands for a record which cannot be delivered, under its id."""
    item, reason = record.item, f"refused: {why}"[:200]
    if isinstance(item, Gap):
        return replace(record, item=replace(item, detail=reason))
    last = item.thinned_to or item.seq + len(item.times_ns) - 1
    gap = Gap(item.source, reason, item.times_ns[0], item.times_ns[-1], item.seq, last, last - item.seq + 1)
    return replace(record, item=replace(gap, aggregate=item.aggregate, samples=item.samples))
