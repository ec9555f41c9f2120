"""The spool against every crash, shortened: the model of the disk, a few hundred states, and how they are told of.

`make crashpoints N=2000` looks at more of them; tests/crashpoints says how.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crashpoints.__main__ import SEED, main
from tests.crashpoints.campaign import Campaign, Name
from tests.crashpoints.disk import Image, RecordingDisk
from tests.crashpoints.lives import Life, lived
from tests.crashpoints.mutations import MUTATIONS, Mutation, broken_copy, places, texts
from tests.crashpoints.pending import Pending, at_point

STATES = 400


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    return lived(SEED)


@pytest.fixture
def disk() -> RecordingDisk:
    return RecordingDisk(Image(frozenset({"spool"})))


def left(disk: RecordingDisk) -> Pending:
    return at_point(disk.base, disk.operations)


def images(pending: Pending) -> list[Image]:
    return [pending.image(number) for number in range(pending.states)]


def test_a_few_hundred_crashes_break_no_promise(lives: list[Life]) -> None:
    campaign = Campaign(lives)
    campaign.sampled(STATES, SEED)
    assert campaign.violations[:3] == []
    assert len(campaign.seen) == STATES


def test_nothing_goes_wrong_in_the_lives_themselves(lives: list[Life]) -> None:
    assert [life.broken for life in lives] == [""] * 6


def test_more_than_ten_thousand_different_disks_can_be_left(lives: list[Life]) -> None:
    different: set[int] = set()
    for life in lives:
        for point in range(0, len(life.operations), 3):
            pending, luck = life.pending(point), random.Random(point)
            different |= {pending.image(pending.drawn(luck)).key() for _ in range(60)}
    assert len(different) > 10_000


def test_a_state_comes_back_by_its_name(lives: list[Life]) -> None:
    pending = lives[1].pending(100)
    again = lived(SEED)[1].pending(100)
    number = pending.states // 3
    assert pending.image(number) == again.image(number)
    assert pending.number(pending.digits(number)) == number
    assert Name.parse(str(Name(1, 100, number, 5))) == Name(1, 100, number, 5)


def test_what_is_not_synced_may_be_dropped_kept_or_torn(disk: RecordingDisk) -> None:
    file = disk.create("spool/a")
    disk.fsync_dir("spool")
    file.pwrite(b"before", 0)
    file.fdatasync()
    file.pwrite(b"after", 6)
    found = {image.files["spool/a"] for image in images(left(disk))}
    assert {b"before", b"beforeafter", b"before\0\0\0\0\0", b"beforeaf", b"before\0\0ter"} <= found
    assert all(data.startswith(b"before") for data in found)


def test_a_name_is_durable_only_with_its_directory(disk: RecordingDisk) -> None:
    disk.create("spool/a.new").fdatasync()
    disk.rename("spool/a.new", "spool/a")
    names = {frozenset(image.files) for image in images(left(disk))}
    assert names == {frozenset(), frozenset({"spool/a.new"}), frozenset({"spool/a"})}
    disk.fsync_dir("spool")
    assert [set(image.files) for image in images(left(disk))] == [{"spool/a"}]


def test_a_rename_between_two_directories_never_loses_the_file(disk: RecordingDisk) -> None:
    disk.make_dir("spool/q")
    disk.create("spool/a")
    disk.fsync_dir("spool")
    disk.rename("spool/a", "spool/q/a")
    names = {frozenset(image.files) for image in images(left(disk))}
    assert names == {frozenset({"spool/a"}), frozenset({"spool/q/a"}), frozenset({"spool/a", "spool/q/a"})}


def test_a_sync_that_fails_is_not_repaired_by_the_next_one(disk: RecordingDisk) -> None:
    file = disk.create("spool/a")
    disk.fsync_dir("spool")
    file.pwrite(b"lost", 0)
    disk.refused_syncs = 1
    with pytest.raises(OSError, match="Input/output"):
        file.fdatasync()
    file.fdatasync()
    assert b"" in {image.files["spool/a"] for image in images(left(disk))}
    file.pwrite(b"lost", 0)
    file.fdatasync()
    assert {image.files["spool/a"] for image in images(left(disk))} == {b"lost"}


def test_what_is_written_during_a_sync_is_not_synced_by_it(disk: RecordingDisk) -> None:
    file = disk.create("spool/a")
    disk.fsync_dir("spool")
    file.pwrite(b"before", 0)
    disk.meanwhile = lambda: file.pwrite(b"meanwhile", 6)
    file.fdatasync()
    assert b"before" in {image.files["spool/a"] for image in images(left(disk))}


def test_the_last_line_counts_states_and_violations(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["20", "--acts", "10"])
    assert capsys.readouterr().out.splitlines()[-1] == "20 states, 0 violations"
    assert code == 0


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_the_rule_stands_in_the_spool_exactly_once(mutation: Mutation) -> None:
    assert [len(places(text)) for text, _ in texts(mutation)] in ([1], [1, 1])


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_a_broken_rule_is_noticed(mutation: Mutation, tmp_path: Path) -> None:
    copy = broken_copy(mutation, tmp_path)
    command = [sys.executable, "-m", "tests.crashpoints", "2000"]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("2000 states, ")
