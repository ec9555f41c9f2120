"""A consumer's side of the spool: what comes next is fetched, at most one answer ahead, and committed when it is done.

    opened ──Fetch first──> cursor and state of the last commit ──Fetch──> records ──Fetch──> ... ──Commit──> forgotten

A session begins at the committed cursor, again after each return of the spooler. What was seen already is passed over,
so its owner gets each record once for as long as the consumer is open.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transports.clock import Clock
from transports.mailbox import Mailbox, PeerDown, PeerUp
from transports.messages import Commit, Fetch, Fetched, Message, NoSession
from transports.names import SPOOLER

Position = tuple[int, int]  # (epoch, seq) in the topic


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a consumer reads: whose cursor on which topic, how much at once, and only what is durable or all."""

    topic: str
    consumer: str
    max_bytes: int
    durable: bool = False


class Consumer:
    """Calls `on_begin(cursor, state)` once each time it is opened, then `on_records([(position, payload), ...])` with
    what came; an empty list means that there is something to ask for. It asks only when `fetch` is called."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        wanted: Wanted,
        session: int,
        on_begin: Callable[[Position, bytes], None],
        on_records: Callable[[Sequence[tuple[Position, bytes]]], None],
    ) -> None:
        self._mailbox, self._clock, self._wanted = mailbox, clock, wanted
        self._session = session
        self._on_begin, self._on_records = on_begin, on_records
        self._open = False
        self.seen: Position | None = None  # None until the spool has told where to go on
        self.committed: Position = (0, 0)
        self.fetching = False
        self.asked_at = 0.0
        mailbox.watch(SPOOLER)

    def open(self) -> None:
        """Begin at the committed cursor."""
        self._open = True
        self._start_over()

    def close(self) -> None:
        """Want nothing for now; what is on its way is not for us any more, and what was not committed comes again."""
        self._open = self.fetching = False
        self._session += 1
        self.seen = None

    def fetch(self) -> bool:
        """Ask for more, unless an answer is awaited already. Whether this asked."""
        if not self._open or self.fetching or self.seen is None:
            return False
        self._ask(first=False)
        return self.fetching

    def commit(self, position: Position) -> None:
        """Everything up to `position` is done. Lost with a dying spooler, it is said again to the next one."""
        self.committed = position
        self._offer_commit()

    def hear(self, message: Message) -> bool:
        """Whether the message was for this consumer alone, and then handled."""
        match message:
            case Fetched(topic=self._wanted.topic, session=session):
                if session == self._session:
                    self._fetched(message)
                return True
            case NoSession(topic=self._wanted.topic, producer=self._wanted.consumer, session=session):
                if session == self._session:
                    self._start_over()
                return True
            case PeerUp():
                self._start_over()
            case PeerDown():
                self.fetching = False
        return False

    def _start_over(self) -> None:
        if self._open:
            self._ask(first=True)

    def _ask(self, first: bool) -> None:
        wanted = self._wanted
        self.asked_at = self._clock.now()
        fetch = Fetch(wanted.topic, wanted.consumer, self._session, wanted.max_bytes, first, wanted.durable)
        self.fetching = self._mailbox.offer(SPOOLER, fetch)

    def _fetched(self, fetched: Fetched) -> None:
        self.fetching = False
        if fetched.cursor is not None:
            self._begun(fetched.cursor, fetched.state)
        seen = self.seen
        if seen is None:
            return
        arrived = zip(fetched.records, fetched.frames, strict=True)
        fresh = [(position, payload) for position, payload in arrived if position > seen]
        if fresh:
            self.seen = fresh[-1][0]
        self._on_records(fresh)

    def _begun(self, cursor: Position, state: bytes) -> None:
        if cursor < self.committed:
            self._offer_commit()
        first = self.seen is None
        self.seen = max(self.seen or cursor, cursor, self.committed)
        if first:
            self._on_begin(cursor, state)

    def _offer_commit(self) -> None:
        wanted = self._wanted
        self._mailbox.offer(SPOOLER, Commit(wanted.topic, wanted.consumer, self._session, self.committed))
