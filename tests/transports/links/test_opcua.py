"""The driver against the simulator, in a process of its own."""

import logging
import math
import os
import re
import select
import signal
import socket
import struct
import time
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.peers.opcua_certificates import Authority, Pair, own, pem
from tests.peers.opcua_hearing import hear, newest, settings, values_of
from tests.peers.processes import Peer, start_peer
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.links import Commanded, Listening, Paced, opcua
from transports.links.opcua import PolledServer, SubscribedServer
from transports.opcua.certificates import fingerprint, load_certificate
from transports.samples import DataType, Quality, Value, batch_of

HERE = "nsu=urn:holdfast:simulator;s="
SERVER_URI = "urn:holdfast:simulator:server"
EXTREMES: Mapping[str, tuple[Value, ...]] = {
    "Boolean": (True, False),
    "SByte": (-128, 127),
    "Byte": (0, 255),
    "Int16": (-(2**15), 2**15 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
    "Float": (1.401298464324817e-45, -math.inf, math.nan),
    "Double": (5e-324, -0.0, math.inf, struct.unpack("<d", (0x7FF8000000000ABC).to_bytes(8, "little"))[0]),
    "String": ("häß \U0001f600\0\n", ""),
    "ByteString": (bytes(range(256)), b""),
    "DateTime": (1_704_067_200_123_456_000, -1_000_000),
    "Guid": ("09087e75-8e5e-499b-954f-f2a9603db28a",),
    "LocalizedText": ("Größe",),
    "StatusCode": (0x808C0480,),
    "BooleanArray": ((1, 0, 1),),
    "ByteArray": ((0, 255),),
    "Int16Array": ((-(2**15), 2**15 - 1),),
    "UInt32Array": ((2**32 - 1,),),
    "Int64Array": ((-(2**63), 2**63 - 1), ()),
    "UInt64Array": ((2**64 - 1,),),
    "FloatArray": ((1.401298464324817e-45, -0.0),),
    "DoubleArray": ((5e-324, math.inf, -0.0), tuple(float(at) for at in range(50_000))),
    "DateTimeArray": ((0, 1_704_067_200_000_000_000),),
}


def node(name: str, **more: Any) -> dict[str, Any]:
    return {"node": HERE + name, **more}


ALL = {name: node(f"Set.{name}", writable=True) for name in EXTREMES}


def connect(port: int, tags: Mapping[str, Any], **more: Any) -> Any:
    return opcua.connect(settings(port, tags, **more))


def polled(port: int, tags: Mapping[str, Any], **more: Any) -> PolledServer:
    link = connect(port, tags, mode="poll", **more)
    assert isinstance(link, PolledServer)
    return link


def subscribed(port: int, tags: Mapping[str, Any], **more: Any) -> SubscribedServer:
    link = connect(port, tags, **{"publishing_interval": "50ms", **more})
    assert isinstance(link, SubscribedServer)
    return link


def bits(value: Value | None) -> object:
    if isinstance(value, tuple):
        return tuple(map(bits, value))
    return struct.pack("<d", value) if isinstance(value, float) else value


@pytest.fixture(scope="module")
def server() -> Iterator[Peer]:
    with start_peer("opcua_simulator.py", 'port = 0\nperiod = "50ms"') as peer:
        yield peer


# --- reading and writing ---------------------------------------------------------------------------------------------


def test_every_type_is_written_and_read_to_the_bit(server: Peer) -> None:
    link = polled(server.port, ALL)
    try:
        for turn in range(max(map(len, EXTREMES.values()))):
            wanted = {name: values[min(turn, len(values) - 1)] for name, values in EXTREMES.items()}
            for name, value in wanted.items():
                link.write(name, value)
            read = newest(link.read())
            assert {name: bits(value) for name, (value, _, _) in read.items()} == {
                name: bits(value) for name, value in wanted.items()
            }
            assert {code for _, code, _ in read.values()} == {0}
    finally:
        link.close()


def test_every_type_is_told_by_a_subscription_to_the_bit(server: Peer) -> None:
    wanted = {name: values[0] for name, values in EXTREMES.items()}
    link = subscribed(server.port, ALL)
    try:
        for name, value in wanted.items():
            link.write(name, value)
        last = {name: bits(value) for name, value in wanted.items()}
        hear(link, lambda scans: {name: bits(said[0]) for name, said in newest(scans).items()} == last)
    finally:
        link.close()


def test_types_are_learned_from_the_server(server: Peer) -> None:
    tags = {name: node(f"Plant.{name}") for name in ("Temperature", "Pressure", "Count", "Running", "Clock", "Wave")}
    link = polled(server.port, {**tags, "Serial": node("Fixed.Serial", unit="no."), "Now": {"node": "i=2258"}})
    try:
        assert {tag.name: tag.type for tag in link.tags} == {
            "Temperature": DataType.FLOAT64,
            "Pressure": DataType.FLOAT64,
            "Count": DataType.UINT64,
            "Running": DataType.BOOL,
            "Clock": DataType.INT64,
            "Wave": DataType.FLOAT64_ARRAY,
            "Serial": DataType.STRING,
            "Now": DataType.INT64,
        }
        read = newest(link.read())
        clock, _, time_ns = read["Clock"]
        assert clock == time_ns == read["Temperature"][2], "the source's own time"
        assert read["Serial"][0] == "HF-0001"
        assert link.tags[6].unit == "no."
        for scan in link.read():
            assert batch_of("x", 1, [scan]).samples == len(scan.tags)
    finally:
        link.close()


def test_what_cannot_be_known_is_bad_and_the_others_live(server: Peer, caplog: pytest.LogCaptureFixture) -> None:
    tags = {
        "gone": node("No.Such"),
        "elsewhere": {"node": "nsu=urn:nobody;i=1"},
        "object": {"node": "i=85"},
        "anything": node("Plant.Anything"),
        "typed": node("Plant.Anything", type="int64"),
        "build": {"node": "i=2260"},
        "misfit": node("Fixed.Serial", type="float64"),
        "fine": node("Plant.Count", type="float64"),
    }
    link = polled(server.port, tags)
    try:
        read = newest(link.read())
        assert {name: code for name, (_, code, _) in read.items()} == {
            "gone": 0x80340000,
            "elsewhere": 0x80340000,
            "object": 0x80350000,
            "anything": 0x803D0000,
            "typed": 0x809B0000,
            "build": 0x803D0000,
            "misfit": 0x80740000,
            "fine": 0,
        }
        assert [name for name, (value, _, _) in read.items() if value is not None] == ["fine"]
        assert "gone is Bad: BadNodeIdUnknown" in caplog.text
        assert "the server has no namespace 'urn:nobody'" in caplog.text
    finally:
        link.close()


def test_only_what_is_declared_writable_is_written_and_only_what_fits(server: Peer) -> None:
    tags = {
        "limited": node("Set.Int16", writable=True, min=0, max=100),
        "plain": node("Set.Double"),
        "fixed": node("Fixed.Serial", writable=True),
        "gone": node("No.Such", writable=True),
    }
    link = polled(server.port, tags)
    try:
        assert isinstance(link, Commanded)
        assert set(link.writable) == {"limited", "fixed", "gone"}
        assert link.writable["limited"].maximum == 100
        refusals = {
            "nobody": (1, "no such tag"),
            "plain": (1.0, "read only; set writable = true"),
            "limited": (70_000, "from -32768 to 32767"),
            "fixed": ("x", "BadNotWritable|BadUserAccessDenied"),
            "gone": (1, "BadNodeIdUnknown"),
        }
        for name, (value, reason) in refusals.items():
            with pytest.raises(LinkRefused, match=reason):
                link.write(name, value)
        link.write("limited", 42)
        assert newest(link.read())["limited"][0] == 42
    finally:
        link.close()


def test_tags_with_a_period_of_their_own_are_read_apart(server: Peer) -> None:
    tags = {"a": node("Plant.Count"), "b": node("Plant.Running", period="5s"), "c": node("Plant.Clock", period="5s")}
    link = polled(server.port, tags)
    try:
        assert isinstance(link, Paced)
        assert not isinstance(link, Listening)
        assert link.paces == (5.0,)
        assert set(newest(link.read())) == {"a"}
        assert set(newest(link.read_pace(5.0))) == {"b", "c"}
    finally:
        link.close()


# --- subscriptions ---------------------------------------------------------------------------------------------------


def test_a_subscription_tells_the_present_values_and_every_change(server: Peer) -> None:
    link = subscribed(
        server.port, {"count": node("Plant.Count", sampling_interval="0s"), "serial": node("Fixed.Serial")}
    )
    try:
        assert isinstance(link, Listening)
        scans = hear(link, lambda scans: len(values_of(scans, "count")) >= 5)
        counts = values_of(scans, "count")
        assert counts == sorted(counts, key=lambda count: count if isinstance(count, int) else 0)
        assert values_of(scans, "serial") == ["HF-0001"]
        assert all(set(scan.tags) <= set(link.tags) for scan in scans)
    finally:
        link.close()


def test_nothing_is_read_while_nothing_changes(server: Peer) -> None:
    link = subscribed(server.port, {"serial": node("Fixed.Serial")}, timeout="300ms")
    try:
        hear(link, lambda scans: values_of(scans, "serial"))
        assert select.select([link.fileno()], [], [], 1.0)[0] == [], "keep-alives and the watch are no readings"
        assert link.read() == []
    finally:
        link.close()


def test_a_deadband_leaves_small_changes_of_numbers_out(server: Peer) -> None:
    tags = {"point": node("Set.Double", writable=True, deadband=10), "text": node("Set.String", writable=True)}
    link = subscribed(server.port, tags, deadband=1)
    try:
        link.write("point", 100.0)
        scans = hear(link, lambda scans: 100.0 in values_of(scans, "point"))
        link.write("point", 105.0)
        link.write("text", "a")
        link.write("point", 200.0)
        scans = hear(link, lambda scans: 200.0 in values_of(scans, "point") and "a" in values_of(scans, "text"))
        assert 105.0 not in values_of(scans, "point")
    finally:
        link.close()


def test_polled_tags_live_beside_subscribed_ones(server: Peer) -> None:
    tags = {
        "told": node("Plant.Count"),
        "asked": node("Fixed.Serial", mode="poll"),
        "often": node("Set.Guid", mode="poll", period="50ms"),
        "gone": node("No.Such"),
    }
    link = subscribed(server.port, tags, poll_period="100ms")
    try:
        scans = hear(
            link,
            lambda scans: (
                len(values_of(scans, "asked")) >= 3 and len(values_of(scans, "often")) >= 5 and values_of(scans, "told")
            ),
        )
        assert newest(scans)["gone"][:2] == (None, 0x80340000)
    finally:
        link.close()


# --- loss and return -------------------------------------------------------------------------------------------------


def lost(link: SubscribedServer) -> LinkDown:
    """The error with which a subscribed link ends."""
    with pytest.raises(LinkDown) as down:
        hear(link, lambda _: False)
    return down.value


def knows_nobody(link: SubscribedServer) -> bool:
    """Whether it still refuses what is no tag; once it is lost it is LinkDown to everything."""
    try:
        link.write("nobody", 1)
    except LinkRefused:
        return True
    except LinkDown:
        return False
    raise AssertionError("it has written to nobody")


def test_a_killed_server_is_noticed_at_once_and_found_again_at_the_same_port() -> None:
    tags = {"count": node("Plant.Count"), "point": node("Set.Double", writable=True)}
    with start_peer("opcua_simulator.py", "port = 0") as first:
        listening, asking = subscribed(first.port, tags), polled(first.port, tags)
        assert asking.read()
        assert select.select([listening.fileno()], [], [], 10)[0]
        first.kill()
        begin = time.monotonic()
        while knows_nobody(listening):
            assert time.monotonic() - begin < 10
        assert listening.read(), "what came before the loss is not lost"
        lost(listening)
        with pytest.raises(LinkDown, match="closed"):
            asking.read()
        assert time.monotonic() - begin < 1.5
        for link in (listening, asking):
            with pytest.raises(LinkDown):
                link.write("point", 1.0)
            link.close()
        with pytest.raises(LinkDown, match="is it switched on"):
            polled(first.port, tags)
    with start_peer("opcua_simulator.py", f"port = {first.port}"):
        again = subscribed(first.port, tags)
        assert newest(hear(again, lambda scans: values_of(scans, "point")))["point"][:2] == (0.0, 0)
        again.close()


def test_a_server_that_hangs_is_noticed_within_its_time_out() -> None:
    with start_peer("opcua_simulator.py", "port = 0") as peer:
        tags = {"count": node("Plant.Count"), "point": node("Set.Double", writable=True)}
        listening = subscribed(peer.port, tags, timeout="300ms")
        asking = polled(peer.port, tags, timeout="300ms")
        hear(listening, lambda scans: values_of(scans, "count"))
        os.kill(peer.process.pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            assert re.search("no answer|silent", str(lost(listening)))
            assert time.monotonic() - begin < 3
            for ask in (asking.read, lambda: asking.write("point", 1.0)):
                with pytest.raises(LinkTimeout, match="no answer"):
                    ask()
            with pytest.raises(LinkDown, match=r"no answer|not done in time"):
                polled(peer.port, tags, timeout="200ms")
            begin = time.monotonic()
            listening.close()
            asking.close()
            asking.close()
            assert time.monotonic() - begin < 6
        finally:
            os.kill(peer.process.pid, signal.SIGCONT)
        again = polled(peer.port, tags)
        assert newest(again.read())["point"][1] == 0
        again.close()


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Path]]:
    """A server, and the file that says how it misbehaves."""
    faults = tmp_path_factory.mktemp("moody") / "faults"
    with start_peer("opcua_simulator.py", f'port = 0\nperiod = "50ms"\nfaults = "{faults}"') as peer:
        yield peer, faults


def test_sensors_that_fail_are_bad_with_the_servers_own_code(moody: tuple[Peer, Path]) -> None:
    peer, faults = moody
    link = subscribed(peer.port, {"count": node("Plant.Count")})
    hear(link, lambda scans: values_of(scans, "count"))
    faults.write_text("garbage")
    hear(link, lambda scans: newest(scans).get("count", (0, 0))[:2] == (None, Quality.BAD_SENSOR_FAILURE))
    faults.write_text("")
    hear(link, lambda scans: newest(scans).get("count", (0, 1))[1] == 0)
    link.close()


def test_an_answer_that_comes_too_late_is_not_taken_for_another_one(moody: tuple[Peer, Path]) -> None:
    peer, faults = moody
    tags = {"count": node("Plant.Count"), "serial": node("Fixed.Serial", period="1m")}
    link = polled(peer.port, tags, timeout="200ms")
    faults.write_text("slow:500ms")
    late = 0
    while late < 2:
        try:
            assert set(newest(link.read())) == {"count"}
        except LinkTimeout:
            late += 1
    faults.write_text("")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert newest(link.read_pace(60.0))["serial"][0] == "HF-0001", "and not the count that was asked for before"
            break
        except LinkTimeout:
            continue
    assert set(newest(link.read())) == {"count"}
    link.close()


def test_nobody_there_and_nobody_of_that_name_is_link_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(LinkDown, match=f"127.0.0.1:{port}.*is it switched on"):
        connect(port, {"a": {"node": "i=2258"}})
    for host in ("no-such-host.invalid", "a" * 70 + ".invalid"):
        table = {"url": f"opc.tcp://{host}:4840"}
        with pytest.raises(LinkDown, match="when connecting"):
            connect(port, {"a": {"node": "i=2258"}}, **table)


# --- users and security ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vault")


@pytest.fixture(scope="module")
def gateway(vault: Path) -> Pair:
    return own(vault, "gateway", "urn:holdfast:test")


@pytest.fixture(scope="module")
def secured_server(vault: Path) -> Iterator[Peer]:
    """Secured, with one user; its certificate is vault/server.pem."""
    (vault / "password").write_text("pa§word\n")
    own(vault, "server", SERVER_URI)
    options = f'port = 0\nsecurity = true\nuser = "operator"\ndirectory = "{vault}"\npassword.file = "{vault}/password"'
    with start_peer("opcua_simulator.py", options) as peer:
        yield peer


def believing(vault: Path, gateway: Pair, **more: Any) -> dict[str, Any]:
    """The keys of a secured connection that is let in."""
    return {
        "mode": "poll",
        "security": "sign-and-encrypt",
        "certificate": str(gateway.certificate),
        "key": str(gateway.key),
        "server_certificate": str(vault / "server.pem"),
        "user": "operator",
        "password": {"file": str(vault / "password")},
        "timeout": "5s",
        **more,
    }


SERIAL = {"serial": node("Fixed.Serial")}


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"])
@pytest.mark.parametrize("security", ["sign", "sign-and-encrypt"])
def test_every_policy_works_signed_and_encrypted(
    secured_server: Peer, vault: Path, gateway: Pair, policy: str, security: str
) -> None:
    keys = believing(vault, gateway, policy=policy, security=security)
    link = connect(secured_server.port, SERIAL, **keys)
    try:
        assert newest(link.read())["serial"][:2] == ("HF-0001", 0)
    finally:
        link.close()


def test_a_secured_subscription_tells_and_is_written(secured_server: Peer, vault: Path, gateway: Pair) -> None:
    tags = {"point": node("Set.UInt64", writable=True)}
    link = connect(secured_server.port, tags, **believing(vault, gateway, mode="subscribe", publishing_interval="50ms"))
    try:
        link.write("point", 2**64 - 1)
        hear(link, lambda scans: newest(scans).get("point", (0, 0))[0] == 2**64 - 1)
    finally:
        link.close()


def test_a_server_is_believed_by_its_fingerprint_or_by_what_lies_in_a_folder(
    secured_server: Peer, vault: Path, gateway: Pair, tmp_path: Path
) -> None:
    shown = load_certificate((vault / "server.pem").read_bytes())
    (tmp_path / "line-1.crt").write_bytes(pem(shown))
    for keys in ({"server_certificate": fingerprint(shown)}, {"trusted": str(tmp_path)}):
        table = {key: value for key, value in believing(vault, gateway).items() if key != "server_certificate"}
        connect(secured_server.port, SERIAL, **table, **keys).close()


def test_whoever_answers_is_believed_only_where_that_is_written_and_the_log_says_so(
    secured_server: Peer, vault: Path, gateway: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    table = {key: value for key, value in believing(vault, gateway).items() if key != "server_certificate"}
    connect(secured_server.port, SERIAL, **table, verify=False).close()
    assert "is believed without a check (verify = false)" in caplog.text


def test_another_server_than_the_pinned_one_is_not_believed(
    secured_server: Peer, vault: Path, gateway: Pair, tmp_path: Path
) -> None:
    shown = fingerprint(load_certificate((vault / "server.pem").read_bytes()))
    keys = believing(vault, gateway, server_certificate=str(gateway.certificate))
    with pytest.raises(LinkDown, match="another one than server_certificate") as down:
        connect(secured_server.port, SERIAL, **keys)
    assert shown in str(down.value), "for whoever knows that it is right"
    keys = {**believing(vault, gateway), "trusted": str(tmp_path)}
    del keys["server_certificate"]
    with pytest.raises(LinkDown, match=r"has signed it; it shows sha256:.*put its file in trusted"):
        connect(secured_server.port, SERIAL, **keys)


@pytest.mark.parametrize(
    ("more", "cure"),
    [
        ({"password": {"env": "OPCUA_WRONG"}}, "is `user` right, and its `password`"),
        ({"user": "somebody"}, "is `user` right, and its `password`"),
        ({"user": "", "password": None}, "does the server let anonymous clients in"),
        ({"security": "none"}, "does not do security = 'none'; it offers sign"),
        ({"password": {"env": "OPCUA_MISSING"}}, "OPCUA_MISSING"),
    ],
)
def test_who_is_not_let_in_is_told_why(
    secured_server: Peer, vault: Path, gateway: Pair, more: Any, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPCUA_WRONG", "wrong")
    keys = {key: value for key, value in {**believing(vault, gateway), **more}.items() if value is not None}
    if keys["security"] == "none":
        for key in ("certificate", "key", "server_certificate"):
            del keys[key]
    with pytest.raises(LinkDown, match=cure):
        connect(secured_server.port, SERIAL, **keys)


def test_a_server_without_security_says_what_it_offers(server: Peer, vault: Path, gateway: Pair) -> None:
    keys = {key: value for key, value in believing(vault, gateway).items() if key != "server_certificate"}
    with pytest.raises(LinkDown, match=r"does not do security = 'sign-and-encrypt'.*it offers none"):
        connect(server.port, SERIAL, **keys, verify=False)


def test_a_server_of_an_authority_is_believed_until_it_is_revoked_or_something_expires(
    tmp_path: Path, gateway: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, folder = Authority("works"), tmp_path / "trusted"
    works.pair(tmp_path, "server", SERVER_URI)
    folder.mkdir()
    (folder / "works.pem").write_bytes(pem(works.certificate))
    stale = own(tmp_path, "stale", begin=datetime(2020, 1, 1, tzinfo=UTC))
    lasting = own(tmp_path, "lasting", days=10_000)
    with start_peer("opcua_simulator.py", f'port = 0\nsecurity = true\ndirectory = "{tmp_path}"') as peer:

        def let_in(mine: Pair) -> None:
            keys = {"mode": "poll", "security": "sign-and-encrypt", "trusted": str(folder)}
            connect(peer.port, SERIAL, certificate=str(mine.certificate), key=str(mine.key), **keys).close()

        let_in(gateway)
        with pytest.raises(LinkDown, match=r"gateway's own certificate cannot be used: it expired.*make another"):
            let_in(stale)
        shown = load_certificate((tmp_path / "server.pem").read_bytes())
        with monkeypatch.context() as later:
            later.setattr("transports.opcua.discovery.now", lambda: datetime.now(UTC) + timedelta(days=1000))
            with pytest.raises(LinkDown, match=r"its certificate is not believed: it expired.*renew it there"):
                let_in(lasting)
        (folder / "works.crl").write_bytes(pem(works.revokes(shown)))
        with pytest.raises(LinkDown, match="it was revoked"):
            let_in(gateway)


# --- looking through -------------------------------------------------------------------------------------------------


def test_what_is_found_is_a_table_of_tags_that_can_be_read(server: Peer) -> None:
    found = opcua.browse(settings(server.port, SERIAL))
    tags = tomllib.loads(found)
    assert {"temperature", "count", "wave", "int64", "serial"} <= set(tags)
    assert tags["temperature"] == {"node": HERE + "Plant.Temperature"}
    assert "# Double; can be written" in found
    link = polled(server.port, tags)
    try:
        bad = [name for name, (_, code, _) in newest(link.read()).items() if code]
        assert bad == ["anything"]
    finally:
        link.close()


def test_the_search_is_bounded_and_begins_where_it_is_told(server: Peer) -> None:
    table = settings(server.port, SERIAL)
    assert len(opcua.browse(table, most=5).splitlines()) == 5
    assert opcua.browse(table, depth=1) == ""
    everything = opcua.browse(table, root="i=2253", most=50)
    assert "ns" not in everything.split("node = ")[1][:4], "the server's own object, when asked for"
    with pytest.raises(LinkRefused, match="is there such a node"):
        opcua.browse(table, root="ns=2;s=Nowhere")
    with pytest.raises(LinkRefused, match="no namespace"):
        opcua.browse(table, root="nsu=urn:nobody;i=1")


def test_the_library_itself_says_nothing_in_the_log(server: Peer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LinkRefused):
        opcua.browse(settings(server.port, SERIAL), root="ns=2;s=Nowhere")
    polled(server.port, SERIAL).close()
    assert [record.name for record in caplog.records if record.name.startswith("asyncua")] == []
