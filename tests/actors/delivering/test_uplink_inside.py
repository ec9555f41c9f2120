"""What an uplink does with records, between a spooler and a far end that are played: lanes, letters, rates, commits."""

import pytest

from actors.delivering import lanes
from actors.delivering.lanes import MOST_DONE, Lanes
from tests.actors.delivering.far_ends import Inside
from transports import codec, compression
from transports.samples import Gap


def _answers(inside: Inside) -> None:
    while inside.answer():
        pass


def _late(backlog: int, **work: object) -> Inside:
    """An uplink whose far end was away for a minute, and comes back now."""
    inside = Inside(live_within_s=10.0, **{"window_messages": 4, **work})
    inside.spooler.append(count=backlog)
    inside.clock.advance(60)
    inside.connect()
    _answers(inside)
    return inside


def _sequence(inside: Inside) -> list[int]:
    return [place[1] for place in inside.places]


def _historical(inside: Inside) -> list[int]:
    return [told["place"][1] for told in inside.delivered if told["historical"]]


def test_after_an_outage_fresh_records_go_first_and_the_backlog_is_marked() -> None:
    inside = _late(20, window_messages=40)
    for seq in range(21, 31):
        inside.spooler.append()
        _answers(inside)
        inside.acknowledge(at=-1)
        assert inside.places[-1] == (1, seq), "it did not wait behind the backlog"
    inside.settle_down()
    assert sorted(_sequence(inside)) == [*range(1, 31)]
    assert _historical(inside) == [*range(1, 21)]
    assert inside.tally.historical == 20


def test_after_a_short_break_everything_goes_in_its_order_and_is_no_history() -> None:
    inside = Inside(window_messages=4)
    inside.spooler.append(count=20)
    inside.clock.advance(9)
    inside.settle_down()
    assert _sequence(inside) == [*range(1, 21)]
    assert _historical(inside) == []


def test_in_order_means_in_order() -> None:
    inside = _late(20, live_first=False)
    inside.spooler.append(count=5)
    inside.settle_down()
    assert _sequence(inside) == [*range(1, 26)]
    assert _historical(inside) == [*range(1, 21)], "late is late in any order"


def test_an_uplink_that_falls_behind_goes_on_with_what_is_fresh() -> None:
    inside = Inside(window_messages=4, max_messages_per_s=2.0)
    latest = []
    for _ in range(60):  # five a second come, not two can leave
        inside.spooler.append(count=5)
        inside.clock.advance(1.0)
        inside.step()
        _answers(inside)
        if inside.far_end is None:
            inside.connect()
        assert inside.far_end is not None
        while inside.far_end.sent:
            inside.acknowledge()
            if not inside.delivered[-1]["historical"]:
                latest.append(inside.spooler.end[1] - inside.places[-1][1])
    assert max(latest) <= 5 * 12, "never more than about live_within behind"
    inside.settle_down()
    assert sorted(_sequence(inside)) == [*range(1, 301)]


def test_backfill_is_paced_and_live_is_not() -> None:
    inside = _late(20, backfill_messages_per_s=1.0)
    inside.spooler.append(count=10)
    _answers(inside)
    assert inside.far_end is not None
    while inside.far_end.sent:
        inside.acknowledge()
    assert len(_historical(inside)) == 1
    assert {*range(21, 31)} <= {*_sequence(inside)}
    assert inside.outward.free_at is not None
    began = inside.clock.now()
    inside.settle_down()
    assert sorted(_sequence(inside)) == [*range(1, 31)]
    assert inside.clock.now() - began >= 18.0


def test_a_new_process_repeats_nothing_that_was_committed_between_the_holes() -> None:
    inside = _late(50)
    inside.spooler.append(count=10)
    _answers(inside)
    for _ in range(25):
        inside.acknowledge()
    inside.intake.commit()
    before = inside.places[:]
    inside.crash()
    inside.settle_down()
    assert sorted(_sequence(inside)) == [*range(1, 61)]
    assert len(before) == 25


def test_when_there_are_too_many_holes_it_goes_on_in_order_and_says_so() -> None:
    inside = Inside(window_messages=1, live_within_s=5.0, backfill_messages_per_s=0.001)
    inside.clock.advance(1e6)
    inside.connect()
    for _ in range(MOST_DONE + 5):
        inside.spooler.append(count=3)
        inside.clock.advance(6.0)
        inside.step()
        _answers(inside)
        inside.spooler.append()
        _answers(inside)
        assert inside.far_end is not None
        while inside.far_end.sent:
            inside.acknowledge()
    state = inside.intake.state()
    assert state["lanes"]["in_order"] is True
    assert state["lanes"]["done"] == MOST_DONE
    inside.intake.commit()
    assert len(inside.spooler.state) < 1000
    told = lanes.opened(Lanes(), inside.spooler.cursor, inside.spooler.state)
    assert state["backlog"] == sum(map(lanes.records_in, lanes.backlog(told)))


def test_what_the_far_end_refuses_is_a_gap_and_a_dead_letter_and_counts_as_refused() -> None:
    inside = Inside(window_messages=4)
    inside.kind = {"refuses": lambda told: told["source"] == "oven" and not told["gap"]}
    inside.spooler.append(count=3)
    inside.spooler.append("oven", 2)
    inside.spooler.append(count=3)
    inside.settle_down()
    assert _sequence(inside) == [*range(1, 9)]
    assert [told["place"][1] for told in inside.delivered if told["gap"]] == [4, 5]
    assert inside.spooler.dead == [payload for (_, seq), _, payload in inside.spooler.records if seq in (4, 5)]
    assert dict(inside.spooler.refused) == {"oven": 2}


def test_of_a_message_of_many_only_what_is_refused_by_itself_is_set_aside() -> None:
    inside = Inside(window_messages=4, batch_records=4, batch_wait_s=1.0)
    inside.kind = {"refuses": lambda told: told["place"] == [1, 3] and not told["gap"]}
    inside.spooler.append(count=8)
    inside.settle_down()
    assert _sequence(inside) == [*range(1, 9)]
    assert len(inside.spooler.dead) == 1


def test_nothing_is_committed_over_a_dead_letter_that_is_not_kept() -> None:
    inside = Inside(window_messages=4)
    inside.spooler.takes_dead = False
    inside.kind = {"refuses": lambda told: told["place"] == [1, 2] and not told["gap"]}
    inside.spooler.append(count=3)
    inside.connect()
    _answers(inside)
    assert inside.far_end is not None
    while inside.far_end.sent:
        inside.acknowledge()
    inside.intake.commit()
    assert inside.spooler.cursor == (1, 1)
    inside.clock.advance(11.0)
    inside.line.ring(inside.clock.now())
    inside.intake.commit()
    assert inside.spooler.cursor == (1, 3), "but not for ever: then only the log knows it"


def test_a_record_that_cannot_be_read_is_a_gap_and_its_bytes_a_dead_letter() -> None:
    inside = Inside(window_messages=4)
    inside.spooler.append(count=3)
    place, kept_ns, _ = inside.spooler.records[1]
    inside.spooler.records[1] = place, kept_ns, b"\xc1 no record"
    inside.settle_down()
    assert [told["gap"] for told in inside.delivered] == ["", "damaged", ""]
    assert inside.spooler.dead == [b"\xc1 no record"]


@pytest.mark.parametrize("window", [1, 4])
def test_after_a_cut_no_more_than_the_window_is_repeated(window: int) -> None:
    inside = Inside(window_messages=window)
    inside.spooler.append(count=100)
    for _ in range(10):
        inside.connect()
        _answers(inside)
        for _ in range(5):
            inside.acknowledge()
        inside.cut()
    inside.settle_down()
    assert list(dict.fromkeys(_sequence(inside))) == [*range(1, 101)]
    assert len(inside.places) <= 100 + 10 * window


def test_a_gap_of_the_spool_passes_like_any_record() -> None:
    inside = Inside(window_messages=4)
    inside.spooler.append(count=1)
    gap = Gap("spool/out/1", "quota", 1, 2, 2, 9, 8)
    inside.spooler.records.append(((1, 9), inside.clock.utc_ns(), codec.pack(gap)))
    inside.spooler.append(count=1)
    inside.settle_down()
    assert [told["gap"] for told in inside.delivered] == ["", "quota", ""]


def test_what_is_compressed_says_so_and_a_message_too_large_for_it_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Inside(compress="zstd", batch_records=10, batch_wait_s=1.0, window_messages=40)
    inside.spooler.append(count=10)
    inside.connect()
    _answers(inside)
    assert inside.far_end is not None
    assert [message.content_encoding for message, _ in inside.far_end.sent] == ["zstd"]
    monkeypatch.setattr(compression, "MAX_CONTENT_BYTES", 300)
    inside.spooler.append(count=10)
    inside.settle_down()
    assert _sequence(inside) == [*range(1, 21)]
    assert inside.tally.refused == 0
