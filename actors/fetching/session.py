"""A consumer's session with the spool: opened at the committed cursor, opened again when the spooler returns.

    opened ──Fetch first──> cursor, state ──(reading: consumer.py, lane_consumer.py)──> Commit ──> closed

Each beginning has a session number of its own: an answer that was still on its way then belongs to nobody. A commit
that was lost with a dying spooler is said again to the next one.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from transports.mailbox import Mailbox, PeerDown, PeerUp
from transports.messages import Commit, Fetch, Fetched, Message, NoSession
from transports.names import SPOOLER

Position = tuple[int, int]  # (epoch, seq) in the topic
Refused = Sequence[tuple[str, int]]  # samples that could not be delivered, by producer
MOST_UNSURE = 64  # commits with refused samples that may have been lost, remembered at most


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a consumer reads: whose cursor on which topic, how much at once, and only what is durable or all."""

    topic: str
    consumer: str
    max_bytes: int
    durable: bool = False


class Reading:
    """The part that all consumers share; `begun`, `arrived` and `silenced` are theirs."""

    def __init__(self, mailbox: Mailbox, wanted: Wanted, session: int) -> None:
        self._mailbox, self._wanted, self._session = mailbox, wanted, session
        self._open = False
        self.committed: Position = (0, 0)
        self._state: bytes | None = None  # of our last commit; None before there was one
        self._refused: deque[tuple[Position, Refused]] = deque(maxlen=MOST_UNSURE)
        mailbox.watch(SPOOLER)

    # --- for subclasses ----------------------------------------------------------------------------------------------

    def begun(self, cursor: Position, state: bytes) -> None:
        """The session stands; this is what the spooler has of us, which our own last commit may be ahead of."""
        raise NotImplementedError

    def arrived(self, fetched: Fetched) -> None:
        """An answer of this session came; that to the first fetch comes after `begun`."""
        raise NotImplementedError

    def silenced(self) -> None:
        """What was asked is not answered any more."""
        raise NotImplementedError

    def ask(self, first: bool, lane: str = "", after: Position | None = None, until: Position | None = None) -> bool:
        """Send a fetch. Whether it is on its way."""
        topic, name, max_bytes, durable = astuple(self._wanted)
        fetch = Fetch(topic, name, self._session, max_bytes, first, durable, lane, after, until)
        return self._mailbox.offer(SPOOLER, fetch)

    # --- for their owner ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin at the committed cursor."""
        self._open = True
        self._start_over()

    def close(self) -> None:
        """Want nothing for now; what is on its way is not for us any more, and what was not committed comes again."""
        self._open = False
        self._session += 1
        self.silenced()

    def commit(self, position: Position, state: bytes = b"", refused: Refused = ()) -> None:
        """Everything up to `position` is done, but for the `refused`, of which no commit told before."""
        self.committed, self._state = position, state
        if refused:
            self._refused.append((position, refused))
        self._offer_commit(refused)

    def hear(self, message: Message) -> bool:
        """Whether the message was for this consumer alone, and then handled."""
        match message:
            case Fetched(topic=self._wanted.topic, session=session):
                if session == self._session:
                    self._answered(message)
                return True
            case NoSession(topic=self._wanted.topic, producer=self._wanted.consumer, session=session):
                if session == self._session:
                    self._start_over()
                return True
            case PeerUp():
                self._start_over()
            case PeerDown():
                self.silenced()
        return False

    def _start_over(self) -> None:
        if self._open:
            self._session += 1
            self.silenced()
            self.ask(first=True)

    def _answered(self, fetched: Fetched) -> None:
        if fetched.cursor is not None:
            self._say_again(fetched.cursor, fetched.state)
            self.begun(fetched.cursor, fetched.state)
        self.arrived(fetched)

    def _say_again(self, cursor: Position, state: bytes) -> None:
        """Our last commit, if it was lost."""
        while self._refused and self._refused[0][0] <= cursor:
            self._refused.popleft()
        if self._state is not None and cursor <= self.committed and (cursor, state) != (self.committed, self._state):
            self._offer_commit([each for _, refused in self._refused for each in refused])

    def _offer_commit(self, refused: Refused) -> None:
        topic, name, state = self._wanted.topic, self._wanted.consumer, self._state or b""
        self._mailbox.offer(SPOOLER, Commit(topic, name, self._session, self.committed, state, refused))
