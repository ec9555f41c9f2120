"""Whose turn it is on a line: a decider. Time is handed in, and so is luck.

One request waits of each member, so whoever asks often does not take others' turns. Members that are LIVE go first,
whose last turn was longest ago by its own period: many that ask at the same moment all go in the same order each time.
One that is not due yet is held for HOLD_S, or it would go early because it happened to be the first to ask. The others,
of whom nobody knows whether they answer, go when no live member waits. While one waits,
- a NEW member has every second turn, on credit;
- a member that missed (its turn is a probe) has a turn when it has waited PATIENCE_S, and there was credit for as long,
  but no live member waits for two probes.
Before that, no probe begins when a live member, by its own rhythm, will ask before the probe is over. A probe is always
on credit: SHARE of the time comes in, what misses cost goes out. While nobody is live there is nobody to protect, and
credit does not matter.

A first miss costs credit, too, but only down to DEBT_S: many slaves that die at once (a cut cable) must not keep each
other from being asked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

from actors.lines.standing import Ended, Member, Standing, after, due_at, has_asked, may_at

SHARE = 0.1  # of the line's time may be lost over members that do not answer
CREDIT_S = 0.5  # the most that is saved up
DEBT_S = -0.5
PATIENCE_S = 2.0  # then a member is probed though live ones wait, or are about to
_RIPE_S = SHARE * PATIENCE_S  # what comes in over that time
_JUST_PAST_S = 0.001
ACTIVE_S = 60.0  # a live member that has not asked for so long needs no protection
URGENT_IN_A_ROW = 2  # while an ordinary request waits
MOST_MEMBERS = 256  # a line has at most 247 addresses


class Ask(NamedTuple):
    """A request that waits, or has its turn."""

    member: str
    at: float
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Turns:
    """The whole state of a line's turns at monotonic times; `credit_s` is as of `credit_at`."""

    credit_at: float
    credit_s: float = CREDIT_S
    members: Mapping[str, Member] = field(default_factory=dict)
    waiting: tuple[Ask, ...] = ()
    running: Ask | None = None
    urgent_in_a_row: int = 0
    new_last: bool = False
    probed_at: float = -inf  # when the last probe began

    def member(self, name: str) -> Member:
        """What is known of it; nothing is known of one that never asked."""
        return self.members.get(name, Member())

    def credit(self, now: float) -> float:
        """Seconds that may be lost over doubted members."""
        return min(CREDIT_S, self.credit_s + SHARE * max(0.0, now - self.credit_at))


# --- what happens ---------------------------------------------------------------------------------------------------


def is_refused(turns: Turns, name: str, now: float) -> bool:
    """Whether the member is on probation and not to be probed yet."""
    return now < turns.member(name).probe_at


def asked(turns: Turns, name: str, now: float, urgent: bool = False) -> Turns:
    """A member that is not refused asks for a turn, in place of one that it may have asked for before."""
    turns = withdrawn(turns, name)
    members = {**_with_room(turns, name), name: has_asked(turns.member(name), now)}
    return replace(turns, members=members, waiting=(*turns.waiting, Ask(name, now, urgent)))


def withdrawn(turns: Turns, name: str) -> Turns:
    """A member gives up what it asked for; a turn that has begun goes on to its end."""
    return replace(turns, waiting=tuple(ask for ask in turns.waiting if ask.member != name))


def begun(turns: Turns, now: float) -> Turns:
    """The line is free: whoever is next is `running`; None is when nobody may go."""
    chosen = _chosen(turns, now)
    if chosen is None:
        return turns
    others_wait = any(not ask.urgent and _is_live(turns, ask) for ask in turns.waiting)
    return replace(
        turns,
        waiting=tuple(ask for ask in turns.waiting if ask is not chosen),
        running=chosen,
        members=_on_turn(turns, chosen, now),
        urgent_in_a_row=turns.urgent_in_a_row + 1 if chosen.urgent and others_wait else 0,
        new_last=_standing(turns, chosen) is Standing.NEW,
        probed_at=now if turns.member(chosen.member).misses else turns.probed_at,
    )


def ended(turns: Turns, how: Ended, now: float, cost_s: float, luck: float) -> Turns:
    """The turn that ran is over; it took `cost_s` of the line's time."""
    ask = turns.running
    if ask is None:
        return turns
    before = turns.member(ask.member)
    members = {**turns.members, ask.member: after(before, how, now, cost_s, luck)}
    credit_s = turns.credit(now)
    if how is Ended.MISSED:
        credit_s = credit_s - cost_s if before.misses else max(min(credit_s, DEBT_S), credit_s - cost_s)
    return replace(turns, members=members, running=None, credit_s=credit_s, credit_at=now)


def cleared(turns: Turns) -> Turns:
    """The port is lost: nobody waits any more, and nothing is held against anybody."""
    return replace(turns, waiting=(), running=None)


def overdue(turns: Turns, before: float) -> tuple[Turns, tuple[Ask, ...]]:
    """Those that asked at `before` or earlier and still wait, wait no more."""
    late = tuple(ask for ask in turns.waiting if ask.at <= before)
    return (
        (replace(turns, waiting=tuple(ask for ask in turns.waiting if ask.at > before)), late) if late else (turns, ())
    )


def look_at(turns: Turns, now: float, queue_s: float) -> float:
    """When to look again though nothing happens: the first becomes overdue, or somebody may begin at last.

    For there is credit, or patience is over, or a live member that was expected has not come.
    """
    if not turns.waiting:
        return inf
    overdue_at = min(ask.at for ask in turns.waiting) + queue_s + _JUST_PAST_S
    if turns.running is not None:
        return overdue_at
    times = [may_at(turns.member(ask.member)) for ask in turns.waiting]
    times += [now + (wanted_s - turns.credit(now)) / SHARE for wanted_s in (0.0, _RIPE_S)]
    times += [ask.at + PATIENCE_S for ask in turns.waiting]
    times += [member.asked_at + member.rhythm_s for member in turns.members.values()]
    return min(overdue_at, min((at for at in times if at >= now), default=inf) + _JUST_PAST_S)


# --- who is next ----------------------------------------------------------------------------------------------------


def _chosen(turns: Turns, now: float) -> Ask | None:
    if turns.running is not None:
        return None
    live = [ask for ask in turns.waiting if _is_live(turns, ask) and (ask.urgent or _may(turns, ask) <= now)]
    doubted = _doubted(turns, live, now)
    if doubted is not None:
        return doubted
    return _next_live(turns, live) if live else None


def _next_live(turns: Turns, live: list[Ask]) -> Ask:
    """What is urgent, or whose turn has been due for longest."""
    urgent = next((ask for ask in live if ask.urgent), None)
    ordinary = min((ask for ask in live if not ask.urgent), key=lambda ask: _due(turns, ask), default=None)
    if urgent is None or (ordinary is not None and turns.urgent_in_a_row >= URGENT_IN_A_ROW):
        return ordinary or live[0]
    return urgent


def _may(turns: Turns, ask: Ask) -> float:
    return may_at(turns.member(ask.member))


def _due(turns: Turns, ask: Ask) -> float:
    return due_at(turns.member(ask.member))


def _on_turn(turns: Turns, ask: Ask, now: float) -> Mapping[str, Member]:
    """The members, with the turn at which the chosen one's reading begins."""
    member = turns.member(ask.member)
    if ask.urgent or member.continues:
        return turns.members
    return {**turns.members, ask.member: replace(member, turn_at=now)}


def _doubted(turns: Turns, live: list[Ask], now: float) -> Ask | None:
    """The next of those that may not answer: who waited too long, what is urgent, who missed least."""
    has_credit = turns.credit(now) > 0
    is_ripe = turns.credit(now) >= _RIPE_S
    is_free = has_credit or not any(
        member.standing is Standing.LIVE and now - member.asked_at < ACTIVE_S for member in turns.members.values()
    )
    new_may = not live or (has_credit and not turns.new_last)
    probe_may = is_free and (not live or turns.probed_at < live[0].at)

    def may(ask: Ask) -> bool:
        if not turns.member(ask.member).misses:
            return new_may
        is_urging = is_ripe and _is_impatient(ask, now)
        return probe_may and (is_urging or not (live or _live_soon(turns, ask, now)))

    return min(
        (ask for ask in turns.waiting if not _is_live(turns, ask) and may(ask)),
        key=lambda ask: (not _is_impatient(ask, now), not ask.urgent, turns.member(ask.member).misses, ask.at),
        default=None,
    )


def _live_soon(turns: Turns, ask: Ask, now: float) -> bool:
    """Whether a live member is to be expected while the probe that is asked for runs."""
    over_at = now + turns.member(ask.member).missed_s
    waiting = {each.member for each in turns.waiting}
    return any(
        now <= (may_at(member) if name in waiting else member.asked_at + member.rhythm_s) < over_at
        for name, member in turns.members.items()
        if member.standing is Standing.LIVE
    )


def _standing(turns: Turns, ask: Ask) -> Standing:
    return turns.member(ask.member).standing


def _is_live(turns: Turns, ask: Ask) -> bool:
    return _standing(turns, ask) is Standing.LIVE


def _is_impatient(ask: Ask, now: float) -> bool:
    return now - ask.at >= PATIENCE_S


def _with_room(turns: Turns, name: str) -> Mapping[str, Member]:
    """The members without the one that asked longest ago, where there is no room for another."""
    if name in turns.members or len(turns.members) < MOST_MEMBERS:
        return turns.members
    busy = {ask.member for ask in turns.waiting} | ({turns.running.member} if turns.running else set())
    idle = [other for other in turns.members if other not in busy]
    if not idle:
        return turns.members
    oldest = min(idle, key=lambda other: turns.members[other].asked_at)
    return {other: member for other, member in turns.members.items() if other != oldest}
