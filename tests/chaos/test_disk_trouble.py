"""The disk under a running gateway fails, fills up, hangs, and is well again: devices are read on, nothing is lost.

The faults come from a stand-in (tests/peers/failing_disk) that fails the spooler's file operations, and from a real
small file system that another program's file fills.
"""

import errno
import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.chaos.ledger import Arrived, arrived, served
from tests.chaos.outcome import Outcome, wait_until
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.processes import start_modbus_server
from tests.peers.small_disk import SmallDisk, small_disk
from tests.peers.subscriber import Subscriber

ROUNDS = int(os.environ.get("HOLDFAST_DISK_ROUNDS", "20"))
STAND_IN = Path(__file__).parents[1] / "peers" / "failing_disk"
OPERATIONS = ("write", "sync", "rename", "open")
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EROFS")
SCANS_MEANWHILE = 25  # of the device while the disk is in trouble
LATE = 0.02  # of all readings may be late: two cores have other work too; one round that blocks would be a tenth
FLAT_BYTES = 24 * 1024 * 1024
CONFIG = """
[gateway]
name = "disk"
[supervision]
heartbeat = "100ms"
hang_after = "3s"
[spool]
segment = "{segment}"
raw_max = "4 MiB"
out_max = "12 MiB"
dead_max = "4 MiB"
reserve = "64 KiB"
[device.plc]
driver = "modbus"
host = "127.0.0.1"
port = {plc}
period = "20ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 100 }} }}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {broker}
topic = "holdfast/disk/{{device}}"
live_first = false
"""


@dataclass
class Site:
    """A running gateway with its device and its cloud, and the line that makes the disk fail."""

    gateway: Gateway
    cloud: Subscriber
    log: Path
    fault: Path

    def begin(self, error: str, operation: str) -> None:
        """The disk under the spool fails from now on."""
        fresh = self.fault.with_suffix(".new")
        fresh.write_text(f"{error} {operation} {self.gateway.data_dir / 'spool'}\n")
        fresh.rename(self.fault)

    def end(self) -> None:
        """It is well again."""
        self.fault.unlink(missing_ok=True)

    @property
    def disk(self) -> str:
        """What the spooler says of it."""
        return str(self.gateway.child("spooler")["state"].get("disk", "?"))

    def says(self, words: str) -> None:
        """Wait until the spooler says so."""
        self.gateway.wait(lambda _: words in self.disk)

    def reads_on(self) -> None:
        """The device is read on."""
        begun = self._plc()["scans"]
        self.gateway.wait(lambda _: self._plc()["scans"] > begun + SCANS_MEANWHILE)

    def recovers(self) -> None:
        """The spooler is content, and acknowledges what the device has."""
        self.gateway.wait(lambda _: self.disk == "" and self._plc()["waiting"] < SCANS_MEANWHILE // 2)

    def _plc(self) -> dict[str, Any]:
        state: dict[str, Any] = self.gateway.child("plc")["state"]
        return state


@contextmanager
def _site(tmp_path: Path, segment: str = "64 KiB", disk: SmallDisk | None = None) -> Iterator[Site]:
    log, fault = tmp_path / "plc.log", tmp_path / "fault"
    environment = {"PYTHONPATH": f"{STAND_IN}:{Path.cwd()}", "FAILING_DISK": str(fault)} if disk is None else {}
    with (
        start_modbus_server("--log", str(log)) as plc,
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port, "holdfast/disk/#") as cloud,
    ):
        gateway = Gateway(tmp_path, CONFIG.format(plc=plc.port, broker=broker.port, segment=segment), environment)
        if disk is not None:
            gateway.data_dir = disk.path / "data"
        with gateway:
            cloud.wait(lambda messages: len(messages) > 20)
            yield Site(gateway, cloud, log, fault)


def _rss(gateway: Gateway) -> dict[str, int]:
    return {name: psutil.Process(pid).memory_info().rss for name, pid in gateway.pids().items()}


def _outcome(site: Site) -> Outcome:
    return Outcome(served(site.log), arrived(site.cloud.payloads()).get("plc", Arrived()))


def _nothing_is_lost(site: Site) -> None:
    """Everything that was read arrives, in order, and nobody was restarted for it or read late."""
    state, status = site.gateway.child("plc")["state"], site.gateway.status()
    assert sum(child["restarts"] for child in status["children"]) == 0, site.gateway.output.read_text()[-3000:]
    assert state["overruns"] <= LATE * state["scans"]
    assert state["dropped"] == 0
    site.gateway.operate("stop", "plc")
    wait_until(lambda: not _outcome(site).missing, within_s=30)
    outcome = _outcome(site)
    assert outcome.missing == []
    first_arrivals = list(dict.fromkeys(outcome.got.values))
    assert first_arrivals == sorted(first_arrivals)


def _rounds(site: Site, faults: Sequence[tuple[str, str]]) -> None:
    before: dict[str, int] = {}
    for error, operation in faults:
        site.begin(error, operation)
        site.says(os.strerror(getattr(errno, error)))
        site.reads_on()
        site.end()
        site.recovers()
        before = before or _rss(site.gateway)
    for name, size in _rss(site.gateway).items():
        assert size - before[name] < FLAT_BYTES, f"{name} grew from {before[name]} to {size} bytes"


def test_a_disk_that_fails_in_any_way_is_named_and_everything_arrives_when_it_is_well(tmp_path: Path) -> None:
    with _site(tmp_path) as site:
        _rounds(site, [("EIO", "sync"), ("ENOSPC", "write"), ("EROFS", "rename")])
        _nothing_is_lost(site)


@pytest.mark.slow
@pytest.mark.timeout(ROUNDS * 20 + 120)
@pytest.mark.parametrize("error", ERRORS)
def test_a_disk_that_fails_twenty_times_in_a_row_loses_nothing(tmp_path: Path, error: str) -> None:
    with _site(tmp_path) as site:
        _rounds(site, [(error, each) for each in itertools.islice(itertools.cycle(OPERATIONS), ROUNDS)])
        _nothing_is_lost(site)


def test_a_disk_that_hangs_is_named_and_ends_nobody(tmp_path: Path) -> None:
    with _site(tmp_path, segment="1 MiB") as site:
        site.begin("HANG", "sync")
        site.says("a sync has been under way for 5 s")  # longer than a hang may take
        site.reads_on()
        site.end()
        site.recovers()
        _nothing_is_lost(site)


@pytest.mark.parametrize(("kind", "rounds"), [("ext4", 3), ("tmpfs", 1)])
def test_a_disk_that_another_program_fills_is_named_and_everything_arrives_when_there_is_room(
    tmp_path: Path, kind: str, rounds: int
) -> None:
    _filled(tmp_path, kind, rounds)


@pytest.mark.slow
@pytest.mark.timeout(ROUNDS * 20 + 120)
def test_a_disk_that_is_filled_twenty_times_in_a_row_loses_nothing(tmp_path: Path) -> None:
    _filled(tmp_path, "ext4", ROUNDS)


def _filled_up(disk: SmallDisk) -> bool:
    """The other program takes also what the spooler gives back of what has been delivered."""
    disk.fill()
    return True


def _filled(tmp_path: Path, kind: str, rounds: int) -> None:
    with small_disk(tmp_path, mebibytes=32, kind=kind) as disk, _site(tmp_path, disk=disk) as site:
        for _ in range(rounds):
            site.gateway.wait(lambda _: _filled_up(disk) and os.strerror(errno.ENOSPC) in site.disk)
            site.reads_on()
            disk.free()
            site.recovers()
        _nothing_is_lost(site)
