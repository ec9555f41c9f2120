"""What a receiving application has said that it stored, and which messages are thereby done with: a decider.

    {"gateway": "plant-7", "topic": "out", "taken": [[epoch, first_seq, last_seq], ...]}

A message is done with when the server has acknowledged it and the application has all of its records, in whichever
order it hears of the two. What is told again, or of records that are not on their way, changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from transports.errors import NotUnderstood

CLAIMS_MOST = 10_000
Span = tuple[int, int]  # first and last, both included
Id = tuple[str, int, int]
"""Of a record: topic, epoch, seq."""


class Claim(NamedTuple):
    """Records that the application has: of one topic and epoch, from `first` to `last`."""

    topic: str
    epoch: int
    first: int
    last: int


def claims_in(payload: bytes, gateway: str) -> list[Claim]:
    """What it says. Raises NotUnderstood, in words for who writes the application."""
    try:
        told = orjson.loads(payload)
    except orjson.JSONDecodeError as wrong:
        raise NotUnderstood(f"is no JSON ({wrong})") from wrong
    if not isinstance(told, Mapping):
        raise NotUnderstood("is no object")
    if told.get("gateway") != gateway:
        raise NotUnderstood(f"is of the gateway {str(told.get('gateway'))[:60]!r}")
    topic, taken = told.get("topic"), told.get("taken")
    if not isinstance(topic, str) or not isinstance(taken, list) or len(taken) > CLAIMS_MOST:
        raise NotUnderstood(f'has no text "topic" and list "taken" of at most {CLAIMS_MOST}')
    return [_claim(topic, each) for each in taken]


def _claim(topic: str, told: Any) -> Claim:
    if isinstance(told, list) and len(told) == 3 and all(type(number) is int for number in told):
        epoch, first, last = told
        if 0 <= first <= last:
            return Claim(topic, epoch, first, last)
    raise NotUnderstood(f"has in taken {str(told)[:60]}, which is not [epoch, first_seq, last_seq]")


class Confirming:
    """Messages that have left and are not done with."""

    def __init__(self) -> None:
        self._missing: dict[int, set[Id]] = {}  # by ticket, oldest first: records that nobody has told of
        self._tickets: dict[tuple[str, int], dict[int, set[int]]] = {}  # by topic and epoch, by seq
        self._acked: set[int] = set()

    @property
    def oldest(self) -> int | None:
        """The ticket of the oldest message that is not done with."""
        return next(iter(self._missing), None)

    def sent(self, ticket: int, ids: Sequence[Id]) -> None:
        """A message with these records has left."""
        self._missing[ticket] = set(ids)
        for topic, epoch, seq in ids:
            self._tickets.setdefault((topic, epoch), {}).setdefault(seq, set()).add(ticket)

    def acked(self, ticket: int) -> list[int]:
        """The server has it. The tickets that are done with by that."""
        if ticket not in self._missing:
            return []
        self._acked.add(ticket)
        return self._done([ticket])

    def told(self, *claims: Claim) -> list[int]:
        """The application has these records. The tickets that are done with by that, oldest first."""
        spans = dict[tuple[str, int], list[Span]]()
        for claim in claims:
            spans.setdefault((claim.topic, claim.epoch), []).append((claim.first, claim.last))
        touched = set[int]()
        for place, told in spans.items():
            waiting = self._tickets.get(place, {})
            for seq in _among(waiting, told):
                for ticket in waiting.pop(seq, ()):
                    self._missing[ticket].discard((*place, seq))
                    touched.add(ticket)
            if not waiting:
                self._tickets.pop(place, None)
        return self._done(sorted(touched))

    def _done(self, tickets: Sequence[int]) -> list[int]:
        done = [ticket for ticket in tickets if ticket in self._acked and not self._missing[ticket]]
        for ticket in done:
            self._acked.discard(ticket)
            del self._missing[ticket]
        return done


def _among(waiting: Collection[int], told: Sequence[Span]) -> list[int]:
    """Which of those that wait are told of: as much work as there are of both, whatever numbers are told."""
    if sum(last - first + 1 for first, last in told) <= len(waiting):
        return [seq for first, last in told for seq in range(first, last + 1)]
    found, spans = list[int](), sorted(told)
    at, reached = 0, -1
    for seq in sorted(waiting):
        while at < len(spans) and spans[at][0] <= seq:
            reached, at = max(reached, spans[at][1]), at + 1
        if seq <= reached:
            found.append(seq)
    return found
