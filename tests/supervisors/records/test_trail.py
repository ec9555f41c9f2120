"""Following a file of lines: each line once, wherever the file goes."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.records.logs import bound, copy_path
from supervisors.records.rotated import Rotated, parts
from supervisors.records.trail import BLOCK_BYTES, Copied, Renamed, Trail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "press.log"


def copied(path: Path) -> Copied:
    return Copied([path, copy_path(path)])


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_a_line_is_told_when_it_has_its_end_and_only_once(path: Path) -> None:
    trail = copied(path)
    assert list(trail.news()) == []
    add(path, "one\ntw")
    assert list(trail.news()) == ["one"]
    add(path, "o\nthree\n")
    assert list(trail.news()) == ["two", "three"]
    assert list(trail.news()) == []


def test_what_stands_without_an_end_can_be_asked_for(path: Path) -> None:
    add(path, "one\nlast wor")
    trail = copied(path)
    assert [*trail.news(), *trail.torn()] == ["one", "last wor"]


def test_the_part_before_comes_first(path: Path) -> None:
    add(copy_path(path), "one\n")
    add(path, "two\n")
    assert list(copied(path).news()) == ["one", "two"]


def test_a_log_that_is_cut_while_it_is_followed_loses_no_line(path: Path) -> None:
    trail = copied(path)
    add(path, "one\n")
    assert list(trail.news()) == ["one"]
    add(path, "two\nthr")
    assert list(trail.news()) == ["two"]
    add(path, "ee\nfour\n")
    bound(path, 10)
    add(path, "five\n")
    assert list(trail.news()) == ["three", "four", "five"]
    add(path, "six\n")
    assert list(trail.news()) == ["six"]


def test_a_log_is_cut_above_its_limit_only_and_keeps_the_part_before(path: Path) -> None:
    add(path, "x" * 100)
    bound(path, 100)
    assert path.stat().st_size == 100
    add(path, "x")
    bound(path, 100)
    assert (path.stat().st_size, copy_path(path).stat().st_size) == (0, 101)
    assert sorted(each.name for each in path.parent.iterdir()) == ["press.log", "press.log.1"]


def test_a_log_that_cannot_be_copied_is_cut_at_twice_its_limit(path: Path) -> None:
    copy_path(path).mkdir()  # nothing can be put in its place
    add(path, "x" * 150)
    bound(path, 100)
    assert path.stat().st_size == 150
    add(path, "x" * 100)
    bound(path, 100)
    assert path.stat().st_size == 0


def test_a_log_that_was_removed_and_is_there_again_is_read_from_its_beginning(path: Path) -> None:
    trail = copied(path)
    add(path, "one\n")
    assert list(trail.news()) == ["one"]
    path.rename(path.with_name("elsewhere"))
    assert list(trail.news()) == []
    add(path, "two\n")
    assert list(trail.news()) == ["two"]


def test_a_line_without_an_end_does_not_grow_in_memory(path: Path) -> None:
    add(path, "x" * (5 * BLOCK_BYTES) + "\nend\n")
    *pieces, last = copied(path).news()
    assert last == "end"
    assert sum(map(len, pieces)) == 5 * BLOCK_BYTES
    assert max(map(len, pieces)) <= 2 * BLOCK_BYTES


@pytest.mark.parametrize("wanted", [0, 1, 3, 4000, 9000, 20_000])
def test_near_the_end_the_wanted_lines_follow_and_then_the_news(path: Path, wanted: int) -> None:
    lines = [f"line {n:08}" for n in range(20_000)]
    copy_path(path).write_text("".join(f"{line}\n" for line in lines[:12_000]))
    path.write_text("".join(f"{line}\n" for line in lines[12_000:]))
    trail = copied(path)
    trail.near_end(wanted)
    told = list(trail.news())
    assert told == lines[len(lines) - len(told) :], "whole lines, up to the last"
    assert wanted <= len(told) <= wanted + 2 * BLOCK_BYTES // 14
    add(path, "news\n")
    assert list(trail.news()) == ["news"]


def renamed(path: Path, files: int) -> Trail:
    return Renamed(parts(path, files))


@given(st.lists(st.integers(0, 17), max_size=20), st.integers(0, 19))  # 40 files hold 360 lines: none is deleted
def test_a_rotated_file_is_followed_through_every_rotation(bursts: list[int], late: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events"
        file, trail = Rotated(path, 100, 40), renamed(path, 40)
        written: list[str] = []
        told: list[str] = []
        for n, burst in enumerate(bursts):
            for _ in range(burst):
                written.append(f"line {len(written):05}")
                file.append(written[-1])
            if n >= late:
                told += trail.news()
        told += trail.news()
        assert told == written
        file.close()


def test_who_looks_away_for_too_long_goes_on_with_the_oldest_that_is_left(path: Path) -> None:
    file, trail = Rotated(path, 30, 3), renamed(path, 3)
    file.append("first")
    assert list(trail.news()) == ["first"]
    for n in range(100):
        file.append(f"line {n:03}")
    told = list(trail.news())
    assert told == [f"line {n:03}" for n in range(100 - len(told), 100)]


def test_a_rotated_file_that_was_removed_does_not_bring_the_older_ones_again(path: Path) -> None:
    file, trail = Rotated(path, 30, 3), renamed(path, 3)
    for n in range(10):
        file.append(f"line {n:03}")
    list(trail.news())
    path.rename(path.with_name("elsewhere"))
    file.close()
    file.append("anew")
    assert list(trail.news()) == ["anew"]
