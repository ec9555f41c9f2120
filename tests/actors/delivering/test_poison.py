"""A culprit is found and set aside; an outage, however it looks, condemns nothing."""

from random import Random

import pytest

from actors.delivering import poison
from actors.delivering.poison import Flown, Suspicion
from tests.actors.delivering.far_ends import Inside

CULPRIT = (1, 7)


def _suspected(max_attempts: int = 5) -> Suspicion:
    """One that has cost two connections, as the head of a window of four."""
    known = Suspicion(max_attempts)
    for _ in range(2):
        known, _ = poison.lost(poison.connected(known), Flown([CULPRIT], 4))
    return known


def _tried(known: Suspicion, written: bool = True) -> tuple[Suspicion, tuple[int, int] | None]:
    """A connection on which the witnesses were taken, and then the suspect cost it."""
    known = poison.connected(known)
    for _ in range(poison.witnesses(known)):
        assert not poison.may_try(known, False)
        known = poison.acknowledged(known, None)
    assert poison.may_try(known, False)
    return poison.lost(known, Flown([CULPRIT], 1, written))


def test_one_loss_is_no_suspicion_and_the_second_at_the_same_head_is() -> None:
    once, _ = poison.lost(Suspicion(), Flown([CULPRIT], 4))
    assert not once.to_pass
    other, _ = poison.lost(once, Flown([(1, 9)], 4))
    assert not other.to_pass, "there was progress between them"
    twice, _ = poison.lost(once, Flown([CULPRIT], 4))
    assert (twice.suspect, twice.to_pass) == (CULPRIT, 4)


def test_a_head_of_either_lane_is_noticed_though_the_other_goes_on() -> None:
    known, _ = poison.lost(Suspicion(), Flown([(1, 90), CULPRIT], 4))
    known, _ = poison.lost(known, Flown([(1, 99), CULPRIT], 4))
    assert known.suspect == CULPRIT


def test_a_loss_with_nothing_in_flight_says_nothing() -> None:
    for known in (Suspicion(), _suspected()):
        assert poison.lost(known, Flown([], 0)) == (known, None)


def test_after_as_many_tries_as_are_allowed_it_is_condemned() -> None:
    known, condemned = _suspected(max_attempts=3), None
    for attempt in range(3):
        assert condemned is None, attempt
        known, condemned = _tried(known)
    assert condemned == CULPRIT
    assert known.suspect is None
    assert known.to_pass, "the rest of its window goes one at a time, too: there may be another"


def test_a_loss_at_a_witness_is_the_link_and_forgets_all_hits() -> None:
    known, _ = _tried(_tried(_suspected())[0])
    assert known.hits == 2
    known, condemned = poison.lost(poison.connected(known), Flown([], 1, witness=True))
    assert (known.hits, condemned, known.suspect) == (0, None, CULPRIT)


def test_without_witnesses_on_the_same_connection_a_loss_is_no_hit() -> None:
    known = _suspected()
    for _ in range(20):
        known, condemned = poison.lost(poison.connected(known), Flown([CULPRIT], 1))
        assert (known.hits, condemned) == (0, None)


def test_a_suspect_that_was_not_written_whole_is_no_hit() -> None:
    known, condemned = _tried(_suspected(), written=False)
    assert (known.hits, condemned) == (0, None)


def test_an_acknowledgement_acquits() -> None:
    known, _ = _tried(_tried(_suspected())[0])
    known = poison.acknowledged(known, CULPRIT)
    assert (known.suspect, known.hits) == (None, 0)


def test_probation_ends_when_as_many_have_passed_as_were_in_flight() -> None:
    known = _suspected()
    for seq in (7, 8, 9, 10):
        assert known.to_pass
        known = poison.acknowledged(known, (1, seq))
    assert not known.to_pass


def test_a_suspect_that_is_never_met_again_is_forgotten() -> None:
    known = _suspected()
    for seq in range(20, 24):
        known = poison.acknowledged(known, (1, seq))
    assert (known.to_pass, known.suspect) == (0, None)


def test_another_culprit_than_the_suspect_is_found_as_well() -> None:
    known = _suspected()
    for _ in range(2):
        known, _ = poison.lost(poison.connected(known), Flown([(1, 50)], 1))
    assert known.suspect == (1, 50)


# --- through the uplink's inside --------------------------------------------------------------------------------------


def _uplink(**work: object) -> Inside:
    return Inside(window_messages=8, live_first=False, **work)


def _is_culprit(told: dict[str, object]) -> bool:
    return told["place"] == list(CULPRIT) and not told["gap"]


def test_the_culprit_becomes_a_dead_letter_and_a_gap_and_all_others_arrive() -> None:
    inside = _uplink()
    inside.kind = {"poison": _is_culprit}
    inside.spooler.append(count=40)
    inside.settle_down()
    assert inside.spooler.dead == [inside.spooler.records[6][2]], "its payload as it was"
    assert set(inside.places) == {place for place, _, _ in inside.spooler.records}
    gaps = [told for told in inside.delivered if told["gap"]]
    assert [(told["place"], told["gap"]) for told in gaps] == [
        ([*CULPRIT], "refused: the far end drops the connection at it")
    ]
    assert inside.spooler.refused == [("press", 1)]
    assert inside.spooler.cursor == inside.spooler.end
    assert not inside.outward.probation.is_on


def test_a_culprit_before_which_nothing_was_ever_taken_is_found_by_a_later_witness() -> None:
    inside = _uplink()
    inside.kind = {"poison": lambda told: told["place"] == [1, 1] and not told["gap"]}
    inside.spooler.append(count=40)
    inside.settle_down()
    assert len(inside.spooler.dead) == 1
    assert set(inside.places) == {place for place, _, _ in inside.spooler.records}


def test_where_even_the_gap_costs_the_connection_the_stream_goes_on_without_it() -> None:
    inside = _uplink()
    inside.kind = {"poison": lambda told: told["place"] == [*CULPRIT]}
    inside.spooler.append(count=20)
    inside.settle_down()
    assert len(inside.spooler.dead) == 1
    assert set(inside.places) == {place for place, _, _ in inside.spooler.records} - {CULPRIT}
    assert inside.spooler.cursor == inside.spooler.end
    assert inside.spooler.refused == [("press", 1)]


def test_several_culprits_in_both_lanes_are_all_found() -> None:
    inside = Inside(window_messages=8, live_within_s=5.0)
    bad = {3, 4, 17, 33, 52}
    inside.kind = {"poison": lambda told: told["place"][1] in bad and not told["gap"]}
    inside.spooler.append(count=40)
    inside.clock.advance(60)
    inside.connect()
    inside.answer()
    inside.answer()
    inside.spooler.append(count=20)
    inside.settle_down()
    assert {told["place"][1] for told in inside.delivered if told["gap"]} == bad
    assert len(inside.spooler.dead) == len(bad)
    assert set(inside.places) == {place for place, _, _ in inside.spooler.records}


def test_a_culprit_is_found_in_a_message_of_many() -> None:
    inside = _uplink(batch_records=5, batch_wait_s=1.0)
    inside.kind = {"poison": _is_culprit}
    inside.spooler.append(count=40)
    inside.settle_down()
    assert len(inside.spooler.dead) == 1
    assert set(inside.places) == {place for place, _, _ in inside.spooler.records}


def test_a_far_end_that_acknowledges_nothing_condemns_nothing() -> None:
    inside = _uplink()
    for source in ("press", "oven") * 20:
        inside.spooler.append(source)
    for _ in range(500):
        inside.connect()
        while inside.answer():
            pass
        assert inside.far_end is not None
        assert inside.far_end.sent
        inside.cut()
    assert inside.letters.count == 0
    inside.settle_down()
    assert len(inside.places) == 40
    for source in ("press", "oven"):
        came = [told["place"] for told in inside.delivered if told["source"] == source]
        assert came == sorted(came)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loses", [0.15, 0.2, 0.3, 0.5])
def test_a_link_that_loses_messages_at_random_condemns_nothing(seed: int, loses: float) -> None:
    """500 cuts: each message in flight is lost with its connection with a probability, by chance."""
    dice, inside = Random(seed), _uplink()
    inside.spooler.append(count=20)
    cuts = 0
    while cuts < 500:
        if inside.far_end is None:
            inside.connect()
        assert inside.far_end is not None
        if not inside.answer() and not inside.far_end.sent:
            inside.spooler.append()
            continue
        while inside.far_end is not None and inside.far_end.sent:
            if dice.random() < loses:
                inside.cut()
                cuts += 1
            else:
                inside.acknowledge()
    inside.settle_down()
    assert inside.letters.count == 0
    assert list(dict.fromkeys(inside.places)) == [place for place, _, _ in inside.spooler.records], "all, in order"


def test_a_link_that_always_dies_after_the_same_number_of_messages_condemns_nothing() -> None:
    for after in range(1, 12):
        inside = _uplink()
        inside.spooler.append(count=60)
        for _ in range(200):
            inside.connect()
            taken = 0
            while inside.far_end is not None and (inside.answer() or inside.far_end.sent):
                if inside.far_end.sent and taken == after:
                    inside.cut()
                elif inside.far_end.sent:
                    inside.acknowledge()
                    taken += 1
            if inside.far_end is not None:
                inside.cut()
        assert inside.letters.count == 0, after
