"""The Modbus driver against libmodbus, which others wrote: over TCP, and RTU over a pair of pseudo-terminals."""

import ctypes
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.peers.processes import start_peer
from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.links.modbus import ModbusLink, Settings, connect
from transports.samples import Quality

Way = dict[str, Any]


def installed() -> bool:
    with suppress(OSError):
        ctypes.CDLL("libmodbus.so.5")
        return True
    return False


pytestmark = pytest.mark.skipif(not installed(), reason="libmodbus5 is not installed")


@contextmanager
def wire_of_ptys(room: Path) -> Iterator[tuple[Path, Path]]:
    """Two serial ports that are one cable."""
    near, far = room / "near", room / "far"
    ends = [f"PTY,link={end},raw,echo=0" for end in (near, far)]
    with subprocess.Popen(["socat", "-d", "-d", *ends], stderr=subprocess.PIPE) as socat:
        try:
            assert socat.stderr is not None
            assert any(b"starting data transfer loop" in line for line in iter(socat.stderr.readline, b""))
            yield near, far
        finally:
            socat.kill()


@pytest.fixture(params=["tcp", "rtu"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    with ExitStack() as stack:
        if request.param == "tcp":
            peer = stack.enter_context(start_peer("libmodbus_server.py"))
            yield {"host": "127.0.0.1", "port": peer.port}
            return
        if shutil.which("socat") is None:
            pytest.skip("socat is not installed")
        near, far = stack.enter_context(wire_of_ptys(tmp_path))
        stack.enter_context(start_peer("libmodbus_server.py", "--serial", str(far)))
        yield {"serial": str(near), "baud": 115200}


def link_to(way: Way, tags: Any, **device: Any) -> ModbusLink:
    return connect(build(Settings, {"timeout": "5s", "tags": tags, **way, **device}, "device.x"))


def values(link: ModbusLink) -> dict[str, Any]:
    (scan,) = link.read()
    return {tag.name: value for tag, value in zip(link.tags, scan.values, strict=True)}


def test_all_four_tables_are_read(way: Way) -> None:
    tags = {
        "r": {"address": 0, "count": 300},
        "i": {"register": "input", "address": 10, "count": 3},
        "c": {"register": "coil", "address": 1, "count": 9},
        "d": {"register": "discrete", "address": 6, "count": 2},
    }
    with closing(link_to(way, tags)) as link:
        (scan,) = link.read()
    assert scan.quality == Quality.GOOD
    odd = [True, False, True, False, True, False, True, False, True]
    assert list(scan.values) == [*range(300), 65525, 65524, 65523, *odd, False, True]


@pytest.mark.parametrize("function", ["auto", "multiple"])
def test_what_is_written_is_read_back(way: Way, function: str) -> None:
    wanted = {
        "uint16": 65535, "int16": -32768, "uint32": 2**32 - 1, "int32": -(2**31), "uint64": 2**64 - 1,
        "int64": -(2**63), "float32": -(2.0**-149), "float64": 5e-324, "bcd32": 12345678, "string": "Grüße €",
    }  # fmt: skip
    tags: Any = {kind: {"address": 10 * at, "type": kind, "writable": True} for at, kind in enumerate(wanted)}
    tags["string"]["length"] = 6
    tags["coil"] = {"register": "coil", "address": 4, "writable": True}
    with closing(link_to(way, tags, write_function=function)) as link:
        for tag, value in {**wanted, "coil": True}.items():
            link.write(tag, value)
        assert values(link) == {**wanted, "coil": True}
        link.write("coil", False)
        assert values(link)["coil"] is False


@pytest.mark.parametrize("mask_write", [False, True])
@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_one_bit_of_a_register_is_written_and_the_others_stay(way: Way, mask_write: bool, byte_order: str) -> None:
    tags = {f"b{at}": {"address": 9, "type": "bool", "bit": at, "writable": True} for at in range(16)}
    tags["word"] = {"address": 9, "writable": True, "type": "uint16"}
    with closing(link_to(way, tags, mask_write=mask_write, byte_order=byte_order)) as link:
        link.write("word", 0b1010_0000_0000_0101)
        link.write("b0", False)
        link.write("b1", True)
        link.write("b15", False)
        link.write("b15", False)
        assert values(link)["word"] == 0b0010_0000_0000_0110


def test_what_it_refuses_to_write_is_refused_with_its_reason(way: Way) -> None:
    with closing(link_to(way, {"a": {"address": 9}, "out": {"address": 600, "writable": True}})) as link:
        with pytest.raises(LinkRefused, match=r"out = 1: .* answered exception 2 \(illegal data address\)"):
            link.write("out", 1)
        assert values(link)["a"] == 9


def test_registers_beyond_its_end_are_set_aside_and_the_rest_is_read(way: Way) -> None:
    with closing(link_to(way, {"r": {"address": 450, "count": 60}})) as link:
        (scan,) = [link.read() for _ in range(8)][-1]
    assert list(scan.values) == [*range(450, 500), *[None] * 10]
    assert set(scan.quality[50:]) == {Quality.BAD_NOT_READABLE}  # type: ignore[index]


def test_a_unit_that_is_not_on_the_line_is_a_timeout(tmp_path: Path) -> None:
    if shutil.which("socat") is None:
        pytest.skip("socat is not installed")
    with (
        wire_of_ptys(tmp_path) as (near, far),
        start_peer("libmodbus_server.py", "--serial", str(far)),
        closing(
            link_to({"serial": str(near), "baud": 115200, "unit": 2}, {"a": {"address": 0}}, timeout="100ms")
        ) as link,
        pytest.raises(LinkTimeout, match="unit 2: no answer within"),
    ):
        link.read()


def test_gone_and_back(tmp_path: Path) -> None:
    with start_peer("libmodbus_server.py") as peer:
        way = {"host": "127.0.0.1", "port": peer.port}
        link = link_to(way, {"a": {"address": 7}})
        assert values(link) == {"a": 7}
        peer.kill()
        with pytest.raises(LinkDown, match="closed"):
            link.read()
    with (
        start_peer("libmodbus_server.py", "--port", str(way["port"])),
        closing(link_to(way, {"a": {"address": 7}})) as link,
    ):
        assert json.dumps(values(link)) == '{"a": 7}'
