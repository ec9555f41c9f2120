"""Bytes of a month: what the kernel's counters say, over every way in which they begin anew."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.networks import budget, budget_file
from actors.networks.budget import Reading, Used

MAY = "2026-05"


def _used(*readings: Reading, month: str = MAY) -> Used:
    used: Used | None = None
    for reading in readings:
        used = budget.counted(used, reading, month)
    assert used is not None
    return used


def test_what_was_carried_before_anybody_counted_is_not_of_this_month() -> None:
    assert _used(Reading("boot", 3, 10**9)).bytes == 0
    assert _used(Reading("boot", 3, 10**9), Reading("boot", 3, 10**9 + 500)).bytes == 500


def test_a_counter_that_begins_anew_loses_nothing_that_it_showed() -> None:
    first = Reading("boot", 3, 1000), Reading("boot", 3, 1500)
    assert _used(*first, Reading("boot", 3, 200)).bytes == 700, "the driver was loaded again"
    assert _used(*first, Reading("boot", 4, 9000)).bytes == 9500, "the modem was plugged in again"
    assert _used(*first, Reading("reboot", 3, 1600)).bytes == 2100, "the machine was started again"


def test_an_interface_that_is_gone_says_nothing() -> None:
    used = _used(Reading("boot", 3, 1000), Reading("boot", 3, 1500), Reading("boot", 0, 0), Reading("boot", 3, 1600))
    assert used.bytes == 600


def test_a_new_month_begins_at_nothing() -> None:
    used = _used(Reading("boot", 3, 0), Reading("boot", 3, 700))
    june = budget.counted(used, Reading("boot", 3, 750), "2026-06")
    assert (june.month, june.bytes) == ("2026-06", 50)


@pytest.mark.parametrize("wrong", [["1970-01"], ["2099-12"], ["1970-01", "2026-06", "2099-12"], ["1970-01"] * 5])
def test_a_clock_that_was_wrong_for_a_while_neither_forgets_what_was_used_nor_stops_the_months(
    wrong: list[str],
) -> None:
    used = budget.told(_used(Reading("boot", 3, 0), Reading("boot", 3, 900)), 1000)[0]
    for month in wrong:
        used = budget.counted(used, Reading("boot", 3, 900), month)
        assert used.bytes == 0
    used = budget.counted(used, Reading("boot", 3, 950), MAY)
    assert (used.month, used.bytes) == (MAY, 950)
    assert budget.told(used, 1000)[1] == 0, "80 % were told before"
    june = budget.counted(used, Reading("boot", 3, 960), "2026-06")
    assert (june.month, june.bytes) == ("2026-06", 10)


def test_of_a_clock_that_never_stands_still_a_few_months_are_kept() -> None:
    used = _used(Reading("boot", 3, 0))
    for year in range(1000, 9000):
        used = budget.counted(used, Reading("boot", 3, year), f"{year}-01")
    assert len(used.others) == budget.OTHERS


def test_80_and_100_percent_are_each_told_once_a_month() -> None:
    used, steps = _used(Reading("boot", 3, 0)), []
    for counter in range(0, 1300, 10):
        used = budget.counted(used, Reading("boot", 3, counter), MAY)
        used, step = budget.told(used, 1000)
        steps += [(step, used.bytes)] if step else []
    assert steps == [(80, 800), (100, 1000)]
    assert budget.is_over(used, 1000)
    assert not budget.is_over(used, None)
    june = budget.counted(used, Reading("boot", 3, 2100), "2026-06")
    assert budget.told(june, 1000)[1] == 80


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["goes on", "boots", "is made anew"])), max_size=30))
def test_everything_is_counted_once_whatever_happens_between(steps: list[tuple[int, str]]) -> None:
    boot, index, counter, carried = 0, 1, 0, 0
    used = _used(Reading("0", 1, 0))
    for carried_now, what in steps:
        if what != "goes on":
            counter = 0
        boot, index = boot + (what == "boots"), index + (what == "is made anew")
        counter += carried_now
        carried += carried_now
        used = budget.counted(used, Reading(str(boot), index, counter), MAY)
    assert used.bytes == carried


def test_what_was_used_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "network" / "budgets.json"
    used = {"cellular": Used(MAY, 2**40, Reading("boot", 3, 2**41), 80, (("2026-04", 7, 100),))}
    budget_file.stored(path, used)
    assert budget_file.restored(path) == used
    assert budget_file.restored(tmp_path / "none.json") == {}


def test_a_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    held = {"month": MAY, "bytes": 12, "boot": "b", "index": 3, "counter": 14, "said": 80}
    (tmp_path / "budgets.json").write_text(json.dumps({"cellular": held}))
    assert budget_file.restored(tmp_path / "budgets.json") == {"cellular": Used(MAY, 12, Reading("b", 3, 14), 80)}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"month": "2026-05"}}', '{"a": {"bytes": "1"}}'])
def test_a_damaged_file_is_said_and_counting_begins_anew(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "budgets.json").write_text(text)
    assert budget_file.restored(tmp_path / "budgets.json") == {}
    assert "cannot be read" in caplog.text


def test_the_file_is_plain_enough_to_be_read_at_night(tmp_path: Path) -> None:
    path = tmp_path / "budgets.json"
    budget_file.stored(path, {"cellular": Used(MAY, 12, Reading("b", 3, 14))})
    assert json.loads(path.read_text())["cellular"]["bytes"] == 12
