"""The simulated devices on a line, by TCP and by UDP, each in a process of its own, read by their drivers."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.peers.scans import listen
from transports.building import build
from transports.errors import LinkDown, LinkTimeout, SettingsError
from transports.links import Link, serial, tcp, udp
from transports.simulators import serial as serial_simulator
from transports.simulators import tcp as tcp_simulator

PATIENCE_S = 10
PATTERN = r"T=(?P<temp>\S+) H=(?P<hum>\d+) L=(?P<level>\S+)"
ASKED = {"request": "MEAS?\n", "pattern": PATTERN, "writes": {"level": "SET L {value}\n"}, "timeout": "300ms"}
PROGRAM = """
import importlib, json, sys
from tests.peers.lifeline import die_with_parent
die_with_parent(int(sys.argv[1]))
from transports.building import build
module = importlib.import_module("transports.simulators." + sys.argv[2])
module.serve(build(module.Settings, json.loads(sys.argv[3]), "simulator"), lambda said: print(said, flush=True))
"""
Simulate = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Starts a simulator; gives its process and what it announces."""
    with ExitStack() as stack:

        def start(name: str, **table: Any) -> tuple["subprocess.Popen[str]", str]:
            command = [sys.executable, "-c", PROGRAM, str(os.getpid()), name, json.dumps(table)]
            root = Path(__file__).parents[3]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root))
            stack.callback(process.kill)
            assert process.stdout is not None
            return process, process.stdout.readline().strip()

        yield start


def open_serial(where: str, **table: Any) -> Link:
    return serial.connect(build(serial.Settings, {"port": where, **table}, "device.x"))


def open_tcp(where: str, **table: Any) -> Link:
    host, port = where.split(":")
    return tcp.connect(build(tcp.Settings, {"host": host, "port": int(port), **table}, "device.x"))


def open_udp(where: str, **table: Any) -> Link:
    host, port = where.split(":")
    return udp.connect(build(udp.Settings, {"host": host, "port": int(port), **table}, "device.x"))


def values(link: Link) -> tuple[Any, ...]:
    read = link.read()
    assert isinstance(read, list)
    (scan,) = read
    return tuple(scan.values)


def read_until_down(link: Link) -> None:
    """The link is down within a few time-outs."""
    with pytest.raises(LinkDown):  # noqa: PT012  how many time-outs come first is not promised
        for _ in range(20):
            try:
                link.read()
            except LinkTimeout:
                continue


@pytest.mark.parametrize(("name", "open_"), [("serial", open_serial), ("tcp", open_tcp), ("udp", open_udp)])
def test_it_answers_keeps_what_is_written_and_misbehaves_when_told(
    simulate: Simulate, name: str, open_: Callable[..., Link], tmp_path: Path
) -> None:
    faults = tmp_path / "fault"
    _, said = simulate(name, says="answers", faults=str(faults))
    link = open_(said.rpartition(" ")[2], **ASKED)
    temperature, _, before = values(link)
    assert 30 <= temperature <= 70
    assert before == 20.0
    link.write("level", 42.5)
    assert values(link)[2] == 42.5
    for fault in ("silence", "garbage"):
        faults.write_text(fault)
        with pytest.raises(LinkTimeout):
            link.read()
    faults.write_text("slow:20ms")
    assert values(link)[2] == 42.5
    faults.write_text("down")
    read_until_down(link)
    link.close()


def test_the_line_comes_back_under_its_name(simulate: Simulate, tmp_path: Path) -> None:
    faults, port = tmp_path / "fault", tmp_path / "port"
    _, said = simulate("serial", says="lines", period="10ms", link=str(port), faults=str(faults))
    assert said == f"speaking on {port}"
    first = open_serial(str(port), pattern=PATTERN)
    assert len(listen(first, 2)) >= 2
    faults.write_text("down")
    with pytest.raises(LinkDown):
        listen(first, 100_000)
    first.close()
    faults.write_text("")
    second = reopened(str(port))
    assert listen(second, 1)[0].values[2] == 20.0
    second.close()


def reopened(port: str) -> Link:
    """The port, as soon as it is there again: what the device's process does, too."""
    for _ in range(PATIENCE_S * 100):
        try:
            return open_serial(port, pattern=PATTERN)
        except LinkDown:
            select.select([], [], [], 0.01)
    raise AssertionError("the port did not come back")


def test_a_ship_connects_and_tells_where_it_is(simulate: Simulate) -> None:
    link = tcp.connect(build(tcp.Settings, {"listen": "127.0.0.1:0", "format": "nmea"}, "device.x"))
    host, port = link.stream.address  # type: ignore[attr-defined]
    _, said = simulate("tcp", says="nmea", period="10ms", connect=f"{host}:{port}")
    assert said == f"connecting to {host}:{port}"
    said_so: dict[str, Any] = {
        tag.name: value for scan in listen(link, 2) for tag, value in zip(scan.tags, scan.values, strict=True)
    }
    assert abs(said_so["rmc_latitude"] - 54) < 0.02
    assert abs(said_so["gga_longitude"] - 10) < 0.03
    assert link.rejected == 0  # type: ignore[attr-defined]
    link.close()


def test_a_ship_sends_datagrams(simulate: Simulate) -> None:
    table = {"listen": "127.0.0.1:0", "format": "nmea", "delimiter": "\n"}
    link = udp.connect(build(udp.Settings, table, "device.x"))
    host, port = link.stream._socket.getsockname()  # type: ignore[attr-defined]
    simulate("udp", says="nmea", period="10ms", to=f"{host}:{port}")
    assert {scan.tags[0].name for scan in listen(link, 2)} == {"rmc_time", "gga_time"}
    link.close()


def test_it_ends_when_it_is_asked_to(simulate: Simulate) -> None:
    process, _ = simulate("tcp")
    process.terminate()
    assert process.wait(PATIENCE_S) != 0


def test_what_cannot_be_opened_is_told_with_its_cure(tmp_path: Path) -> None:
    mine = tmp_path / "file"
    mine.write_text("mine")
    line = build(serial_simulator.Settings, {"link": str(mine)}, "simulator")
    with pytest.raises(LinkDown, match="another path"):
        serial_simulator.serve(line, lambda said: None)
    assert mine.read_text() == "mine"
    elsewhere = build(tcp_simulator.Settings, {"listen": "192.0.2.1:1"}, "simulator")
    with pytest.raises(LinkDown, match="one of this machine's"):
        tcp_simulator.serve(elsewhere, lambda said: None)
    with pytest.raises(SettingsError, match="an address and a port"):
        build(tcp_simulator.Settings, {"connect": "4001"}, "simulator")
