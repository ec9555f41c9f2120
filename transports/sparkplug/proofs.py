"""What was sent at QoS 0 has arrived: a decider.

    record ──sent──> unproven ──an answer to something that we asked after it──> proven ──hold is over──> taken

MQTT does not acknowledge QoS 0. But a server reads a connection in order: when it answers a PINGREQ (or a PUBLISH of
QoS 1, or a SUBSCRIBE) that was written after the data, it has read the data before. An answer to something asked
*before* the data proves nothing. When the connection goes, what is not proven is forgotten here, and comes again from
the spool.

The answer proves that the server has it. That a host has it is another matter: a host may have died without a word,
and the server notices only at 1.5 times the host's keepalive. Data counts as taken only `hold_s` after its proof, if
by then the host was not said to be offline; with a hold as long as that nothing is lost to a host that dies.
"""

from collections import deque
from enum import Enum


class Confirm(Enum):
    """When what was sent at QoS 0 may be committed."""

    PROVEN = "proven"  # when the connection has proven alive after the send
    SENT = "sent"  # at once: what is under way when the connection breaks is lost


class Proofs:
    """The tickets of records on their way, in the order in which they left."""

    def __init__(self, confirm: Confirm, hold_s: float = 0.0) -> None:
        self._confirm, self._hold_s = confirm, hold_s
        self._unproven: deque[int] = deque()
        self._held: deque[tuple[float, int]] = deque()  # until when (monotonic), ticket
        self._taken: list[int] = []
        self._left = 0  # how many have ever left

    @property
    def unproven(self) -> int:
        """How many records wait for an answer: while there are any, asking is worth it."""
        return len(self._unproven)

    @property
    def on_their_way(self) -> int:
        """How many records are not taken yet."""
        return len(self._unproven) + len(self._held)

    def sent(self, ticket: int) -> None:
        """All messages of a record were handed to the connection."""
        self._left += 1
        if self._confirm is Confirm.SENT:
            self._taken.append(ticket)
        else:
            self._unproven.append(ticket)

    def asked(self) -> int:
        """Something that the server must answer is written now; `answered` is told this number with the answer."""
        return self._left

    def answered(self, asked: int, now: float) -> None:
        """The answer has come: what left before the question has arrived."""
        while self._unproven and self._left - len(self._unproven) < asked:
            self._held.append((now + self._hold_s, self._unproven.popleft()))

    def due(self, now: float) -> None:
        """Those whose hold is over are taken."""
        while self._held and self._held[0][0] <= now:
            self._taken.append(self._held.popleft()[1])

    def next_due(self) -> float | None:
        """When the next hold is over (monotonic seconds)."""
        return self._held[0][0] if self._held else None

    def taken(self) -> list[int]:
        """The tickets that may be committed since the last call, in the order in which they left."""
        taken, self._taken = self._taken, []
        return taken

    def lost(self) -> None:
        """The connection, or the host, is gone: nothing more is known of what was on its way."""
        self._unproven.clear()
        self._held.clear()
