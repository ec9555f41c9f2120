"""What a Modbus device turned out not to answer: addresses set aside, and places where a request must begin anew.

A device refuses a whole request for one address that it does not have. What it does not say is which:

    refused, several points   cut in the middle: two requests from now on   ─┐ until the parts that are refused
    refused, one point        set aside, with the reason                    ─┘ are single points

Once nothing is refused any more, each cut is tried without (is it still needed?), and each point that was set aside is
asked alone, now and again: a device whose firmware was changed heals. A cut that is needed stays: over a gap that the
device does not have, or where it takes no more registers at once. Every refusal teaches a cut or sets a point aside,
so a search takes less than two refused requests a point, and then there is peace until something is tried again.

A decider: states and times in, states and requests out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from transports.modbus.plan import Block, plan
from transports.modbus.tags import Point

AGAIN_S = 300.0  # how long after a refusal what was refused is tried again
ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 2, 3, 4


@dataclass(frozen=True, slots=True)
class SetAside:
    """A point that is not read: the exception that it was refused with, and when to try it again."""

    code: int
    again_at: float


@dataclass(frozen=True, slots=True)
class Findings:
    """By the points' places: those set aside, and those at which a request begins anew, until when that is certain."""

    aside: Mapping[int, SetAside] = field(default_factory=dict)
    cuts: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """A request to find out whether the finding about the point at `place` still holds."""

    place: int
    block: Block


def blocks_of(points: Sequence[Point], max_gap: int, findings: Findings) -> tuple[Block, ...]:
    """The requests that read every point that is not set aside."""
    return plan(points, max_gap, findings.aside, findings.cuts)


def refused(findings: Findings, points: Sequence[Point], block: Block, code: int, now: float) -> Findings:
    """What a refused request of the plan teaches; the same findings when that is nothing."""
    if code in (ILLEGAL_ADDRESS, ILLEGAL_VALUE):
        if len(block.members) == 1:
            return _set_aside(findings, block.members[0], code, now)
        return _cut(findings, [block.members[len(block.members) // 2]], now)
    if code == DEVICE_FAILURE:  # over a gap some devices fail rather than refuse; without one it is a true failure
        return _cut(findings, list(_behind_gaps(points, block)), now)
    return findings


def trials(findings: Findings, points: Sequence[Point], max_gap: int, now: float, most: int) -> tuple[Trial, ...]:
    """What to try again now, at most so many; where nothing is left to read, the one that has waited longest."""
    blocks = blocks_of(points, max_gap, findings)
    due = [(since, place) for place, since in findings.cuts.items() if since <= now]
    due += [(aside.again_at, place) for place, aside in findings.aside.items() if blocks == () or aside.again_at <= now]
    some = sorted(due)[:most] if blocks else sorted(due)[:1]
    return tuple(_trial(findings, points, max_gap, blocks, place) for _, place in some)


def tried(findings: Findings, trial: Trial, code: int, now: float) -> Findings:
    """What became of a trial: it was answered (code 0), and the finding is forgotten, or it holds for a while."""
    place = trial.place
    if place in findings.aside:
        aside = {at: kept for at, kept in findings.aside.items() if at != place}
        return replace(findings, aside=aside) if not code else _set_aside(findings, place, code, now)
    cuts = {at: until for at, until in findings.cuts.items() if at != place}
    return replace(findings, cuts=cuts if not code else {**cuts, place: now + AGAIN_S})


def pieces(points: Sequence[Point], block: Block, findings: Findings) -> tuple[Block, ...]:
    """What is to be asked in place of a block that was refused; none when the refusal taught nothing."""
    groups: list[list[int]] = [[]]
    for place in block.members:
        if place in findings.cuts and groups[-1]:
            groups.append([])
        if place not in findings.aside:
            groups[-1].append(place)
    found = tuple(_around(points, block.register, group) for group in groups if group)
    return found if found != (block,) else ()


def next_trial_at(findings: Findings) -> float:
    """When the next finding is to be tried again; infinite without any."""
    times = [*findings.cuts.values(), *(aside.again_at for aside in findings.aside.values())]
    return min(times, default=math.inf)


def _trial(findings: Findings, points: Sequence[Point], max_gap: int, blocks: Sequence[Block], place: int) -> Trial:
    if place in findings.aside:
        point = points[place]
        return Trial(place, Block(point.register, point.address, point.width, (place,)))
    joined = plan(points, max_gap, findings.aside, findings.cuts.keys() - {place})
    return Trial(place, next(block for block in joined if place in block.members))


def _around(points: Sequence[Point], register: str, places: Sequence[int]) -> Block:
    start, end = points[places[0]].address, max(points[place].end for place in places)
    return Block(register, start, end - start, tuple(places))


def _set_aside(findings: Findings, place: int, code: int, now: float) -> Findings:
    cuts = {at: until for at, until in findings.cuts.items() if at != place}
    return Findings({**findings.aside, place: SetAside(code, now + AGAIN_S)}, cuts)


def _cut(findings: Findings, places: Sequence[int], now: float) -> Findings:
    new = dict.fromkeys(places, now)
    return replace(findings, cuts={**findings.cuts, **new}) if new else findings


def _behind_gaps(points: Sequence[Point], block: Block) -> Iterator[int]:
    end = block.address
    for place in block.members:
        if points[place].address > end:
            yield place
        end = max(end, points[place].end)
