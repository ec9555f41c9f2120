"""How many bytes of a month a link has used: a decider.

Counted is what the kernel counts on the interface, in and out, with all headers, whoever sent it: that is what a
provider bills. Its counters begin at 0 when the machine boots and when the interface is made anew (another index);
what was counted then is all new. Months are calendar months, UTC, by the machine's clock, each with a count of its
own: a clock that is wrong for a while (1970 at the boot, a year ahead) makes another month, and when it is right again
the count of the true one goes on.
"""

from dataclasses import dataclass, replace

STEPS = (80, 100)  # percent, each said once a month
OTHERS = 3  # months, besides the present one


@dataclass(frozen=True, slots=True)
class Reading:
    """The counter of an interface, and which one it is: the boot and the interface's index (0: it is not there)."""

    boot: str
    index: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Used:
    """What is used in `month` ("2026-05"), by a counter that was last read as `reading`; `said` is the step that was
    last told. `others` are months that the clock has shown before, the newest last, each with its bytes and step."""

    month: str
    bytes: int
    reading: Reading
    said: int = 0
    others: tuple[tuple[str, int, int], ...] = ()


def counted(before: Used | None, reading: Reading, month: str) -> Used:
    """One reading more. The first ever tells nothing: what was before it is nobody's knowledge."""
    if before is None:
        return Used(month, 0, reading)
    if month != before.month:
        before = _turned(before, month)
    if not reading.index:
        return before
    last = before.reading
    same = (reading.boot, reading.index) == (last.boot, last.index) and reading.bytes >= last.bytes
    return replace(before, bytes=before.bytes + reading.bytes - (last.bytes if same else 0), reading=reading)


def _turned(used: Used, month: str) -> Used:
    """The clock shows another month: a new one, or one that it has shown before."""
    known = (*used.others, (used.month, used.bytes, used.said))
    _, carried, said = next((each for each in known if each[0] == month), (month, 0, 0))
    return Used(month, carried, used.reading, said, tuple(each for each in known if each[0] != month)[-OTHERS:])


def is_over(used: Used | None, monthly_bytes: int | None) -> bool:
    """Whether nothing is left."""
    return used is not None and monthly_bytes is not None and used.bytes >= monthly_bytes


def told(used: Used, monthly_bytes: int | None) -> tuple[Used, int]:
    """The step (percent) that must be told now, 0 for none; it need not be told again this month."""
    if monthly_bytes is None:
        return used, 0
    reached = max((step for step in STEPS if used.bytes * 100 >= step * monthly_bytes), default=0)
    return (replace(used, said=reached), reached) if reached > used.said else (used, 0)
