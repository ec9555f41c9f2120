"""72 hours without the broker, then a slow link: nothing is lost, order is kept, what is fresh does not wait.

The gateway lives in a network namespace, at the end of a cable (tests/peers/namespace.py). First the broker is
black-holed: packets leave, and no RST, no ICMP, nothing comes back. Then the cable is throttled, and black-holed once
more in the middle of the drain.

72 hours are compressed: the records of that time, one in every 26 ms for ten million, are appended to the spool with
transports.spool, under the device's name, as it would have appended them, while the gateway is down; their times are
those of 72 hours. So what is tested of those hours is their backlog, not that a process lives so long. The device
itself reads on through everything that comes after.

HOLDFAST_BACKLOG says how many records the long one has.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.chaos.drain_reader import DrainReader, Fresh
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.namespace import Namespace

SHORT, LONG = 100_000, int(os.environ.get("HOLDFAST_BACKLOG", "10_000_000"))
LONG_S = 3600
OUTAGE_NS = 72 * 3600 * 10**9
TOGETHER = 1000  # records in one append
FLAT_BYTES = 24 * 1024 * 1024  # of what a process may grow: caches and fragments, not a backlog
WINDOW, BATCH = 20, 100
CONFIG = """
[gateway]
name = "away"
[spool]
out_max = "16GiB"
[device.plc]
driver = "sim"
period = "50ms"
tags = {{ n = {{ wave = "counter" }} }}
[uplink.cloud]
type = "mqtt"
host = "{host}"
port = {port}
topic = "holdfast/away/{{device}}"
batch_records = {batch}
window_messages = {window}
keepalive = "2s"
connect_timeout = "2s"
ack_timeout = "5s"
retry_first = "200ms"
retry_ceiling = "1s"
"""
FILL = """
import sys, time
from tests.chaos.test_long_outage import fill
fill(sys.argv[1], int(sys.argv[2]))
"""


def fill(directory: str, records: int) -> None:
    """Write the backlog, in the process that calls it."""
    from transports import codec
    from transports.samples import DataType, Scan, Tag, batch_of
    from transports.spool import Settings, Spool

    spool = Spool.open(directory, Settings(out_bytes=1 << 34), {"raw": (), "out": ("cloud",)}, time.time_ns())
    tags, step_ns = (Tag("n", DataType.UINT64),), OUTAGE_NS // records
    began_ns = time.time_ns() - OUTAGE_NS - 60 * 10**9
    for first in range(1, records + 1, TOGETHER):
        numbers = range(first, min(first + TOGETHER, records + 1))
        scans = [Scan(began_ns + number * step_ns, tags, [number]) for number in numbers]
        payloads = [codec.pack(batch_of("plc", n, [scan])) for n, scan in zip(numbers, scans, strict=True)]
        spool.append("out", "plc", first, payloads, scans[-1].time_ns, counts=[1] * len(payloads))
    assert spool.end("out") == (1, records), "the backlog is the first epoch"
    spool.close()


def _outage(tmp_path: Path, backlog: int, rate: str, within_s: float) -> None:
    with Namespace() as cable:
        port = free_port()
        with (
            Mosquitto(tmp_path, [f"listener {port} {cable.near}", "allow_anonymous true"]) as broker,
            DrainReader(broker.port, "holdfast/away/#", backlog) as reader,
        ):
            config = CONFIG.format(host=cable.near, port=port, batch=BATCH, window=WINDOW)
            gateway = Gateway(tmp_path, config)
            try:
                _fill(gateway, backlog)
                _drain(gateway, cable, reader, backlog, rate, within_s)
            finally:
                gateway.kill()
                shutil.rmtree(gateway.home, ignore_errors=True)


def _fill(gateway: Gateway, backlog: int) -> None:
    directory = gateway.data_dir / "spool"
    gateway.data_dir.mkdir(mode=0o750)
    directory.mkdir()
    subprocess.run([sys.executable, "-c", FILL, str(directory), str(backlog)], check=True)


def _drain(gateway: Gateway, cable: Namespace, reader: DrainReader, backlog: int, rate: str, within_s: float) -> None:
    cable.black_hole()
    with cable.inside():
        gateway.start()
    gateway.wait(lambda _: "no connection within" in _cloud(gateway)["last_error"])
    gateway.wait(lambda _: gateway.child("plc")["state"].get("scans", 0) > 50)
    assert reader.count == 0
    before = _rss(gateway)
    cable.throttle(rate)
    cable.heal()
    gateway.wait(lambda _: _cloud(gateway)["connected"])
    first = [time.time_ns()]
    reader.wait(backlog * 2 // 5, within_s)
    first.append(time.time_ns())
    halfway = _rss(gateway)

    cable.black_hole()
    gateway.wait(lambda _: not _cloud(gateway)["connected"])
    assert reader.count < backlog, "the second outage was meant to come in the middle"
    cable.heal()
    gateway.wait(lambda _: _cloud(gateway)["connected"])
    second = [time.time_ns()]
    reader.wait(backlog, within_s)
    second.append(time.time_ns())
    after = _rss(gateway)

    gateway.operate("stop", "plc")
    gateway.wait(lambda _: _is_drained(gateway), within_s=60)
    _assert_kept(reader)
    _assert_fresh(reader, [(first[0], first[1]), (second[0], second[1])], backlog)
    _assert_flat(before, halfway, after)


def _cloud(gateway: Gateway) -> dict[str, object]:
    state: dict[str, object] = gateway.child("cloud")["state"]
    return {"last_error": "", "connected": False, **state}


def _is_drained(gateway: Gateway) -> bool:
    waiting = gateway.child("spooler")["state"]["topics"]["out"]["waiting"]["cloud"]
    return gateway.child("plc")["phase"] == "stopped" and waiting == 0


def _rss(gateway: Gateway) -> dict[str, int]:
    return {name: psutil.Process(pid).memory_info().rss for name, pid in gateway.pids().items()}


def _assert_kept(reader: DrainReader) -> None:
    assert reader.wrong == [], f"{len(reader.wrong)} are out of order or not as they were: {reader.wrong[:3]}"
    assert reader.missing() == []
    numbers = sorted(each.number for each in reader.fresh)
    assert numbers == list(range(1, len(numbers) + 1)), "everything that was read through all this has come once"
    assert [gap["reason"] for gap in reader.gaps] == ["process ended: the gateway was not running"]
    print(f"repeated: {reader.repeated} of the backlog, {reader.fresh_repeated} fresh")
    assert reader.repeated + reader.fresh_repeated <= WINDOW * BATCH, "one cut while connected: a window at most"


def _assert_fresh(reader: DrainReader, spans: Sequence[tuple[int, int]], backlog: int) -> None:
    """What was read during the drain is overtaken by no more of the backlog than was on its way already."""
    told: list[tuple[Fresh, int]] = []
    for begin_ns, end_ns in spans:
        fresh = [each for each in reader.fresh if begin_ns <= each.read_ns and each.came_ns <= end_ns]
        assert fresh, "fresh readings come while the backlog drains"
        assert not any(each.historical for each in fresh)
        told += [(each, reader.progress(each.came_ns) - reader.progress(each.read_ns)) for each in fresh]
    behind = [records for _, records in told]
    print(f"{len(behind)} fresh: behind {statistics.median(behind)} records (median), {max(behind)} (most)")
    assert statistics.median(behind) <= WINDOW * BATCH
    assert max(behind) <= max(2 * WINDOW * BATCH, backlog // 10)
    fifths = {5 * reader.progress(each.came_ns) // (backlog + 1) for each, _ in told}
    assert fifths == {0, 1, 2, 3, 4}, "all through the drain"


def _assert_flat(*rss: dict[str, int]) -> None:
    first, *later = rss
    for name, size in first.items():
        grown = max(each[name] for each in later) - size
        assert grown < FLAT_BYTES, f"{name} grew by {grown} bytes from {size}"


@pytest.mark.timeout(240)
def test_a_backlog_of_72_hours_drains_over_a_slow_link_and_fresh_readings_do_not_wait_for_it(tmp_path: Path) -> None:
    _outage(tmp_path, SHORT, "16mbit", within_s=100)


@pytest.mark.slow
@pytest.mark.timeout(LONG_S * 2 + 600)
def test_ten_million_records_of_72_hours_drain_in_full(tmp_path: Path) -> None:
    _outage(tmp_path, LONG, "100mbit", within_s=LONG_S)
