import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.opcua.scans import Columns, scans_of, time_of
from transports.opcua.values import DOUBLE, DataValue
from transports.samples import Tag

NOW = 1_700_000_000_000_000_000
TAGS = tuple(Tag(name) for name in "abcd")


def said(value: float, source: int | None = None, server: int | None = None, status: int = 0) -> DataValue:
    return DataValue(DOUBLE, False, value, status, source, server)


def test_values_of_one_time_are_one_scan_and_the_oldest_comes_first() -> None:
    scans = scans_of(Columns(TAGS), [(0, said(1, 20)), (2, said(3, 10)), (1, said(2, 20))], "source", NOW)
    assert [(scan.time_ns, [tag.name for tag in scan.tags], list(scan.values)) for scan in scans] == [
        (10, ["c"], [3]),
        (20, ["a", "b"], [1, 2]),
    ]


def test_two_values_of_one_tag_at_one_time_are_both_kept_in_their_order() -> None:
    scans = scans_of(Columns(TAGS), [(0, said(1, 5)), (0, said(2, 5)), (1, said(3, 5))], "source", NOW)
    assert [list(scan.values) for scan in scans] == [[1], [2, 3]]


def test_the_same_tags_are_the_same_tuple_each_time() -> None:
    columns = Columns(TAGS)
    first, second = (scans_of(columns, [(1, said(1, at)), (3, said(2, at))], "source", NOW) for at in (1, 2))
    assert first[0].tags is second[0].tags
    everything = scans_of(columns, [(at, said(1, 1)) for at in range(4)], "source", NOW)
    assert everything[0].tags is columns.tags


@pytest.mark.parametrize(
    ("clock", "source", "server", "time_ns"),
    [
        ("source", 1, 2, 1),
        ("source", None, 2, 2),
        ("source", None, None, NOW),
        ("server", 1, 2, 2),
        ("server", 1, None, NOW),
        ("gateway", 1, 2, NOW),
        ("source", 2**63, None, NOW),
    ],
)
def test_whose_time_a_value_has(clock: str, source: int | None, server: int | None, time_ns: int) -> None:
    assert time_of(said(0, source, server), clock, NOW) == time_ns


def test_each_value_keeps_its_own_status() -> None:
    (scan,) = scans_of(Columns(TAGS), [(0, said(1, 5, status=0x480)), (1, said(2, 5, status=2**31))], "source", NOW)
    assert (list(scan.values), scan.quality) == ([1, None], [0x480, 2**31])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=40))
def test_nothing_is_lost_and_each_tag_keeps_its_order_at_each_time(given_: list[tuple[int, int]]) -> None:
    values = [(at, said(float(number), time)) for number, (at, time) in enumerate(given_)]
    scans = scans_of(Columns(TAGS), values, "source", NOW)
    assert [scan.time_ns for scan in scans] == sorted(scan.time_ns for scan in scans)
    seen = [(tag, scan.time_ns, value) for scan in scans for tag, value in zip(scan.tags, scan.values, strict=True)]
    for tag in range(4):
        for time in range(6):
            told = [data.value for at, data in values if at == tag and data.source_ns == time]
            assert [value for which, at, value in seen if which is TAGS[tag] and at == time] == told
