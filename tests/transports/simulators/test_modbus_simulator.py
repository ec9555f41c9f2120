"""The Modbus simulator: its map is as its manual page says, and it misbehaves as it is told."""

import json
import math
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.peers.processes import Peer, start_modbus_server
from transports.building import build
from transports.errors import LinkDown, LinkTimeout
from transports.links.modbus import ModbusLink, connect
from transports.links.modbus import Settings as LinkSettings
from transports.samples import Quality
from transports.simulators.modbus import Settings, moving, serve

INPUTS = {
    "seconds": {"register": "input", "address": 0, "type": "uint32"},
    "sine": {"register": "input", "address": 2, "type": "float32"},
    "saw": {"register": "input", "address": 4},
    "temperature": {"register": "input", "address": 5, "type": "int16", "scale": 0.1},
    "milliseconds": {"register": "input", "address": 6, "type": "uint64"},
    "slow_sine": {"register": "input", "address": 10, "type": "float64"},
    "name": {"register": "input", "address": 14, "type": "string", "length": 4},
}


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("simulator") / "faults"


@pytest.fixture(scope="module")
def shared(faults: Path) -> Iterator[Peer]:
    settings = json.dumps({"units": 3, "dead_units": [2], "faults": str(faults)})
    with start_modbus_server("--engine", "simulator", "--simulate", settings) as peer:
        yield peer


@pytest.fixture
def simulator(shared: Peer, faults: Path) -> Iterator[Peer]:
    yield shared
    faults.unlink(missing_ok=True)


def link_to(peer: Peer, tags: Any, **device: Any) -> ModbusLink:
    table = {"host": "127.0.0.1", "port": peer.port, "timeout": "5s", "tags": tags, **device}
    return connect(build(LinkSettings, table, "device.x"))


def values(link: ModbusLink) -> dict[str, Any]:
    (scan,) = link.read()
    return {tag.name: value for tag, value in zip(link.tags, scan.values, strict=True)}


def test_moving_registers_follow_the_wall_clock(simulator: Peer) -> None:
    with closing(link_to(simulator, INPUTS)) as link:
        before = time.time()
        found = values(link)
        after = time.time()
    assert int(before) <= found["seconds"] <= after
    assert int(before * 1000) <= found["milliseconds"] <= after * 1000
    at_s = found["milliseconds"] / 1000
    assert found["sine"] == pytest.approx(100 * math.sin(2 * math.pi * at_s / 60), abs=0.1)
    assert found["slow_sine"] == pytest.approx(math.sin(2 * math.pi * at_s / 10), abs=0.01)
    assert 15 <= found["temperature"] <= 25
    assert found["saw"] <= 999
    assert found["name"] == "HOLDFAST"


def test_two_runs_show_the_same_at_the_same_time() -> None:
    assert moving(1_700_000_000_123_456_789) == moving(1_700_000_000_123_456_789)
    assert moving(1_700_000_000_000_000_000) != moving(1_700_000_001_000_000_000)


def test_discrete_inputs_are_the_bits_of_the_seconds(simulator: Peer) -> None:
    with closing(link_to(simulator, {"d": {"register": "discrete", "address": 0, "count": 16}})) as link:
        before = int(time.time())
        (scan,) = link.read()
        after = int(time.time())
    shown = sum(1 << at for at, bit in enumerate(scan.values) if bit)
    assert shown in {second & 0xFFFF for second in range(before, after + 1)}


def test_what_is_written_is_kept_by_its_unit_also_while_it_is_down(simulator: Peer, faults: Path) -> None:
    tags = {"r": {"address": 40, "count": 2, "writable": True}, "c": {"register": "coil", "address": 3}}
    tags["c"]["writable"] = True
    with closing(link_to(simulator, tags)) as link:
        link.write("r0", 4711)
        link.write("c", False)
        faults.write_text("down")
        with pytest.raises(LinkDown):
            read_for_ever(link)
    faults.write_text("")
    with closing(connected_again(simulator, tags)) as link:
        assert values(link) == {"r0": 4711, "r1": 41, "c": False}
    with closing(link_to(simulator, tags, unit=3)) as other:
        assert values(other) == {"r0": 40, "r1": 41, "c": True}


def read_for_ever(link: ModbusLink) -> None:
    while True:
        link.read()


def connected_again(peer: Peer, tags: Any) -> ModbusLink:
    while True:
        try:
            return link_to(peer, tags)
        except LinkDown:
            continue


def test_holes_of_the_map_are_refused(simulator: Peer) -> None:
    tags = {"a": {"address": 999}, "hole": {"address": 1000}, "b": {"address": 1010}, "end": {"address": 2000}}
    tags["i"] = {"register": "input", "address": 100}
    with closing(link_to(simulator, tags)) as link:
        (scan,) = [link.read() for _ in range(3)][-1]
    assert list(scan.values) == [999, None, 1010, None, None]
    assert set(scan.quality) == {Quality.GOOD, Quality.BAD_NOT_READABLE}  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [2, 4])
def test_units_that_are_dead_or_not_there_are_silent(simulator: Peer, unit: int) -> None:
    link = link_to(simulator, {"a": {"address": 0}}, unit=unit, timeout="50ms")
    with closing(link), pytest.raises(LinkTimeout):
        link.read()


@pytest.mark.parametrize(
    ("fault", "error"), [("timeout", LinkTimeout), ("slow:200ms", LinkTimeout), ("garbage", LinkDown)]
)
def test_it_misbehaves_while_the_control_file_says_so(
    simulator: Peer, faults: Path, fault: str, error: type[Exception]
) -> None:
    tags = {"a": {"address": 7}}
    with closing(link_to(simulator, tags, timeout="100ms")) as link:
        assert values(link) == {"a": 7}
        faults.write_text(fault)
        with pytest.raises(error):
            link.read()
        faults.write_text("")
    with closing(link_to(simulator, tags)) as link:
        assert values(link) == {"a": 7}


def test_it_ends_when_it_is_told_to() -> None:
    with start_modbus_server("--engine", "simulator") as peer:
        peer.process.send_signal(signal.SIGTERM)
        assert peer.process.wait(10) == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"serial": "/dev/no-such-port"}, "cannot listen on /dev/no-such-port; is it there"),
        ({"host": "192.0.2.1", "port": 5020}, "cannot listen on 192.0.2.1:5020"),
    ],
)
def test_what_cannot_be_opened_is_link_down_with_its_cure(table: dict[str, Any], said: str) -> None:
    with pytest.raises(LinkDown, match=said):
        serve(build(Settings, table, "simulator"), print)


def test_an_unknown_fault_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "faults").write_text("sleepy")
    table = {"port": 0, "faults": str(tmp_path / "faults")}
    with pytest.raises(LinkDown, match=r"unknown fault 'sleepy'.*known are timeout, slow:2s, garbage, down"):
        serve(build(Settings, table, "simulator"), lambda where: None)
