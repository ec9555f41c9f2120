"""The journal: one line an event, to whoever reads the output and to a file that never grows too large."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.records import events, journal
from supervisors.records.audit import AUDIT, Audit, whoami
from supervisors.records.events import Audited, ChildDied, ChildReady
from supervisors.records.journal import EVENTS, Form, Journal, ToJournal, read_by_systemd
from supervisors.records.record_lines import dumped, parsed
from supervisors.records.rotated import Rotated, parts
from transports.clock import HandClock

UTC_NS = 1_700_000_000_123_999_999
TIME = "2023-11-14T22:13:20.123+00:00"


class Desk:
    """A journal with a hand-turned clock."""

    def __init__(self, data_dir: Path, form: Form = Form.HUMAN, prefixed: bool = False, level: int = 20) -> None:
        self.data_dir, self.stream, self.clock = data_dir, io.StringIO(), HandClock(utc_ns=UTC_NS)
        self.journal = Journal(data_dir / EVENTS, form, self.clock, self.stream, level, prefixed)

    def die(self, times: int = 1, name: str = "press") -> None:
        for n in range(times):
            self.journal.say(ChildDied(name, n, "exit code 1", 0.0, False))

    @property
    def shown(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def kept(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.data_dir / EVENTS).read_text().splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_event_is_a_sentence_on_the_output_and_a_record_in_the_file(desk: Desk) -> None:
    desk.journal.say(ChildReady("press", 17, 0.0123))
    assert [line.partition(" INFO ")[2] for line in desk.shown] == ["press is running (pid 17, ready after 12.3 ms)"]
    assert desk.kept == [
        {
            "time": TIME,
            "level": "INFO",
            "event": "ChildReady",
            "name": "press",
            "pid": 17,
            "took_s": 0.0123,
            "text": "press is running (pid 17, ready after 12.3 ms)",
        }
    ]


def test_as_json_the_output_has_the_lines_of_the_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Form.JSON)
    desk.die()
    assert [json.loads(line) for line in desk.shown] == desk.kept


@pytest.mark.parametrize("form", list(Form))
def test_systemd_is_told_the_level_and_no_time(tmp_path: Path, form: Form) -> None:
    desk = Desk(tmp_path, form, prefixed=True)
    desk.die()
    desk.journal.note(logging.ERROR, "the disk")
    desk.journal.note(logging.DEBUG, "not shown")
    assert [line[:3] for line in desk.shown] == ["<4>", "<3>"]
    if form is Form.HUMAN:
        assert desk.shown[1] == "<3>the disk"


def test_the_output_leaves_out_what_is_below_its_level_and_the_file_does_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path, level=logging.WARNING)
    desk.journal.say(ChildReady("press", 17, 0.1))
    assert desk.shown == []
    assert len(desk.kept) == 1


def test_a_minute_of_failures_is_three_lines_and_a_sum_with_the_number(desk: Desk) -> None:
    desk.die(313)
    desk.clock.advance(60.0)
    desk.journal.look(desk.clock.now())
    assert len(desk.shown) == 4
    assert desk.shown[3].endswith("(pid 312) died: exit code 1; it is restarted at once x 310 in 60 s")
    assert {key: desk.kept[3][key] for key in ("count", "over_s", "last")} == {
        "count": 310,
        "over_s": 60.0,
        "last": TIME,
    }


def test_what_there_was_no_room_for_is_one_line_a_kind(desk: Desk) -> None:
    for n in range(42):
        desk.die(name=f"c{n:02}")
    desk.clock.advance(10.0)
    desk.journal.look(desk.clock.now())
    assert desk.shown[-1].endswith(
        "and 37 more ChildDied from 37 children in 10 s: c05, c06, c07, c08, c09, c10, c11, c12, ..."
    )
    assert sum(desk.kept[-1]["names"].values()) == desk.kept[-1]["count"] == 37


def test_a_journal_that_is_closed_has_told_everything(desk: Desk) -> None:
    desk.die(7)
    desk.journal.close()
    assert [record.get("count", 1) for record in desk.kept] == [1, 1, 1, 4]


def test_nothing_in_a_text_breaks_its_line_or_moves_a_cursor(desk: Desk) -> None:
    desk.journal.say(ChildDied("press", 1, "a\nb\x1b[2Jc\udc80", 0.0, False))
    assert len(desk.shown) == len(desk.kept) == 1
    assert "\x1b" not in desk.stream.getvalue()
    assert desk.kept[0]["how"] == "a\nb\x1b[2Jc\udc80", "the record has it as it was"


def test_a_cause_of_a_megabyte_is_cut(desk: Desk) -> None:
    desk.journal.say(ChildDied("press", 1, "x" * 2**20, 0.0, False))
    assert len(desk.shown[0]) < 2000
    assert (desk.data_dir / EVENTS).stat().st_size < 10_000


def test_a_disk_that_refuses_is_said_once_and_so_is_its_return(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "absent")
    for n in range(4):
        desk.die(name=f"c{n}")
    assert sum("cannot be written" in line for line in desk.shown) == 1
    assert len(desk.shown) == 5
    desk.data_dir.mkdir()
    desk.die(name="c4")
    assert [line.partition(" can be ")[2] for line in desk.shown if " can be " in line] == [
        "written again; it lacks 4 lines"
    ]
    assert [record["name"] for record in desk.kept] == ["c4", "root"]


def test_an_output_that_nobody_reads_any_more_stops_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    told = Journal(tmp_path / EVENTS, Form.HUMAN, HandClock(), stream)
    told.note(logging.INFO, "one")
    told.note(logging.INFO, "two")
    told.close()
    assert len((tmp_path / EVENTS).read_text().splitlines()) == 2
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.fixture
def logger(desk: Desk) -> Iterator[logging.Logger]:
    """Brings what `say` and others log to the desk."""
    logger, handler = logging.getLogger("holdfast"), ToJournal(desk.journal)
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_an_event_that_goes_by_way_of_the_log_is_known_again_and_a_line_is_a_note(
    desk: Desk, logger: logging.Logger
) -> None:
    for _ in range(5):
        events.say(ChildReady("press", 17, 0.1))
    logging.getLogger("holdfast.run").info("gateway %s starts", "line")
    desk.journal.close()
    told = [(each["event"], each["name"], each.get("count", 1), each["text"][:20]) for each in desk.kept]
    ready = "press is running (pi"
    assert told == [
        *[("ChildReady", "press", 1, ready)] * 3,
        ("Note", "root", 1, "gateway line starts"),
        ("ChildReady", "press", 2, ready),
    ]


def test_systemd_s_journal_is_known_by_its_inode(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        found = os.fstat(stream.fileno())
        assert read_by_systemd(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not read_by_systemd(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not read_by_systemd(stream, {})
        assert not read_by_systemd(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


@pytest.mark.parametrize(
    ("level", "number"), [(10, 7), (20, 6), (25, 6), (30, 4), (40, 3), (50, 2)], ids=lambda each: str(each)
)
def test_a_level_has_its_syslog_priority(level: int, number: int) -> None:
    assert journal.priority(level) == number


# --- the file -------------------------------------------------------------------------------------------------------


def test_a_full_file_is_put_aside_and_the_oldest_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    file = Rotated(path, max_bytes=100, files=3)
    for n in range(100):
        file.append(f"line {n:03}")
    kept = [part.read_text().splitlines() for part in reversed(parts(path, 3))]
    assert [*kept[0], *kept[1], *kept[2]] == [f"line {n:03}" for n in range(100 - sum(map(len, kept)), 100)]
    assert len(list(tmp_path.iterdir())) == 3
    assert all(part.stat().st_size <= 100 for part in parts(path, 3))


def test_a_file_that_was_left_goes_on_and_a_torn_line_in_it_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("one\ntw")
    file = Rotated(path, 1000, 2)
    file.append("three")
    assert path.read_text() == "one\ntw\nthree\n"


def test_a_file_that_somebody_removed_is_begun_anew(tmp_path: Path) -> None:
    file = Rotated(tmp_path / "lines", 1000, 2)
    file.append("one")
    (tmp_path / "lines").unlink()
    file.append("two")
    assert (tmp_path / "lines").read_text() == "two\n"


def test_a_full_disk_raises_each_time_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "lines").symlink_to("/dev/full")
    file = Rotated(tmp_path / "lines", 1000, 2)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            file.append("one")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5))
def test_any_record_is_one_line_that_can_be_read_back(record: dict[str, Any]) -> None:
    line = dumped(record)
    assert line.isascii()
    assert "\n" not in line
    read = parsed(line)
    assert read is not None
    assert read.keys() == record.keys()
    assert all(read[key] == value for key, value in record.items() if isinstance(value, (int, str)))


@pytest.mark.parametrize("line", ["", "{", '{"a":1', "[1]", "17", "\x00", "{'a':1}"])
def test_a_line_that_is_no_record_is_none(line: str) -> None:
    assert parsed(line) is None


# --- the audit record -----------------------------------------------------------------------------------------------


def test_a_deed_is_recorded_with_who_when_why_and_what_came_of_it(tmp_path: Path) -> None:
    audit = Audit(tmp_path / AUDIT, HandClock(utc_ns=UTC_NS))
    assert audit.record(Audited("uid 1000 (anna)", "stop", ("press-1", "press-2"), "a new belt", "held")) == ""
    (record,) = map(json.loads, (tmp_path / AUDIT).read_text().splitlines())
    assert {key: record[key] for key in ("time", "who", "verb", "names", "why", "result")} == {
        "time": TIME,
        "who": "uid 1000 (anna)",
        "verb": "stop",
        "names": ["press-1", "press-2"],
        "why": "a new belt",
        "result": "held",
    }


def test_a_deed_that_is_said_is_recorded_and_a_disk_that_refuses_it_refuses_no_deed(tmp_path: Path) -> None:
    deed = Audited("anna", "stop", ("press",), "", "held")
    for directory, words in (
        (tmp_path, ["anna: stop press: held"]),
        (
            tmp_path / "absent",
            ["not in the audit record (No such file or directory): anna: stop press: held", "anna: stop press: held"],
        ),
    ):
        clock, stream = HandClock(), io.StringIO()
        audit = Audit(directory / AUDIT, clock)
        told = Journal(tmp_path / EVENTS, Form.JSON, clock, stream, audit=audit)
        told.say(deed)
        told.close()
        assert [json.loads(line)["text"] for line in stream.getvalue().splitlines()] == words
    assert len((tmp_path / AUDIT).read_text().splitlines()) == 1


def test_the_operator_is_named_by_uid_and_whoever_stands_behind_sudo() -> None:
    assert whoami({}).startswith(f"uid {os.getuid()}")
    assert whoami({"SUDO_USER": "anna"}) == f"{whoami({})} for anna"
