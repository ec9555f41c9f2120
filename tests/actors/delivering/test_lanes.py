"""Which stretches are delivered and what is read next."""

from random import Random

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.delivering import lanes
from actors.delivering.lanes import BACKFILL, LIVE, MOST_DONE, Lanes
from tests.actors.delivering.far_ends import Inside
from transports.errors import NotUnderstood


def at(seq: int) -> tuple[int, int]:
    return 1, seq


def _jumped(cursor: int, *ends: int) -> Lanes:
    """Lanes that delivered ten records after each jump."""
    known = lanes.opened(Lanes(), at(cursor), b"")
    for end in ends:
        known = lanes.delivered(lanes.jumped(known, at(end)), LIVE, at(end + 10))
    return known


def test_without_a_jump_the_cursor_follows_the_live_lane_and_no_state_is_needed() -> None:
    known = lanes.delivered(lanes.opened(Lanes(), at(5), b""), LIVE, at(9))
    assert (known.cursor, lanes.packed(known), [*lanes.backlog(known)]) == (at(9), b"", [])


def test_what_a_jump_left_out_is_backlog_oldest_first_and_the_cursor_stays_before_it() -> None:
    known = _jumped(5, 100, 200)
    assert known.cursor == at(5)
    assert [*lanes.backlog(known)] == [(at(5), at(100)), (at(110), at(200))]


def test_backfill_passes_over_what_is_done_and_the_cursor_with_it() -> None:
    known = lanes.begun(_jumped(5, 100, 200))
    assert known.backfill == (at(5), at(100))
    known = lanes.delivered(known, BACKFILL, at(50))
    assert (known.cursor, known.backfill) == (at(50), (at(50), at(100)))
    known = lanes.begun(lanes.exhausted(known))
    assert (known.cursor, known.backfill) == (at(110), (at(110), at(200)))
    known = lanes.begun(lanes.exhausted(known))
    assert (known.cursor, known.done, known.backfill) == (at(210), (), None)


def test_whoever_opens_it_again_goes_on_with_the_same_stretches() -> None:
    known = _jumped(5, 100, 200)
    again = lanes.opened(Lanes(), known.cursor, lanes.packed(known))
    assert again == known


def test_what_is_known_and_what_was_committed_are_both_believed() -> None:
    committed = _jumped(5, 100)
    later = lanes.delivered(committed, LIVE, at(150))
    again = lanes.opened(later, committed.cursor, lanes.packed(committed))
    assert again.done == ((at(100), at(150)),)
    assert lanes.opened(later, at(120), b"").cursor == at(150), "a purge may have moved the cursor into what is done"


def test_the_live_lane_jumps_no_more_when_there_are_too_many_stretches() -> None:
    known = _jumped(0, *range(100, 100 * (MOST_DONE + 1), 100))
    assert len(known.done) == MOST_DONE
    assert not lanes.may_jump(known, at(10**6))
    known = lanes.begun(lanes.exhausted(lanes.begun(known)))
    assert lanes.may_jump(known, at(10**6)), "backfill has joined two of them"
    assert len(lanes.packed(_jumped(0, *range(2**40, 2**40 + 100 * MOST_DONE, 100)))) < 1000


def test_there_is_nothing_to_jump_over_at_the_end() -> None:
    known = _jumped(5, 100)
    assert not lanes.may_jump(known, at(110))


def test_refused_samples_are_told_once_when_the_cursor_is_there() -> None:
    known = _jumped(5, 100)
    for seq in (103, 104):
        known = lanes.refused(known, at(seq), "press", 2)
    known, told = lanes.reported(known)
    assert told == ()
    known = lanes.opened(Lanes(), known.cursor, lanes.packed(known))
    known, told = lanes.reported(lanes.exhausted(lanes.begun(known)))
    assert told == (("press", 4),)
    assert lanes.reported(known)[1] == ()


@pytest.mark.parametrize("state", [b"\xc1", msgpack.packb([2, [], []]), msgpack.packb([1, [[1, 2]], []]), b"old"])
def test_a_state_of_another_form_is_not_guessed_at(state: bytes) -> None:
    with pytest.raises(NotUnderstood):
        lanes.opened(Lanes(), at(5), state)


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=12)


@given(st.integers(0, 30), SPANS)
def test_stretches_say_exactly_what_is_delivered_in_whatever_order_it_was(
    cursor: int, spans: list[tuple[int, int]]
) -> None:
    known = Lanes(at(cursor))
    for after, length in spans:
        known = lanes._with(known, (at(after), at(after + length)))
    delivered = set(range(1, cursor + 1)).union(*(range(a + 1, a + n + 1) for a, n in spans))
    says = set(range(1, known.cursor[1] + 1)).union(*(range(a[1] + 1, b[1] + 1) for a, b in known.done))
    assert says == delivered
    edges = [place for span in known.done for place in span]
    assert [known.cursor, *edges] == sorted({known.cursor, *edges}), "sorted, apart from each other and the cursor"


STEADY = {"append": 6, "answer": 8, "take": 10, "wait": 2, "lull": 1, "commit": 2, "ring": 3}
CRASHES = {"cut": 1, "crash": 1, "spooler": 1, "lost commit": 1}


@pytest.mark.parametrize("crashes", [False, True], ids=["in peace", "with crashes"])
@given(st.integers(0, 2**32), st.integers(1, 250))
def test_every_record_arrives_and_no_commit_passes_one_that_did_not(crashes: bool, seed: int, acts: int) -> None:
    """Jumps, cuts, crashes of uplink and spooler, commits that are lost: against a model of the spool."""
    dice = Random(seed)
    inside = _some_uplink(dice)
    weights = STEADY | (CRASHES if crashes else {})
    inside.spooler.append(count=dice.randint(0, 30))
    inside.clock.advance(dice.choice([0, 60]))
    for act in dice.choices([*weights], [*weights.values()], k=acts):
        _do(act, inside, dice)
        _check_commits(inside)
    inside.settle_down()
    _check_commits(inside)
    everything = [place for place, _, _ in inside.spooler.records]
    assert set(inside.places) == set(everything)
    assert (inside.spooler.cursor, inside.spooler.state) == (inside.spooler.end, b"")
    if not crashes:
        assert len(inside.places) == len(everything), "each came once"
        for lane in (LIVE, BACKFILL):
            for source in ("press", "oven"):
                came = [place for place in inside.places if inside.left_in[place] == (lane, source)]
                assert came == sorted(came), "in order per source within each lane"


def _some_uplink(dice: Random) -> Inside:
    batch = dice.choice([1, 1, 3])
    return Inside(
        batch_records=batch,
        batch_wait_s=dice.choice([0.0, 2.0]) if batch > 1 else 0.0,
        window_messages=dice.randint(1, 6),
        live_within_s=5.0,
        backfill_messages_per_s=dice.choice([0.0, 0.0, 2.0]),
        max_messages_per_s=dice.choice([0.0, 0.0, 3.0]),
    )


def _do(act: str, inside: Inside, dice: Random) -> None:
    if inside.far_end is None and act not in ("append", "wait", "lull", "spooler"):
        inside.connect()
    match act:
        case "append":
            inside.spooler.append(dice.choice(["press", "oven"]), dice.randint(1, 5))
        case "wait" | "lull":
            inside.clock.advance(dice.choice([0.01, 0.5, 1.0]) if act == "wait" else 6.0)
            inside.step()
        case "answer":
            inside.answer()
        case "take" if inside.far_end is not None and inside.far_end.sent:
            inside.acknowledge()
        case "commit":
            inside.intake.commit()
        case "ring":
            inside.line.ring(inside.clock.now())
            inside.outward.departures.due(inside.clock.now())
            inside.step()
        case "cut":
            inside.cut()
        case "crash":
            inside.crash()
        case "spooler" | "lost commit":
            spooler = inside.spooler
            before = spooler.cursor, spooler.state
            if act == "lost commit":
                inside.intake.commit()
                spooler.cursor, spooler.state = before
            inside.spooler_dies()
            inside.spooler_returns()


def _check_commits(inside: Inside) -> None:
    places = set(inside.places)
    spooler = inside.spooler
    says = lanes.opened(Lanes(), spooler.cursor, spooler.state)
    for place, _, _ in spooler.records:
        done = place <= says.cursor or any(after < place <= until for after, until in says.done)
        assert not done or place in places, f"{place} is committed, but was not delivered"
