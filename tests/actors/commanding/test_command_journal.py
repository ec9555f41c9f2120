"""The journal of commands: what has begun is known for ever, wherever its writing was cut off."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.commanding import journal
from actors.commanding.checks import Ending
from actors.commanding.journal import BEGUN, Journal
from transports.errors import HoldfastError


def test_what_ended_is_told_again_by_the_next_process(tmp_path: Path) -> None:
    first = Journal(tmp_path / "c" / "press.journal")
    first.begin("k1", 1, lasting=True)
    first.end("k1", 2, Ending.REJECTED, "too hot")
    first.begin("k2", 3, lasting=False)
    first.close()
    second = Journal(tmp_path / "c" / "press.journal")
    line = second.find("k1")
    assert line is not None
    assert (line.outcome, line.detail) == ("rejected", "too hot")
    assert [each.key for each in second.unfinished()] == ["k2"]
    assert second.find("k3") is None


@given(cut=st.integers(0, 400), keys=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
def test_a_torn_line_costs_no_line_before_it_and_none_after(
    tmp_path_factory: pytest.TempPathFactory, cut: int, keys: list[str]
) -> None:
    path = tmp_path_factory.mktemp("j") / "x.journal"
    whole = Journal(path)
    for key in keys:
        whole.begin(key, 1, lasting=False)
    whole.close()
    text = path.read_bytes()
    path.write_bytes(text[: max(0, len(text) - cut)])
    kept = path.read_bytes().count(b"\n")
    torn = Journal(path)
    assert [each.key for each in torn.unfinished()] == keys[:kept]
    torn.begin("later", 2, lasting=False)
    torn.close()
    assert [each.key for each in Journal(path).unfinished()] == [key for key in keys[:kept] if key != "later"] + [
        "later"
    ]


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(b'nonsense\n{"key": 1}\n{"key": "k", "at": 1, "outcome": "done", "detail": ""}\n\xff\xfe\n')
    line = Journal(path).find("k")
    assert line is not None
    assert line.outcome == "done"


def test_a_disk_that_refuses_leaves_the_command_unexecuted(tmp_path: Path) -> None:
    path = tmp_path / "not-a-directory" / "x.journal"
    path.parent.write_text("a file")
    with pytest.raises(HoldfastError, match="cannot be written"):
        Journal(path).begin("k", 1, lasting=True)


def test_it_stays_small_and_forgets_no_young_key_and_none_that_had_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FILE_BYTES", 10_000)
    monkeypatch.setattr(journal, "KEPT_MOST", 50)
    path = tmp_path / "x.journal"
    book = Journal(path)
    for number in range(1000):
        book.begin(f"k{number}", number, lasting=False)
        book.end(f"k{number}", number, Ending.DONE, "")
    book.begin("open", 1000, lasting=False)
    book.close()
    assert path.stat().st_size < 20_000
    again = Journal(path)
    assert all(again.find(f"k{number}") for number in range(960, 1000))
    assert [each.key for each in again.unfinished()] == ["open"]
    assert again.find("k10") is None


def test_the_outcome_of_what_had_begun_is_never_invented(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    book = Journal(path)
    book.begin("k", 1, lasting=True)
    line = book.find("k")
    assert line is not None
    assert line.outcome == BEGUN
