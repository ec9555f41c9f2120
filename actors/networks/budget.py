"""How many bytes of a month a link has used: a decider.

Counted is what the kernel counts on the interface, in and out, with all headers, whoever sent it: that is what a
provider bills. Its counters begin at 0 when the machine boots and when the interface is made anew (another index);
what was counted then is all new. Months are calendar months, UTC; a clock that goes back to an earlier one is not
believed.
"""

from dataclasses import dataclass, replace

STEPS = (80, 100)  # percent, each said once a month


@dataclass(frozen=True, slots=True)
class Reading:
    """The counter of an interface, and which one it is: the boot and the interface's index (0: it is not there)."""

    boot: str
    index: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Used:
    """What is used in `month` ("2026-05"), by a counter that was last read as `reading`; `said` is the step that was
    last told."""

    month: str
    bytes: int
    reading: Reading
    said: int = 0


def counted(before: Used | None, reading: Reading, month: str) -> Used:
    """One reading more. The first ever tells nothing: what was before it is nobody's knowledge."""
    if before is None:
        return Used(month, 0, reading)
    if month > before.month:
        before = Used(month, 0, before.reading)
    if not reading.index:
        return before
    last = before.reading
    same = (reading.boot, reading.index) == (last.boot, last.index) and reading.bytes >= last.bytes
    return replace(before, bytes=before.bytes + reading.bytes - (last.bytes if same else 0), reading=reading)


def is_over(used: Used | None, monthly_bytes: int | None) -> bool:
    """Whether nothing is left."""
    return used is not None and monthly_bytes is not None and used.bytes >= monthly_bytes


def told(used: Used, monthly_bytes: int | None) -> tuple[Used, int]:
    """The step (percent) that must be told now, 0 for none; it need not be told again this month."""
    if monthly_bytes is None:
        return used, 0
    reached = max((step for step in STEPS if used.bytes * 100 >= step * monthly_bytes), default=0)
    return (replace(used, said=reached), reached) if reached > used.said else (used, 0)
