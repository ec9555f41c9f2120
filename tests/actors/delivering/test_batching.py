from hypothesis import given
from hypothesis import strategies as st

from actors.delivering.batching import Batching, Entry, Group, Limits


def test_a_record_leaves_at_once_when_batching_is_off():
    batching = Batching(Limits(max_records=1))
    assert batching.add(Entry("press", 10, "r1"), 0.0) == [Group("press", ("r1",), 10)]
    assert (batching.held, batching.next_due()) == (0, None)


def test_a_group_leaves_when_it_has_all_its_records():
    batching = Batching(Limits(max_records=2))
    assert batching.add(Entry("press", 10, "r1"), 0.0) == []
    assert batching.add(Entry("press", 10, "r2"), 0.1) == [Group("press", ("r1", "r2"), 20)]


def test_a_record_that_does_not_fit_sends_the_group_away_and_begins_the_next():
    batching = Batching(Limits(max_records=10, max_bytes=25))
    batching.add(Entry("press", 10, "r1"), 0.0)
    batching.add(Entry("press", 10, "r2"), 0.0)
    assert batching.add(Entry("press", 10, "r3"), 0.0) == [Group("press", ("r1", "r2"), 20)]
    assert batching.held == 1


def test_a_record_larger_than_the_limit_travels_alone_behind_its_group():
    batching = Batching(Limits(max_records=10, max_bytes=25))
    batching.add(Entry("press", 10, "r1"), 0.0)
    assert batching.add(Entry("press", 99, "r2"), 0.0) == [Group("press", ("r1",), 10), Group("press", ("r2",), 99)]


def test_devices_do_not_share_a_message():
    batching = Batching(Limits(max_records=2))
    batching.add(Entry("press", 1, "p1"), 0.0)
    batching.add(Entry("oven", 1, "o1"), 0.0)
    assert batching.add(Entry("press", 1, "p2"), 0.0) == [Group("press", ("p1", "p2"), 2)]


def test_a_group_waits_for_company_no_longer_than_it_may_counted_from_its_first_record():
    batching = Batching(Limits(max_records=10, max_wait_s=1.0))
    batching.add(Entry("press", 1, "r1"), 5.0)
    batching.add(Entry("press", 1, "r2"), 5.9)
    batching.add(Entry("oven", 1, "r3"), 5.9)
    assert batching.next_due() == 6.0
    assert batching.due(5.999) == []
    assert batching.due(6.0) == [Group("press", ("r1", "r2"), 2)]
    assert batching.next_due() == 6.9


def test_after_a_reset_nothing_waits():
    batching = Batching(Limits(max_records=10))
    batching.add(Entry("press", 1, "r1"), 0.0)
    batching.reset()
    assert (batching.held, batching.next_due(), batching.flush()) == (0, None, [])


RECORDS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.floats(0, 2)), max_size=60)


@given(RECORDS, st.integers(1, 5), st.integers(1, 60), st.floats(0, 3))
def test_every_record_leaves_once_in_its_devices_order_within_all_limits(records, most, max_bytes, max_wait_s):
    batching, now, arrived, left = Batching(Limits(most, max_bytes, max_wait_s)), 0.0, {}, []
    for n, (key, record_bytes, pause) in enumerate(records):
        now += pause
        arrived[n] = now
        expired = batching.due(now)
        assert all(arrived[group.records[0]] + max_wait_s <= now for group in expired)
        left += expired + batching.add(Entry(key, record_bytes, n), now)
        assert batching.next_due() is None or now <= batching.next_due() <= now + max_wait_s
    left += batching.flush()
    for group in left:
        assert len(group.records) <= most
        assert group.group_bytes == sum(records[n][1] for n in group.records)
        assert group.group_bytes <= max_bytes or len(group.records) == 1
        assert {records[n][0] for n in group.records} == {group.key}
    for key in "abc":
        assert [n for group in left if group.key == key for n in group.records] == [
            n for n, record in enumerate(records) if record[0] == key
        ]
    assert batching.held == 0


def test_what_is_not_wanted_any_more_is_forgotten_and_the_rest_keeps_its_time():
    batching = Batching(Limits(max_records=10, max_wait_s=5.0))
    for at, (key, record) in enumerate([("press", 1), ("oven", 2), ("press", 3), ("oven", 4)]):
        batching.add(Entry(key, 10, record), float(at))
    batching.keep(lambda record: record < 2)
    assert (batching.held, batching.next_due()) == (1, 5.0)
    assert [group.records for group in batching.flush()] == [(1,)]
