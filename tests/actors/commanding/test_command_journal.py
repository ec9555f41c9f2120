"""The journal of commands: what has begun is known for ever, wherever its writing was cut off, and whatever fails."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.commanding.checks import Ending
from actors.commanding.entries import BEGUN, begun, ended
from actors.commanding.journal import LASTING, PASSING, Bounds, Journal
from tests.actors.commanding.hand import refusing
from transports.errors import HoldfastError
from transports.messages import Command

SMALL = Bounds(keys=50, file_bytes=10_000, durable=False)


def wish(key: str, value: object = 1) -> Command:
    return Command(key, "x", value, 0.0, why="a test")


def opened(path: Path, bounds: Bounds = PASSING) -> tuple[Journal, list[str]]:
    """A journal, and the keys that had begun before."""
    journal = Journal(path, bounds)
    return journal, [entry.key for entry in journal.load()]


def outcome(journal: Journal, key: str) -> str | None:
    entry = journal.find(key)
    return entry.outcome if entry is not None else None


def done(journal: Journal, key: str, detail: str = "", at_ns: int = 1) -> None:
    journal.begin(begun(wish(key), at_ns))
    journal.end(ended(wish(key), at_ns, Ending.DONE, detail))


def test_what_ended_is_told_again_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "c" / "press.journal"
    first, _ = opened(path, LASTING)
    first.begin(begun(wish("k1"), 1))
    first.end(ended(wish("k1"), 2, Ending.REJECTED, "too hot"))
    first.begin(begun(wish("k2"), 3))
    first.close()
    second, unfinished = opened(path)
    line = second.find("k1")
    assert line is not None
    assert (line.outcome, line.detail) == ("rejected", "too hot")
    assert unfinished == ["k2"]
    assert outcome(second, "k2") == BEGUN
    assert second.find("k3") is None


@given(cut=st.integers(0, 700), keys=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
def test_a_torn_line_costs_no_line_before_it_and_none_after(
    tmp_path_factory: pytest.TempPathFactory, cut: int, keys: list[str]
) -> None:
    path = tmp_path_factory.mktemp("j") / "x.journal"
    whole, _ = opened(path)
    for key in keys:
        whole.begin(begun(wish(key), 1))
    whole.close()
    text = path.read_bytes()
    path.write_bytes(text[: max(0, len(text) - cut)])
    kept = path.read_bytes().count(b"\n")
    torn, unfinished = opened(path)
    assert unfinished == keys[:kept]
    torn.begin(begun(wish("later"), 2))
    torn.close()
    assert opened(path)[1] == [key for key in keys[:kept] if key != "later"] + ["later"]


@pytest.mark.parametrize("torn_bytes", [1, 65_535, 65_536, 65_537, 300_000])
def test_a_torn_line_is_cut_off_however_long_it_is(tmp_path: Path, torn_bytes: int) -> None:
    path = tmp_path / "x.journal"
    first, _ = opened(path)
    done(first, "a")
    first.close()
    with path.open("ab") as file:
        file.write(b"x" * torn_bytes)
    second, _ = opened(path)
    done(second, "b")
    second.close()
    third, _ = opened(path)
    assert (outcome(third, "a"), outcome(third, "b")) == ("done", "done")
    assert b"xx" not in path.read_bytes()


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(b'nonsense\n{"key": 1}\n{"key": "k", "at": 1, "outcome": "done", "detail": ""}\n\xff\xfe\n')
    assert outcome(opened(path)[0], "k") == "done"


def test_a_disk_that_refuses_leaves_the_command_unexecuted(tmp_path: Path) -> None:
    path = tmp_path / "not-a-directory" / "x.journal"
    path.parent.write_text("a file")
    with pytest.raises(HoldfastError, match="cannot be written"):
        opened(path)[0].begin(begun(wish("k"), 1))


def test_an_end_that_could_not_be_written_is_known_and_written_with_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.journal"
    journal, _ = opened(path)
    journal.begin(begun(wish("k"), 1))
    with refusing(monkeypatch, "write"):
        journal.end(ended(wish("k"), 2, Ending.DONE, ""))
    assert outcome(journal, "k") == "done"
    assert opened(path)[1] == ["k"]  # a process that died now would leave it unknown
    done(journal, "next")
    journal.close()
    again, unfinished = opened(path)
    assert outcome(again, "k") == "done"
    assert unfinished == []


def test_trouble_is_said_once_and_its_end_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal, _ = opened(tmp_path / "x.journal")
    with refusing(monkeypatch, "write"):
        for number in range(5):
            journal.end(ended(wish(f"k{number}"), 1, Ending.REJECTED, ""))
    done(journal, "next")
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_what_cannot_be_read_begins_nothing_and_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.mkdir()
    journal, unfinished = opened(path)
    assert (journal.loaded, unfinished) == (False, [])
    assert "cannot be read" in journal.trouble
    with pytest.raises(HoldfastError, match="cannot be read"):
        journal.begin(begun(wish("k"), 1))
    journal.end(ended(wish("told"), 1, Ending.REJECTED, "cannot be read"))
    journal.end(ended(wish("before"), 1, Ending.REJECTED, "cannot be read"))
    path.rmdir()
    whole, _ = opened(path)
    done(whole, "before")
    whole.begin(begun(wish("open"), 1))
    whole.close()
    assert [entry.key for entry in journal.load()] == ["open"]
    assert outcome(journal, "before") == "done"
    assert outcome(journal, "told") == "rejected"
    done(journal, "next")
    journal.close()
    assert outcome(opened(path)[0], "told") == "rejected"


def test_it_stays_small_and_forgets_no_new_key_and_none_that_had_begun(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    book, _ = opened(path, SMALL)
    book.begin(begun(wish("open"), 1))
    for number in range(1000):
        done(book, f"k{number}")
    book.close()
    assert path.stat().st_size <= SMALL.file_bytes
    again, unfinished = opened(path, SMALL)
    assert all(again.find(f"k{number}") for number in range(960, 1000))
    assert unfinished == ["open"]
    assert again.find("k10") is None
    assert book.find("k10") is None


def test_a_clock_that_jumps_makes_no_key_forgotten(tmp_path: Path) -> None:
    book, _ = opened(tmp_path / "x.journal", SMALL)
    done(book, "first", at_ns=0)  # without a battery it is 1970 when the gateway starts
    for number in range(30):
        done(book, f"k{number}", "a long detail " * 20, at_ns=1_800_000_000 * 10**9)
    assert outcome(book, "first") == "done"


def test_long_details_do_not_have_it_written_anew_at_every_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    book, _ = opened(tmp_path / "x.journal", Bounds(5_000, 100_000, durable=True))
    renamed: list[Path] = []
    rename = Path.rename

    def counted(path: Path, target: Path) -> Path:
        renamed.append(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", counted)
    for number in range(5_000):
        book.end(ended(wish(f"{number:020d}"), 1, Ending.REJECTED, "é" * 80))
    assert len(renamed) < 5_000 * 600 / 50_000 * 1.1  # a line has 600 bytes; each writing makes room for 50,000
    assert outcome(book, f"{4_999:020d}") == "rejected"


def test_the_shipped_bounds_keep_as_many_keys_as_they_promise(tmp_path: Path) -> None:
    for bounds, length in ((LASTING, 200), (PASSING, 60)):
        path = tmp_path / f"{bounds.keys}.journal"
        book, _ = opened(path, Bounds(bounds.keys, bounds.file_bytes, durable=False))
        for number in range(3 * bounds.keys):
            done(book, f"{number:0{length}d}", "it reads something else, and this is why it was refused")
        book.close()
        again, _ = opened(path, bounds)
        assert all(again.find(f"{number:0{length}d}") for number in range(2 * bounds.keys, 3 * bounds.keys))


def test_a_lasting_key_is_on_the_disk_with_its_file_and_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    path = tmp_path / "commands" / "x.journal"
    opened(path, LASTING)[0].begin(begun(wish("k"), 1))
    assert {str(tmp_path), str(path.parent), str(path)} == set(synced)
    synced.clear()
    opened(tmp_path / "run" / "x.commands", PASSING)[0].begin(begun(wish("k"), 1))
    assert synced == []
