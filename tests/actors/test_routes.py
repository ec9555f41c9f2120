"""Where readings go: straight, through an aggregate, or both; every tag somewhere, and nowhere twice without need."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from actors.routes import MAX_KNOWN, OUT, RAW, Routes
from tests.transports.arbitrary import batches, rows
from transports.samples import Batch, DataType, Quality, Scan, Tag, batch_of

TEMPERATURE, PRESSURE = Tag("temperature", DataType.FLOAT64, "°C"), Tag("pressure", DataType.FLOAT64, "bar")
COUNT, STATE = Tag("count", DataType.INT64), Tag("state", DataType.STRING)
TAGS = (TEMPERATURE, COUNT, PRESSURE, STATE)


def batch(tags: tuple[Tag, ...] = TAGS, seq: int = 7) -> Batch:
    values = {"temperature": 21.5, "pressure": 1.25, "count": 3, "state": "idle"}
    good = [Quality.GOOD] * len(tags)
    scans = [Scan(1_000 + n, tags, [values[tag.name] for tag in tags], good) for n in range(3)]
    scans[1] = Scan(1_001, tags, [None, *scans[1].values[1:]], [Quality.BAD_SENSOR_FAILURE, *good[1:]])
    return batch_of("press", seq, scans)


def names(parts: Sequence[Batch]) -> list[list[str]]:
    return [[tag.name for tag in part.tags] for part in parts]


def test_without_an_aggregate_everything_goes_straight_and_untouched() -> None:
    given_ = [batch(), batch()]
    routes = Routes("press", [], [])
    assert routes.topics == (OUT,)
    assert routes.routed(given_) == {OUT: given_}
    assert routes.routed([]) == {}


def test_a_device_that_an_aggregate_takes_whole_goes_to_raw_only_and_is_not_cut() -> None:
    whole = batch()
    parts = Routes("press", ["press"], []).routed([whole])
    assert list(parts) == [RAW]
    assert parts[RAW][0] is whole


def test_a_batch_is_cut_where_its_tags_part() -> None:
    parts = Routes("press", ["press.temp*", "*.count"], []).routed([batch()])
    assert names(parts[RAW]) == [["temperature", "count"]]
    assert names(parts[OUT]) == [["pressure", "state"]]


def test_values_times_and_status_codes_stay_with_their_tags() -> None:
    parts = Routes("press", ["press.temp*", "*.count"], []).routed([batch()])
    (raw,), (out,) = parts[RAW], parts[OUT]
    assert (raw.seq, out.seq) == (7, 7)
    good, bad = Quality.GOOD, Quality.BAD_SENSOR_FAILURE
    assert list(raw.rows()) == [
        (1_000, (21.5, 3), (good, good)),
        (1_001, (None, 3), (bad, good)),
        (1_002, (21.5, 3), (good, good)),
    ]
    assert [values for _, values, _ in out.rows()] == [(1.25, "idle")] * 3


def test_what_is_to_be_kept_goes_both_ways() -> None:
    parts = Routes("press", ["press"], ["press.temperature"]).routed([batch()])
    assert names(parts[RAW]) == [["temperature", "count", "pressure", "state"]]
    assert names(parts[OUT]) == [["temperature"]]


def test_keeping_everything_writes_the_same_batch_twice_uncut() -> None:
    whole = batch()
    parts = Routes("press", ["press"], ["press"]).routed([whole])
    assert parts[RAW][0] is whole
    assert parts[OUT][0] is whole


def test_a_pattern_for_another_device_takes_nothing() -> None:
    whole = batch()
    assert Routes("press", ["oven", "oven.temp*"], []).routed([whole]) == {OUT: [whole]}


def test_batches_keep_their_order_in_each_topic() -> None:
    routes = Routes("press", ["press.count"], [])
    given_ = [batch(seq=1), batch((COUNT,), seq=4), batch((STATE,), seq=7), batch(seq=10)]
    parts = routes.routed(given_)
    assert [part.seq for part in parts[RAW]] == [1, 4, 10]
    assert [part.seq for part in parts[OUT]] == [1, 7, 10]


def test_a_device_that_brings_new_tags_for_ever_takes_no_more_memory() -> None:
    routes = Routes("press", ["press.count"], [])
    for n in range(3 * MAX_KNOWN):
        tags = (COUNT, Tag(f"tag-{n}"))
        parts = routes.routed([batch_of("press", 1, [Scan(1, tags, [1, 2.0])])])
        assert (names(parts[RAW]), names(parts[OUT])) == ([["count"]], [[f"tag-{n}"]])
    assert len(routes._known) <= MAX_KNOWN


PATTERNS = st.lists(st.sampled_from(["press", "press.a*", "*.b", "press.?", "oven", "*.*"]), max_size=3)


@given(given_=batches(), raw=PATTERNS, keep=PATTERNS)
def test_every_column_arrives_somewhere_exactly_as_it_was(given_: Batch, raw: list[str], keep: list[str]) -> None:
    parts = Routes("press", raw, keep).routed([given_])
    whole = rows(given_)
    found: set[int] = set()
    for topic_parts in parts.values():
        (part,) = topic_parts
        assert part.times_ns == given_.times_ns
        found |= _columns(rows(part), part.tags, whole, given_.tags)
    assert found == set(range(len(given_.tags)))


@given(given_=batches(), raw=PATTERNS, keep=PATTERNS)
def test_samples_are_counted_without_cutting_anything(given_: Batch, raw: list[str], keep: list[str]) -> None:
    routes = Routes("press", raw, keep)
    counts = routes.samples([given_, given_])
    parts = routes.routed([given_, given_])
    assert counts == {topic: sum(part.samples for part in parts.get(topic, [])) for topic in routes.topics}


def _columns(part: list[object], tags: tuple[Tag, ...], whole: list[object], all_tags: tuple[Tag, ...]) -> set[int]:
    """Which columns of the whole these are; fails when one is not there as it was."""
    at, found = 0, set()
    for tag in tags:
        while all_tags[at] is not tag or at in found:
            at += 1
        found.add(at)
    order = sorted(found)
    for (time, values, codes), (all_time, all_values, all_codes) in zip(part, whole, strict=True):  # type: ignore[misc]
        assert time == all_time
        assert values == [all_values[n] for n in order]
        assert codes == tuple(all_codes[n] for n in order)
    return found
