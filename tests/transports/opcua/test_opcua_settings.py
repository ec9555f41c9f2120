"""Each mistake in the configuration: one problem, with its path, what was written, and the cure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.peers.opcua_certificates import Authority, Pair, own
from transports.building import build
from transports.errors import Problem, SettingsError
from transports.opcua.settings import Settings

TAGS = {"speed": {"node": "ns=2;s=Speed"}}
LEAST: Mapping[str, Any] = {"url": "opc.tcp://127.0.0.1:4840", "tags": TAGS}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return own(tmp_path_factory.mktemp("own"), "gateway")


def problems(**more: Any) -> list[Problem]:
    try:
        build(Settings, {**LEAST, **more}, "device.x")
    except SettingsError as wrong:
        return list(wrong.problems)
    return []


def secured(gateway: Pair, **more: Any) -> list[Problem]:
    keys = {"certificate": str(gateway.certificate), "key": str(gateway.key), "verify": False}
    return problems(**{"security": "sign-and-encrypt", **keys, **more})


def tag(**more: Any) -> dict[str, Any]:
    return {"tags": {"speed": {"node": "ns=2;s=Speed", **more}}}


def test_the_least_is_enough() -> None:
    assert problems() == []
    settings = build(Settings, LEAST, "device.x")
    assert (settings.where, settings.address, settings.listens) == ("127.0.0.1:4840", "opc.tcp://127.0.0.1:4840", True)


def test_a_url_without_a_port_means_the_usual_one() -> None:
    assert build(Settings, {**LEAST, "url": "opc.tcp://plc/UA/Server"}, "d").address == "opc.tcp://plc:4840/UA/Server"


@pytest.mark.parametrize(
    ("more", "path", "cure"),
    [
        ({"url": "http://127.0.0.1"}, "url", 'must be such as "opc.tcp://'),
        ({"url": "opc.tcp://"}, "url", 'must be such as "opc.tcp://'),
        ({"url": "opc.tcp://a:99999"}, "url", 'must be such as "opc.tcp://'),
        ({"url": "opc.tcp://[::1"}, "url", 'must be such as "opc.tcp://'),
        ({"url": "opc.tcp://me:secret@plc"}, "url", "write user and password"),
        ({"tags": {}}, "tags", "must name at least one tag"),
        (tag(node="Speed"), "tags.speed.node", "must be a node id"),
        (tag(type="double"), "tags.speed.type", "must be one of"),
        (tag(period="1s"), "tags.speed.period", 'mode = "poll"'),
        (tag(mode="poll", deadband=1), "tags.speed.deadband", 'mode = "subscribe"'),
        (tag(mode="poll", queue_size=5), "tags.speed.queue_size", 'mode = "subscribe"'),
        (tag(mode="poll", sampling_interval="1s"), "tags.speed.sampling_interval", 'mode = "subscribe"'),
        (tag(min=3), "tags.speed.min", "writable = true"),
        (tag(mode="push"), "tags.speed.mode", "must be one of subscribe, poll"),
        ({"mode": "listen"}, "mode", "must be one of subscribe, poll"),
        ({"clock": "plc"}, "clock", "must be one of source, server, gateway"),
        ({"timeout": "0s"}, "timeout", "at least 0.1"),
        ({"queue_size": 0}, "queue_size", "at least 1"),
        ({"deadband": -1}, "deadband", "at least 0"),
        ({"publishing_interval": "1ms"}, "publishing_interval", "must be"),
        ({"security": "SignAndEncrypt"}, "security", "must be one of none, sign, sign-and-encrypt"),
        ({"policy": "Basic256"}, "policy", "must be one of Basic256Sha256"),
        ({"certificate": "/a"}, "certificate", 'needs security = "sign-and-encrypt"'),
        ({"trusted": "/a"}, "trusted", 'needs security = "sign-and-encrypt"'),
        ({"server_certificate": "sha256:12"}, "server_certificate", "64 hexadecimal digits"),
        ({"password": {"env": "PASSWORD"}}, "user", "a password is of no use without it"),
        ({"password": "secret"}, "password", "where the secret is"),
    ],
)
def test_a_mistake_is_one_problem_with_its_cure(more: Any, path: str, cure: str) -> None:
    (problem,) = problems(**more)
    assert problem.path == f"device.x.{path}"
    assert cure in problem.cure


def test_security_needs_the_gateways_own_certificate_and_somebody_to_believe() -> None:
    found = problems(security="sign")
    assert [each.path.rpartition(".")[2] for each in found] == ["certificate", "key", "server_certificate"]
    assert "whom should the gateway believe" in found[-1].cure


def test_what_is_secured_properly_has_no_problem(gateway: Pair, tmp_path: Path) -> None:
    assert secured(gateway) == []
    assert secured(gateway, verify=True, trusted=str(tmp_path)) == []
    assert secured(gateway, verify=True, server_certificate=str(gateway.certificate)) == []
    assert secured(gateway, verify=True, server_certificate="sha256:" + "AB:" * 31 + "AB") == []


def test_files_that_are_not_what_they_should_be(gateway: Pair, tmp_path: Path) -> None:
    other = own(tmp_path, "other")
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"garbage")
    cases = [
        ({"certificate": "/no/such/file"}, "certificate", "cannot be read"),
        ({"certificate": str(garbage)}, "certificate", "must be a certificate"),
        ({"key": str(garbage)}, "certificate", "its RSA key"),
        ({"key": str(other.key)}, "key", "is not the key of"),
        ({"key_password": {"env": "NO_SUCH_VARIABLE"}}, "NO_SUCH_VARIABLE", "must exist"),
        ({"server_certificate": str(garbage)}, "server_certificate", "can be read"),
        ({"trusted": "/no/such/folder"}, "trusted", "must be a folder"),
    ]
    for more, path, cure in cases:
        (problem,) = secured(gateway, **more)
        assert path in problem.path
        assert cure in problem.cure


def test_a_certificate_that_names_no_application_is_told_before_a_server_refuses_it(tmp_path: Path) -> None:
    nameless = Authority("nameless").pair(tmp_path, "nameless", "")
    (problem,) = secured(nameless)
    assert "must name the gateway by a URI" in problem.cure


def test_a_key_that_is_not_rsa_is_told(tmp_path: Path, gateway: Pair) -> None:
    key, file = ec.generate_private_key(ec.SECP256R1()), tmp_path / "ec.key"
    plain = serialization.NoEncryption()
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    (problem,) = secured(gateway, key=str(file))
    assert "must be an RSA key" in problem.cure
