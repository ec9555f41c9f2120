"""Crash reports: few, small, and of everybody who died."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.records import crashes
from supervisors.records.crash_pages import listed, page, reports
from supervisors.records.crashes import (
    EVERY_S,
    KEEP,
    KEEP_EACH,
    Crash,
    Reports,
    child_of,
    collected,
    last_lines,
    surplus,
)
from transports.clock import HandClock


def crash(name: str = "press", how: str = "exit code 1", **fields: Any) -> Crash:
    known: dict[str, Any] = {
        "pid": 17,
        "traceback": "Traceback:\n  File x\nValueError: a bug\n",
        "log": ("one", "\x1b[2Jtwo"),
        "beat_age_s": 0.2,
        "restart": 3,
        "next_in_s": 0.0,
        "quarantined": False,
        "state": {"samples": 7, "wave": float("nan")},
    }
    return Crash(name, how=how, **{**known, **fields})


class Desk:
    def __init__(self, directory: Path) -> None:
        self.directory, self.clock = directory / "crashes", HandClock()
        self.reports = Reports(self.directory, self.clock)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.reports.look(self.clock.now())

    @property
    def kept(self) -> list[dict[str, Any]]:
        """Oldest first."""
        return [json.loads(path.read_text()) for path in reversed(listed(self.directory))]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_death_is_reported_at_once_and_whole(desk: Desk) -> None:
    desk.reports.write(crash())
    (report,) = desk.kept
    assert report["how"] == "exit code 1"
    assert report["traceback"].endswith("ValueError: a bug\n")
    assert report["state"] == {"samples": 7, "wave": None}, "strict JSON, also of what no JSON has"
    assert report["folded"] == 0


def test_a_child_that_dies_again_and_again_has_one_report_in_a_while_that_counts_the_others(desk: Desk) -> None:
    for n in range(9):
        desk.reports.write(crash(how=f"exit code {n}"))
        desk.pass_time(1.0)
    assert len(desk.kept) == 1
    desk.pass_time(EVERY_S)
    first, second = desk.kept
    assert (first["how"], second["how"]) == ("exit code 0", "exit code 8"), "the newest stands for all"
    assert second["folded"] == 7
    assert first["time"] < second["folded_since"] < second["time"]
    desk.pass_time(2 * EVERY_S)
    desk.reports.write(crash(how="exit code 9"))
    assert [report["how"] for report in desk.kept][2:] == ["exit code 9"], "it was quiet: that is news"


def test_what_was_held_back_is_written_at_the_end(desk: Desk) -> None:
    for _ in range(3):
        desk.reports.write(crash())
        desk.pass_time(0.1)
    desk.reports.close()
    assert [report["folded"] for report in desk.kept] == [0, 1]


def test_another_child_s_death_waits_for_nobody(desk: Desk) -> None:
    desk.reports.write(crash())
    desk.reports.write(crash("mill"))
    assert [report["name"] for report in desk.kept] == ["mill", "press"]


def test_a_flapping_child_keeps_its_newest_reports_and_pushes_out_nobody_s(desk: Desk) -> None:
    desk.reports.write(crash("mill"))
    for n in range(50):
        desk.reports.write(crash(how=f"exit code {n}"))
        desk.pass_time(EVERY_S)
    kept = desk.kept
    assert Counter(report["name"] for report in kept) == {"mill": 1, "press": KEEP_EACH}
    assert kept[-1]["how"] == "exit code 49"


def test_the_reports_of_an_earlier_run_count_too_and_what_it_began_is_removed(desk: Desk) -> None:
    desk.directory.mkdir()
    for n in range(30):
        (desk.directory / f"20200101T0000{n:02}.000000-press.json").write_text("{}")
    (desk.directory / "20200101T000000.000000-press.json.new").write_text("{")
    desk.reports.write(crash())
    assert len(list(desk.directory.iterdir())) == KEEP_EACH


def test_a_disk_that_refuses_stops_nobody_and_loses_only_what_it_refused(desk: Desk) -> None:
    desk.directory.write_text("in the way")
    desk.reports.write(crash())
    desk.directory.unlink()
    desk.reports.write(crash("mill"))
    assert [report["name"] for report in desk.kept] == ["mill"]


NAMES = st.lists(st.sampled_from(["a", "b-1", "c", "d"]), max_size=60).map(
    lambda who: [f"{n:06}-{name}.json" for n, name in enumerate(who)]
)


@given(NAMES, st.integers(1, 30), st.integers(1, 10))
def test_what_is_kept_is_within_both_limits_and_fair(names: list[str], keep: int, keep_each: int) -> None:
    gone = surplus(names, keep, keep_each)
    left = [name for name in names if name not in gone]
    had, has = Counter(map(child_of, names)), Counter(map(child_of, left))
    assert len(left) <= keep
    assert len(left) == min(keep, sum(min(keep_each, count) for count in had.values())), "and no more is deleted"
    for name, count in has.items():
        assert count <= keep_each
        assert [each for each in names if child_of(each) == name][-count:] == [
            each for each in left if child_of(each) == name
        ]
    lost = [has[name] for name in had if has[name] < min(keep_each, had[name])]
    assert all(count >= max(has.values(), default=0) - 1 for count in lost), "whoever lost one has as many as others"


def test_two_hundred_are_kept_in_all() -> None:
    names = [f"{n:06}-c{n % 50}.json" for n in range(KEEP + 1)]
    assert surplus(names) == ["000000-c0.json"]


def test_the_page_has_the_whole_report_and_moves_no_cursor(desk: Desk) -> None:
    for _ in range(9):
        desk.reports.write(crash("press", next_in_s=2.5, quarantined=True))
        desk.pass_time(0.1)
    desk.pass_time(EVERY_S)
    (_, report), _ = reports(listed(desk.directory))
    lines = list(page(report))
    assert "press (pid 17) died at" in lines[0]
    assert lines[1:4] == [
        "how: exit code 1",
        "then: quarantined, next probe in 2.5s; restarts so far: 3",
        "last sign of life: 0.2s before",
    ]
    assert lines[4].startswith("and 7 like it since 20")
    for line in ("  ValueError: a bug", "    File x", "  one", "  \\x1b[2Jtwo", "  samples = 7"):
        assert line in lines


def test_only_the_end_of_a_log_and_of_a_traceback_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "press.crash"
    path.write_text("x" * 2**20 + "\nValueError: the end\n")
    assert last_lines(path)[-1] == "ValueError: the end"
    text = collected(path)
    assert text.endswith("ValueError: the end\n")
    assert len(text) == crashes.TRACE_BYTES
    assert collected(path) == "", "it is taken away"
