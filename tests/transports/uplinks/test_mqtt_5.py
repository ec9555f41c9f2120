"""The MQTT uplink on MQTT 5: what it says with its messages, and what it makes of a broker's reasons."""

import os
import signal
import time
from types import SimpleNamespace

import orjson
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber
from tests.transports.uplinks.driving import Driver
from tests.transports.uplinks.hand_broker import (
    CONNACK,
    CONNECT,
    DISCONNECT,
    PUBACK,
    PUBLISH,
    UNSUBACK,
    UNSUBSCRIBE,
    HandBroker,
)
from transports.building import build
from transports.clock import HandClock
from transports.errors import UplinkDown, UplinkRefused
from transports.payloads import OutRecord
from transports.samples import Gap
from transports.uplinks import Identity, Outgoing, mqtt
from transports.uplinks._mqtt.line import Line
from transports.uplinks.mqtt import MqttUplink

IDENTITY = Identity("plant", "cloud")
# Mosquitto 2.0.11 hangs up after a refusal when the queue has no limit, which its log calls an unknown error.
QUEUED = "max_queued_messages 100000"


def settings(port, **table):
    return build(mqtt.Settings, {"host": "127.0.0.1", "port": port, "protocol": "5", **table}, "uplink.cloud")


def connect(told):
    told.past.not_before = float("-inf")  # the second between two attempts has a test of its own
    return Driver(mqtt.connect(told, IDENTITY))


def driver(port, **table):
    return connect(settings(port, **table))


def record(seq):
    return OutRecord("out", 3, seq, SimpleNamespace())


def out(ticket, payload=b"x", device="press-1", seq=None, **more):
    return Outgoing(ticket, {"device": device}, payload, (record(seq or ticket),), **more)


@pytest.fixture
def by_hand():
    with HandBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Mosquitto(tmp_path_factory.mktemp("five"), ["max_topic_alias 3"]) as running:
        yield running


def meet(by_hand, d, **allowed):
    """Let an uplink in; its status is acknowledged."""
    said = Properties(PacketTypes.CONNACK)
    for name, value in allowed.items():
        setattr(said, name, value)
    by_hand.accept()
    d.until(by_hand.has_more)
    assert by_hand.heard()[0] == CONNECT
    by_hand.says(CONNACK, b"\x00\x00" + said.pack())


def status_heard(by_hand, d):
    d.until(by_hand.has_more)
    (topic, packet_id, _, payload) = publish_in(by_hand.heard())
    assert topic == "holdfast/plant/status"
    assert orjson.loads(payload)["state"] == "online"
    by_hand.acks(packet_id)


def publish_in(packet):
    """Topic, packet id, properties and payload of a PUBLISH of QoS 1 or 2."""
    kind, body = packet
    assert kind == PUBLISH
    length = int.from_bytes(body[:2])
    topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
    properties, size = Properties(PacketTypes.PUBLISH).unpack(rest[2:])
    return topic, int.from_bytes(rest[:2]), properties, rest[2 + size :]


class TestWhatIsSaid:
    def test_expiry_form_compression_and_properties_of_ones_own_travel_with_a_message(self, by_hand):
        d = driver(by_hand.port, expire_after="90s", user_properties={"site": "north"})
        meet(by_hand, d)
        status_heard(by_hand, d)
        d.uplink.send(out(1, b"zzz", content_type="application/json", content_encoding="gzip"))
        _, _, properties, payload = publish_in(by_hand.heard())
        assert payload == b"zzz"
        assert (properties.MessageExpiryInterval, properties.ContentType) == (90, "application/json")
        assert properties.UserProperty == [("site", "north"), ("content-encoding", "gzip")]
        d.uplink.close(farewell=False)

    def test_topics_get_numbers_as_far_as_the_broker_allows_and_arrive_all_the_same(self, broker):
        with Subscriber(broker.port, "holdfast/plant/#", "aliases") as cloud:
            d = driver(broker.port).until_ready()
            for ticket in range(50):
                d.uplink.send(out(ticket, b"%d" % ticket, device=f"d{ticket % 5}"))
            d.until(lambda: len(d.took) == 50)
            cloud.wait(lambda _: sum(len(cloud.payloads(f"holdfast/plant/d{device}")) for device in range(5)) == 50)
            for device in range(5):
                assert cloud.payloads(f"holdfast/plant/d{device}") == [b"%d" % n for n in range(device, 50, 5)]
            d.uplink.close()

    def test_a_topic_with_a_number_is_sent_only_once(self, by_hand):
        d = driver(by_hand.port)
        meet(by_hand, d, TopicAliasMaximum=1)
        status_heard(by_hand, d)
        for ticket, device in enumerate(["a", "a", "b", "b"]):
            d.uplink.send(out(ticket, device=device))
        said = [publish_in(by_hand.heard()) for _ in range(4)]
        assert [topic for topic, *_ in said] == ["holdfast/plant/a", "", "holdfast/plant/b", "holdfast/plant/b"]
        assert [getattr(properties, "TopicAlias", None) for _, _, properties, _ in said] == [1, 1, None, None]
        d.uplink.close(farewell=False)

    def test_a_message_that_is_refused_for_its_size_takes_no_number(self, by_hand):
        d = driver(by_hand.port)
        meet(by_hand, d, TopicAliasMaximum=5, MaximumPacketSize=200)
        status_heard(by_hand, d)
        with pytest.raises(UplinkRefused, match="carries"):
            d.uplink.send(out(1, bytes(190)))
        d.uplink.send(out(2))
        assert publish_in(by_hand.heard())[0] == "holdfast/plant/press-1"
        d.uplink.close(farewell=False)

    def test_what_a_broker_cannot_do_is_left_out_and_stays_in_status(self, by_hand):
        d = driver(by_hand.port, qos=2, retain=True)
        meet(by_hand, d, MaximumQoS=1, RetainAvailable=0, AssignedClientIdentifier="you")
        status_heard(by_hand, d)
        d.uplink.send(out(1))
        by_hand.heard()
        assert by_hand.last_flags == 0x02
        standing = d.uplink.standing()
        assert ["QoS 1 at most" in warning for warning in standing["warnings"]] == [True, False]
        assert "keeps no retained" in standing["warnings"][1]
        assert standing["client_id"] == "you"
        d.uplink.close(farewell=False)

    @pytest.mark.parametrize("protocol", ["3.1.1", "5"])
    @pytest.mark.parametrize("qos", [0, 1, 2])
    def test_every_message_arrives_and_is_taken_whatever_the_qos(self, broker, protocol, qos):
        topic = f"q/{protocol}/{qos}"
        with Subscriber(broker.port, f"{topic}/#", f"qos-{protocol}-{qos}") as cloud:
            d = driver(broker.port, protocol=protocol, qos=qos, topic=f"{topic}/{{device}}").until_ready()
            d.deliver([b"%d" % n for n in range(100)])
            assert sorted(d.took) == list(range(100))
            cloud.wait(lambda messages: len(messages) == 100)
            assert cloud.payloads() == [b"%d" % n for n in range(100)]
            d.uplink.send(Outgoing(100, {"device": "press-1"}, b"last"))
            d.uplink.close()
            assert d.uplink.taken() == [100]

    def test_qos_0_is_taken_when_a_later_question_is_answered_and_not_before(self, by_hand):
        d = driver(by_hand.port, qos=0, status_topic="")
        meet(by_hand, d)
        d.until_ready()
        for ticket in (1, 2):
            d.uplink.send(out(ticket))
            assert by_hand.heard()[0] == PUBLISH
        d.turn(0)
        d.turn(0)
        kind, body = by_hand.heard()
        assert (kind, d.took) == (UNSUBSCRIBE, [])
        d.uplink.send(out(3))
        by_hand.says(UNSUBACK, body[:2] + b"\x00\x11")
        d.until(lambda: d.took)
        assert d.took == [1, 2]
        d.uplink.close(farewell=False)


class TestRefusals:
    def test_what_a_broker_can_never_take_is_refused_when_it_comes_again_and_the_others_are_not(self, by_hand):
        told = settings(by_hand.port, status_topic="")
        d = connect(told)
        meet(by_hand, d)
        d.until_ready()
        for ticket in (1, 2, 3):
            d.uplink.send(out(ticket))
            by_hand.heard()
        by_hand.says(PUBACK, b"\x00\x02\x99\x06\x1f\x00\x03bad")
        by_hand.says(PUBACK, b"\x00\x01\x10")
        by_hand.acks(3)
        reason = d.until_down()
        assert "payload" in reason
        assert '(0x99, "bad")' in reason
        assert sorted([*d.took, *d.uplink.taken()]) == [1, 3]  # 0x10: nobody has subscribed, and that is no failure
        by_hand.client.close()
        d = connect(told)
        meet(by_hand, d)
        d.until_ready()
        late = Outgoing(9, {"device": "press-1"}, b"x, and late", (record(2),))
        with pytest.raises(UplinkRefused, match="0x99"):
            d.uplink.send(late)
        in_its_place = OutRecord("out", 3, 2, Gap("press-1", "refused", 0, 0, 1, 1, 1))
        d.uplink.send(Outgoing(10, {"device": "press-1"}, b"gap", (in_its_place,)))
        d.uplink.send(out(11, seq=4))
        assert [publish_in(by_hand.heard())[3] for _ in range(2)] == [b"gap", b"x"]
        d.uplink.close(farewell=False)

    @pytest.mark.parametrize(
        ("code", "words"),
        [(0x80, "log"), (0x83, "log"), (0x87, "access list"), (0x90, "see topic"), (0x97, "quota")],
    )
    def test_what_it_does_not_take_now_is_held_until_it_does_and_nothing_else_goes_before(self, by_hand, code, words):
        told = settings(by_hand.port, status_topic="")
        d = connect(told)
        meet(by_hand, d)
        d.until_ready()
        d.uplink.send(out(1, b"first"))
        by_hand.heard()
        by_hand.says(PUBACK, b"\x00\x01" + bytes([code]))
        reason = d.until_down()
        assert words in reason
        assert d.uplink.taken() == []
        for _ in range(2):
            by_hand.client.close()
            d = connect(told)
            meet(by_hand, d)
            d.until(by_hand.has_more)
            assert publish_in(by_hand.heard())[3] == b"first"
            assert not d.uplink.ready()
            by_hand.says(PUBACK, b"\x00\x01" + bytes([code]))
            assert d.until_down() == reason  # one event, however often it is tried
        by_hand.client.close()
        d = connect(told)
        meet(by_hand, d)
        d.until(by_hand.has_more)
        by_hand.heard()
        by_hand.acks(1)
        d.until_ready()
        d.uplink.send(out(1, b"first"))
        assert publish_in(by_hand.heard())[3] == b"first"
        d.uplink.close(farewell=False)

    def test_a_revoked_access_right_is_told_with_its_cure_loses_nothing_and_heals(self, tmp_path):
        acl = tmp_path / "acl"
        acl.write_text("topic readwrite #\n")
        acl.chmod(0o600)
        with Mosquitto(tmp_path, [f"acl_file {acl}", QUEUED]) as broker, Subscriber(broker.port, "holdfast/#") as cloud:
            told = settings(broker.port)
            d = connect(told).until_ready()
            d.deliver([b"before"])

            def allow(lines):
                acl.write_text(lines)
                os.kill(broker.pid, signal.SIGHUP)
                deadline = time.monotonic() + 20
                while not any("Reloading" in line for line in list(broker.log)):
                    assert time.monotonic() < deadline
                broker.log.clear()

            allow("topic readwrite holdfast/plant/status\ntopic read #\n")
            d.uplink.send(out(5, b"withheld"))
            reason = d.until_down()
            assert "may not publish to holdfast/plant/press-1" in reason
            assert "access list" in reason
            assert connect(told).until_down() == reason
            assert d.uplink.taken() == []
            allow("topic readwrite #\n")
            d = connect(told).until_ready()
            d.uplink.send(out(5, b"withheld"))
            d.until(lambda: d.took == [5])
            d.uplink.close()
            said = ["online", "offline", "online", "offline"]
            cloud.wait(lambda _: [orjson.loads(p)["state"] for p in cloud.payloads("holdfast/plant/status")] == said)
            assert cloud.payloads("holdfast/plant/press-1") == [b"before", b"withheld", b"withheld"]

    def test_a_status_that_may_not_be_said_is_a_warning_and_no_reason_to_stop(self, tmp_path):
        acl = tmp_path / "acl"
        acl.write_text("topic readwrite holdfast/plant/press-1\n")
        acl.chmod(0o600)
        with Mosquitto(tmp_path, [f"acl_file {acl}", QUEUED]) as broker:
            d = driver(broker.port).until_ready()
            d.until(d.uplink.notices)
            assert "may not publish to holdfast/plant/status" in d.uplink.standing()["warnings"][0]
            d.deliver([b"x"])
            d.uplink.close()

    def test_a_message_that_is_too_large_for_the_broker_is_refused_and_the_next_one_goes(self, tmp_path):
        with Mosquitto(tmp_path, ["max_packet_size 1000"]) as broker:
            d = driver(broker.port).until_ready()
            with pytest.raises(UplinkRefused, match=f"127.0.0.1:{broker.port} carries"):
                d.uplink.send(out(1, bytes(1000)))
            d.deliver([bytes(800)])
            d.uplink.close()

    @pytest.mark.parametrize("code", [0x95, 0x8B, 0x98])
    def test_a_disconnect_is_told_with_its_reason(self, by_hand, code):
        d = driver(by_hand.port)
        meet(by_hand, d)
        status_heard(by_hand, d)
        by_hand.says(DISCONNECT, bytes([code]))
        assert f"(0x{code:02X})" in d.until_down()


def test_between_two_attempts_there_is_a_second(by_hand, monkeypatch):
    told, clock = settings(by_hand.port), HandClock(100.0)
    opened = []
    monkeypatch.setattr(Line, "__init__", lambda self, *args: opened.append(args) or refuse(args))

    def refuse(args):
        raise UplinkDown("no")

    with pytest.raises(UplinkDown):
        MqttUplink(told, IDENTITY, clock)
    clock.advance(0.5)
    again = MqttUplink(told, IDENTITY, clock)
    assert (again.next_step(clock.now()), again.fileno(), again.ready()) == (101.0, -1, False)
    again.step(100.9)
    assert len(opened) == 1
    with pytest.raises(UplinkDown):
        again.step(101.0)
    assert len(opened) == 2
    again.close()
