"""The driver against a server that others wrote: node-opcua."""

import os
import signal
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.peers.opcua_certificates import Pair, own
from tests.peers.opcua_hearing import hear, newest, settings, values_of
from tests.peers.opcua_node import NodeServer, Unreachable, installed, start_node_opcua
from transports.errors import LinkDown, LinkRefused
from transports.links import opcua
from transports.links.opcua import PolledServer, SubscribedServer
from transports.samples import DataType

ODD = 0x7FF8000000000ABC  # a NaN with something in it
# As server.mjs is told, and as it is read
SAID: Mapping[str, tuple[Any, Any]] = {
    "Boolean": (True, True),
    "SByte": (-128, -128),
    "Byte": (255, 255),
    "Int16": (-(2**15), -(2**15)),
    "UInt16": (2**16 - 1, 2**16 - 1),
    "Int32": (-(2**31), -(2**31)),
    "UInt32": (2**32 - 1, 2**32 - 1),
    "Int64": (str(-(2**63)), -(2**63)),
    "UInt64": (str(2**64 - 1), 2**64 - 1),
    "Float": (1.401298464324817e-45, 1.401298464324817e-45),
    "Double": ({"bits": f"{ODD:016x}"}, struct.unpack("<d", ODD.to_bytes(8, "little"))[0]),
    "String": ("häß \U0001f600", "häß \U0001f600"),
    "DateTime": (1_700_000_000_123, 1_700_000_000_123_000_000),
    "Guid": ("09087e75-8e5e-499b-954f-f2a9603db28a", "09087e75-8e5e-499b-954f-f2a9603db28a"),
    "ByteString": ("AP8B", b"\x00\xff\x01"),
    "LocalizedText": ("Größe", "Größe"),
    "BooleanArray": ([True, False], (1, 0)),
    "ByteArray": ([0, 255], (0, 255)),
    "Int16Array": ([-(2**15)], (-(2**15),)),
    "UInt32Array": ([2**32 - 1], (2**32 - 1,)),
    "Int64Array": ([str(-(2**63)), str(2**63 - 1)], (-(2**63), 2**63 - 1)),
    "UInt64Array": ([str(2**64 - 1)], (2**64 - 1,)),
    "FloatArray": ([1.5, -0.0], (1.5, 0.0)),
    "DoubleArray": ([5e-324, 1e308], (5e-324, 1e308)),
}


def node(name: str, **more: Any) -> dict[str, Any]:
    return {"node": f"nsu=urn:holdfast:test:node;s={name}", **more}


def bits(value: Any) -> object:
    if isinstance(value, tuple):
        return tuple(map(bits, value))
    return struct.pack("<d", value + 0.0) if isinstance(value, float) else value


def connect(server: NodeServer, tags: Mapping[str, Any], **more: Any) -> Any:
    return opcua.connect(settings(server.port, tags, **more))


def polled(server: NodeServer, tags: Mapping[str, Any], **more: Any) -> PolledServer:
    link = connect(server, tags, mode="poll", **more)
    assert isinstance(link, PolledServer)
    return link


def subscribed(server: NodeServer, tags: Mapping[str, Any], **more: Any) -> SubscribedServer:
    link = connect(server, tags, **{"publishing_interval": "100ms", **more})
    assert isinstance(link, SubscribedServer)
    return link


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[NodeServer]:
    """It lets one request name at most 10 nodes to read, 7 to watch, 3 to browse."""
    with running(folder) as peer:
        yield peer


def running(folder: Path, **options: object) -> Any:
    try:
        installed()
    except Unreachable as why:
        pytest.skip(str(why))
    return start_node_opcua(folder, **options)


def test_every_type_is_read_to_the_bit(server: NodeServer) -> None:
    for name, (said, _) in SAID.items():
        server.order(set=name, value=said)
    link = polled(server, {name: node(name) for name in SAID})
    try:
        read = newest(link.read())
        assert {name: bits(value) for name, (value, _, _) in read.items()} == {
            name: bits(value) for name, (_, value) in SAID.items()
        }
    finally:
        link.close()


def test_every_type_is_written_and_told_to_the_bit(server: NodeServer) -> None:
    link = subscribed(server, {name: node(name, writable=True) for name in SAID})
    try:
        for name, (_, value) in SAID.items():
            link.write(name, value)
        wanted = {name: bits(value) for name, (_, value) in SAID.items()}
        hear(link, lambda scans: {name: bits(said[0]) for name, said in newest(scans).items()} == wanted)
    finally:
        link.close()


def test_an_enumeration_is_its_number_and_a_duration_a_number(server: NodeServer) -> None:
    link = polled(server, {"gear": node("Gear"), "span": node("Empty")})
    try:
        assert [tag.type for tag in link.tags] == [DataType.INT64, DataType.FLOAT64]
        assert [value for value, _, _ in newest(link.read()).values()] == [2, 2.5]
    finally:
        link.close()


@pytest.mark.parametrize("mode", ["poll", "subscribe"])
@pytest.mark.parametrize("status", [0x40920000, 0x80AE0000, 0x408F0000, 0])
def test_status_and_source_time_are_kept_exactly(server: NodeServer, status: int, mode: str) -> None:
    server.order(set="Double", value=2.5, status=status, time_ms=1_700_000_000_123, picoseconds=456_700_000)
    link = connect(server, {"x": node("Double")}, mode=mode)
    try:
        scans = hear(link, lambda scans: values_of(scans, "x")) if mode == "subscribe" else link.read()
        value = None if status >= 2**31 else 2.5
        assert newest(scans)["x"] == (value, status, 1_700_000_000_123_456_700)
    finally:
        link.close()


def test_what_a_queue_could_not_hold_is_marked_by_the_server(server: NodeServer) -> None:
    quick = {"sampling_interval": "0s", "queue_size": 3}
    link = subscribed(server, {"x": node("Double", **quick)}, publishing_interval="1s")
    try:
        hear(link, lambda scans: values_of(scans, "x"))
        server.order(burst="Double", values=list(range(100, 120)))
        scans = hear(link, lambda scans: 119.0 in values_of(scans, "x"))
        assert values_of(scans, "x")[-3:] == [117.0, 118.0, 119.0]
        assert [scan.quality for scan in scans][-3:] == [0x480, 0, 0]
    finally:
        link.close()


def test_every_value_of_a_burst_is_told_in_its_order(server: NodeServer) -> None:
    tags = {"x": node("Double", sampling_interval="0s", queue_size=100)}
    link = subscribed(server, tags, publishing_interval="200ms")
    try:
        server.order(burst="Double", values=list(range(200, 240)))
        scans = hear(link, lambda scans: 239.0 in values_of(scans, "x"))
        told = [value for value in values_of(scans, "x") if isinstance(value, float) and value >= 200]
        assert told == [float(value) for value in range(200, 240)]
        times = [scan.time_ns for scan in scans]
        assert times == sorted(times)
    finally:
        link.close()


def test_a_deadband_counts_from_what_was_told(server: NodeServer) -> None:
    server.order(set="Double", value=0)
    link = subscribed(server, {"x": node("Double", sampling_interval="0s", queue_size=50, deadband=10)})
    try:
        hear(link, lambda scans: values_of(scans, "x"))
        server.order(burst="Double", values=[5, 9, 11, 15, 20, 22, 100])
        scans = hear(link, lambda scans: 100.0 in values_of(scans, "x"))
        assert values_of(scans, "x") == [11.0, 22.0, 100.0]
    finally:
        link.close()


def test_a_refusal_has_the_servers_name_for_it(server: NodeServer) -> None:
    link = polled(server, {"fixed": node("Fixed", writable=True), "byte": node("Byte", writable=True)})
    try:
        with pytest.raises(LinkRefused, match=r"fixed = 1.0.*answered Bad(NotWritable|UserAccessDenied)"):
            link.write("fixed", 1.0)
        link.write("byte", 7)
        assert newest(link.read())["byte"][0] == 7
    finally:
        link.close()


def test_a_variable_that_goes_and_comes_is_bad_meanwhile_and_read_again(
    server: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.opcua.reading._LOOK_AGAIN_S", 0.2)
    link = subscribed(server, {"x": node("Int32"), "y": node("Byte")})
    hear(link, lambda scans: values_of(scans, "x"))
    server.order(remove="Int32")
    link.close()
    link = subscribed(server, {"x": node("Int32"), "y": node("Byte")})
    assert [code for _, code, _ in newest(hear(link, lambda scans: len(newest(scans)) == 2)).values()] == [
        0x80340000,
        0,
    ]
    server.order(add="Int32")
    with pytest.raises(LinkDown, match="has x now; it is connected anew"):
        hear(link, lambda _: False)
    link.close()
    link = subscribed(server, {"x": node("Int32"), "y": node("Byte")})
    hear(link, lambda scans: newest(scans).get("x", (None, 1, 0))[1] == 0)
    link.close()


@pytest.mark.parametrize("at_once", [4, 500])
def test_it_is_looked_through_in_parts_around_a_loop(
    server: NodeServer, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.opcua.browsing._REFERENCES", at_once)
    found = opcua.browse(settings(server.port, {"a": node("Byte")}))
    names = [line.partition(" = ")[0] for line in found.splitlines()]
    assert sorted(names) == sorted([*(name.lower() for name in SAID), "fixed", "gear", "empty"])
    assert 'fixed = { node = "nsu=urn:holdfast:test:node;s=Fixed" }  # Double\n' in found
    assert len(opcua.browse(settings(server.port, {"a": node("Byte")}), root="i=84", most=400).splitlines()) > 20


def test_a_server_that_stands_still_is_noticed_and_the_next_connection_finds_everything(server: NodeServer) -> None:
    link = subscribed(server, {"x": node("Byte")}, timeout="400ms")
    hear(link, lambda scans: values_of(scans, "x"))
    os.kill(server.peer.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(LinkDown, match=r"no answer|silent"):
            hear(link, lambda _: False)
        link.close()
    finally:
        os.kill(server.peer.process.pid, signal.SIGCONT)
    again = subscribed(server, {"x": node("Byte")})
    hear(again, lambda scans: values_of(scans, "x"))
    again.close()


# --- users and security ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Pair:
    return own(folder, "gateway", "urn:holdfast:test")


def secured(folder: Path, gateway: Pair, **more: Any) -> dict[str, Any]:
    own_keys = {"certificate": str(gateway.certificate), "key": str(gateway.key)}
    return {"security": "sign-and-encrypt", "server_certificate": str(folder / "node.pem"), **own_keys, **more}


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"])
@pytest.mark.parametrize("security", ["sign", "sign-and-encrypt"])
def test_every_policy_works_with_it_too(
    server: NodeServer, folder: Path, gateway: Pair, policy: str, security: str
) -> None:
    link = subscribed(
        server, {"x": node("UInt64", writable=True)}, **secured(folder, gateway, policy=policy, security=security)
    )
    try:
        link.write("x", 2**64 - 1)
        hear(link, lambda scans: 2**64 - 1 in values_of(scans, "x"))
    finally:
        link.close()


def test_users_and_certificates_that_it_does_not_know_are_told_apart(
    tmp_path: Path, gateway: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGHT", "pa§word")
    monkeypatch.setenv("WRONG", "password")
    tags = {"x": node("Byte")}
    with running(tmp_path, user="operator", password="pa§word", accept=False) as peer:
        known = {"user": "operator", "password": {"env": "RIGHT"}}
        connect(peer, tags, mode="poll", **known).close()
        for wrong in ({"user": "operator", "password": {"env": "WRONG"}}, {}):
            with pytest.raises(LinkDown, match="is `user` right, and its `password`"):
                connect(peer, tags, **wrong)
        with pytest.raises(LinkDown, match="does not trust the gateway's certificate"):
            connect(peer, tags, **secured(tmp_path, gateway, **known))


def test_a_session_is_given_back_each_time(server: NodeServer) -> None:
    """It has 20 of them."""
    for _ in range(25):
        with pytest.raises(LinkRefused, match="is there such a node"):
            opcua.browse(settings(server.port, {"x": node("Byte")}), root="ns=9;s=Nowhere")
    polled(server, {"x": node("Byte")}).close()
