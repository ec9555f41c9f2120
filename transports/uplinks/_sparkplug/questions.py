"""When to ask the server for a sign of life, which proves what was sent at QoS 0, and which answer is whose: a decider.

The question (Line.ask) is one that a server answers in the order of the connection, and nobody else hears of. It is
asked at once when data leaves after a pause, each EVERY_S while data goes on, and after each EVERY_MESSAGES, so that
more data need not wait for it.
"""

from typing import NamedTuple

EVERY_S = 0.1
EVERY_MESSAGES = 16


class Question(NamedTuple):
    """One that is on its way: the number that EdgeNode knows it by, and since when (monotonic seconds)."""

    number: int
    since: float


class Questions:
    """Of one connection."""

    def __init__(self) -> None:
        self._open: dict[int, Question] = {}
        self._unasked = 0
        self._asked_at = float("-inf")

    def sent(self) -> None:
        """A message with data has left."""
        self._unasked += 1

    def is_due(self, now: float) -> bool:
        """Whether to ask now."""
        return self._unasked >= EVERY_MESSAGES or (self._unasked > 0 and now >= self._asked_at + EVERY_S)

    def next_due(self) -> float | None:
        """When `is_due` must be asked next (monotonic seconds); None while there is nothing to prove."""
        return self._asked_at + EVERY_S if self._unasked else None

    def asked(self, mid: int, number: int, now: float) -> None:
        """What the server acknowledges as `mid` has left after everything that was sent."""
        self._open[mid] = Question(number, now)
        self._unasked, self._asked_at = 0, now

    def answered(self, mid: int) -> int | None:
        """The number of the question that this acknowledgement answers; None if it is none."""
        question = self._open.pop(mid, None)
        return None if question is None else question.number

    def unanswered_since(self) -> float | None:
        """Since when the oldest question waits (monotonic seconds)."""
        return next((question.since for question in self._open.values()), None)
