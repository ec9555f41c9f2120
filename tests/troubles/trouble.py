"""One trouble of one uplink: how it is configured, what must be said, how it is mended, what the far end has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from tests.troubles.turnstile import Turnstile


class Where(Enum):
    """Where an operator reads of it."""

    LAST_ERROR = "last_error"  # there is no connection, and this is why
    WARNINGS = "warnings"  # there is one, and something about it is not as it should be
    WAITS = "waits_for"  # there is one, and nothing is sent yet
    GAP = "gap"  # one record cannot be delivered: at the far end a gap is in its place, with the reason


@dataclass(frozen=True)
class Trouble:
    """`table` is what the uplink's own needs in the configuration, `words` what event and status must contain.

    `spoil` makes a far end wrong that was well at first. `payloads` are the JSON records that the far end has now.
    `connections_a_try`: how many connections a try takes; 0 where their number says nothing."""

    name: str
    table: str
    words: Sequence[str]
    mend: Callable[[], object]
    payloads: Callable[[], Sequence[bytes]]
    turnstile: Turnstile
    spoil: Callable[[], object] | None = None
    where: Where = Where.LAST_ERROR
    connections_a_try: int = 1
