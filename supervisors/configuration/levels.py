"""How much of the machine a process may use, as it is written: soft levels raise an alarm, hard ones restart it.

They stand in [supervision] for every process and in `supervise` for one; "unlimited" there takes the house's away.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from supervisors.spec import Limits
from transports.errors import Problem
from transports.settings import Facts
from transports.units import parse_size

Unlimited = Literal["unlimited"]
UNLIMITED: Unlimited = "unlimited"
LEAST_BYTES = 2**20  # nothing that runs has less; a number without its unit is meant in another
PAIRS = {  # soft, hard
    "memory": ("memory_soft_bytes", "memory_hard_bytes"),
    "descriptors": ("descriptors_soft", "descriptors_hard"),
    "cpu": ("cpu_soft", "cpu_hard"),
}


def or_unlimited(parse: Callable[[Any], Any], form: str, help: str, **facts: Any) -> dict[str, Facts]:
    """The metadata of a setting that takes the word "unlimited" beside what `parse` takes."""

    def either(given: Any) -> Any:
        return UNLIMITED if given == UNLIMITED else parse(given)

    return {"facts": Facts(help, parse=either, form=f'{form}, or "unlimited"', **facts)}


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(given)
    return float(given)


def _whole(given: Any) -> int:
    if type(given) is not int:
        raise TypeError(given)
    return given


def _enough(size_bytes: int | Unlimited) -> str | None:
    small = size_bytes != UNLIMITED and size_bytes < LEAST_BYTES
    return 'must be at least 1MiB, such as "200MiB"; a number without a unit is bytes' if small else None


def _memory(help: str, example: str) -> dict[str, Facts]:
    return or_unlimited(parse_size, 'a size such as "200MiB"', help, example=f'"{example}"', check=_enough)


def _descriptors(help: str, example: str) -> dict[str, Facts]:
    return or_unlimited(_whole, "a whole number", help, example=example, ge=1, le=2**20)


def _cpu(help: str, example: str) -> dict[str, Facts]:
    return or_unlimited(_number, "a number such as 0.9", help, example=example, gt=0, le=1024)


@dataclass(frozen=True)
class Levels:
    """The levels of memory (resident), descriptors (open) and CPU; None where nothing is said."""

    memory_soft_bytes: int | Unlimited | None = field(
        default=None, metadata=_memory("memory of a process from which an alarm is raised", "150MiB")
    )
    memory_hard_bytes: int | Unlimited | None = field(
        default=None, metadata=_memory("memory from which it is restarted", "200MiB")
    )
    descriptors_soft: int | Unlimited | None = field(
        default=None, metadata=_descriptors("open descriptors from which an alarm is raised", "200")
    )
    descriptors_hard: int | Unlimited | None = field(
        default=None, metadata=_descriptors("open descriptors from which it is restarted", "500")
    )
    cpu_soft: float | Unlimited | None = field(
        default=None, metadata=_cpu("share of one core (1.0 is all of it) from which an alarm is raised", "0.7")
    )
    cpu_hard: float | Unlimited | None = field(
        default=None, metadata=_cpu("share of one core from which it is restarted", "0.95")
    )

    def problems(self, path: str) -> Iterator[Problem]:
        """Alarms that could never come before the restart."""
        yield from order_problems(path, self, self)


def limits(house: Levels, own: Levels) -> Limits:
    """What one process may use: what its own table says, else what the house says. Both have `cpu_over_s` too."""
    return Limits(**{each.name: _limit(getattr(house, each.name), getattr(own, each.name)) for each in fields(Limits)})


def mixed_problems(path: str, house: Levels, own: Levels) -> Iterator[Problem]:
    """What is wrong where one level of a pair is a process's own and the other the house's."""
    mixed = [
        name for name, (soft, hard) in PAIRS.items() if (getattr(own, soft) is None) != (getattr(own, hard) is None)
    ]
    yield from order_problems(path, limits(house, own), own, mixed)


def order_problems(
    path: str, levels: Levels | Limits, written: Levels, which: Iterable[str] = tuple(PAIRS)
) -> Iterator[Problem]:
    """Soft levels that are not below the hard ones, told of one that is `written`."""
    for name in which:
        soft, hard = (getattr(levels, field) for field in PAIRS[name])
        if soft in (None, UNLIMITED) or hard in (None, UNLIMITED) or soft < hard:
            continue
        if getattr(written, PAIRS[name][0]) is not None:
            cure = f"must be less than {name}_hard ({hard}), or the process is restarted before the alarm"
            yield Problem(f"{path}.{name}_soft", f"{soft}", cure)
        else:
            yield Problem(f"{path}.{name}_hard", f"{hard}", f"must be more than supervision.{name}_soft ({soft})")


def _limit(house: Any, own: Any) -> Any:
    chosen = house if own is None else own
    return None if chosen == UNLIMITED else chosen
