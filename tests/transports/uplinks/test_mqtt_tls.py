"""The MQTT uplink over TLS against a real Mosquitto, with certificates made for the test."""

import logging

import pytest

from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto
from tests.transports.uplinks.driving import Driver
from transports.building import build
from transports.uplinks import Identity, Outgoing, mqtt


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def server(authority):
    pair = authority.signs("broker.plant")
    return [f"cafile {authority.ca}", f"certfile {pair.certificate}", f"keyfile {pair.key}"]


@pytest.fixture(scope="module")
def broker(server, tmp_path_factory):
    with Mosquitto(tmp_path_factory.mktemp("tls"), server) as running:
        yield running


@pytest.fixture(scope="module")
def asking_broker(server, tmp_path_factory):
    lines = [*server, "require_certificate true", "use_identity_as_username true"]
    with Mosquitto(tmp_path_factory.mktemp("asking"), lines) as running:
        yield running


def driver(broker, host="127.0.0.1", keepalive="30s", **tls):
    table = {"host": host, "port": broker.port, "keepalive": keepalive}
    table["tls"] = {key: value if isinstance(value, (bool, dict)) else str(value) for key, value in tls.items()}
    return Driver(mqtt.connect(build(mqtt.Settings, table, "uplink.cloud"), Identity("plant", "cloud")))


def test_messages_travel_encrypted(broker, authority):
    d = driver(broker, ca=authority.ca).until_ready()
    d.deliver([b"%d" % n for n in range(300)])
    assert d.took == list(range(300))
    d.uplink.close()


def test_a_broker_that_a_stranger_vouches_for_is_not_believed(broker, stranger):
    reason = driver(broker, ca=stranger.ca).until_down()
    assert "its certificate is not accepted" in reason
    assert "tls.ca" in reason


def test_without_a_ca_the_systems_own_are_asked(broker):
    assert "its certificate is not accepted" in driver(broker).until_down()


def test_a_certificate_for_another_name_is_not_believed_unless_that_name_is_expected(broker, authority):
    assert "localhost" in driver(broker, host="localhost", ca=authority.ca).until_down()
    driver(broker, host="localhost", ca=authority.ca, server_name="broker.plant").until_ready().uplink.close()
    assert "elsewhere" in driver(broker, ca=authority.ca, server_name="elsewhere").until_down()


def test_verification_can_be_turned_off_and_that_is_logged(broker, caplog):
    with caplog.at_level(logging.WARNING, "holdfast.uplink"):
        driver(broker, verify=False).until_ready().uplink.close()
    assert "verify is false" in caplog.text


def test_a_client_certificate_lets_us_in(asking_broker, authority):
    pair = authority.signs("gateway")
    d = driver(asking_broker, ca=authority.ca, certificate=pair.certificate, key=pair.key).until_ready()
    d.deliver([b"x"])
    d.uplink.close()


def test_an_encrypted_key_is_opened_with_its_phrase(asking_broker, authority, tmp_path):
    (tmp_path / "phrase").write_text("open sesame")
    pair = authority.signs("secretive", phrase=b"open sesame")
    phrase = {"file": str(tmp_path / "phrase")}
    tls = {"certificate": pair.certificate, "key": pair.key, "key_password": phrase}
    driver(asking_broker, ca=authority.ca, **tls).until_ready().uplink.close()


def test_a_missing_client_certificate_is_said_to_be_missing(asking_broker, authority):
    assert "set tls.certificate and tls.key" in driver(asking_broker, ca=authority.ca).until_down()


def test_a_client_certificate_that_the_broker_does_not_know_is_named(asking_broker, authority, stranger):
    pair = stranger.signs("intruder")
    reason = driver(asking_broker, ca=authority.ca, certificate=pair.certificate, key=pair.key).until_down()
    assert "tls.certificate" in reason


def test_tls_to_a_broker_without_it_and_the_reverse_is_said_in_words(broker, authority, tmp_path):
    with Mosquitto(tmp_path) as plain:
        assert "TLS" in driver(plain, ca=authority.ca).until_down()
    settings = build(mqtt.Settings, {"host": "127.0.0.1", "port": broker.port}, "uplink.cloud")
    assert "does it expect TLS" in Driver(mqtt.connect(settings, Identity("plant", "cloud"))).until_down()


def test_a_hung_broker_neither_blocks_the_sender_nor_is_waited_for(server, authority, tmp_path):
    with Mosquitto(tmp_path, server) as hung:
        d = driver(hung, ca=authority.ca, keepalive="1s").until_ready()
        hung.pause()
        d.uplink.send(Outgoing(1, {"device": "d"}, bytes(16 * 2**20)))
        assert d.uplink.wants_write()
        assert "silent for" in d.until_down()


def test_a_broker_that_hangs_in_the_handshake_is_given_up(server, authority, tmp_path):
    with Mosquitto(tmp_path, server) as hung:
        hung.pause()
        table = {"host": "127.0.0.1", "port": hung.port, "connect_timeout": "300ms", "tls": {"ca": str(authority.ca)}}
        d = Driver(mqtt.connect(build(mqtt.Settings, table, "uplink.cloud"), Identity("plant", "cloud")))
        reason = d.until_down()
        assert "no connection within" in reason or "no answer in time" in reason
