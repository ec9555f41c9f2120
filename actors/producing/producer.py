"""A producer's side of the spool: what it said is sent, and sent again, until it is acknowledged as durable.

One session a topic: opened by a handshake, lost with the connection, opened again when the spooler is back. The
producer never waits: when the spooler is away, everything rests in the outbox.
"""

from collections.abc import Callable

from actors.producing.account import Account
from actors.producing.outbox import Entry, Outbox
from transports.mailbox import Mailbox, PeerDown, PeerUp, Timer
from transports.messages import Append, Appended, Message, NoSession
from transports.names import SPOOLER


class Producer:
    """The outboxes of one actor, by topic. `on_first_session(topic, last_pseq, time_ns)` is called once a topic,
    before anything is sent: the place to announce what is missing since the last incarnation."""

    def __init__(
        self,
        mailbox: Mailbox,
        name: str,
        session: int,
        outboxes: dict[str, Outbox],
        on_first_session: Callable[[str, int, int], None],
    ) -> None:
        self._mailbox, self._name, self._session = mailbox, name, session
        self.outboxes, self._on_first_session = outboxes, on_first_session
        self._met: set[str] = set()
        self._on_finished: Callable[[], None] | None = None
        self._overdue: Timer | None = None
        mailbox.watch(SPOOLER)

    @property
    def waiting(self) -> int:
        """Transactions that are not acknowledged, in all topics."""
        return sum(outbox.waiting for outbox in self.outboxes.values())

    @property
    def waiting_bytes(self) -> int:
        return sum(outbox.waiting_bytes for outbox in self.outboxes.values())

    @property
    def dropped(self) -> int:
        """Scans given up because the ring was full; each is in a gap."""
        return sum(outbox.dropped for outbox in self.outboxes.values())

    def accounts(self) -> dict[str, Account]:
        """What became of every sample, by topic."""
        return {topic: outbox.account for topic, outbox in self.outboxes.items()}

    def add(self, topic: str, entry: Entry) -> None:
        """Keep one transaction and send what can be sent."""
        self.outboxes[topic].add(entry)
        self._flush(topic)

    def give_up(self, topic: str, entry: Entry, reason: str) -> None:
        """What cannot be kept at all: a gap in its place says so."""
        self.outboxes[topic].give_up(entry, reason)
        self._flush(topic)

    def finish(self, on_finished: Callable[[], None], latest: float) -> None:
        """Nothing more comes: call back once, when everything is durable, or at `latest` (monotonic s) as it is."""
        self._on_finished = on_finished
        self._overdue = self._mailbox.at(latest, self._finished)
        self._look_finished()

    def hear(self, message: Message) -> bool:
        """Whether the message was for this producer, and then handled."""
        mine = self._heard(message)
        self._look_finished()
        return mine

    def _look_finished(self) -> None:
        if self._on_finished is not None and not self.waiting:
            self._finished()

    def _finished(self) -> None:
        on_finished, self._on_finished = self._on_finished, None
        if self._overdue is not None:
            self._overdue.cancel()
        if on_finished is not None:
            on_finished()

    def _heard(self, message: Message) -> bool:
        match message:
            case PeerUp():
                for topic in self.outboxes:
                    self._open(topic)
            case PeerDown():
                for outbox in self.outboxes.values():
                    outbox.lost()
            case Appended(topic=topic, session=session, pseq=pseq, time_ns=time_ns):
                if session == self._session:
                    self._appended(topic, pseq, time_ns)
            case NoSession(topic=topic, session=session):
                if session == self._session:  # else it is about what a former incarnation had still sent
                    self.outboxes[topic].lost()
                    self._open(topic)
            case _:
                return False
        return True

    def _open(self, topic: str) -> None:
        self._mailbox.offer(SPOOLER, Append(topic, self._name, self._session, 0))

    def _appended(self, topic: str, pseq: int, time_ns: int) -> None:
        outbox = self.outboxes[topic]
        if outbox.is_open:
            outbox.acknowledged(pseq)
        else:
            if topic not in self._met:
                self._met.add(topic)
                self._on_first_session(topic, pseq, time_ns)
            outbox.opened(pseq)
        self._flush(topic)

    def _flush(self, topic: str) -> None:
        outbox = self.outboxes[topic]
        entries = outbox.sendable()
        for at, entry in enumerate(entries):
            append = Append(
                topic,
                self._name,
                self._session,
                entry.first_pseq,
                entry.is_gap,
                entry.commit,
                entry.counts,
                frames=entry.payloads,
            )
            if not self._mailbox.offer(SPOOLER, append):
                outbox.unsent(len(entries) - at)
                return
