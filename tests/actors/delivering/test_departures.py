"""What leaves, what is counted and what may be committed."""

from actors.delivering.batching import Limits
from actors.delivering.departures import Departures
from actors.delivering.lanes import BACKFILL, LIVE
from actors.delivering.window import Window
from transports.payloads import OutRecord
from transports.samples import Scan, Tag, batch_of

TAGS = (Tag("a"), Tag("b"))


def _record(seq: int, device: str = "press") -> OutRecord:
    return OutRecord("out", 1, seq, batch_of(device, seq, [Scan(seq, TAGS, (1.0, 2.0))]))


def _departures(max_records: int = 1, max_messages: int = 2, wait_s: float = 1.0) -> Departures:
    return Departures(Limits(max_records, 10**6, wait_s), Window(max_messages, 10**6))


def _leave(departures: Departures) -> int | None:
    departure = departures.next()
    if departure is None:
        return None
    departures.left(departure, 100)
    return departure.ticket


def test_no_more_leave_than_the_window_lets_go_and_no_more_are_wanted() -> None:
    departures = _departures(max_messages=2)
    for seq in (1, 2, 3):
        departures.add(_record(seq), 50, 0.0)
    tickets = [_leave(departures) for _ in range(3)]
    assert None not in tickets[:2]
    assert tickets[2] is None
    assert not departures.wants_more()
    assert departures.in_flight == 2


def test_a_position_is_committed_only_when_all_before_it_have_arrived() -> None:
    departures = _departures()
    for seq in (1, 2):
        departures.add(_record(seq), 50, 0.0)
    first, second = _leave(departures), _leave(departures)
    assert first is not None
    assert second is not None
    assert departures.taken(second).position is None
    assert departures.taken(first).position == (1, 2)
    assert departures.wants_more()


def test_records_and_samples_are_counted_when_they_arrive_and_refused_samples_are_not() -> None:
    departures = _departures()
    for seq in (1, 2):
        departures.add(_record(seq), 50, 0.0)
    first, second = _leave(departures), _leave(departures)
    assert first is not None
    assert second is not None
    departures.emptied(second)
    arrived, refused = departures.taken(first), departures.taken(second)
    assert (arrived.records, arrived.samples) == (1, 2)
    assert (refused.records, refused.samples) == (1, 0)


def test_records_wait_for_company_as_long_as_they_may_and_never_with_another_device() -> None:
    departures = _departures(max_records=3, wait_s=5.0)
    departures.add(_record(1), 50, 0.0)
    departures.add(_record(2, "oven"), 50, 1.0)
    departures.add(_record(3), 50, 2.0)
    assert departures.next() is None
    assert departures.next_due() == 5.0
    departures.due(5.0)
    departure = departures.next()
    assert departure is not None
    assert [record.seq for record in departure.records] == [1, 3]


def test_after_a_lost_connection_nothing_is_remembered() -> None:
    departures = _departures()
    departures.add(_record(1), 50, 0.0)
    ticket = _leave(departures)
    assert ticket is not None
    departures.reset()
    assert departures.taken(ticket).position is None
    assert (departures.in_flight, departures.uncommitted) == (0, 0)
    departures.add(_record(1), 50, 1.0)
    assert _leave(departures) is not None


def test_live_goes_first_whenever_both_could_leave() -> None:
    departures = _departures(max_messages=10)
    for seq in (1, 2):
        departures.add(_record(seq), 50, 0.0, BACKFILL)
    departures.add(_record(90), 50, 0.0)
    order = []
    while (departure := departures.next()) is not None:
        departures.left(departure, 100)
        order.append(departure.first)
    assert order == [(1, 90), (1, 1), (1, 2)]
    arrival = departures.taken(2)
    assert (arrival.lane, arrival.position) == (BACKFILL, (1, 1))


def test_a_message_that_may_not_leave_yet_is_the_next_again() -> None:
    departures = _departures()
    departures.add(_record(1), 50, 0.0)
    once, again = departures.next(), departures.next()
    assert once is not None
    assert again is not None
    assert once.records is again.records


def test_a_message_that_cannot_leave_as_one_leaves_as_its_records_in_order() -> None:
    departures = _departures(max_records=3, max_messages=10)
    for seq in (1, 2, 3, 4, 5, 6):
        departures.add(_record(seq), 50, 0.0)
    departure = departures.next()
    assert departure is not None
    departures.left(departure, 1000)
    departures.split(departure)
    assert departures.in_flight == 0
    lengths = []
    while (departure := departures.next()) is not None:
        lengths.append([record.seq for record in departure.records])
        departures.left(departure, 100)
    assert lengths == [[1], [2], [3], [4, 5, 6]]


def test_a_lane_recedes_to_what_has_left_and_keeps_what_was_before_that() -> None:
    departures = _departures(max_records=2, max_messages=10)
    for seq, device in ((1, "press"), (2, "oven"), (3, "press"), (4, "oven"), (5, "saw"), (6, "saw")):
        departures.add(_record(seq, device), 50, 0.0)
    first = departures.next()
    assert first is not None
    departures.left(first, 100)  # 1 and 3 of the press
    departures.recede(LIVE)
    departures.flush(LIVE)
    left = departures.next()
    assert left is not None
    assert [record.seq for record in left.records] == [2], "else nobody would deliver it: backfill begins behind 3"
    departures.left(left, 100)
    assert departures.taken(left.ticket).position is None
    assert departures.taken(first.ticket).position == (1, 3)
    assert departures.is_clear(LIVE)


def test_one_at_a_time_nothing_waits_for_company() -> None:
    departures = _departures(max_records=3)
    departures.singly = True
    departures.add(_record(1), 50, 0.0)
    departure = departures.next()
    assert departure is not None
    assert len(departure.records) == 1


def test_candidates_are_tried_in_turn_and_those_of_other_devices_overtake_nobody() -> None:
    departures = _departures()
    for seq, device in ((1, "press"), (2, "press"), (3, "oven"), (4, "saw")):
        departures.add(_record(seq, device), 50, 0.0)
    assert [departures.candidate(number, LIVE).first[1] for number in range(5)] == [1, 3, 4, 1, 3]
    departures.reset()
    for seq in (1, 2):
        departures.add(_record(seq), 50, 0.0)
    assert [departures.candidate(number, LIVE).first[1] for number in range(4)] == [1, 2, 1, 2]
