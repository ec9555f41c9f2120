"""Crash reports north: each death is told once, whenever its report comes, and a damaged report stops nobody."""

import json
from datetime import UTC, datetime

import pytest

from actors.diagnosing import crash_reports
from actors.diagnosing.crash_reports import HELD_S, CrashReports
from supervisors.records.crashes import Crash, Reports
from transports.clock import HandClock


@pytest.fixture
def root(tmp_path):
    """The root's own side, with a clock that is turned by hand."""
    clock = HandClock()
    return clock, Reports(tmp_path, clock)


def crash(name="press-1", **other):
    known = {
        "pid": 7, "how": "exit code 1: ValueError: no", "traceback": "Traceback ...\nValueError: no\n", "log": (),
        "beat_age_s": 0.5, "restart": 3, "next_in_s": 1.5, "quarantined": False, "state": {"secret": 1},
    }  # fmt: skip
    return Crash(name, **known | other)


def test_a_death_is_told_once_with_what_an_operator_asks_first(tmp_path, root):
    clock, written = root
    reports = CrashReports(tmp_path)
    assert reports.new() == []
    written.write(crash())
    (told,) = reports.new()
    assert (told.name, told.time_ns) == ("press-1", clock.utc_ns())
    summary = json.loads(told.summary)
    assert summary["error"] == "ValueError: no"
    assert (summary["how"], summary["restart"], summary["next_in_s"]) == ("exit code 1: ValueError: no", 3, 1.5)
    assert "state" not in summary
    assert reports.new() == []


def test_a_report_that_was_held_back_is_told_though_a_later_death_was_told_before(tmp_path, root):
    clock, written = root
    reports = CrashReports(tmp_path)
    written.write(crash(restart=1))
    clock.advance(1.0)
    written.write(crash(restart=2))  # held back
    clock.advance(3.0)
    written.write(crash("oven"))
    assert [told.name for told in reports.new()] == ["press-1", "oven"]
    clock.advance(10.0)
    written.look(clock.now())
    (late,) = reports.new()
    assert json.loads(late.summary)["restart"] == 2


def test_after_a_restart_only_what_may_not_have_been_told_is_told(tmp_path, root):
    clock, written = root
    written.write(crash("old"))
    clock.advance(HELD_S + 1)
    told_last_ns = clock.utc_ns()
    clock.advance(60.0)
    written.write(crash("new"))
    reports = CrashReports(tmp_path)
    reports.since(told_last_ns)
    assert [told.name for told in reports.new()] == ["new"]


def test_whoever_begins_to_tell_tells_of_the_newest_that_are_there(tmp_path, root, monkeypatch):
    clock, written = root
    for number in range(5):
        written.write(crash(f"press-{number}"))
        clock.advance(1.0)
    monkeypatch.setattr(crash_reports, "MOST_AT_ONCE", 3)
    assert [told.name for told in CrashReports(tmp_path).new()] == ["press-2", "press-3", "press-4"]


def test_of_very_many_deaths_at_once_each_is_told(tmp_path, root, monkeypatch):
    clock, written = root
    monkeypatch.setattr(crash_reports, "MOST_AT_ONCE", 3)
    reports = CrashReports(tmp_path)
    assert reports.new() == []
    for number in range(8):
        written.write(crash(f"press-{number}"))
        clock.advance(0.001)
    looks = [[told.name for told in reports.new()] for _ in range(4)]
    assert [len(look) for look in looks] == [3, 3, 2, 0]
    assert [name for look in looks for name in look] == [f"press-{number}" for number in range(8)]


def test_of_very_many_deaths_while_nobody_told_of_them_each_is_told(tmp_path, root, monkeypatch):
    clock, written = root
    monkeypatch.setattr(crash_reports, "MOST_AT_ONCE", 3)
    told_last_ns = clock.utc_ns()
    clock.advance(HELD_S + 1)
    for number in range(5):
        written.write(crash(f"press-{number}"))
        clock.advance(0.001)
    reports = CrashReports(tmp_path)
    reports.since(told_last_ns)
    assert [told.name for _ in range(3) for told in reports.new()] == [f"press-{number}" for number in range(5)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x"}', "\0"])
def test_a_file_that_is_no_report_is_passed_over(tmp_path, root, text):
    _, written = root
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    (tmp_path / f"{moment:%Y%m%dT%H%M%S.%f}-press-1.json").write_text(text)
    (tmp_path / "notes.json").write_text("{}")
    written.write(crash())
    assert [told.name for told in CrashReports(tmp_path).new()] == ["press-1"]
