"""The spooler: the one process that owns the disk. It speaks three verbs: append, fetch, commit.

    producers ──Append──> written ──(group commit: one fdatasync, in a thread)──> Appended        (writers.py)
    consumers ──Fetch───> Fetched, at once or when something comes ──Commit──> forgotten          (readers.py)

It answers an append only when it is durable, and hands out what is written before that: waiting for the disk costs
acknowledgement, not latency. A session is opened by a handshake and belongs to one process; appends of an older one,
still on their way when it died, are not taken.

An error of the disk ends what is open, the desk, and all that it knew: nothing that waited is ever acknowledged. The
process stays, says what is wrong, and opens the spool again from its files, as often as it takes. Whoever had a
session, or came meanwhile, is then called to begin anew.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.spooling.desk import Desk
from actors.spooling.sessions import Sessions
from actors.spooling.standing import Standing
from actors.spooling.trouble import WELL
from transports.building import build
from transports.dilution import diluted
from transports.errors import Down, NotUnderstood, SpoolError, SpoolFull
from transports.messages import Append, Commit, Fetch, Ledger, Message, NoSession, Purge
from transports.spool import Dropped, Settings, Spool

log = logging.getLogger("holdfast.spooler")
ENFORCE_S = 1.0
END_WITHIN_S = 3.0  # how long a stop waits for a sync that runs; shorter than the default grace


@dataclass(frozen=True, slots=True)
class Work:
    """What the spooler is told. `consumers` names the readers of each topic; nobody else can fetch. `starts` says by
    consumer where one begins that is new."""

    directory: str
    settings: Mapping[str, Any]
    consumers: Mapping[str, Sequence[str]]
    starts: Mapping[str, str] = field(default_factory=dict)


class Spooler(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._work = work
        self._settings = build(Settings, work.settings, "spool")
        self._producers, self._consumers = Sessions(), Sessions()
        self._unsaid: list[tuple[Dropped, str]] = []
        self._standing = Standing(self._settings, work.consumers)
        self._desk: Desk | None = None
        self._trouble = WELL
        self._logged = ""  # what the log said last of the disk

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._begun_at = self.place.clock.now()
        self._open()
        self.mailbox.at(self._begun_at + ENFORCE_S, self._tick)

    def end(self) -> None:
        desk, self._desk = self._desk, None
        if desk is None:
            return
        try:
            desk.close(END_WITHIN_S)
        except SpoolError as failed:
            log.error("%s; what was not durable is not acknowledged", failed)

    def state(self) -> Mapping[str, Any]:
        desk, now = self._desk, self.place.clock.now()
        if desk is not None:
            try:
                self._standing.seen(desk.spool, desk.counts())
            except SpoolError as error:
                self._lost(desk, error)
        told = {"disk": self._wrong(), **self._trouble.told(now)}
        return {**self._standing.told(now - self._begun_at), **told, "sent_away": self._producers.away}

    def on_message(self, sender: str, message: Message) -> Any:
        desk = self._desk
        if desk is None:
            return self._without_disk(sender, message)
        try:
            return self._obey(desk, sender, message)
        except NotUnderstood as wrong:  # one bad request is its sender's problem, not everybody's
            log.error("a request of %s is refused: %s", sender, wrong)
            return self._refusal(message, str(wrong))
        except SpoolFull as full:
            return self._refusal(message, str(full))
        except SpoolError as error:
            self._lost(desk, error)
            return self._refusal(message, str(error))

    def _obey(self, desk: Desk, sender: str, message: Message) -> Any:
        match message:
            case Append():
                desk.writers.append(sender, message)
            case Fetch():
                desk.readers.fetch(sender, message)
            case Commit():
                desk.readers.commit(message, hold=desk.writers.is_slow)
            case Ledger():
                return {"rows": desk.rows(), "disk": self._wrong()}
            case Purge():
                return {"dropped": desk.purge(message), "error": ""}
            case _:
                return NotImplemented
        return None

    # --- the disk ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        work, settings, clock = self._work, self._settings, self.place.clock
        try:
            now_ns = clock.utc_ns()
            spool = Spool.open(work.directory, settings, work.consumers, now_ns, dilute=diluted, starts=work.starts)
        except SpoolError as error:
            self._failed(str(error))
            return
        self._trouble = self._trouble.opened()
        self._desk = desk = Desk(
            spool,
            settings,
            self.mailbox,
            clock,
            self._producers,
            self._consumers,
            self._unsaid,
            self._tell,
            self._well,
            lambda error: self._lost(desk, error),
        )
        for sessions in (self._producers, self._consumers):
            for sender, called in sessions.called():
                self._tell(sender, called)

    def _lost(self, desk: Desk, error: SpoolError) -> None:
        """The disk has failed under an open spool: let go of all of it."""
        if self._desk is not desk:
            return
        self._desk = None
        self._standing.closed(desk.counts())
        desk.abandon()
        self._producers.all_sent_away()
        self._consumers.all_sent_away()
        self._failed(str(error))

    def _failed(self, what: str) -> None:
        clock = self.place.clock
        self._trouble = self._trouble.failed(what, clock.now(), clock.utc_ns(), random.random())
        if what != self._logged:
            log.error("%s; nothing is acknowledged until the spool has been opened again", what)
        self._logged = what
        self.mailbox.at(self._trouble.next_at, self._open)

    def _well(self) -> None:
        """A sync has returned: the disk has proven itself."""
        if self._trouble.what:
            log.warning("the disk is well again, after %.1f s", self.place.clock.now() - self._trouble.since)
        self._trouble, self._logged = WELL, ""

    def _wrong(self) -> str:
        """What is wrong with the disk; "" when all is well."""
        return self._trouble.what if self._desk is None else self._desk.trouble()

    def _without_disk(self, sender: str, message: Message) -> Any:
        """Note who comes: he is called when the spool is open."""
        match message:
            case Append(topic=topic, producer=name, session=session, pseq=pseq):
                self._note(self._producers, (topic, name), sender, session, opens=pseq == 0)
            case Fetch(topic=topic, consumer=name, session=session, first=first):
                self._note(self._consumers, (topic, name), sender, session, opens=first)
            case Commit():
                return None  # whoever is called says it again
            case Ledger() | Purge():
                return self._refusal(message, self._wrong())
            case _:
                return NotImplemented
        return None

    def _note(self, sessions: Sessions, key: tuple[str, str], sender: str, session: int, opens: bool) -> None:
        if opens:
            sessions.sent_away(key, sender, session)
        elif not sessions.is_away(key, session):
            self._tell(sender, NoSession(*key, session))

    # --- upkeep ------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.mailbox.at(self.place.clock.now() + ENFORCE_S, self._tick)
        desk = self._desk
        if desk is None:
            return
        try:
            desk.tick()
        except SpoolFull as full:
            log.debug("%s", full)  # whoever needs the room says so
        except SpoolError as error:
            self._lost(desk, error)

    def _refusal(self, message: Message, why: str) -> Any:
        """The answer to a question that cannot be answered as it should be; other messages have none."""
        match message:
            case Ledger():
                return {"rows": [], "disk": why}
            case Purge():
                return {"dropped": [], "error": why}
        return None

    def _tell(self, to: str, message: Message) -> None:
        try:
            self.mailbox.back(to, message)
        except Down:
            return  # whoever comes in its place begins with a handshake
