"""Numbers of a subscription's notifications: which one is due, and how many are missing (OPC 10000-4, 5.14.1.1).

Each notification has the number after the one before, and 1 follows the highest. "Still here" without values carries
the number that is due next, and does not use it up; servers that do use it up are known, and not called wrong.
"""

from dataclasses import dataclass, replace

HIGHEST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Sequence:
    """What is due: `due`, or the one after it where the server may have used a number for "still here"."""

    due: int = 0
    slack: bool = False
    missed: int = 0


def heard(sequence: Sequence, number: int, keepalive: bool) -> Sequence:
    """A notification has come. `missed` of the result counts all that did not."""
    gap = (number - sequence.due) % HIGHEST if sequence.due else 0
    if sequence.slack and gap == 1:
        gap = 0
    if gap > HIGHEST // 2:
        gap = 0  # one that was sent again
    following = replace(sequence, due=number if keepalive else number % HIGHEST + 1, slack=keepalive)
    return replace(following, missed=sequence.missed + gap)
