"""Requests that were seen, on a disk that tears, is damaged, fills, and is written anew."""

import os
from pathlib import Path

import pytest

from actors.steering import memory
from actors.steering.memory import FILE, LONGEST_NS, Memory
from tests.actors.commanding.hand import refusing
from tests.actors.steering.played import DiskHere
from transports.errors import HoldfastError
from transports.requests.nonces import Now, Seen

NOW_NS = 1_767_225_600 * 10**9
SOON_NS = NOW_NS + 60 * 10**9
NOW = Now(NOW_NS, NOW_NS)


def seen(nonce: str, expires_ns: int = SOON_NS) -> Seen:
    return Seen("scada", nonce, expires_ns, "digest")


def at(now_ns: int) -> Now:
    return Now(now_ns, now_ns)


def remember(here: Memory, what: Seen, now: Now) -> None:
    """Raises HoldfastError when the disk refuses."""
    told: list[str] = []
    here.remember(what, now, told.append)
    assert len(told) == 1
    if told[0]:
        raise HoldfastError(told[0])


def known(directory: Path, nonce: str) -> bool:
    """To another process."""
    return Memory(directory, ["scada"], DiskHere()).nonces(NOW).find("scada", nonce) is not None


def test_what_was_seen_is_known_to_the_next_process(tmp_path: Path) -> None:
    remember(Memory(tmp_path / "cloud", ["scada"], DiskHere()), seen("a"), NOW)
    assert known(tmp_path / "cloud", "a")
    assert not known(tmp_path / "cloud", "b")


def test_a_torn_line_is_one_that_was_not_begun_and_tears_no_other(tmp_path: Path) -> None:
    remember(Memory(tmp_path, ["scada"], DiskHere()), seen("a"), NOW)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"p":"scada","n":"torn"')
    again = Memory(tmp_path, ["scada"], DiskHere())
    remember(again, seen("b"), NOW)
    assert (known(tmp_path, "a"), known(tmp_path, "torn"), known(tmp_path, "b")) == (True, False, True)


def test_what_may_stand_in_a_damaged_line_is_refused_until_it_must_have_expired(tmp_path: Path) -> None:
    first = Memory(tmp_path, ["scada"], DiskHere())
    remember(first, seen("a"), NOW)
    remember(first, seen("b"), NOW)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().replace(b'"n":"a"', b'"x":"a"'))
    os.utime(path, ns=(NOW_NS, NOW_NS))
    nonces = Memory(tmp_path, ["scada", "other"], DiskHere()).nonces(NOW)
    assert nonces.floor_ns("scada") == nonces.floor_ns("other") == NOW_NS + LONGEST_NS
    assert nonces.find("scada", "b") is not None


def test_a_disk_that_refuses_is_said_and_what_came_is_known_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Memory(tmp_path, ["scada"], DiskHere())
    with refusing(monkeypatch, "fdatasync"), pytest.raises(HoldfastError, match="see to the disk"):
        remember(here, seen("a"), NOW)
    assert here.nonces(NOW).find("scada", "a") is not None
    remember(here, seen("b"), NOW)
    assert known(tmp_path, "b")


def test_a_file_that_cannot_be_read_lets_nothing_pass_until_it_can(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    here = Memory(tmp_path, ["scada"], DiskHere())
    with pytest.raises(HoldfastError, match="cannot be read"):
        here.nonces(NOW)
    (tmp_path / FILE).rmdir()
    remember(here, seen("a"), NOW)
    assert known(tmp_path, "a")


def test_the_file_stays_small_and_keeps_what_has_not_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "COMPACT_BYTES", 10_000)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    here = Memory(tmp_path, ["scada"], DiskHere())
    remember(here, seen("kept", NOW_NS + 3600 * 10**9), NOW)
    now_ns = NOW_NS
    for number in range(2000):
        now_ns = NOW_NS + number * 10**9
        remember(here, seen(f"{number}", now_ns + 10**9), at(now_ns))
    assert (tmp_path / FILE).stat().st_size < 15_000
    again = Memory(tmp_path, ["scada"], DiskHere()).nonces(at(now_ns))
    assert again.find("scada", "kept") is not None
    assert again.find("scada", "1999") is not None
    assert NOW_NS + 1900 * 10**9 < again.floor_ns("scada") < now_ns, "what was forgotten left a floor"


def test_a_damaged_line_keeps_requests_out_once_and_not_at_each_start(tmp_path: Path) -> None:
    first = Memory(tmp_path, ["scada"], DiskHere())
    remember(first, seen("a"), NOW)
    path = tmp_path / FILE
    path.write_bytes(b"damaged\n" + path.read_bytes())
    os.utime(path, ns=(NOW_NS, NOW_NS))
    later_ns = NOW_NS + LONGEST_NS + 10**9
    later = at(later_ns)
    remember(Memory(tmp_path, ["scada"], DiskHere()), seen("b", later_ns + 60 * 10**9), later)
    again = Memory(tmp_path, ["scada"], DiskHere()).nonces(later)
    assert again.find("scada", "b") is not None
    assert again.floor_ns("scada") == NOW_NS + LONGEST_NS, "it grew with each start"


def test_a_file_that_cannot_be_written_anew_still_takes_what_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "COMPACT_BYTES", 10)
    here = Memory(tmp_path, ["scada"], DiskHere())
    (tmp_path / f"{FILE}.new").mkdir()
    remember(here, seen("a"), NOW)
    remember(here, seen("b"), NOW)
    assert known(tmp_path, "a")
    assert known(tmp_path, "b")
