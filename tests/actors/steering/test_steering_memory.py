"""Requests that were seen, on a disk that tears, is damaged, fills, and is written anew."""

import os
from pathlib import Path

import pytest

from actors.steering import memory
from actors.steering.memory import FILE, LONGEST_NS, Memory
from tests.actors.commanding.hand import refusing
from transports.errors import HoldfastError
from transports.requests.nonces import Seen

NOW_NS = 1_767_225_600 * 10**9
SOON_NS = NOW_NS + 60 * 10**9


def seen(nonce: str, expires_ns: int = SOON_NS) -> Seen:
    return Seen("scada", nonce, expires_ns, "digest")


def known(directory: Path, nonce: str) -> bool:
    """To another process."""
    return Memory(directory, ["scada"]).nonces(NOW_NS).find("scada", nonce) is not None


def test_what_was_seen_is_known_to_the_next_process(tmp_path: Path) -> None:
    Memory(tmp_path / "cloud", ["scada"]).remember(seen("a"), NOW_NS)
    assert known(tmp_path / "cloud", "a")
    assert not known(tmp_path / "cloud", "b")


def test_a_torn_line_is_one_that_was_not_begun_and_tears_no_other(tmp_path: Path) -> None:
    Memory(tmp_path, ["scada"]).remember(seen("a"), NOW_NS)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"p":"scada","n":"torn"')
    again = Memory(tmp_path, ["scada"])
    again.remember(seen("b"), NOW_NS)
    assert (known(tmp_path, "a"), known(tmp_path, "torn"), known(tmp_path, "b")) == (True, False, True)


def test_what_may_stand_in_a_damaged_line_is_refused_until_it_must_have_expired(tmp_path: Path) -> None:
    first = Memory(tmp_path, ["scada"])
    first.remember(seen("a"), NOW_NS)
    first.remember(seen("b"), NOW_NS)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().replace(b'"n":"a"', b'"x":"a"'))
    os.utime(path, ns=(NOW_NS, NOW_NS))
    nonces = Memory(tmp_path, ["scada", "other"]).nonces(NOW_NS)
    assert nonces.floor_ns("scada") == nonces.floor_ns("other") == NOW_NS + LONGEST_NS
    assert nonces.find("scada", "b") is not None


def test_a_disk_that_refuses_is_said_and_what_came_is_known_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Memory(tmp_path, ["scada"])
    with refusing(monkeypatch, "fdatasync"), pytest.raises(HoldfastError, match="see to the disk"):
        here.remember(seen("a"), NOW_NS)
    assert here.nonces(NOW_NS).find("scada", "a") is not None
    here.remember(seen("b"), NOW_NS)
    assert known(tmp_path, "b")


def test_a_file_that_cannot_be_read_lets_nothing_pass_until_it_can(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    here = Memory(tmp_path, ["scada"])
    with pytest.raises(HoldfastError, match="cannot be read"):
        here.nonces(NOW_NS)
    (tmp_path / FILE).rmdir()
    here.remember(seen("a"), NOW_NS)
    assert known(tmp_path, "a")


def test_the_file_stays_small_and_keeps_what_has_not_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "COMPACT_BYTES", 10_000)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    here = Memory(tmp_path, ["scada"])
    here.remember(seen("kept", NOW_NS + 3600 * 10**9), NOW_NS)
    now_ns = NOW_NS
    for number in range(2000):
        now_ns = NOW_NS + number * 10**9
        here.remember(seen(f"{number}", now_ns + 10**9), now_ns)
    assert (tmp_path / FILE).stat().st_size < 15_000
    again = Memory(tmp_path, ["scada"]).nonces(now_ns)
    assert again.find("scada", "kept") is not None
    assert again.find("scada", "1999") is not None
    assert NOW_NS + 1900 * 10**9 < again.floor_ns("scada") < now_ns, "what was forgotten left a floor"
