"""Nothing is lost unseen: made-up ledgers, outputs and promises with something missing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.field.losses import Promise, Tally, losses
from tests.field.readings import Numbers, Output, Stream

STREAM = Stream("press", ("a", "b"))
COUNTED = Stream("talker", ("n",), "n")


def reading(tag: str, scan: int, quality: int = 0, value: Any = 1.5) -> dict[str, Any]:
    return {"tag": tag, "value": value, "time": scan * 10**9, "quality": quality, "scan": scan}


def record(seq: int, source_seq: int, device: str = "press", scans: int = 1, **changes: Any) -> dict[str, Any]:
    readings = [reading(tag, source_seq + scan) for scan in range(scans) for tag in ("a", "b")]
    head = {"gateway": "g", "topic": "out", "epoch": 1, "seq": seq, "device": device, "source_seq": source_seq}
    return {**head, "readings": readings, **changes}


def output(*said: dict[str, Any]) -> Output:
    made = Output([STREAM, COUNTED])
    made.read([json.dumps([each]).encode() for each in said])
    made.sort()
    return made


def ledger(read: int = 6, delivered: int = 6, waiting: int = 0, gaps: int = 0) -> dict[str, Any]:
    counts = {"read": read, "delivered": delivered, "waiting": waiting, "gaps": gaps}
    return {"rows": [{"topic": "out", "producer": "press", "consumer": "file", "in_device": None, **counts}]}


def whole() -> Iterator[dict[str, Any]]:
    yield record(1, 1)
    yield record(2, 2, scans=2)


def lost(*said: dict[str, Any], rows: dict[str, Any] | None = None, state: dict[str, Any] | None = None) -> int:
    return sum(each.count for each in losses(rows or ledger(), {"press": state or {}}, output(*said), ()))


def test_nothing_is_lost_where_everything_is_there_also_twice_and_late() -> None:
    one, two = whole()
    assert lost(one, two) == 0
    assert lost(two, one) == 0
    assert lost(one, one, two, one) == 0


@pytest.mark.parametrize(
    "rows",
    [
        ledger(read=7),
        ledger(read=7, waiting=1),
        ledger(read=8, gaps=2),
        ledger(read=8, delivered=8),
        ledger(read=5, delivered=5),
    ],
)
def test_a_ledger_that_does_not_add_up_or_waits_or_has_gaps_or_is_not_the_file_is_a_loss(rows: dict[str, Any]) -> None:
    assert lost(*whole(), rows=rows) > 0


def test_a_record_that_is_not_in_the_file_is_a_loss() -> None:
    found = losses(ledger(8, 8), {}, output(record(1, 1), record(3, 2, scans=3)), ())
    assert [(each.count, each.where) for each in found] == [(1, "the spool's epoch 1: records 2")]


def test_a_first_record_that_is_not_in_the_file_is_a_loss() -> None:
    assert lost(record(2, 1), record(3, 2, scans=2)) == 1


def test_a_scan_that_is_not_in_the_file_is_a_loss() -> None:
    found = losses(ledger(), {}, output(record(1, 1), record(2, 3, scans=2)), ())
    assert [(each.count, each.where) for each in found] == [(1, "press: scans 2")]


@pytest.mark.parametrize("key", ["dropped_samples", "too_large"])
def test_what_a_device_says_it_dropped_is_a_loss(key: str) -> None:
    assert lost(*whole(), state={key: 3}) == 3


def test_a_gap_is_noted_and_no_reading() -> None:
    gap = {"reason": "quota", "since": 1, "until": 2}
    said = output(record(1, 1), {**record(2, 2), "readings": None, "gap": gap})
    assert said.gaps == [("press", gap)]
    assert said.samples == {"press": 2}


@given(st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50)))
def test_what_was_acknowledged_and_is_not_there_is_a_loss(acknowledged: set[int], arrived: set[int]) -> None:
    assert Promise("x", sorted(acknowledged), arrived).lost().count == len(acknowledged - arrived)


def test_fewer_than_were_acknowledged_are_a_loss_and_more_are_none() -> None:
    assert Tally("x", 10, 7).lost().count == 3
    assert Tally("x", 10, 12).lost().count == 0


def test_a_reading_is_good_when_all_tags_of_its_stream_are_there_and_good() -> None:
    bad = record(3, 4, readings=[reading("a", 4), reading("b", 4, 0x800A_0000)])
    partial = record(4, 5, readings=[reading("a", 5)])
    uncertain = record(5, 6, readings=[reading("a", 6, 0x4000_0000), reading("b", 6)])
    said = output(*whole(), bad, partial, uncertain)
    assert said.streams[STREAM].good_ns == [1 * 10**9, 2 * 10**9, 3 * 10**9]
    assert said.streams[STREAM].keys == {1000, 2000, 3000}


def test_a_stream_can_be_known_by_a_tag() -> None:
    said = output(record(1, 1, "talker", readings=[reading("n", 1, value=77)]))
    assert said.streams[COUNTED].keys == {77}


@given(st.permutations(range(1, 30)), st.sets(st.integers(1, 29)))
def test_numbers_know_their_holes_in_any_order_and_repeated(order: list[int], missing: set[int]) -> None:
    numbers, came = Numbers(), [number for number in order if number not in missing]
    for number in came:
        assert numbers.came(number), "the first time"
    for number in came:
        assert not numbers.came(number), "again"
    assert numbers.holes == {number for number in missing if number < max(came, default=0)}
