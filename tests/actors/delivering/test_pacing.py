"""What leaves in any second, as a far end would count it."""

from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.delivering.pacing import OVERHEAD_BYTES, SLOT_S, WINDOW_S, Pacing

Left = list[tuple[float, int]]


def _most_in_any_second(left: Left) -> tuple[int, int]:
    """The most messages, and bytes as they are counted, that left in any second."""
    times = [at for at, _ in left]
    most_messages = most_bytes = 0
    for begin, at in enumerate(times):
        within = left[begin : bisect_left(times, at + 1.0)]
        most_messages = max(most_messages, len(within))
        most_bytes = max(most_bytes, sum(size + OVERHEAD_BYTES for _, size in within))
    return most_messages, most_bytes


def _as_fast_as_it_goes(pacing: Pacing, seconds: float, payload_bytes: int = 100, backfill: bool = False) -> Left:
    now, left = 1000.0, Left()
    while now < 1000.0 + seconds:
        now = max(now, pacing.free_at(payload_bytes, backfill, now))
        pacing.left(payload_bytes, backfill, now)
        left.append((now, payload_bytes))
        now += 1e-4  # it takes a moment to send
    return left


def test_without_a_limit_nothing_waits() -> None:
    assert Pacing().unlimited
    assert len(_as_fast_as_it_goes(Pacing(), 1.0)) >= 9_999


@pytest.mark.parametrize("limit", [1, 2, 3, 100, 1000])
def test_never_more_than_the_limit_leaves_in_any_second_and_hardly_less(limit: int) -> None:
    left = _as_fast_as_it_goes(Pacing(max_messages_per_s=limit), 20.0)
    assert _most_in_any_second(left)[0] == limit
    assert len(left) >= 0.93 * 20 * limit


def test_a_bucket_would_let_twice_as_much_leave() -> None:
    """A burst after a pause is the limit, and not what was saved up and what comes in."""
    pacing = Pacing(max_messages_per_s=100)
    now, left = 1000.0, Left()
    for _ in range(300):
        now = max(now + 0.0001, pacing.free_at(1, False, now))
        if 1000.0 < now < 1000.9 and len(left) == 90:
            now = 1000.9  # nothing to send for a while
        pacing.left(1, False, now)
        left.append((now, 1))
    assert _most_in_any_second(left)[0] <= 100


def test_less_than_one_a_second_is_one_in_many_seconds() -> None:
    left = _as_fast_as_it_goes(Pacing(max_messages_per_s=0.5), 21.0)
    gaps = [after - before for (before, _), (after, _) in pairwise(left)]
    assert all(2.0 <= gap <= 2.0 * WINDOW_S + SLOT_S for gap in gaps)


def test_bytes_are_limited_with_what_a_message_has_beside_its_payload() -> None:
    limit = 512 * 1024
    left = _as_fast_as_it_goes(Pacing(max_bytes_per_s=limit), 10.0, payload_bytes=10_000)
    most = _most_in_any_second(left)[1]
    assert 0.97 * limit < most <= limit


def test_a_message_larger_than_the_limit_leaves_alone_and_the_average_is_kept() -> None:
    pacing = Pacing(max_bytes_per_s=1000)
    size = 5000 - OVERHEAD_BYTES
    assert pacing.free_at(size, False, 50.0) == 50.0
    pacing.left(size, False, 50.0)
    assert pacing.free_at(1, False, 51.5) == pytest.approx(50.0 + 5 * WINDOW_S)


def test_backfill_has_its_own_limit_and_leaves_room_for_live() -> None:
    pacing = Pacing(max_messages_per_s=100, backfill_messages_per_s=10)
    assert _most_in_any_second(_as_fast_as_it_goes(pacing, 5.0, backfill=True))[0] == 10
    pacing = Pacing(max_messages_per_s=100)
    left = _as_fast_as_it_goes(pacing, 5.0, backfill=True)
    assert _most_in_any_second(left)[0] == 90
    now = left[-1][0]
    while pacing.free_at(1, True, now) <= now:
        pacing.left(1, True, now)
    for _ in range(10):
        assert pacing.free_at(1, False, now) <= now
        pacing.left(1, False, now)
    assert pacing.free_at(1, False, now) > now, "of all together there are 100"


def test_a_process_that_begins_counts_with_what_its_predecessor_may_have_sent() -> None:
    pacing = Pacing(max_messages_per_s=100)
    pacing.begun(1000.0)
    assert pacing.free_at(1, False, 1000.5) == pytest.approx(1000.0 + WINDOW_S)


def test_the_log_does_not_grow_with_the_rate() -> None:
    pacing = Pacing(max_bytes_per_s=1e9)
    _as_fast_as_it_goes(pacing, 3.0)
    assert len(pacing._all[1]._log) <= WINDOW_S / SLOT_S + 2


STEPS = st.lists(st.tuples(st.floats(0, 0.7), st.integers(1, 900), st.booleans()), min_size=1, max_size=120)


@given(STEPS, st.sampled_from([0.0, 0.4, 1, 2.5, 7]), st.sampled_from([0, 1500, 4000]), st.sampled_from([0.0, 3.0]))
def test_the_limits_hold_for_whatever_comes_whenever(
    steps: list[tuple[float, int, bool]], messages: float, size: int, backfilled: float
) -> None:
    pacing = Pacing(messages, size, backfilled)
    now, left, history = 0.0, Left(), Left()
    for pause_s, payload_bytes, backfill in steps:
        now += pause_s
        now = max(now, pacing.free_at(payload_bytes, backfill, now))
        pacing.left(payload_bytes, backfill, now)
        left.append((now, payload_bytes))
        if backfill:
            history.append((now, payload_bytes))
    most_messages, most_bytes = _most_in_any_second(left)
    assert not messages or most_messages <= max(1, messages)
    assert not size or most_bytes <= size
    assert not backfilled or not history or _most_in_any_second(history)[0] <= backfilled
