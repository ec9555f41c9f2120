"""Who writes to the spool and who reads from it: one session a name, and who was sent away and waits to be called.

    handshake ──> open ──nothing can be taken now──> away ──called──> told NoSession: it begins anew with a handshake
                             handshake while nothing can be taken ──┘

Whoever is away sends what he has once more when he is called, in its order: so nothing of it is held here. Whatever
was not taken is followed by a call, or its sender would wait for ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from transports.messages import NoSession

Key = tuple[str, str]  # topic, name


@dataclass(slots=True)
class _Session:
    sender: str
    number: int
    is_open: bool = True


class Sessions:
    """Of the producers or of the consumers: at most one session a name."""

    def __init__(self) -> None:
        self._sessions: dict[Key, _Session] = {}
        self._away: dict[Key, None] = {}  # in the order in which they are called

    def opened(self, key: Key, sender: str, number: int) -> None:
        """A handshake is answered; what comes of another session is of a process that is gone."""
        self._sessions[key] = _Session(sender, number)
        self._away.pop(key, None)

    def sent_away(self, key: Key, sender: str, number: int) -> None:
        """Nothing of this session is taken any more, until it has been called and begins anew."""
        self._sessions[key] = _Session(sender, number, is_open=False)
        self._away[key] = None

    def all_sent_away(self) -> None:
        """Everyone who has a session is to begin anew when he is called."""
        for key, session in self._sessions.items():
            session.is_open = False
            self._away[key] = None

    def is_open(self, key: Key, number: int) -> bool:
        """Whether this is the session that stands."""
        session = self._sessions.get(key)
        return session is not None and session.number == number and session.is_open

    def is_away(self, key: Key, number: int) -> bool:
        """Whether what comes of this session can be passed over, because it will be called."""
        session = self._sessions.get(key)
        return session is not None and session.number == number and not session.is_open

    @property
    def away(self) -> int:
        """How many wait to be called."""
        return len(self._away)

    def called(self, most: int | None = None) -> Iterator[tuple[str, NoSession]]:
        """Those who wait longest, all or so many of them: whom to tell, and what."""
        for key in list(self._away)[:most]:
            del self._away[key]
            session = self._sessions.pop(key)
            yield session.sender, NoSession(*key, session.number)
