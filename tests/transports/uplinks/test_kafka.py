"""The Kafka uplink against librdkafka's mock cluster (without users, TLS and disks), and what it tells librdkafka."""

import json
import os
import signal
import socket
import threading
from collections import defaultdict
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from tests.peers.certificates import Authority
from tests.peers.gateway import Gateway
from tests.peers.kafka_reading import contents
from tests.peers.mosquitto import free_port
from tests.peers.processes import start_peer
from tests.transports.uplinks.driving import Driver
from transports.building import build
from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.payloads import OutRecord
from transports.samples import Gap
from transports.tls import Tls
from transports.uplinks import Identity, Outgoing, Telling, kafka
from transports.uplinks._kafka.certificate import doubtful
from transports.uplinks._kafka.producer import Trouble, described, trouble
from transports.uplinks._kafka.settings import configuration
from transports.uplinks._kafka.words import in_words, refusal

WHO = Identity("plant", "cloud")
GATEWAY = """
[gateway]
name = "plant"
[device.press-1]
driver = "sim"
period = "10ms"
tags = {{ n = {{ wave = "counter" }} }}
[device.press-2]
driver = "sim"
period = "10ms"
tags = {{ n = {{ wave = "counter" }} }}
[uplink.cloud]
type = "kafka"
servers = ["127.0.0.1:{port}"]
topic = "{topic}"
"""


@pytest.fixture(scope="module")
def cluster():
    with start_peer("kafka_mock.py") as peer:
        yield peer


@pytest.fixture
def topic(request):
    return request.node.name[:100].translate(str.maketrans("[] ", "___"))


def settings_for(port, **table):
    return build(kafka.Settings, {"servers": [f"127.0.0.1:{port}"], **table}, "uplink.cloud")


def driver(settings, identity=WHO):
    settings.past.not_before = float("-inf")
    return Driver(kafka.connect(settings, identity))


def out(ticket, *seqs, device="press-1", payload=b"", historical=False):
    seqs = seqs or (ticket,)
    records = [OutRecord("out", 3, seq, Gap(device, "a test", 0, 0), historical) for seq in seqs]
    text = payload or ",".join(map(str, seqs)).encode()
    return Outgoing(ticket, {"device": device}, text, records, "application/json", "gzip" if historical else "")


def test_messages_arrive_once_each_device_in_one_partition_and_in_order(cluster, topic):
    d = driver(settings_for(cluster.port, topic=topic)).until_ready()
    for n in range(1, 301):
        d.uplink.send(out(n, device=f"press {n % 3}"))
    d.until(lambda: len(d.took) == 300)
    d.uplink.close()
    assert sorted(d.took) == list(range(1, 301))
    found = defaultdict(list)
    for message in contents(cluster.port, topic, 300):
        found[message.key().decode()].append((message.partition(), int(message.value())))
    assert sorted(found) == ["press 0", "press 1", "press 2"]
    for arrived in found.values():
        assert len({partition for partition, _ in arrived}) == 1
        assert [n for _, n in arrived] == sorted(n for _, n in arrived)


def test_a_message_says_what_is_in_it(cluster, topic):
    d = driver(settings_for(cluster.port, topic=topic)).until_ready()
    d.uplink.send(out(1, 7, 9, historical=True))
    d.until(lambda: d.took == [1])
    d.uplink.close()
    (message,) = contents(cluster.port, topic, 1)
    assert dict(message.headers()) == {
        "holdfast-gateway": b"plant",
        "holdfast-id": b"out/3/7 out/3/9",
        "holdfast-historical": b"true",
        "content-type": b"application/json",
        "content-encoding": b"gzip",
    }


def test_an_uplink_tells_of_its_brokers_and_topic(cluster):
    d = driver(settings_for(cluster.port, topic="of-{gateway}")).until_ready()
    assert isinstance(d.uplink, Telling)
    standing = d.uplink.standing()
    assert (standing["topic"], standing["brokers"]) == ("of-plant", 3)
    assert standing["partitions"] > 0
    assert standing["warnings"] == list(d.uplink.notices())
    d.uplink.close()


def test_a_message_that_is_too_large_is_refused_and_the_next_one_passes(cluster, topic):
    d = driver(settings_for(cluster.port, topic=topic, max_message="10 kB")).until_ready()
    with pytest.raises(UplinkRefused, match="batch_bytes"):
        d.uplink.send(out(1, payload=b"x" * 11_000))
    d.uplink.send(out(2))
    d.until(lambda: d.took == [2])
    d.uplink.close()


def test_what_the_brokers_refused_is_refused_when_it_comes_again(cluster, topic):
    settings = settings_for(cluster.port, topic=topic)
    d = driver(settings).until_ready()
    d.uplink.send(out(1, payload=b"x" * 9000))
    # The mock takes everything: this is the report of a broker that does not.
    d.uplink._heard.reports.append((1, Trouble("MSG_SIZE_TOO_LARGE", "Broker: Message size too large")))
    d.until_down()
    d = driver(settings).until_ready()
    with pytest.raises(UplinkRefused, match="larger than the brokers take"):
        d.uplink.send(out(1, payload=b"x" * 9000))
    d.uplink.send(out(2))
    d.until(lambda: d.took == [2])
    d.uplink.close()


def test_brokers_that_are_not_there_are_said_at_once_and_not_called_in_a_hot_loop():
    settings = settings_for(free_port(), connect_timeout="20s")
    pauses = []
    for _ in range(5):
        d = driver(settings)
        assert "nobody listens there" in d.until_down()
        d.uplink.close(farewell=False)
        pauses.append(settings.past.not_before - kafka.MachineClock().now())
    assert min(pauses) > 0.5  # a second, less what has passed since the try began
    assert max(pauses) > 2


def test_an_ended_producer_calls_nobody_any_more():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hang_up = threading.Thread(target=lambda: listener.accept()[0].close())
        hang_up.start()
        d = driver(settings_for(listener.getsockname()[1], connect_timeout="20s"))
        d.until_down()
        hang_up.join()
        listener.settimeout(2.5)  # librdkafka would call again after one second, and after two
        with pytest.raises(TimeoutError):
            listener.accept()


class Silent:
    """Stands in for a producer, at its one call: no broker answers in time."""

    def __init__(self, error):
        self.error, self.asked_s = error, []

    def list_topics(self, _topic, timeout_s):
        self.asked_s.append(timeout_s)
        raise KafkaException(KafkaError(self.error))


@pytest.mark.parametrize(
    ("error", "slices_s"),
    [(KafkaError._TRANSPORT, [0.5] * 20), (KafkaError._TIMED_OUT, [0.5, 1, 2, 4, 2.5])],
)
def test_a_topic_is_asked_for_in_slices_longer_ones_when_a_broker_is_far_away(error, slices_s):
    silent = Silent(error)
    with pytest.raises(ConnectionError):
        described([silent], "holdfast", 10)
    assert silent.asked_s == slices_s


def test_nobody_asks_a_producer_that_was_let_go():
    with pytest.raises(ConnectionError, match="let go"):
        described([], "holdfast", 10)


@pytest.mark.parametrize("more", ["", ", 5 identical error(s) suppressed"])
def test_the_same_error_has_the_same_words_whenever_it_comes(more):
    said = f"ssl://a:1/bootstrap: SSL handshake failed (after 3ms in state SSL_HANDSHAKE{more})"
    assert trouble(KafkaError(KafkaError._SSL, said)).text == "ssl://a:1/bootstrap: SSL handshake failed"


def test_only_what_may_be_due_to_a_certificate_is_worth_a_look():
    ours = Tls(certificate=Path("mine.pem"), key=Path("mine.key"))
    refused, lost = "ssl://a:1/bootstrap: certificate verify failed", "sasl_ssl://[::1]:1/2: Disconnected"
    assert [doubtful(refused, tls) for tls in (None, Tls(), ours)] == ["", "a:1", "a:1"]
    assert [doubtful(lost, tls) for tls in (None, Tls(), ours)] == ["", "", "[::1]:1"]
    assert doubtful("ssl://a:1/bootstrap: Connection refused", ours) == ""


def test_a_name_that_cannot_be_resolved_is_said():
    settings = build(kafka.Settings, {"servers": ["nowhere.invalid:9092"]}, "uplink.cloud")
    assert "the name cannot be resolved" in driver(settings).until_down()


def test_brokers_that_die_are_noticed_and_nothing_counts_as_taken():
    with start_peer("kafka_mock.py") as mortal:
        d = driver(settings_for(mortal.port)).until_ready()
        d.uplink.send(out(1))
        d.until(lambda: d.took == [1])
        mortal.kill()
        d.until_down(lambda: None)
        assert d.took == [1]
        with pytest.raises(UplinkDown):
            d.uplink.send(out(2))
        d.uplink.close()
        d.uplink.close()


def test_brokers_that_hang_for_a_while_cost_no_message_and_bring_none_twice(topic):
    with start_peer("kafka_mock.py") as cluster:
        d = driver(settings_for(cluster.port, topic=topic)).until_ready()
        d.uplink.send(out(1))
        d.until(lambda: d.took == [1])
        os.kill(cluster.process.pid, signal.SIGSTOP)
        for n in range(2, 50):
            d.uplink.send(out(n))
        for _ in range(20):
            d.turn()
        assert d.took == [1]
        os.kill(cluster.process.pid, signal.SIGCONT)
        d.until(lambda: len(d.took) == 49)
        d.uplink.close()
        assert [int(message.value()) for message in contents(cluster.port, topic, 49)] == list(range(1, 50))


def test_brokers_that_hang_for_longer_are_given_up_and_all_comes_again(topic):
    with start_peer("kafka_mock.py") as cluster:
        d = driver(settings_for(cluster.port, topic=topic, ack_timeout="3s")).until_ready()
        d.uplink.send(out(1))
        d.until(lambda: d.took == [1])
        os.kill(cluster.process.pid, signal.SIGSTOP)
        d.uplink.send(out(2))
        assert "ack_timeout" in d.until_down()
        os.kill(cluster.process.pid, signal.SIGCONT)
        d = driver(settings_for(cluster.port, topic=topic)).until_ready()
        d.uplink.send(out(2))
        d.until(lambda: d.took == [2])
        d.uplink.close()


def test_a_gateway_delivers_every_reading_once_and_in_order(cluster, topic, tmp_path):
    config = GATEWAY.format(port=cluster.port, topic=topic)
    with Gateway(tmp_path, config) as gateway:
        gateway.wait(lambda _: gateway.child("cloud")["state"].get("records", 0) >= 200)
        gateway.stop()
    found = defaultdict(list)
    for message in contents(cluster.port, topic):
        record = json.loads(message.value())
        found[message.key().decode()].append(record["source_seq"])
    assert len(found) == 2
    for seqs in found.values():
        assert seqs == list(range(1, len(seqs) + 1))


def test_an_interface_cannot_be_had_and_that_is_said_when_connecting(cluster):
    with pytest.raises(UplinkDown, match="cannot be bound to wwan0"):
        kafka.connect(settings_for(cluster.port), Identity("plant", "cloud", None, "wwan0"))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_users_and_certificates_are_told_as_librdkafka_wants_them(tmp_path, mechanism):
    authority = Authority(tmp_path)
    pair = authority.signs("gateway", phrase=b"open sesame")
    (tmp_path / "secret").write_text("open sesame\n")
    secret = {"file": str(tmp_path / "secret")}
    tls = {"ca": str(authority.ca), "certificate": str(pair.certificate), "key": str(pair.key), "key_password": secret}
    settings = settings_for(1, user="gw", password=secret, mechanism=mechanism, tls=tls)
    told = configuration(settings, WHO)
    assert (told["security.protocol"], told["sasl.mechanism"]) == ("SASL_SSL", mechanism)
    assert (told["sasl.username"], told["sasl.password"]) == ("gw", "open sesame")
    assert told["enable.ssl.certificate.verification"] is True
    assert told["ssl.endpoint.identification.algorithm"] == "https"
    assert (told["acks"], told["enable.idempotence"]) == ("all", True)
    Producer(told)  # librdkafka reads the files and opens the key
    with pytest.raises(Exception, match="ssl"):
        Producer({**told, "ssl.key.password": "wrong"})


@pytest.mark.parametrize(
    ("table", "protocol"),
    [({}, "PLAINTEXT"), ({"tls": {}}, "SSL"), ({"user": "a", "password": {"env": "HOME"}}, "SASL_PLAINTEXT")],
)
def test_what_is_not_said_is_not_told(table, protocol):
    assert configuration(settings_for(1, **table), WHO)["security.protocol"] == protocol


def test_verification_is_off_only_when_it_is_written_and_stays_in_the_standing(cluster):
    settings = settings_for(cluster.port, tls={"verify": False})
    assert configuration(settings, WHO)["enable.ssl.certificate.verification"] is False
    assert "verify is false" in str(kafka.connect(settings, WHO).standing()["warnings"])


def test_a_port_without_tls_and_a_secret_that_is_not_there_are_said(cluster, tmp_path):
    why = driver(settings_for(cluster.port, tls={})).until_down()
    assert "127.0.0.1" in why
    assert "TLS" in why
    why = driver(settings_for(1, user="gw", password={"file": str(tmp_path / "none")})).until_down()
    assert "cannot be read" in why


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"servers": []}, "servers"),
        ({"servers": ["kafka-1"]}, "servers"),
        ({"servers": ["a:1,b:2"]}, "servers"),
        ({"topic": "a b"}, "topic"),
        ({"topic": "{device}"}, "topic"),
        ({"user": "gw"}, "password"),
        (
            {"user": "gw", "password": {"env": "P"}, "mechanism": "PLAIN", "servers": ["far.example.com:9092"]},
            "mechanism",
        ),
        ({"tls": {"server_name": "x"}}, "tls.server_name"),
        ({"tls": {"min_version": "1.3"}}, "tls.min_version"),
        ({"tls": {"alpn": ["x"]}}, "tls.alpn"),
    ],
)
def test_a_wrong_setting_is_named(table, path):
    with pytest.raises(SettingsError) as error:
        settings_for(1, **table)
    assert [problem.path for problem in error.value.problems] == [f"uplink.cloud.{path}"]


def test_errors_have_their_cure():
    assert "ACL Write" in in_words("TOPIC_AUTHORIZATION_FAILED", "denied", "here")
    assert "kafka-topics --create" in in_words("UNKNOWN_TOPIC_OR_PART", "unknown", "here")
    assert "look at user" in in_words("_AUTHENTICATION", "SASL: failed", "here")
    assert "tls.ca" in in_words("_SSL", "SSL handshake failed: certificate verify failed", "here")
    assert in_words("NEW_ERROR", "never seen", "here") == "here: never seen"
    assert "batch_bytes" in refusal("MSG_SIZE_TOO_LARGE", "too large")
    assert refusal("_MSG_TIMED_OUT", "late") == ""
