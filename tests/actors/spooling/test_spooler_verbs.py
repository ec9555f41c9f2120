"""The spooler's verbs: what is asked for is answered at once or when it is there; operators get plain answers."""

from pathlib import Path
from typing import Any

import pytest

from tests.actors.spooling.hall import Hall, gaps, reading
from transports import codec
from transports.messages import Commit, Fetched, Ledger, NoSession, Purge
from transports.samples import Batch
from transports.spool import ALARM, DATA, Kind


def _told(hall: Hall) -> list[list[int]]:
    """What each answer to the uplink brought, as the numbers of its records."""
    return [[codec.unpack(frame).seq for frame in each.frames] for each in hall.heard(Fetched, "cloud")]  # type: ignore[union-attr]


def _hall(tmp_path: Path, records: int = 0, **fields: Any) -> Hall:
    """With so many records that are durable."""
    hall = Hall(tmp_path, **fields)
    hall.append(0)
    if records:
        hall.append(1, *(reading(seq) for seq in range(1, records + 1)), counts=(2,) * records)
        hall.until(lambda: hall.acknowledged() == records)
    return hall


# --- lanes ------------------------------------------------------------------------------------------------------------


def test_each_lane_of_a_consumer_waits_and_is_served_by_itself(tmp_path: Path) -> None:
    hall = _hall(tmp_path, records=3)
    hall.fetch(first=True)
    end = hall.heard(Fetched, "cloud")[0].end
    assert end == (1, 3)
    hall.fetch(lane="live", after=end)
    assert _told(hall) == [[]], "nothing is new"
    hall.fetch(lane="back", until=end)
    assert _told(hall) == [[], [1, 2, 3]]
    hall.append(4, reading(4))
    answers = hall.heard(Fetched, "cloud")
    assert [(each.lane, list(each.records)) for each in answers[2:]] == [("live", [(1, 4)])]
    assert answers[2].end == (1, 4)


def test_a_fetch_up_to_a_place_is_answered_empty_when_nothing_is_left_there(tmp_path: Path) -> None:
    hall = _hall(tmp_path, records=3)
    hall.fetch(first=True)
    for _ in range(2):
        hall.fetch(lane="back", until=(1, 2))
    assert _told(hall) == [[], [1, 2], []]


def test_an_answer_says_when_each_record_was_appended(tmp_path: Path) -> None:
    hall = _hall(tmp_path)
    times_ns = []
    for seq in (1, 2):
        times_ns.append(hall.clock.utc_ns())
        hall.append(seq, reading(seq))
        hall.line.advance(0.01)
    hall.fetch(first=True)
    hall.fetch()
    assert list(hall.heard(Fetched, "cloud")[-1].times_ns) == times_ns


def test_a_consumer_that_begins_anew_waits_in_no_lane_any_more(tmp_path: Path) -> None:
    hall = _hall(tmp_path)
    hall.fetch(first=True)
    hall.fetch(lane="live")
    hall.fetch(lane="back")
    hall.fetch(first=True, session=10)
    hall.append(1, reading(1))
    assert _told(hall) == [[], []]


def test_what_only_durable_readers_wait_for_is_handed_out_when_it_is(tmp_path: Path) -> None:
    hall = _hall(tmp_path)
    hall.fetch(first=True)
    hall.fetch(durable=True)
    hall.append(1, reading(1))
    assert _told(hall) == [[]]
    hall.until(lambda: len(_told(hall)) == 2)
    assert hall.acknowledged() == 1


def test_a_stranger_is_told_to_open_a_session(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.append(1, reading(1))
    hall.fetch()
    assert hall.heard(NoSession) == [NoSession("out", "plc", 7)]
    assert hall.heard(NoSession, "cloud") == [NoSession("out", "cloud", 9)]
    assert hall.state()["appended"] == 0


def test_a_session_is_told_as_kept_only_what_is_durable(tmp_path: Path) -> None:
    hall = _hall(tmp_path)
    hall.append(1, reading(1))
    said = len(hall.line.said)
    hall.append(0, session=8)
    assert len(hall.line.said) == said, "a power cut now would take what it was told that it need not send again"
    hall.until(lambda: hall.acknowledged() == 1)


@pytest.mark.parametrize("alarms", [False, True])
def test_alarms_are_kept_as_alarms(tmp_path: Path, alarms: bool) -> None:
    hall = _hall(tmp_path)
    hall.append(1, reading(1), alarms=alarms)
    desk = hall.spooler._desk
    assert desk is not None
    (record,) = desk.spool.fetch("out", "cloud", 1 << 20).records
    expected: Kind = ALARM if alarms else DATA
    assert record.kind is expected


# --- the operator -----------------------------------------------------------------------------------------------------


def test_the_ledger_tells_what_was_read_delivered_and_waits_and_adds_up(tmp_path: Path) -> None:
    hall = _hall(tmp_path, records=5)
    hall.fetch(first=True)
    hall.tell("cloud", Commit("out", "cloud", 9, (1, 3), refused=(("plc", 2),)))
    answer = hall.tell("root", Ledger())
    (row,) = [row for row in answer["rows"] if row[1] == "plc"]
    assert tuple(row) == ("out", "plc", "cloud", 10, 4, 4, 2)
    assert answer["disk"] == ""


def test_a_purge_says_what_went_and_a_gap_says_so_to_who_reads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hall = _hall(tmp_path, records=4)
    answer = hall.tell("root", Purge("out", who="eve", why="a test"))
    assert answer["error"] == ""
    assert [(row[0], row[1], row[2], row[3]) for row in answer["dropped"]] == [("out", [1, 1], [1, 4], 4)]
    assert "eve" in caplog.text
    assert "a test" in caplog.text
    (gap,) = hall.records()
    assert (gap.source, gap.first_seq, gap.last_seq, gap.count) == ("spool/out/1", 1, 4, 4)
    assert "eve" in gap.detail
    hall.append(5, reading(5))
    hall.until(lambda: hall.acknowledged() == 5)


def test_a_purge_of_what_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    hall = _hall(tmp_path)
    assert "nosuch" in hall.tell("root", Purge("nosuch", who="eve"))["error"]
    assert "nobody" in hall.tell("root", Purge("out", "nobody", who="eve"))["error"]


def test_the_state_tells_each_topics_room_and_what_is_written_in_a_day(tmp_path: Path) -> None:
    hall = _hall(tmp_path, records=3)
    hall.rest(10.0)
    state = hall.state()
    assert state["topics"]["out"]["quota_bytes"] == 2 << 30
    assert state["topics"]["out"]["policy"] == "drop_oldest"
    assert state["written_bytes"] > 0
    assert state["bytes_per_day"] > state["written_bytes"] * 1000
    assert state["power_cut_window"] == "0.05 s"
    assert state["disk"] == ""


def test_the_ledger_goes_to_the_uplinks_as_readings_where_that_is_wanted(tmp_path: Path) -> None:
    hall = _hall(tmp_path, records=3, ledger_every_s=6.0)
    hall.rest(5.0)
    assert len(hall.records()) == 3
    hall.rest(2.0)
    ledger = hall.records()[-1]
    assert isinstance(ledger, Batch)
    assert ledger.source == "ledger"
    (_, values, _) = next(ledger.rows())
    told = dict(zip((tag.name for tag in ledger.tags), values, strict=True))
    assert told["out/plc/cloud/read"] == 6
    assert told["out/plc/cloud/waiting"] == 6
    hall.rest(6.0)
    assert hall.records()[-1].seq == 2
    assert not gaps(hall.records())
