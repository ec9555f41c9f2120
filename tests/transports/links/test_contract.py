"""What every driver keeps, whoever wrote it: the contract of transports/links, over every driver there is.

A new driver needs one entry in WORKS; where it makes a connection, one in NOTHING_THERE.
"""

import ast
import dataclasses
import inspect
import os
import select
import socket
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import paho.mqtt.publish
import pytest

from tests.peers.bluez import Bluez
from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.processes import start_modbus_server, start_peer
from tests.transports.chips.i2c_far_end import simulated
from transports.building import build
from transports.catalog import LINKS, load, names
from transports.errors import LinkDown, LinkRefused, MissingExtra
from transports.links import Link, Listening
from transports.samples import Batch, Scan, batch_of
from transports.settings import fields_of
from transports.simulators._bluez_bus import executable

Table = Mapping[str, Any]
ROOT = Path(__file__).parents[3]
DRIVERS = names(LINKS)


@contextmanager
def alone(table: Table) -> Iterator[Table]:
    """A device that needs no far end."""
    yield table


@contextmanager
def modbus_device() -> Iterator[Table]:
    with start_modbus_server() as server:
        yield {"host": "127.0.0.1", "port": server.port, "tags": {"speed": {"address": 10}}}


@contextmanager
def serial_device() -> Iterator[Table]:
    """A device behind a pseudo-terminal that answers one request."""
    master, slave = os.openpty()
    answering = threading.Thread(target=lambda: os.read(master, 1) and os.write(master, b"T=23.5\n"), daemon=True)
    answering.start()
    try:
        yield {"port": os.ttyname(slave), "pattern": r"T=(?P<temp>\S+)", "request": "?", "timeout": "10s"}
    finally:
        os.write(slave, b"?")  # ends the thread when nobody has asked
        answering.join()
        os.close(master)
        os.close(slave)


@contextmanager
def tcp_device() -> Iterator[Table]:
    """A device by TCP that answers one request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=_answer_one, args=(listener,), daemon=True)
        answering.start()
        port = listener.getsockname()[1]
        yield {"host": "127.0.0.1", "port": port, "pattern": r"T=(?P<temp>\S+)", "request": "?", "timeout": "10s"}
        answering.join()


def _answer_one(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        if connection.recv(1):  # nothing: it has been closed without asking
            connection.sendall(b"T=23.5\n")
            connection.recv(1)  # until the link is closed


@contextmanager
def udp_device() -> Iterator[Table]:
    """A device by UDP that answers each request."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end,
    ):
        far.bind(("127.0.0.1", 0))
        answering = threading.Thread(target=_answer_datagrams, args=(far,), daemon=True)
        answering.start()
        port = far.getsockname()[1]
        yield {"host": "127.0.0.1", "port": port, "pattern": r"T=(?P<temp>\S+)", "request": "?", "timeout": "10s"}
        end.sendto(b"end", far.getsockname())
        answering.join()


def _answer_datagrams(far: socket.socket) -> None:
    asked, who = far.recvfrom(9)
    while asked != b"end":
        far.sendto(b"T=23.5", who)
        asked, who = far.recvfrom(9)


@contextmanager
def mqtt_device() -> Iterator[Table]:
    """A broker that has kept one message."""
    with tempfile.TemporaryDirectory() as room, Mosquitto(Path(room)) as broker:
        paho.mqtt.publish.single("s/a", b'{"t": 23.5}', 1, True, port=broker.port)
        messages = {"sensor": {"topic": "s/a", "tags": {"temp": {"path": "$.t"}}}}
        yield {"host": "127.0.0.1", "port": broker.port, "client_id": "contract", "messages": messages}


@contextmanager
def http_device() -> Iterator[Table]:
    """A server that answers whoever comes, until it is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    answering = threading.Thread(target=_answer_http, args=(listener,), daemon=True)
    answering.start()
    port = listener.getsockname()[1]
    yield {"url": f"http://127.0.0.1:{port}", "requests": {"all": {"tags": {"temp": {"path": "$.t"}}}}}
    listener.shutdown(socket.SHUT_RDWR)
    answering.join()
    listener.close()


def _answer_http(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                if connection.recv(4096):
                    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{"t": 23.5}')


@contextmanager
def posting_device() -> Iterator[Table]:
    """A device that posts again and again."""
    port, over = free_port(), threading.Event()
    posting = threading.Thread(target=_post, args=(port, over), daemon=True)
    posting.start()
    yield {"host": "127.0.0.1", "port": port, "tags": {"temp": {"path": "$.t"}}, "durable_within": "50ms"}
    over.set()
    posting.join()


def _post(port: int, over: threading.Event) -> None:
    while not over.wait(0.02):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as device:
            device.sendall(b'POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{"t": 23.5}')
            device.recv(100)


@contextmanager
def opcua_device() -> Iterator[Table]:
    with start_peer("opcua_simulator.py", "port = 0") as server:
        yield {"url": f"opc.tcp://127.0.0.1:{server.port}", "mode": "poll", "tags": {"now": {"node": "i=2258"}}}


def no_opcua_device() -> Table:
    return {"url": f"opc.tcp://127.0.0.1:{free_port()}", "tags": {"now": {"node": "i=2258"}}}


I2C_CHIPS = {"memory": {"address": 0x50, "registers": {"level": {"register": 0}}}}


@contextmanager
def i2c_device() -> Iterator[Table]:
    with simulated() as here:
        yield {"bus": str(here / "bus"), "chips": I2C_CHIPS}


@contextmanager
def ble_device() -> Iterator[Table]:
    if executable() is None:
        pytest.skip("there is no dbus-daemon here")
    with tempfile.TemporaryDirectory() as room, Bluez(Path(room)) as bluez:
        yield {"bus": bluez.bus, "peripherals": {"badge": {"address": "D0:00:00:00:00:07", "format": "ibeacon"}}}


def no_modbus_device() -> Table:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return {"host": "127.0.0.1", "port": port, "tags": {"speed": {"address": 10}}}


# The least that a driver needs in its table, and the far end to go with it.
WORKS: Mapping[str, Callable[[], Any]] = {
    "ble": ble_device,
    "host": lambda: alone({}),
    "http": http_device,
    "http_receiver": posting_device,
    "i2c": i2c_device,
    "modbus": modbus_device,
    "mqtt": mqtt_device,
    "opcua": opcua_device,
    "program": lambda: alone({"command": ["echo", "T=23.5"], "pattern": r"T=(?P<temp>\S+)", "each": "run"}),
    "serial": serial_device,
    "sim": lambda: alone({"tags": {"a": {"wave": "sine"}}}),
    "tcp": tcp_device,
    "udp": udp_device,
}
# Settings for which there is no device. A driver without a connection has None.
NOTHING_THERE: Mapping[str, Callable[[], Table] | None] = {
    "ble": lambda: {
        "bus": "unix:path=/no/such/bus",
        "peripherals": {"a": {"address": "AA:BB:CC:DD:EE:FF", "format": "ruuvi"}},
    },
    "host": None,
    "http": lambda: {"url": f"http://127.0.0.1:{free_port()}", "requests": {"all": {"tags": {"a": {"path": "$"}}}}},
    "http_receiver": lambda: {"host": "192.0.2.1", "port": 8480, "anybody": True, "tags": {"a": {"path": "$.a"}}},
    "i2c": lambda: {"bus": "/dev/i2c-250", "chips": I2C_CHIPS},
    "modbus": no_modbus_device,
    "mqtt": lambda: {
        "host": "127.0.0.1",
        "port": free_port(),
        "client_id": "contract",
        "messages": {"a": {"topic": "a", "tags": {"a": {"path": "$"}}}},
    },
    "opcua": no_opcua_device,
    "program": lambda: {"command": ["no-such-program"], "pattern": "(?P<a>.)"},
    "serial": lambda: {"port": "/dev/no-such-port", "pattern": "(?P<a>.)"},
    "sim": None,
    "tcp": lambda: {"listen": "192.0.2.1:4001", "pattern": "(?P<a>.)"},
    "udp": lambda: {"listen": "192.0.2.1:4001", "pattern": "(?P<a>.)"},
}


def driver(name: str) -> ModuleType:
    try:
        return load(LINKS, name, "device.x.driver")
    except MissingExtra as missing:
        pytest.skip(str(missing))


def entry(table: Mapping[str, Any], name: str) -> Any:
    if name not in table:
        pytest.fail(f"add {name} to the table in {Path(__file__).name}")
    return table[name]


@contextmanager
def connected(name: str) -> Iterator[Link]:
    """An open link of the driver to its least device."""
    module = driver(name)
    with entry(WORKS, name)() as table:
        link: Link = module.connect(build(module.Settings, table, "device.x"))
        try:
            yield link
        finally:
            link.close()


def source(name: str) -> ast.Module:
    return ast.parse(inspect.getsource(driver(name)))


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_says_in_its_first_line_what_it_reads(name: str) -> None:
    first, *_ = (driver(name).__doc__ or "").splitlines() or [""]
    assert len(first) > 10
    assert first.endswith(".")


@pytest.mark.parametrize("name", DRIVERS)
def test_settings_are_a_frozen_dataclass_and_every_one_is_explained(name: str) -> None:
    settings: Any = driver(name).Settings
    assert [note.key for note in fields_of(settings) if not note.help] == []
    assert dataclasses.is_dataclass(settings)
    assert getattr(settings, "__dataclass_params__").frozen  # noqa: B009  typeshed does not know it


@pytest.mark.parametrize("name", DRIVERS)
def test_connect_takes_the_settings_and_nothing_else(name: str) -> None:
    assert len(inspect.signature(driver(name).connect).parameters) == 1


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_has_no_sleep_no_thread_and_no_loop_for_ever(name: str) -> None:
    assert list(own_time(source(name))) == []


@pytest.mark.parametrize("name", DRIVERS)
def test_an_extra_is_one_that_can_be_installed(name: str) -> None:
    extra = getattr(driver(name), "EXTRA", None)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extra is None or extra in extras


@pytest.mark.parametrize("name", DRIVERS)
def test_a_link_announces_tags_of_different_names(name: str) -> None:
    with connected(name) as link:
        assert isinstance(link, Link)
        assert link.tags
        assert len({tag.name for tag in link.tags}) == len(link.tags)


@pytest.mark.parametrize("name", DRIVERS)
def test_what_is_read_are_values_of_the_announced_tags(name: str) -> None:
    with connected(name) as link:
        read = link.read()
        if not read and isinstance(link, Listening):  # one that talks by itself takes its time
            select.select([link.fileno()], [], [], 10)
            read = link.read()
        if not isinstance(read, Batch):
            assert read
            assert all(isinstance(scan, Scan) and set(scan.tags) <= set(link.tags) for scan in read)
            read = batch_of("x", 0, read)
        assert read.samples > 0
        assert set(read.tags) <= set(link.tags)
        assert len(list(read.rows())) == len(read.times_ns)


@pytest.mark.parametrize("name", DRIVERS)
def test_a_tag_that_is_not_there_cannot_be_written(name: str) -> None:
    with connected(name) as link, pytest.raises(LinkRefused, match="no-such-tag"):
        link.write("no-such-tag", 1.0)


@pytest.mark.parametrize("name", DRIVERS)
def test_closing_twice_is_fine(name: str) -> None:
    with connected(name) as link:
        link.close()
        link.close()


@pytest.mark.parametrize("name", DRIVERS)
def test_connecting_to_nothing_is_link_down(name: str) -> None:
    nowhere = entry(NOTHING_THERE, name)
    if nowhere is None:
        return
    module = driver(name)
    with pytest.raises(LinkDown, match=r"\w+ \w+"):
        module.connect(build(module.Settings, nowhere(), "device.x"))


def own_time(tree: ast.AST) -> Iterator[str]:
    """Each place where a driver would wait, repeat or run on its own, as `line: what`.

    When to read and how long to wait is the device actor's to decide (transports/links).
    """
    for node in ast.walk(tree):
        match node:
            case ast.While(test=ast.Constant(value=truth)) if truth:
                yield f"{node.lineno}: a loop for ever"
            case ast.Import(names=modules):
                yield from (f"{node.lineno}: {each.name}" for each in modules if _is_own_time(each.name))
            case ast.ImportFrom(module=str(module), names=objects):
                named = (f"{module}.{each.name}" for each in objects)
                yield from (f"{node.lineno}: {name}" for name in named if _is_own_time(name))
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                yield f"{node.lineno}: time.sleep"


def _is_own_time(name: str) -> bool:
    return name.split(".")[0] in ("threading", "multiprocessing", "concurrent", "_thread") or name == "time.sleep"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("while True:\n  pass", "1: a loop for ever"),
        ("while 1: pass", "1: a loop for ever"),
        ("import threading as t", "1: threading"),
        ("from concurrent.futures import ThreadPoolExecutor", "1: concurrent.futures.ThreadPoolExecutor"),
        ("from time import sleep", "1: time.sleep"),
        ("import time\ntime.sleep(1)", "2: time.sleep"),
        ("import time\nwhile left() > 0:\n  time.time_ns()", None),
    ],
)
def test_the_contract_sees_a_driver_that_keeps_its_own_time(text: str, found: str | None) -> None:
    assert list(own_time(ast.parse(text))) == ([found] if found else [])


def test_a_driver_without_an_entry_is_told_where_it_belongs() -> None:
    with pytest.raises(pytest.fail.Exception, match="add newcomer to the table"):
        entry(WORKS, "newcomer")
