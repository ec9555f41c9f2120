"""Who is sent away is called once, in his turn, and nothing of him is taken before he begins anew."""

from actors.spooling.sessions import Sessions
from transports.messages import NoSession

PLC, PRESS = ("out", "plc"), ("out", "press")


def test_only_the_session_that_was_opened_last_stands() -> None:
    sessions = Sessions()
    sessions.opened(PLC, "plc", 1)
    sessions.opened(PLC, "plc", 2)
    assert sessions.is_open(PLC, 2)
    assert not sessions.is_open(PLC, 1)
    assert not sessions.is_open(PRESS, 2)


def test_who_is_sent_away_is_passed_over_until_he_is_called() -> None:
    sessions = Sessions()
    sessions.opened(PLC, "plc", 1)
    sessions.sent_away(PLC, "plc", 1)
    assert not sessions.is_open(PLC, 1)
    assert sessions.is_away(PLC, 1)
    assert list(sessions.called()) == [("plc", NoSession("out", "plc", 1))]
    assert not sessions.is_away(PLC, 1), "what comes now is answered again"
    assert list(sessions.called()) == []


def test_they_are_called_in_the_order_in_which_they_were_sent_away() -> None:
    sessions = Sessions()
    for key in (PRESS, PLC):
        sessions.sent_away(key, key[1], 1)
    assert [sender for sender, _ in sessions.called(1)] == ["press"]
    sessions.sent_away(PRESS, "press", 1)
    assert [sender for sender, _ in sessions.called(2)] == ["plc", "press"]


def test_a_successor_takes_the_place_of_who_was_sent_away() -> None:
    sessions = Sessions()
    sessions.sent_away(PLC, "plc", 1)
    sessions.sent_away(PLC, "plc", 2)
    assert list(sessions.called()) == [("plc", NoSession("out", "plc", 2))]


def test_who_comes_back_by_himself_is_not_called() -> None:
    sessions = Sessions()
    sessions.sent_away(PLC, "plc", 1)
    sessions.opened(PLC, "plc", 1)
    assert sessions.away == 0
    assert list(sessions.called()) == []


def test_when_the_disk_is_lost_all_are_called() -> None:
    sessions = Sessions()
    sessions.opened(PLC, "plc", 1)
    sessions.opened(PRESS, "press", 2)
    sessions.all_sent_away()
    assert {sender for sender, _ in sessions.called()} == {"plc", "press"}
