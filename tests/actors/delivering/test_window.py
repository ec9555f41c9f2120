import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.delivering.lanes import BACKFILL, LIVE
from actors.delivering.window import Window


def window(max_messages=4, max_bytes=100, fetched=()):
    made = Window(max_messages, max_bytes)
    for position in fetched:
        made.fetched(position)
    return made


def test_a_message_that_is_taken_commits_its_last_record():
    w = window(fetched=[(1, 1), (1, 2)])
    w.sent(7, [(1, 1), (1, 2)], 10)
    assert w.taken(7) == (1, 2)
    assert (w.in_flight, w.uncommitted) == (0, 0)


def test_an_ack_out_of_order_commits_nothing_until_what_was_before_it_is_taken():
    w = window(fetched=[1, 2, 3])
    for position in (1, 2, 3):
        w.sent(position, [position], 1)
    assert [w.taken(3), w.taken(1), w.taken(2)] == [None, 1, 3]


def test_messages_whose_records_interleave_commit_only_what_both_have():
    w = window(fetched=[1, 2, 3, 4])
    w.sent(10, [1, 3], 1)
    w.sent(20, [2, 4], 1)
    assert [w.taken(10), w.taken(20)] == [1, 4]


def test_a_record_that_still_waits_for_company_is_never_committed_over():
    w = window(fetched=[1, 2])
    w.sent(20, [2], 1)
    assert w.taken(20) is None
    w.sent(10, [1], 1)
    assert w.taken(10) == 2


def test_a_record_that_is_set_aside_does_not_stop_the_commit():
    w = window(fetched=[1, 2])
    w.sent(20, [2], 1)
    assert w.taken(20) is None
    assert w.settled([1]) == 2


def test_an_ack_from_before_the_reconnect_or_a_second_one_commits_nothing():
    w = window(fetched=[1])
    w.sent(10, [1], 1)
    assert [w.taken(10), w.taken(10), w.taken(99)] == [1, None, None]
    w.fetched(2)
    w.sent(20, [2], 1)
    w.reset()
    assert w.taken(20) is None
    assert (w.in_flight, w.uncommitted, w.room()) == (0, 0, True)


@pytest.mark.parametrize(("max_messages", "max_bytes"), [(2, 1000), (1000, 20)])
def test_the_window_is_full_by_number_or_by_size_and_opens_again(max_messages, max_bytes):
    w = window(max_messages, max_bytes, fetched=[1, 2])
    w.sent(1, [1], 10)
    assert w.room()
    w.sent(2, [2], 10)
    assert not w.room()
    w.taken(1)
    assert w.room()


def test_a_message_larger_than_the_window_may_leave_alone():
    w = window(max_bytes=1, fetched=[1])
    assert w.room()
    w.sent(1, [1], 500)
    assert not w.room()


@given(st.data())
def test_what_is_committed_is_always_the_longest_prefix_that_is_taken(data):
    """Against a model: records fetched, sent in any grouping, taken or set aside in any order."""
    w, fetched, unsent, in_flight, done, committed = window(10**6, 10**9), [], [], {}, set(), 0
    for _ in range(data.draw(st.integers(0, 60))):
        act = data.draw(st.sampled_from(["fetch", "fetch", "send", "take", "set aside"]))
        end = None
        if act == "fetch":
            fetched.append(len(fetched) + 1)
            unsent.append(fetched[-1])
            w.fetched(fetched[-1])
        elif act == "take" and in_flight:
            ticket = data.draw(st.sampled_from(sorted(in_flight)))
            done.update(in_flight.pop(ticket))
            end = w.taken(ticket)
        elif unsent:
            group = data.draw(st.lists(st.sampled_from(unsent), min_size=1, unique=True))
            unsent = [position for position in unsent if position not in group]
            if act == "send":
                ticket = len(fetched) * 1000 + len(unsent)
                in_flight[ticket] = group
                w.sent(ticket, group, 1)
            else:
                done.update(group)
                end = w.settled(group)
        before = committed
        while committed < len(fetched) and committed + 1 in done:
            committed += 1
        assert end == (committed if committed > before else None)
        assert w.in_flight == len(in_flight)
        assert w.uncommitted == len(fetched) - committed


def test_backfill_uses_half_of_the_window_and_live_all_that_is_free():
    w = window(max_messages=4)
    for ticket in (1, 2):
        w.fetched(ticket, BACKFILL)
        assert w.room(BACKFILL)
        w.sent(ticket, [ticket], 1, BACKFILL)
    assert not w.room(BACKFILL)
    for ticket in (3, 4):
        w.fetched(ticket)
        assert w.room(LIVE)
        w.sent(ticket, [ticket], 1)
    assert not w.room(LIVE)
    w.taken(1)
    assert w.room(LIVE)
    assert w.room(BACKFILL)


def test_a_single_message_of_the_backlog_may_leave_however_small_the_window_is():
    w = window(max_messages=1, max_bytes=1)
    assert w.room(BACKFILL)


def test_each_lane_has_a_position_of_its_own():
    w = window()
    w.fetched(100)
    w.fetched(1, BACKFILL)
    w.fetched(2, BACKFILL)
    w.sent(7, [100], 1)
    w.sent(8, [2], 1, BACKFILL)
    w.sent(9, [1], 1, BACKFILL)
    assert sorted(w.heads()) == [1, 100]
    assert [w.taken(8), w.taken(7), w.taken(9)] == [None, 100, 2]
    assert w.is_clear(LIVE)
    assert w.is_clear(BACKFILL)


def test_a_lane_that_recedes_forgets_what_has_not_left_and_no_more():
    w = window(fetched=[1, 2, 3, 4, 5, 6])
    w.sent(10, [1], 1)
    w.sent(30, [3], 1)
    w.sent(40, [4], 1)
    assert w.taken(40) is None
    assert w.recede(LIVE) == 4
    assert w.uncommitted == 4
    w.taken(10)
    w.taken(30)
    assert w.settled([2]) == 4
    w.fetched(9)
    assert w.recede(LIVE) is None
    assert w.is_clear(LIVE)


def test_the_window_does_not_move_on_past_a_message_that_is_not_taken():
    """One acknowledgement is lost: no more than the window comes again, however long that goes unnoticed."""
    w = window(max_messages=4, fetched=range(1, 9))
    for seq in (1, 2, 3, 4):
        w.sent(seq, [seq], 1)
    for seq in (2, 3, 4):
        w.taken(seq)
    assert w.in_flight == 1
    assert not w.room()
    assert w.taken(1) == 4
    assert w.room()
