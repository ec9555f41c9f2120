"""Which stretches of a topic an uplink has delivered, and which it reads next: a decider.

     delivered     backlog      done      backlog      done   live ──>
    ───────────┤░░░░░░░░░░░░├─────────┤░░░░░░░░░░░░├─────────┤············ end of the topic
             cursor                                        live

The live lane reads on from `live`. When it has fallen behind it jumps: it goes on behind the topic's end, and what it
left out is backlog, which the backfill lane reads meanwhile, oldest first. When backfill meets a stretch that is done
it passes over it. The lanes never read the same place: all of the backlog lies before `live`, and none of it is done.

Committed is the cursor, up to which everything is delivered, and with it, as state, what is done behind it: whoever
opens the topic again, after any death, skips nothing and repeats nothing that is in there.

    STATE    msgpack [1, [[epoch, seq, epoch, seq], ...], [[epoch, seq, producer, samples], ...]]; empty: nothing done
             stretches done, each behind its first place and up to its second; samples refused in them
             and, only where something was sifted, [[epoch, seq], ...]: up to where, by grade

While a link is in use that does not let everything pass (passing.py) there is one lane. It reads on from where it has
read by that grade before, sends what may pass and leaves the rest: `sifted` says up to where everything of a grade has
been delivered. What was left is backlog like any other, and what was sifted is passed over in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgpack

from actors.delivering.passing import Grade
from transports.errors import NotUnderstood

Place = tuple[int, int]  # (epoch, seq) in the topic
Span = tuple[Place, Place]  # what lies behind the first, up to and including the second
NOWHERE: Place = (0, 0)
LIVE, BACKFILL = "", "backfill"
MOST_DONE = 32  # stretches; a commit with all of them has about 700 bytes
_FORM = 1
# Of each grade but the last: up to there all of it is delivered, though not what lies between. Never rises.
UNSIFTED: tuple[Place, ...] = (NOWHERE,) * Grade.ALL


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where an uplink is. `done` is sorted, does not touch, and lies behind `cursor`; `backfill` is what is left of
    the stretch that the backfill lane reads. `refused` says whose samples up to where were set aside, and how many.
    `sifted` says of each grade but ALL up to where all of it is delivered."""

    cursor: Place = NOWHERE
    done: tuple[Span, ...] = ()
    live: Place = NOWHERE
    backfill: Span | None = None
    refused: tuple[tuple[Place, str, int], ...] = ()
    sifted: tuple[Place, ...] = UNSIFTED


def opened(lanes: Lanes, cursor: Place, state: bytes) -> Lanes:
    """Begin, with what was committed and what is known beside it: both are true. Raises NotUnderstood for a state
    of another form."""
    done, refused, sifted = _unpacked(state)
    furthest = tuple(map(max, zip(lanes.sifted, sifted, strict=True)))
    known = replace(
        lanes, backfill=None, refused=lanes.refused or refused, sifted=UNSIFTED if furthest == UNSIFTED else furthest
    )
    known = _with(known, (known.cursor, max(known.cursor, cursor)))
    for span in done:
        known = _with(known, span)
    return replace(known, live=_frontier(known))


def passed(lanes: Lanes, cursor: Place) -> Lanes:
    """The spool says that nothing up to there is wanted any more: it was purged."""
    return _with(lanes, (lanes.cursor, cursor)) if cursor > lanes.cursor else lanes


def delivered(lanes: Lanes, lane: str, place: Place) -> Lanes:
    """Everything that this lane was handed out up to there has been taken by the far end, or set aside."""
    if lane == LIVE:
        return replace(_with(lanes, (lanes.live, place)), live=max(lanes.live, place))
    if lanes.backfill is None:
        return lanes
    after, until = lanes.backfill
    place = min(place, until)  # a hole may reach over the end of the stretch
    return replace(_with(lanes, (after, place)), backfill=(place, until))


def may_jump(lanes: Lanes, end: Place) -> bool:
    """Whether the live lane can go on behind `end`: there is something to leave out, and the stretches stay few."""
    return end > lanes.live and len(lanes.done) < MOST_DONE


def jumped(lanes: Lanes, end: Place) -> Lanes:
    """The live lane, of which nothing is on its way, goes on behind `end`."""
    return replace(lanes, live=max(lanes.live, end))


def backlog(lanes: Lanes) -> Iterator[Span]:
    """The stretches before the live lane that are not done, oldest first, as far as they are not delivered."""
    after = lanes.cursor
    for first, last in lanes.done:
        if after < first < lanes.live:
            yield after, first
        after = last
    if after < lanes.live:
        yield after, lanes.live


def begun(lanes: Lanes) -> Lanes:
    """The backfill lane takes the oldest stretch of the backlog; none if there is none."""
    return replace(lanes, backfill=next(backlog(lanes), None))


def exhausted(lanes: Lanes) -> Lanes:
    """Nothing is left in the stretch that the backfill lane reads, and nothing of it is on its way."""
    assert lanes.backfill is not None
    return replace(_with(lanes, lanes.backfill), backfill=None)


def refused(lanes: Lanes, place: Place, producer: str, samples: int) -> Lanes:
    """The record at this place, which counts as delivered, was set aside: so many samples of this producer."""
    before = sum(each for _, name, each in lanes.refused if name == producer)
    others = tuple(each for each in lanes.refused if each[1] != producer)
    furthest = max((each[0] for each in lanes.refused if each[1] == producer), default=place)
    return replace(lanes, refused=(*others, (max(place, furthest), producer, before + samples)))


def reported(lanes: Lanes) -> tuple[Lanes, tuple[tuple[str, int], ...]]:
    """What a commit of the cursor can say of samples refused up to there; it need not be said again."""
    now = tuple((name, samples) for place, name, samples in lanes.refused if place <= lanes.cursor)
    if not now:
        return lanes, ()
    return replace(lanes, refused=tuple(each for each in lanes.refused if each[0] > lanes.cursor)), now


def packed(lanes: Lanes) -> bytes:
    """The state to commit with the cursor."""
    sifted = [lanes.sifted] if max(lanes.sifted) > lanes.cursor else []
    if not lanes.done and not lanes.refused and not sifted:
        return b""
    spans = [[*after, *until] for after, until in lanes.done]
    state: bytes = msgpack.packb([_FORM, spans, [[*place, *told] for place, *told in lanes.refused], *sifted])
    return state


# --- while a link lets only some of it pass ---------------------------------------------------------------------------


def sifting_from(lanes: Lanes, limit: Grade) -> Place:
    """Where to read on when only `limit` may pass: before it nothing is left that may."""
    return max(lanes.cursor, lanes.sifted[limit])


def sifted(lanes: Lanes, limit: Grade, place: Place) -> Lanes:
    """Everything up to there that may pass by `limit` has been taken; what may pass by less is part of that."""
    furthest = (max(old, place) if grade <= limit else old for grade, old in enumerate(lanes.sifted))
    return replace(lanes, sifted=tuple(furthest))


def nothing_left(lanes: Lanes, after: Place, place: Place) -> Lanes:
    """Sifting left nothing behind between these: it is done, as far as that can be remembered."""
    if after >= place or (after > lanes.cursor and len(lanes.done) >= MOST_DONE // 2):
        return lanes
    return _with(lanes, (after, place))


def is_sifted(lanes: Lanes, place: Place, grade: Grade) -> bool:
    """Whether the record of this grade at this place was taken while sifting."""
    return grade < Grade.ALL and place <= lanes.sifted[grade]


def is_delivered(lanes: Lanes, place: Place, grade: Grade) -> bool:
    """Whether the record of this grade at this place was taken before, by sifting or in a lane."""
    if is_sifted(lanes, place, grade):
        return True
    return place <= lanes.cursor or any(after < place <= until for after, until in lanes.done)


def records_in(span: Span) -> int:
    """About how many records there are in a stretch: a topic's numbers go on from epoch to epoch."""
    return max(0, span[1][1] - span[0][1])


def _frontier(lanes: Lanes) -> Place:
    return lanes.done[-1][1] if lanes.done else lanes.cursor


def _with(lanes: Lanes, span: Span) -> Lanes:
    """The same with one more stretch done; what touches becomes one, and what touches the cursor moves it."""
    cursor, joined = lanes.cursor, list[Span]()
    for after, until in sorted((*lanes.done, span)):
        if after <= cursor:
            cursor = max(cursor, until)
        elif joined and after <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], until)
        elif after < until:
            joined.append((after, until))
    return replace(lanes, cursor=cursor, done=tuple(joined))


def _unpacked(state: bytes) -> tuple[list[Span], tuple[tuple[Place, str, int], ...], tuple[Place, ...]]:
    if not state:
        return [], (), UNSIFTED
    try:
        form, spans, refused, *more = msgpack.unpackb(state)
        if form != _FORM:
            raise ValueError(f"the form {form!r:.20}")
        done = [((int(a), int(b)), (int(c), int(d))) for a, b, c, d in spans]
        told = tuple(((int(a), int(b)), str(name), int(samples)) for a, b, name, samples in refused)
        sifted = tuple((int(a), int(b)) for a, b in more[0]) if more else UNSIFTED
        if len(sifted) != len(UNSIFTED):
            raise ValueError("other grades")
        return done, told, sifted
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as wrong:
        raise NotUnderstood(f"an uplink's state of another version: {wrong}") from wrong
