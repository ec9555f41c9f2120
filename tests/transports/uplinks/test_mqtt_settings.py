import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.certificates import Authority
from transports.building import build
from transports.errors import SettingsError
from transports.uplinks import Identity, _topics, mqtt

IDENTITY = Identity("plant", "cloud")


def problems(**table):
    try:
        build(mqtt.Settings, {"host": "broker", **table}, "uplink.cloud")
    except SettingsError as wrong:
        return [str(problem) for problem in wrong.problems]
    return []


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def test_a_host_is_enough():
    settings = build(mqtt.Settings, {"host": "broker"}, "uplink.cloud")
    assert (settings.tcp_port, settings.keepalive, settings.tls) == (1883, 30, None)


def test_tls_has_a_port_of_its_own_unless_one_is_written():
    assert build(mqtt.Settings, {"host": "broker", "tls": {}}, "u").tcp_port == 8883
    assert build(mqtt.Settings, {"host": "broker", "tls": {}, "port": 443}, "u").tcp_port == 443


def test_keepalive_travels_as_whole_seconds_and_never_as_none():
    assert build(mqtt.Settings, {"host": "broker", "keepalive": "1500ms"}, "u").keepalive == 2


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"port": 0}, ["uplink.cloud.port = 0: must be at least 1 and at most 65535"]),
        ({"qos": 3}, ["uplink.cloud.qos = 3: must be one of 0, 1, 2"]),
        ({"keepalive": "100ms"}, ["uplink.cloud.keepalive = '100ms': must be at least 1 and at most 65535"]),
        (
            {"topic": "a/{devise}"},
            ["uplink.cloud.topic", "'a/{devise}'", "{devise} is unknown; did you mean 'device'?"],
        ),
        ({"topic": "a/{}"}, ["{} is unknown", "{gateway}, {uplink}, {client_id}, {device}"]),
        ({"topic": "a/{device!r}"}, ["{device} is unknown"]),
        ({"topic": "a/{device"}, ["uplink.cloud.topic", "must have each { closed by a }"]),
        ({"topic": "a/+/{device}"}, ["wildcards"]),
        ({"topic": "a/#"}, ["wildcards"]),
        ({"topic": "a\0b"}, ["control characters"]),
        ({"topic": "/a/{device}"}, ["empty level"]),
        ({"topic": "a//{device}"}, ["empty level"]),
        ({"topic": ""}, ["empty level"]),
        ({"status_topic": "a/{device}"}, ["uplink.cloud.status_topic", "{device} is unknown"]),
        ({"client_id": "{gatway}"}, ["uplink.cloud.client_id", "did you mean 'gateway'?"]),
        ({"host": "mqtt://broker"}, ["uplink.cloud.host", "must be a name or an address"]),
        ({"host": ""}, ["uplink.cloud.host"]),
        ({"password": {"env": "P"}}, ["uplink.cloud.user: is missing"]),
        ({"password": "text"}, ["uplink.cloud.password", "never the secret itself"]),
        ({"tls": {"ca": "/no/such.pem"}}, ["uplink.cloud.tls.ca = '/no/such.pem': must be a file that the user"]),
        ({"tls": {"caa": "x"}}, ["uplink.cloud.tls.caa", "did you mean 'ca'?"]),
        ({"tls": {"ca": "/dev/null"}}, ["uplink.cloud.tls.ca", "PEM"]),
        ({"tls": {"certificate": "/dev/null"}}, ["uplink.cloud.tls.key: is missing"]),
        ({"tls": {"key": "/dev/null"}}, ["uplink.cloud.tls.certificate: is missing"]),
        ({"tls": {"min_version": "1.1"}}, ["uplink.cloud.tls.min_version", "1.2, 1.3"]),
        ({"tls": {"alpn": [""]}}, ["uplink.cloud.tls.alpn", '"mqtt"']),
        ({"tls": {"ca": {"credential": "../x"}}}, ["uplink.cloud.tls.ca.credential", "name of a credential"]),
        ({"protocol": "4"}, ["uplink.cloud.protocol", "3.1.1, 5"]),
        ({"expire_after": "1h"}, ["uplink.cloud.expire_after", 'needs protocol = "5"']),
        ({"user_properties": {"a": "b"}}, ["uplink.cloud.user_properties", 'needs protocol = "5"']),
        ({"client_id": ""}, ["uplink.cloud.client_id", "empty level"]),
        ({"headers": {"a": "b"}}, ["uplink.cloud.headers", 'needs transport = "websockets"']),
        ({"transport": "websockets", "path": "mqtt"}, ["uplink.cloud.path", 'must begin with "/"']),
        ({"transport": "websockets", "headers": {"a b": "c"}}, ["uplink.cloud.headers", "ASCII"]),
        ({"backup": [{"host": "b"}, {"port": 1}]}, ["uplink.cloud.backup[1].host", "is missing"]),
        ({"request_topic": "a/+"}, ["uplink.cloud.request_topic", "wildcards"]),
        ({"confirm_topic": ""}, ["uplink.cloud.confirm_topic", "empty level"]),
        ({"preset": "aws"}, ["uplink.cloud.preset", "aws-iot"]),
        ({"preset": "aws-iot"}, ["uplink.cloud.tls: is missing", "encrypted"]),
        ({"preset": "aws-iot", "tls": {}, "keepalive": "20s"}, ["uplink.cloud.keepalive = 20s", "30s to 1200s"]),
        ({"preset": "aws-iot", "tls": {}, "qos": 2}, ["uplink.cloud.qos = 2", "at most 1", "aws-iot"]),
        ({"preset": "aws-iot", "tls": {}, "topic": "a/b/c/d/e/f/g/h/{device}"}, ["uplink.cloud.topic", "at most 7 /"]),
        ({"preset": "aws-iot", "tls": {}, "topic": "a" * 257}, ["uplink.cloud.topic", "256 bytes"]),
        ({"preset": "aws-iot", "tls": {}, "max_message": "129KiB"}, ["uplink.cloud.max_message", "131072"]),
        ({"preset": "azure-iot-hub", "tls": {}, "protocol": "5"}, ["uplink.cloud.protocol", "3.1.1"]),
        ({"preset": "azure-iot-hub", "tls": {}, "retain": True}, ["uplink.cloud.retain", "no retained"]),
        ({"preset": "azure-iot-hub", "tls": {}, "keepalive": "30m"}, ["uplink.cloud.keepalive", "1177s"]),
    ],
)
def test_a_mistake_is_told_with_its_path_and_its_cure(table, told):
    (problem,) = problems(**table)
    for words in told:
        assert words in problem


def settings(**table):
    return build(mqtt.Settings, {"host": "hub.example.net", **table}, "uplink.cloud")


def test_a_preset_sets_what_its_server_wants():
    azure = settings(preset="azure-iot-hub", tls={}, client_id="dev-1", password={"env": "SAS"})
    assert azure.topic_template == "devices/{client_id}/messages/events/"
    assert azure.status_template == ""
    assert azure.entrance(IDENTITY).user == "hub.example.net/dev-1/?api-version=2021-04-12"
    assert azure.most_bytes == 256 * 1024
    aws = settings(preset="aws-iot", tls={}, port=443)
    assert aws.entrance(IDENTITY).tls.alpn == ("x-amzn-mqtt-ca",)
    assert (aws.most_bytes, aws.entrance(IDENTITY).in_flight) == (128 * 1024, 100)
    assert settings(preset="aws-iot", tls={}).entrance(IDENTITY).tls.alpn == ()
    assert (aws.limits.messages_per_s, aws.limits.bytes_per_s) == (100, 512 * 1024)


def test_what_is_written_goes_before_what_a_preset_sets():
    azure = settings(preset="azure-iot-hub", tls={}, user="me", topic="devices/x/messages/events/device={device}")
    assert azure.topic_template.endswith("device={device}")
    assert azure.entrance(IDENTITY).user == "me"
    assert settings(preset="aws-iot", tls={"alpn": ["mqtt"]}, port=443).entrance(IDENTITY).tls.alpn == ("mqtt",)


def test_backups_listen_where_the_first_does_unless_they_say_otherwise():
    servers = settings(tls={}, backup=[{"host": "b"}, {"host": "fe80::1", "port": 99}]).servers
    assert [server.place for server in servers] == ["hub.example.net:8883", "b:8883", "[fe80::1]:99"]


def test_websockets_have_the_ports_of_the_web():
    assert settings(transport="websockets").tcp_port == 80
    assert settings(transport="websockets", tls={}).tcp_port == 443


def test_a_credential_is_looked_for_only_where_systemd_hands_one_over(authority, tmp_path, monkeypatch):
    tls = {"certificate": str(authority.signs("cred").certificate), "key": {"credential": "gw.key"}}
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert problems(tls=tls) == []  # `holdfast check` at a terminal
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert "gw.key" in problems(tls=tls)[0]
    (tmp_path / "gw.key").write_bytes((authority.signs("other").key).read_bytes())
    assert "key values mismatch" in problems(tls=tls)[0]


def test_good_templates_are_left_alone():
    assert problems(topic="$aws/rules/{{x}}/{gateway}-{uplink}/{device}", status_topic="state") == []


def test_a_key_that_is_not_the_certificates_is_found_before_the_first_connection(authority):
    one, other = authority.signs("one"), authority.signs("other")
    assert problems(tls={"certificate": str(one.certificate), "key": str(one.key)}) == []
    (problem,) = problems(tls={"certificate": str(one.certificate), "key": str(other.key)})
    assert "uplink.cloud.tls.certificate" in problem
    assert "key values mismatch" in problem


def test_an_encrypted_key_needs_its_phrase_and_never_asks_for_it_at_the_terminal(authority, tmp_path):
    pair = authority.signs("locked", phrase=b"open sesame")
    tls = {"certificate": str(pair.certificate), "key": str(pair.key)}
    assert "key_password" in problems(tls=tls)[0]
    (tmp_path / "phrase").write_text("wrong")
    assert "key_password" in problems(tls={**tls, "key_password": {"file": str(tmp_path / "phrase")}})[0]
    (tmp_path / "phrase").write_text("open sesame\n")
    assert problems(tls={**tls, "key_password": {"file": str(tmp_path / "phrase")}}) == []
    assert "no-such" in problems(tls={**tls, "key_password": {"file": "/no-such"}})[0]


@given(st.text(alphabet=st.characters(), max_size=12))
def test_any_device_name_makes_exactly_one_sendable_level(device):
    topic = _topics.filled("a/{device}/b", {"device": device})
    assert topic.count("/") == 2
    assert not set(topic) & {"+", "#", "\0"}
    assert topic.split("/")[1]
    topic.encode()
