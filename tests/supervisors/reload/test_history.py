"""The history of configurations on the disk: whole whatever is cut short, bounded, and what a start takes from it."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.reload.history import Entry, History, Outcome, in_place_of, last_good, noted, sha256_of
from supervisors.reload.records import CUT_SHORT, Records
from transports.errors import HoldfastError
from transports.messages import Reload

UTC_NS = 1_700_000_000_000_000_000
A, B, C = b"# a\r\n", b"# b\n", "# ç\n".encode()


def tried(history: History, text: bytes, outcome: Outcome, reason: str = "", instead_of: str = "") -> Entry:
    entry = history.add(text, noted("uid 1", "because", UTC_NS, Outcome.TRYING, instead_of))
    return history.settle(entry.number, outcome, reason)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "data" / "config")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "gateway.toml"
    file.write_bytes(B)
    return file


def test_a_text_comes_back_byte_for_byte_with_what_became_of_it(history: History) -> None:
    tried(history, A, Outcome.STARTED)
    tried(history, B, Outcome.ROLLED_BACK, "b hangs")
    assert (history.text(1), history.text(2)) == (A, B)
    entry = history.entry(2)
    assert (entry.time, entry.who, entry.why) == ("2023-11-14T22:13:20+00:00", "uid 1", "because")
    assert (entry.outcome, entry.reason, entry.sha256) == (Outcome.ROLLED_BACK, "b hangs", sha256_of(B))


def test_nobody_else_may_read_it(history: History) -> None:
    tried(history, A, Outcome.STARTED)
    modes = [path.stat().st_mode & 0o777 for path in sorted(history.directory.iterdir())]
    assert (modes, history.directory.stat().st_mode & 0o777) == ([0o600, 0o600], 0o700)


def test_numbers_go_on_and_the_oldest_are_dropped_but_never_the_last_good_one(tmp_path: Path) -> None:
    history = History(tmp_path, keep=5)
    tried(history, A, Outcome.CONFIRMED)
    for _ in range(20):
        tried(history, B, Outcome.ROLLED_BACK)
    assert [entry.number for entry in history.entries()] == [1, 17, 18, 19, 20, 21]
    assert len(list(tmp_path.iterdir())) == 12


def test_a_number_that_is_not_kept_is_refused_with_those_that_are(history: History) -> None:
    with pytest.raises(HoldfastError, match="none is kept yet"):
        history.entry(1)
    tried(history, A, Outcome.CONFIRMED)
    with pytest.raises(HoldfastError, match="no configuration 7; 1 to 1 are kept"):
        history.text(7)


def test_a_text_that_was_damaged_is_not_handed_out(history: History) -> None:
    tried(history, A, Outcome.CONFIRMED)
    history.text_path(1).write_bytes(A + b"x")
    with pytest.raises(HoldfastError, match="damaged"):
        history.text(1)


def test_a_damaged_entry_is_passed_over_and_its_number_is_not_used_again(history: History) -> None:
    tried(history, A, Outcome.CONFIRMED)
    tried(history, B, Outcome.CONFIRMED)
    (history.directory / "000002.json").write_text("{")
    assert [entry.number for entry in history.entries()] == [1]
    assert tried(history, C, Outcome.CONFIRMED).number == 3


# --- the disk fails, or the power does -------------------------------------------------------------------------------


class Cut(BaseException):
    """The process is gone: nothing after this happens, not even cleaning up."""


@pytest.mark.parametrize("at", range(40))
def test_wherever_it_is_cut_short_each_configuration_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    history = History(tmp_path / "config", keep=2)
    tried(history, A, Outcome.STARTED)
    steps = iter(range(10**6))

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(steps) == at:
                raise Cut
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patched:
        for name in ("open", "fsync", "rename", "unlink", "fchmod"):
            patched.setattr(os, name, counted(getattr(os, name)))
        try:
            tried(history, B, Outcome.CONFIRMED)
            tried(history, C, Outcome.ROLLED_BACK)
        except Cut:
            pass
    entries = History(tmp_path / "config").entries()
    assert all(history.text(entry.number) in (A, B, C) for entry in entries)
    good = last_good(entries)
    assert good is not None
    assert history.text(good.number) in (A, B)
    assert tried(history, A, Outcome.CONFIRMED).number > max(entry.number for entry in entries)


# --- with what a gateway begins --------------------------------------------------------------------------------------


def begins_with(history: History, text: bytes) -> bytes:
    chosen = in_place_of(sha256_of(text), history.entries())
    return text if chosen is None else history.text(chosen.number)


def test_a_text_that_nobody_knows_is_begun_with(history: History) -> None:
    assert begins_with(history, A) == A
    tried(history, A, Outcome.STARTED)
    assert begins_with(history, B) == B


@pytest.mark.parametrize("outcome", [Outcome.TRYING, Outcome.ABANDONED, Outcome.ROLLED_BACK])
def test_a_text_that_was_not_confirmed_is_passed_over_for_the_last_good_one(history: History, outcome: Outcome) -> None:
    tried(history, A, Outcome.STARTED)
    tried(history, B, Outcome.CONFIRMED)
    tried(history, C, outcome)
    assert (begins_with(history, C), begins_with(history, A)) == (B, A)


def test_a_text_that_was_confirmed_at_the_second_attempt_is_good(history: History) -> None:
    tried(history, A, Outcome.STARTED)
    tried(history, B, Outcome.ROLLED_BACK)
    tried(history, B, Outcome.CONFIRMED)
    assert begins_with(history, B) == B


def test_without_any_good_one_the_file_is_begun_with(history: History) -> None:
    tried(history, A, Outcome.ROLLED_BACK)
    assert begins_with(history, A) == A


def test_a_rollback_that_could_not_write_the_file_lasts_all_the_same(history: History) -> None:
    tried(history, A, Outcome.STARTED)
    tried(history, B, Outcome.CONFIRMED)
    tried(history, A, Outcome.CONFIRMED, instead_of=sha256_of(B))
    assert (begins_with(history, B), begins_with(history, C)) == (A, C)
    tried(history, B, Outcome.CONFIRMED)
    assert begins_with(history, B) == B


def test_a_rollback_that_was_taken_back_changes_nothing(history: History) -> None:
    tried(history, A, Outcome.STARTED)
    tried(history, B, Outcome.CONFIRMED)
    tried(history, A, Outcome.ROLLED_BACK, instead_of=sha256_of(B))
    assert begins_with(history, B) == B


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Outcome), st.sampled_from(("", "a", "b")))))
def test_a_start_takes_the_file_or_something_that_was_good(past: list[tuple[str, Outcome, str]]) -> None:
    entries = [
        Entry(number, "", "", "", text, outcome, instead_of=other if other != text else "")
        for number, (text, outcome, other) in enumerate(past, start=1)
    ]
    for text in "abc":
        chosen = in_place_of(text, entries)
        assert chosen is None or (chosen.good and chosen.sha256 != text)


# --- what is written down of each ------------------------------------------------------------------------------------


def test_a_start_with_what_was_in_force_adds_nothing(history: History, config: Path) -> None:
    records = Records(history, config)
    assert [records.started(text, "root", UTC_NS) for text in (A, A, B, B, A)] == [1, 1, 2, 2, 3]


def test_a_start_closes_what_was_cut_short(history: History, config: Path) -> None:
    records = Records(history, config)
    records.started(A, "root", UTC_NS)
    records.tried(B, Reload(), UTC_NS)
    records.started(A, "root", UTC_NS)
    assert [(entry.outcome, entry.reason) for entry in history.entries()] == [
        (Outcome.STARTED, ""),
        (Outcome.ABANDONED, CUT_SHORT),
    ]


def test_a_rollback_puts_its_text_into_the_file_and_leaves_the_rest_of_it(history: History, config: Path) -> None:
    config.chmod(0o640)
    link = config.with_name("link.toml")
    link.symlink_to(config)
    records = Records(history, link)
    records.started(A, "root", UTC_NS)
    number = records.tried(A, Reload(to=1, who="uid 1"), UTC_NS)
    assert config.read_bytes() == B  # not before it is confirmed
    assert records.decided(number, Outcome.CONFIRMED, "") == ""
    assert (config.read_bytes(), config.stat().st_mode & 0o777, link.is_symlink()) == (A, 0o640, True)
    assert history.entry(number).why == "rollback to 1"


def test_what_a_rollback_takes_out_of_the_file_is_in_the_history(history: History, config: Path) -> None:
    records = Records(history, config)
    records.started(A, "root", UTC_NS)
    records.tried(A, Reload(to=1), UTC_NS)
    assert [(history.text(e.number), e.outcome) for e in history.entries()] == [
        (A, Outcome.STARTED),
        (B, Outcome.REPLACED),
        (A, Outcome.TRYING),
    ]
    assert begins_with(history, B) == B


def test_a_file_that_was_edited_meanwhile_is_not_overwritten(history: History, config: Path) -> None:
    records = Records(history, config)
    records.started(A, "root", UTC_NS)
    number = records.tried(A, Reload(to=1), UTC_NS)
    config.write_bytes(C)
    assert "was edited meanwhile" in records.decided(number, Outcome.CONFIRMED, "")
    assert config.read_bytes() == C


def test_a_file_that_cannot_be_replaced_is_passed_over_from_then_on(history: History, config: Path) -> None:
    records = Records(history, config)
    records.started(A, "root", UTC_NS)
    number = records.tried(A, Reload(to=1), UTC_NS)
    text = config.read_bytes()
    config.unlink()
    config.mkdir()  # a test may be run by root, whom no mode stops
    assert "cannot be replaced" in records.decided(number, Outcome.CONFIRMED, "")
    assert begins_with(history, text) == A


def test_a_rollback_that_is_taken_back_leaves_the_file_alone(history: History, config: Path) -> None:
    records = Records(history, config)
    records.started(A, "root", UTC_NS)
    number = records.tried(A, Reload(to=1), UTC_NS)
    assert records.decided(number, Outcome.ROLLED_BACK, "a hangs") == ""
    assert config.read_bytes() == B


def test_an_entry_of_a_newer_version_is_passed_over(history: History) -> None:
    entry = tried(history, A, Outcome.STARTED)
    other = {"number": 2, "outcome": "thrown away"}
    (history.directory / "000002.json").write_text(json.dumps(other))
    assert history.entries() == [replace(entry)]
