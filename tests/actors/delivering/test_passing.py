"""What a link does not let pass waits in the spool, and goes when one does: nothing is lost, what may pass goes on."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.delivering import lanes
from actors.delivering.lanes import Lanes
from actors.delivering.passing import Grade, grade_of, limit_of
from tests.actors.delivering.far_ends import TAGS, Inside
from transports import codec
from transports.quality import Quality
from transports.samples import Batch, Gap, Scan, Tag, all_bad, batch_of

GRADES = [Grade.ALARMS, Grade.AGGREGATED, Grade.ALL]


def _batch(*quality: int) -> Batch:
    tags = tuple(Tag(f"t{number}") for number in range(len(quality)))
    values = [None if code >= 0x8000_0000 else 1.0 for code in quality]
    return batch_of("press", 1, [Scan(1, tags, values, list(quality))])


def test_what_an_alarm_is() -> None:
    dead = all_bad("press", 1, TAGS, 1, Quality.BAD_NO_COMMUNICATION)
    assert grade_of(Gap("press", "buffer full", 1, 2)) is Grade.ALARMS
    assert grade_of(dead) is Grade.ALARMS
    assert grade_of(replace(dead, aggregate="hourly")) is Grade.ALARMS
    assert grade_of(_batch(Quality.BAD_SENSOR_FAILURE, Quality.BAD_NO_COMMUNICATION)) is Grade.ALARMS
    assert grade_of(_batch(Quality.BAD_SENSOR_FAILURE, Quality.GOOD)) is Grade.ALL, "one sensor is not the device"
    assert grade_of(replace(_batch(Quality.GOOD), aggregate="hourly")) is Grade.AGGREGATED
    assert grade_of(_batch(Quality.GOOD)) is Grade.ALL


def test_the_words_of_the_configuration_are_grades() -> None:
    assert [limit_of(word) for word in ("all", "aggregated", "alarms", "nothing")] == [*reversed(Grade)]


def test_only_what_may_pass_passes_and_the_rest_goes_when_everything_may() -> None:
    inside = Inside()
    for grade in (Grade.ALL, Grade.AGGREGATED, Grade.ALL, Grade.ALARMS, Grade.AGGREGATED):
        inside.spooler.append(grade=grade)
    inside.limit = Grade.AGGREGATED
    inside.settle_down()
    assert [seq for _, seq in inside.places] == [2, 4, 5]
    assert inside.spooler.cursor == (0, 0), "what waits is not committed"
    inside.cut()
    inside.limit = Grade.ALL
    inside.settle_down()
    assert [seq for _, seq in inside.places] == [2, 4, 5, 1, 3], "and what has passed does not come again"
    assert (inside.spooler.cursor, inside.spooler.state) == ((1, 5), b"")


def test_where_nothing_had_to_wait_the_spool_may_forget() -> None:
    inside = Inside()
    inside.limit = Grade.AGGREGATED
    inside.spooler.append(count=50, grade=Grade.AGGREGATED)
    inside.settle_down()
    assert inside.spooler.cursor == (1, 50)


def test_what_passed_on_the_way_over_days_is_remembered_in_a_few_bytes_whatever_dies() -> None:
    inside = Inside()
    inside.limit = Grade.AGGREGATED
    for _ in range(300):
        inside.spooler.append(grade=Grade.ALL)
        inside.spooler.append(grade=Grade.AGGREGATED)
        inside.settle_down()
    assert len(inside.spooler.state) < 100
    inside.crash()
    inside.limit = Grade.ALL
    inside.settle_down()
    assert sorted(inside.places) == [place for place, _, _ in inside.spooler.records], "each came once"


def test_a_link_that_lets_less_pass_does_not_make_what_waited_for_more_pass_for_delivered() -> None:
    inside = Inside()
    inside.spooler.append(grade=Grade.AGGREGATED)
    inside.spooler.append(grade=Grade.ALARMS)
    for limit, now in ((Grade.ALARMS, [2]), (Grade.AGGREGATED, [2, 1])):
        inside.limit = limit
        inside.settle_down()
        assert [seq for _, seq in inside.places] == now
        inside.cut()


def test_an_alarm_is_not_left_behind_with_the_backlog_of_an_outage() -> None:
    inside = Inside(live_within_s=5.0)
    inside.spooler.append(count=5)
    inside.spooler.append(grade=Grade.ALARMS)
    inside.clock.advance(3600)
    inside.spooler.append(count=5)
    inside.limit = Grade.ALARMS
    inside.settle_down()
    assert inside.places == [(1, 6)]
    assert inside.delivered[0]["historical"], "it is no alarm of now"


def test_a_fact_of_another_version_is_not_guessed_at() -> None:
    known = lanes.sifted(Lanes(), Grade.AGGREGATED, (1, 9))
    state = lanes.packed(known)
    assert lanes.opened(Lanes(), (0, 0), state).sifted == known.sifted
    assert lanes.packed(lanes.opened(known, (1, 9), b"")) == b"", "behind the cursor there is nothing to remember"


@given(st.integers(0, 2**32))
def test_whatever_links_let_pass_in_turn_everything_comes_once(seed: int) -> None:
    dice = Random(seed)
    inside = _some_uplink(dice)
    for _ in range(dice.randint(1, 30)):
        for _ in range(dice.randint(0, 8)):
            inside.spooler.append(dice.choice(["press", "oven"]), dice.randint(1, 5), dice.choice(GRADES))
        inside.clock.advance(dice.choice([0, 0, 10]))
        inside.limit = dice.choice(GRADES)
        inside.settle_down()
        if dice.random() < 0.3:
            inside.crash()
        elif inside.far_end is not None:
            inside.cut()
    inside.limit = Grade.ALL
    inside.settle_down()
    assert sorted(inside.places) == [place for place, _, _ in inside.spooler.records]


ACTS = {"append": 8, "answer": 9, "take": 10, "wait": 2, "lull": 1, "commit": 2, "ring": 3, "limit": 2, "cut": 1}
CRASHES = {"crash": 1, "spooler": 1, "lost commit": 1, "quota": 1}


@pytest.mark.parametrize("crashes", [False, True], ids=["in peace", "with crashes"])
@given(st.integers(0, 2**32), st.integers(1, 250))
def test_whatever_links_let_pass_and_whatever_dies_nothing_is_lost(crashes: bool, seed: int, acts: int) -> None:
    dice = Random(seed)
    inside = _some_uplink(dice)
    weights = ACTS | (CRASHES if crashes else {})
    for act in dice.choices([*weights], [*weights.values()], k=acts):
        before = len(inside.delivered)
        _do(act, inside, dice)
        limit = inside.limit
        assert all(told["grade"] <= limit for told in inside.delivered[before:]), "more passed than may"
        _check_facts(inside)
    inside.limit = Grade.ALL
    if inside.far_end is not None:
        inside.cut()
    inside.settle_down()
    _check_facts(inside)
    everything = [place for place, _, _ in inside.spooler.records]
    assert set(inside.places) >= set(everything), "more only where the spool has given some up since"
    assert (inside.spooler.cursor, inside.spooler.state) == (inside.spooler.end, b"")


def _some_uplink(dice: Random) -> Inside:
    batch = dice.choice([1, 1, 3])
    return Inside(
        batch_records=batch,
        batch_wait_s=dice.choice([0.0, 2.0]) if batch > 1 else 0.0,
        window_messages=dice.randint(1, 6),
        live_first=dice.choice([True, False]),
        live_within_s=5.0,
    )


def _do(act: str, inside: Inside, dice: Random) -> None:
    if inside.far_end is None and act not in ("append", "wait", "lull", "spooler", "limit"):
        inside.connect()
    match act:
        case "append":
            inside.spooler.append(dice.choice(["press", "oven"]), dice.randint(1, 3), dice.choice(GRADES))
        case "wait" | "lull":
            inside.clock.advance(dice.choice([0.01, 0.5, 1.0]) if act == "wait" else 6.0)
            inside.step()
        case "answer":
            inside.answer()
        case "take" if inside.far_end is not None and inside.far_end.sent:
            inside.acknowledge(dice.choice([0, -1]))
        case "commit":
            inside.intake.commit()
        case "ring":
            inside.line.ring(inside.clock.now())
            inside.outward.departures.due(inside.clock.now())
            inside.step()
        case "limit":
            if inside.far_end is not None:
                inside.cut()
            inside.limit = dice.choice(GRADES)
        case "cut":
            inside.cut()
        case "crash":
            inside.crash()
        case "quota":
            gone = dice.randint(0, len(inside.spooler.records) // 2)
            if gone:
                del inside.spooler.records[:gone]
                inside.spooler.append("spool/out/1", grade=Grade.ALARMS)
        case "spooler" | "lost commit":
            spooler = inside.spooler
            before = spooler.cursor, spooler.state
            if act == "lost commit":
                inside.intake.commit()
                spooler.cursor, spooler.state = before
            inside.spooler_dies()
            inside.spooler_returns()


def _check_facts(inside: Inside) -> None:
    """What is committed was delivered: up to the cursor, in the stretches, of each grade as far as it was sifted."""
    came = {(told["place"][0], told["place"][1]) for told in inside.delivered}
    spooler = inside.spooler
    says = lanes.opened(Lanes(), spooler.cursor, spooler.state)
    for place, _, payload in spooler.records:
        grade = grade_of(codec.unpack(payload))
        assert place in came or not lanes.is_delivered(says, place, grade), f"{place} is not delivered"
