"""The spooler's side of those who write: an append is acknowledged when it is durable, and else never.

    append ──> written ──(group commit)──> Appended
       ├── no room, or the disk hangs ──> sent away, and called when it is worth a try: all of it comes again, in order
       └── no room, `drop_newest` ──> summed up ──every 10 s, or there is room──> a GAP ──(group commit)──> Appended

A producer that is sent away keeps what it has in its own ring, which is bounded and says what it drops: nothing is held
here. One is called each second; when its appends are taken, the next is called at once.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from actors.spooling.giving_up import Refused, begun, first_pseq, gaps, refused
from actors.spooling.group_commit import GroupCommit
from actors.spooling.readers import position
from actors.spooling.room import Room
from actors.spooling.sessions import Key, Sessions
from transports import codec
from transports.clock import Clock
from transports.errors import NotUnderstood, SpoolFull
from transports.messages import Append, Appended, Message, NoSession
from transports.spool import ALARM, DATA, GAP, Position, Settings, Spool
from transports.spool import Commit as SpoolCommit
from transports.spool.settings import Policy

log = logging.getLogger("holdfast.spooler")
ROOM_AFTER_S = 3.0  # when nobody was refused for so long there is room again; whoever was sent away tries each second
SLOW_S = 1.0  # a sync that takes longer may never return: a write could then wait for the disk, and must not


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is to be told to a producer when the disk has what it said."""

    sender: str
    appended: Appended


class Writers:
    """Of one open spool; the sessions outlive it. `full` says of which topics, and why, nothing more is taken."""

    def __init__(
        self,
        spool: Spool,
        group: GroupCommit[Receipt],
        room: Room,
        sessions: Sessions,
        settings: Settings,
        clock: Clock,
        tell: Callable[[str, Message], None],
        written: Callable[[str], None],
    ) -> None:
        self._spool, self._group, self._room, self._sessions = spool, group, room, sessions
        self._settings, self._clock, self._tell, self._written = settings, clock, tell, written
        self._refused: dict[Key, Refused] = {}
        self._oldest: dict[str, Position] = {}  # where each topic began when it had no room
        self.full: dict[str, str] = {}
        self._full_at: dict[str, float] = {}  # when somebody was refused last
        self.appended = 0

    @property
    def is_slow(self) -> bool:
        """Whether the disk takes so long that nothing may be written now."""
        return self._group.under_way_s() > SLOW_S

    def append(self, sender: str, append: Append) -> None:
        """Take it, or see to it that it comes again. Raises NotUnderstood for what can never be taken."""
        key = append.topic, append.producer
        if append.pseq == 0:
            self._greet(key, sender, append.session)
        elif not self._sessions.is_open(key, append.session):
            if not self._sessions.is_away(key, append.session):
                self._tell(sender, NoSession(*key, append.session))
        elif self.is_slow:
            self._sessions.sent_away(key, sender, append.session)
        elif key in self._refused:
            self._give_up(key, sender, append, self._refused[key].reason)
        else:
            self._take(key, sender, append)

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """They are durable."""
        for receipt in receipts:
            self._tell(receipt.sender, receipt.appended)
        if self._sessions.away and not self.full:
            self._call_one()

    def tick(self) -> None:
        """Each second: say what was given up if it is time, and have somebody who was sent away try again."""
        now, stat = self._clock.now(), self._spool.stat() if self._refused else {}
        for key, summed in list(self._refused.items()):
            if summed.is_due(now) or stat[key[0]].first != self._oldest.get(key[0]):
                self._announce(key)
        self._look_for_room(now)
        self._call_one()

    def settle(self) -> None:
        """The end: say what was given up, as far as there is room for it."""
        for key in list(self._refused):
            self._announce(key)

    # --- what is taken -----------------------------------------------------------------------------------------------

    def _greet(self, key: Key, sender: str, session: int) -> None:
        """Open a session. What is told as kept must be durable, and what was refused must have been said."""
        if self.is_slow or (key in self._refused and not self._announce(key)):
            self._sessions.sent_away(key, sender, session)
            return
        last, time_ns = self._spool.producer(*key)
        self._sessions.opened(key, sender, session)
        greeting = Appended(*key, session, last, time_ns)
        if self._group.awaits(key):
            self._group.appended(key, Receipt(sender, greeting), 0)
        else:
            self._tell(sender, greeting)
        if not self.full:
            self._call_one()

    def _take(self, key: Key, sender: str, append: Append) -> None:
        kind = GAP if append.gaps else ALARM if append.alarms else DATA
        commit = _commit(append.commit)
        pseq, payloads, counts, now_ns = append.pseq, append.frames, append.counts, self._clock.utc_ns()
        try:
            last = self._room.write(
                append.topic,
                lambda: self._spool.append(*key, pseq, payloads, now_ns, commit, kind, counts),
            )
        except SpoolFull as full:
            self._no_room(key, sender, append, str(full))
        except NotUnderstood as wrong:  # it would be sent again for ever, or be passed over in silence
            self._give_up(key, sender, append, f"refused: {wrong}"[:200], at_once=True)
        else:
            self.appended += len(payloads)
            self._took(key, sender, append.session, last, len(payloads))
            if self._sessions.away:
                self._call_one()

    def _took(self, key: Key, sender: str, session: int, pseq: int, records: int) -> None:
        self._group.appended(key, Receipt(sender, Appended(*key, session, pseq)), records)
        self._written(key[0])

    # --- what is not -------------------------------------------------------------------------------------------------

    def _no_room(self, key: Key, sender: str, append: Append, why: str) -> None:
        topic, newest = key[0], self._settings.quota(key[0]).policy is Policy.DROP_NEWEST
        if topic not in self.full:
            log.warning("%s; %s", why, "new readings are given up" if newest else "nothing more is taken for now")
        self.full[topic], self._full_at[topic] = why, self._clock.now()
        if newest:
            self._oldest.setdefault(topic, self._spool.stat()[topic].first)
            self._give_up(key, sender, append, "quota")
        else:
            self._sessions.sent_away(key, sender, append.session)

    def _look_for_room(self, now: float) -> None:
        for topic in [topic for topic, at in self._full_at.items() if now >= at + ROOM_AFTER_S]:
            del self.full[topic], self._full_at[topic]
            log.warning("%s: there is room again", topic)

    def _give_up(self, key: Key, sender: str, append: Append, reason: str, at_once: bool = False) -> None:
        now = self._clock.now()
        before = self._refused.get(key) or begun(sender, append.session, reason, now, self._spool.producer(*key)[0])
        summed = self._refused[key] = refused(before, sender, append, self._clock.utc_ns())
        if key[0] in self.full:
            self._full_at[key[0]] = now
        if at_once:
            log.error("%s of %s is given up: %s", append.topic, append.producer, reason)
        if at_once or summed.is_due(now):
            self._announce(key)

    def _announce(self, key: Key) -> bool:
        """Say what was given up of a producer, under its last number; whether that found room."""
        summed = self._refused[key]
        said = gaps(summed)
        payloads, counts = [codec.pack(gap) for gap, _ in said], [samples for _, samples in said]
        first, now_ns, commit = first_pseq(summed), self._clock.utc_ns(), _commit(summed.commit)
        try:
            last = self._room.write(
                key[0], lambda: self._spool.append(*key, first, payloads, now_ns, commit, GAP, counts)
            )
        except SpoolFull:
            return False
        except NotUnderstood as wrong:
            log.error("what %s gave up for %s cannot be said: %s", key[1], key[0], wrong)
            del self._refused[key]
            return True
        del self._refused[key]
        self._oldest.pop(key[0], None)
        self._took(key, summed.sender, summed.session, last, len(payloads))
        return True

    def _call_one(self) -> None:
        if not self.is_slow:
            for sender, called in self._sessions.called(1):
                self._tell(sender, called)


def _commit(fields: tuple[str, str, int, int, bytes] | None) -> SpoolCommit | None:
    if fields is None:
        return None
    topic, consumer, epoch, seq, state = fields
    return SpoolCommit(topic, consumer, position((epoch, seq)), state)
