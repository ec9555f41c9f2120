import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.certificates import Authority
from transports.building import build
from transports.errors import SettingsError
from transports.uplinks import _topics, mqtt


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
        ({"qos": 0}, ["uplink.cloud.qos = 0: must be one of 1"]),
        ({"keepalive": "100ms"}, ["uplink.cloud.keepalive = '100ms': must be at least 1 and at most 65535"]),
        (
            {"topic": "a/{devise}"},
            ["uplink.cloud.topic", "'a/{devise}'", "{devise} is unknown; did you mean 'device'?"],
        ),
        ({"topic": "a/{}"}, ["{} is unknown", "{gateway}, {uplink}, {device}"]),
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
    ],
)
def test_a_mistake_is_told_with_its_path_and_its_cure(table, told):
    (problem,) = problems(**table)
    for words in told:
        assert words in problem


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
