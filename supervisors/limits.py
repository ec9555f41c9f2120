"""What a child may use: (limits, standing, usage) -> (standing, what to say and whether to restart it). Pure.

    usage over soft ──> Crossed(over=True), once        ── it is still over: silence
    back below 90 % ──> Crossed(over=False), once        the gap keeps a value on the edge from chattering
    usage over hard ──> overran, the reason              the child is ended like a hung one

Memory and descriptors are judged as they stand. CPU is the average over the last `cpu_over_s` seconds, and is judged
only when there is that much of it: a start-up that computes for two seconds breaks no limit over ten.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from supervisors.spec import Limits

BACK_BELOW = 0.9  # of the soft level: from there on it is no alarm any more
MARKS = 16  # of used CPU time within `cpu_over_s`: how finely the window slides, however long it is


class Resource(StrEnum):
    """What can run out."""

    MEMORY = "memory"
    DESCRIPTORS = "descriptors"
    CPU = "CPU"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process uses at a moment: resident bytes, the CPU seconds that it used so far, `cpu` the share of one
    core since it was last looked at, and open descriptors (None: not counted)."""

    rss_bytes: int
    cpu_s: float
    cpu: float
    descriptors: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What was said of a child: the resources over their soft level; and (monotonic s, CPU s) marks, oldest first."""

    over: frozenset[Resource] = frozenset()
    marks: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Crossed:
    """A soft level was passed, or (not `over`) left behind again."""

    what: Resource
    used: float
    soft: float
    over: bool

    def __str__(self) -> str:
        used, soft = amount(self.what, self.used), amount(self.what, self.soft)
        return f"uses {used}, over {soft}" if self.over else f"uses {used}, below {soft} again"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a look: alarms that come or go, and why the child must be restarted ("" when it need not)."""

    crossed: tuple[Crossed, ...] = ()
    overran: str = ""


def judged(limits: Limits, before: Standing, usage: Usage, now: float) -> tuple[Standing, Verdict]:
    """What to make of one child's usage. `now` is monotonic seconds."""
    marks = _marked(before.marks, usage.cpu_s, now, limits.cpu_over_s) if _counts_cpu(limits) else ()
    over, crossed, overran = before.over, list[Crossed](), ""
    for what, used, soft, hard in _levels(limits, usage, marks, now):
        if soft is not None and (used > soft) != (what in over) and not soft * BACK_BELOW <= used <= soft:
            over = over ^ {what}
            crossed.append(Crossed(what, used, soft, what in over))
        if hard is not None and used > hard and not overran:
            overran = f"over its limit: it uses {amount(what, used)}, more than {amount(what, hard)}"
    return Standing(over, marks), Verdict(tuple(crossed), overran)


def renewed(standing: Standing) -> Standing:
    """The child is a new process: its CPU time begins anew; an alarm stays until its use is seen to be below."""
    return replace(standing, marks=())


def limited(limits: Limits) -> bool:
    """Whether there is anything to judge."""
    return any(level is not None for level in (*_of_memory(limits), *_of_descriptors(limits))) or _counts_cpu(limits)


def counts_descriptors(limits: Limits) -> bool:
    """Whether a child's descriptors must be counted."""
    return any(level is not None for level in _of_descriptors(limits))


def amount(what: Resource, value: float) -> str:
    """So much of it, for people: `130.2 MiB of memory`, `85 % of a core`, `1024 descriptors`."""
    match what:
        case Resource.MEMORY:
            return f"{value / 2**20:.1f} MiB of memory"
        case Resource.CPU:
            return f"{value * 100:.0f} % of a core"
        case Resource.DESCRIPTORS:
            return f"{value:.0f} descriptors"


def _levels(
    limits: Limits, usage: Usage, marks: tuple[tuple[float, float], ...], now: float
) -> Iterator[tuple[Resource, float, float | None, float | None]]:
    yield Resource.MEMORY, usage.rss_bytes, *_of_memory(limits)
    if usage.descriptors is not None:
        yield Resource.DESCRIPTORS, usage.descriptors, *_of_descriptors(limits)
    if marks and now - marks[0][0] >= limits.cpu_over_s:
        since, used_s = marks[0]
        yield Resource.CPU, (usage.cpu_s - used_s) / (now - since), limits.cpu_soft, limits.cpu_hard


def _of_memory(limits: Limits) -> tuple[int | None, int | None]:
    return limits.memory_soft_bytes, limits.memory_hard_bytes


def _of_descriptors(limits: Limits) -> tuple[int | None, int | None]:
    return limits.descriptors_soft, limits.descriptors_hard


def _counts_cpu(limits: Limits) -> bool:
    return limits.cpu_soft is not None or limits.cpu_hard is not None


def _marked(
    marks: tuple[tuple[float, float], ...], cpu_s: float, now: float, over_s: float
) -> tuple[tuple[float, float], ...]:
    """The marks that the average over the last `over_s` needs: the newest that is as old as that, and what followed."""
    if marks and (cpu_s < marks[-1][1] or now < marks[-1][0]):
        marks = ()  # another process: its CPU time began anew
    if not marks or now - marks[-1][0] >= over_s / MARKS:
        marks = (*marks, (now, cpu_s))
    old_enough = [index for index, (at, _) in enumerate(marks) if now - at >= over_s]
    return marks[old_enough[-1] :] if old_enough else marks
