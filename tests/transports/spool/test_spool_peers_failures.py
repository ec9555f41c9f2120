"""What stores of other gateways are known to do to their users' data, each by its name, and not done here.

The one that is not the spool's alone, a poison record that blocks the stream, is in test_uplink_drain.py.
"""

import random
from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from conftest import Open
from spool_disks import NOW_NS, HandOnDisk, MemoryFiles, PowerCut

from transports.errors import SpoolFull
from transports.spool import Commit, Policy, Position, Settings, Spool

OUT: Mapping[str, Any] = {"raw": [], "out": ["cloud"]}
SMALL: dict[str, Any] = {"consumers": OUT, "segment_bytes": 1000}


def appended(spool: Spool, first: int, records: int, size: int = 100) -> None:
    for pseq in range(first, first + records):
        spool.append("out", "press", pseq, [b"%05d" % pseq + bytes(size)], NOW_NS + pseq, counts=[1])


def waiting(spool: Spool) -> list[int]:
    spool.rewind("out", "cloud")
    return [record.pseq for record in spool.fetch("out", "cloud", 1 << 30).records]


def test_acknowledging_before_durable(disk: MemoryFiles, open_spool: Open) -> None:
    """What may be acknowledged is what `durable` says, and no power cut takes any of that."""
    for seed in range(40):
        luck = random.Random(seed)
        spool = open_spool(**SMALL)
        done = spool.producer("out", "press")[0]
        appended(spool, done + 1, 5)
        if luck.random() < 0.5:
            spool.sync()
        appended(spool, done + 6, 5)
        promised = spool.durable("out").seq
        disk.power_cut(luck)
        spool = open_spool(**SMALL)
        assert waiting(spool)[:promised] == list(range(1, promised + 1))


def test_deleting_before_the_remote_acknowledged(open_spool: Open) -> None:
    """Neither what was fetched is deleted, nor what was committed and could be taken back by a power cut."""
    spool = open_spool(**SMALL)
    appended(spool, 1, 40)
    spool.sync()
    got = spool.fetch("out", "cloud", 1 << 30)
    spool.enforce(NOW_NS)
    assert waiting(spool) == list(range(1, 41)), "fetched is not delivered"
    before = spool.stat()["out"].segments
    spool.commit(Commit("out", "cloud", got.end))
    spool.enforce(NOW_NS)
    assert spool.stat()["out"].segments == before, "committed is not durable"
    spool.sync()
    spool.enforce(NOW_NS)
    assert spool.stat()["out"].segments < before


def test_unsafe_rotation(disk: MemoryFiles, open_spool: Open) -> None:
    """The power may go at each operation while segments are closed, begun and deleted."""
    for left in count():
        disk.names, disk.durable_names = {}, {}
        spool, promised = open_spool(**SMALL), 0
        disk.operations_left = left
        try:
            for pseq in range(1, 31):
                appended(spool, pseq, 1)
                spool.sync()
                promised = pseq
                if pseq == 15:
                    got = spool.fetch("out", "cloud", 1 << 30)
                    spool.commit(Commit("out", "cloud", got.end))
                spool.enforce(NOW_NS)
        except PowerCut:
            disk.power_cut(random.Random(left))
            spool = open_spool(**SMALL)
            cursor = spool.cursor("out", "cloud")[0].seq
            held = waiting(spool)
            assert held == list(range(cursor + 1, cursor + 1 + len(held)))
            assert cursor + len(held) >= promised
            continue
        assert left > 100, "the whole life was gone through"
        return


def test_corruption_that_ends_in_refusing_to_start_or_looping_or_alive_but_dead(
    disk: MemoryFiles, open_spool: Open
) -> None:
    spool = open_spool(**SMALL)
    appended(spool, 1, 60)
    spool.close()
    luck = random.Random(7)
    for name in disk.names:
        disk.edit(name, lambda data: data.__setitem__(slice(0, None), luck.randbytes(len(data))))
    for life in range(1, 4):
        spool = open_spool(**SMALL)
        set_aside = spool.stat()["out"].quarantined
        appended(spool, 1000 * life, 1)
        spool.sync()
        assert waiting(spool)[-1] == 1000 * life, "it starts, takes records and hands them out"
        spool.close()
        files = sum("quarantine/out" in name for name in disk.names)
        assert set_aside <= files <= 60, "and each life sets aside only what was damaged"
    assert len({name for name in disk.names if "quarantine/out" in name}) == files


@pytest.mark.parametrize("policy", [Policy.DROP_OLDEST, Policy.DROP_NEWEST])
def test_silent_quota_drops(open_spool: Open, policy: Policy) -> None:
    spool = open_spool(**SMALL, out_bytes=32_768, out_policy=policy)
    taken, told = 0, []
    for pseq in range(1, 301):
        try:
            appended(spool, pseq, 1)
            taken += 1
        except SpoolFull:
            assert policy is Policy.DROP_NEWEST, "it is said to whoever comes"
            break
        told += spool.enforce(NOW_NS)
    given_up = {seq for each in told for seq in range(each.first.seq, each.last.seq + 1)}
    assert given_up | set(waiting(spool)) == set(range(1, taken + 1))
    assert not given_up & set(waiting(spool))
    (account,) = [each for each in spool.ledger() if each.topic == "out"]
    assert (account.read, account.gaps, account.waiting) == (taken, len(given_up), taken - len(given_up))


def test_wrong_size_after_a_restart(open_real: Open, real_disk: HandOnDisk, tmp_path: Any) -> None:
    spool = open_real(consumers=OUT, segment_bytes=20_000)
    appended(spool, 1, 900)
    spool.sync()
    before = spool.stat()["out"]
    spool.close()
    spool = open_real(consumers=OUT, segment_bytes=20_000)
    after = spool.stat()["out"]
    on_disk = sum(path.stat().st_blocks * 512 for path in (tmp_path / "spool" / "out").glob("*.seg"))
    assert after.bytes == on_disk
    assert 0 <= after.bytes - before.bytes <= 8192, "a new segment more"
    assert (after.end, spool.waiting("out", "cloud")) == (before.end, 900)


def test_loading_the_whole_backlog_into_memory(disk: MemoryFiles, open_spool: Open) -> None:
    words: dict[str, Any] = {"consumers": OUT, "segment_bytes": 64 * 1024}
    spool = open_spool(**words)
    appended(spool, 1, 400, size=10_000)
    spool.close()
    disk.read_bytes = 0
    spool = open_spool(**words)
    assert disk.read_bytes < 4 * 64 * 1024, "4 MB wait; opening reads the newest segment"
    disk.read_bytes = 0
    assert len(spool.fetch("out", "cloud", 30_000).records) == 2
    assert disk.read_bytes < 2 * 64 * 1024, "and fetching a little reads a little"


def test_a_configuration_change_that_wipes_the_backlog(disk: MemoryFiles, open_spool: Open) -> None:
    spool = open_spool(**SMALL)
    appended(spool, 1, 50)
    spool.commit(Commit("out", "cloud", Position(1, 10)))
    spool.close()
    for change in (
        {"consumers": {"raw": [], "out": ["archive"]}},  # one uplink renamed
        {"consumers": {"raw": [], "out": []}},  # and taken out
        {"consumers": {"raw": []}},  # the topic itself
        {"consumers": OUT, "segment_bytes": 1 << 20},
        {"consumers": OUT, "strict": True, "out_policy": Policy.BLOCK},
    ):
        spool = open_spool(**change)
        spool.enforce(NOW_NS)
        spool.close()
    assert waiting(open_spool(**SMALL)) == list(range(11, 51))


def test_counters_that_wrap(disk: MemoryFiles, open_spool: Open) -> None:
    """Samples beyond 32 bits, a producer's numbers and a time near the end of theirs: nothing begins again at 0."""
    spool, most = open_spool(**SMALL), (1 << 32) - 1
    for pseq in (1, 2, (1 << 40), (1 << 63)):
        spool.append("out", "press", pseq, [b"x"], (1 << 63) - 1, counts=[most])
    spool.close()
    for _ in range(3):
        spool = open_spool(**SMALL)
        (account,) = [each for each in spool.ledger() if each.topic == "out"]
        assert (account.read, account.waiting) == (4 * most, 4 * most)
        assert spool.producer("out", "press")[0] == 1 << 63
        assert spool.append("out", "press", 1 << 63, [b"again"], NOW_NS) == 1 << 63, "known, not taken twice"
        spool.close()
    spool = Spool.open("spool", Settings(segment_bytes=1000), OUT, NOW_NS, files=disk)
    assert [record.pseq for record in spool.fetch("out", "cloud", 10_000).records] == [1, 2, 1 << 40, 1 << 63]
