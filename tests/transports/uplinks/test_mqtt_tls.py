"""The MQTT uplink over TLS against a real Mosquitto, with certificates made for the test."""

import pytest

from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto
from tests.transports.uplinks.driving import Driver
from transports.building import build
from transports.errors import UplinkDown
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


def test_verification_can_be_turned_off_and_status_warns_of_it_as_long(broker, authority):
    d = driver(broker, verify=False).until_ready()
    assert "verify is false" in d.uplink.standing()["warnings"][0]
    d.uplink.close()
    d = driver(broker, ca=authority.ca).until_ready()
    assert not any("verify" in warning for warning in d.uplink.standing()["warnings"])
    d.uplink.close()


@pytest.mark.parametrize(
    ("valid_days", "words"), [((-9, -2), "it has expired"), ((2, 9), "valid only from a later time on")]
)
def test_a_broker_whose_certificate_is_not_valid_now_is_not_believed_until_it_is_renewed(tmp_path, valid_days, words):
    authority = Authority(tmp_path)
    pair = authority.signs("broker", valid_days=valid_days)
    lines = [f"cafile {authority.ca}", f"certfile {pair.certificate}", f"keyfile {pair.key}"]
    with Mosquitto(tmp_path, lines) as broker:
        assert words in driver(broker, ca=authority.ca).until_down()
        authority.signs("broker")
        broker.stop()
        broker.start()
        driver(broker, ca=authority.ca).until_ready().uplink.close()


def test_a_client_certificate_that_has_expired_is_refused_in_words_until_it_is_renewed(asking_broker, authority):
    pair = authority.signs("expired", valid_days=(-9, -2))
    tls = {"ca": authority.ca, "certificate": pair.certificate, "key": pair.key}
    assert "client certificate in tls.certificate has expired" in driver(asking_broker, **tls).until_down()
    authority.signs("expired")
    driver(asking_broker, **tls).until_ready().uplink.close()


def test_a_key_that_systemd_hands_over_is_found_by_its_name(asking_broker, authority, tmp_path, monkeypatch):
    pair = authority.signs("credited")
    (tmp_path / "gw.key").write_bytes(pair.key.read_bytes())
    key = {"credential": "gw.key"}
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    driver(asking_broker, ca=authority.ca, certificate=pair.certificate, key=key).until_ready().uplink.close()
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(UplinkDown, match=r"LoadCredential=gw\.key"):
        driver(asking_broker, ca=authority.ca, certificate=pair.certificate, key=key)


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
