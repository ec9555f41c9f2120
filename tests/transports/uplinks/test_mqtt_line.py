"""One connection to an MQTT server: the Line, against a real Mosquitto and a broker played by hand."""

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.subscriber import Subscriber
from tests.transports.uplinks.driving import Turns
from tests.transports.uplinks.hand_broker import (
    CONNACK,
    DISCONNECT,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    HandBroker,
)
from transports.clock import MachineClock
from transports.errors import UplinkDown, UplinkRefused
from transports.tls import Tls
from transports.uplinks._mqtt import properties
from transports.uplinks._mqtt.client import Heard, PahoClient, hang_up
from transports.uplinks._mqtt.entrance import Entrance, Said, Server, Will
from transports.uplinks._mqtt.line import Line

WILL = Will("state", b"dead", 1, True)


def open_line(port, will=WILL, client_id="gw", **entrance):
    return Line(Server("127.0.0.1", port), Entrance(client_id, **entrance), will, MachineClock())


def ready(line):
    Turns(line).until(lambda: line.ready)
    return line


def answered(line, mids):
    """The acks of these ids, when all are there."""
    acks = []

    def all_there():
        acks.extend(line.acked())
        return {ack.mid for ack in acks} >= set(mids)

    Turns(line).until(all_there)
    return acks


@pytest.fixture
def by_hand():
    with HandBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    directory = tmp_path_factory.mktemp("line")
    web = free_port()
    lines = ["max_topic_alias 7", f"listener {web} 127.0.0.1", "protocol websockets", "allow_anonymous true"]
    with Mosquitto(directory, lines) as running:
        running.web = web
        yield running


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_what_is_published_is_acknowledged_in_order_and_what_is_subscribed_to_arrives(broker, version, transport):
    port = broker.web if transport == "websockets" else broker.port
    line = ready(open_line(port, version=version, transport=transport, in_flight=20))
    answered(line, [line.subscribe("there/and/back")])
    once = [line.publish("there/and/back", b"%d" % n, 1) for n in range(50)]
    exactly = [line.publish("there/and/back", b"%d" % n, 2) for n in range(50, 100)]
    asked = line.ask()
    acks = answered(line, [*once, *exactly, asked])
    assert [ack.mid for ack in acks if ack.mid in once] == once
    assert [ack.mid for ack in acks if ack.mid in exactly] == exactly
    assert not any(ack.is_failure for ack in acks)
    came = []
    Turns(line).until(lambda: came.extend(line.messages()) or len(came) == 100)
    assert sorted(int(message.payload) for message in came) == list(range(100))
    line.close()
    assert line.fileno() == -1


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("end", ["hang_up", "close", "close with will"])
def test_the_will_is_published_when_it_shall_be_and_not_after_a_farewell(broker, version, end):
    with Subscriber(broker.port, "state", f"cloud-{version}-{end}") as cloud:
        line = ready(open_line(broker.port, version=version))
        match end:
            case "hang_up":
                line.hang_up()
                expected = [b"dead"]
            case "close":
                line.close([Said("state", b"bye")])
                expected = [b"bye"]
            case _:
                line.close([Said("state", b"bye")], with_will=True)
                expected = [b"bye", b"dead"]
        cloud.wait(lambda _: [p for p in cloud.payloads() if p != b"marker"][-len(expected) :] == expected)
        marker = ready(open_line(broker.port, will=None, client_id="marker", version=version))
        marker.close([Said("state", b"marker")])
        cloud.wait(lambda _: cloud.payloads()[-1] == b"marker")
        assert [p for p in cloud.payloads() if p != b"marker"][-len(expected) :] == expected


def test_the_properties_of_a_message_arrive(broker):
    line = ready(open_line(broker.port, version="5"))
    answered(line, [line.subscribe("with/properties")])
    octets = b"".join(
        (
            properties.expiry(60),
            properties.content_type("text/plain"),
            properties.response_topic("back"),
            properties.correlation(b"\x00\x07"),
            properties.user_properties([("a", "1"), ("a", "2")]),
        )
    )
    line.publish("with/properties", b"x", properties=properties.Packed(octets))
    came = []
    Turns(line).until(lambda: came.extend(line.messages()) or came)
    assert came[0].properties == ("back", b"\x00\x07")
    assert came[0].payload == b"x"
    line.close()


def test_tls_shows_the_certificate_of_the_server(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.signs("server")
    tls = [f"cafile {authority.ca}", f"certfile {pair.certificate}", f"keyfile {pair.key}"]
    web = free_port()
    with Mosquitto(tmp_path, [*tls, f"listener {web} 127.0.0.1", "protocol websockets", *tls]):
        line = ready(open_line(web, tls=Tls(ca=authority.ca), transport="websockets", version="5"))
        assert line.peer_certificate.startswith(b"\x30\x82")
        answered(line, [line.publish("a", bytes(100_000))])
        line.close()


def test_what_a_server_of_mqtt_5_allows_is_known_and_kept_to(by_hand):
    said = Properties(PacketTypes.CONNACK)
    said.ReceiveMaximum, said.MaximumQoS, said.RetainAvailable = 2, 1, 0
    said.MaximumPacketSize, said.ServerKeepAlive, said.TopicAliasMaximum = 100, 5, 3
    said.AssignedClientIdentifier = "you"
    line = open_line(by_hand.port, version="5")
    by_hand.greets(line, b"\x00\x00" + said.pack())
    offers = line.offers
    assert (offers.receive_maximum, offers.max_qos, offers.retain) == (2, 1, False)
    assert (offers.max_packet_bytes, offers.keepalive, offers.alias_maximum, offers.client_id) == (100, 5, 3, "you")
    for n in range(5):
        line.publish("t", b"%d" % n, qos=2, retain=True)
    first, second = by_hand.heard(), by_hand.heard()
    assert [first[1][-1:], second[1][-1:]] == [b"0", b"1"]
    assert by_hand.last_flags == 0x02  # QoS 1, not retained
    assert not by_hand.has_more()
    by_hand.says(PUBACK, second[1][3:5])
    Turns(line).until(by_hand.has_more)
    assert by_hand.heard()[1][-1:] == b"2"
    with pytest.raises(UplinkRefused, match="carries 8"):
        line.publish("t", bytes(100))
    line.hang_up()


def test_a_message_of_qos_2_counts_at_pubcomp_and_a_refusal_at_pubrec_ends_it(by_hand):
    line = open_line(by_hand.port, version="5")
    by_hand.greets(line, b"\x00\x00\x00")
    one, two = line.publish("t", b"1", qos=2), line.publish("t", b"2", qos=2)
    assert by_hand.heard()[0] == by_hand.heard()[0] == PUBLISH
    by_hand.says(PUBREC, two.to_bytes(2) + b"\x97\x0a\x1f\x00\x07no room")
    by_hand.says(PUBREC, one.to_bytes(2))
    Turns(line).until(by_hand.has_more)
    assert by_hand.heard() == (PUBREL, one.to_bytes(2))
    assert line.acked() == [(two, 0x97, "no room")]
    by_hand.says(PUBCOMP, one.to_bytes(2))
    assert answered(line, [one]) == [(one, None, "")]
    line.hang_up()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((CONNACK, b"\x00\x9d\x08\x1c\x00\x05other"), ["has moved", "names other", "0x9D"]),
        ((CONNACK, b"\x00\x87\x07\x1f\x00\x04nay\n"), ['(0x87, "nay ")', "may not connect"]),
        ((CONNACK, b"\x00\x01"), ["set protocol to the other one"]),
        ((CONNACK, b"\x00\x9a\x00"), ["status_retain = false"]),
        ((DISCONNECT, b"\x8e\x00"), ["same client_id"]),
        ((DISCONNECT, b"\x97\x05\x1f\x00\x02hm"), ["quota", '"hm"']),
        ((DISCONNECT, b""), ["closed the connection"]),
        ((DISCONNECT, b"\x77"), ["not MQTT 5"]),
        ((PUBACK, b"\x00"), ["not MQTT 5"]),
    ],
)
def test_why_a_server_refuses_or_ends_is_told_in_words(by_hand, said, words):
    line = open_line(by_hand.port, version="5")
    if said[0] == CONNACK:
        by_hand.accept()
        by_hand.says(*said)
    else:
        by_hand.greets(line, b"\x00\x00\x00")
        by_hand.says(*said)
    reason = Turns(line).until_down()
    for each in words:
        assert each in reason
    with pytest.raises(UplinkDown):
        line.step(time.monotonic())
    with pytest.raises(UplinkDown):
        line.publish("t", b"")


def test_a_full_inbox_is_not_read_into_until_it_is_taken(broker):
    line = ready(open_line(broker.port, inbox_bytes=10_000))
    answered(line, [line.subscribe("much")])
    other = ready(open_line(broker.port, None, "other"))
    mids = [other.publish("much", bytes(5000)) for _ in range(40)]
    answered(other, mids)
    Turns(line).until(lambda: line._heard.messages_bytes >= 10_000)
    for _ in range(5):
        line.step(time.monotonic())
    taken = len(line.messages())
    assert 2 <= taken < 10
    came = []
    Turns(line).until(lambda: came.extend(line.messages()) or len(came) + taken == 40)
    assert line.overflowed() == 0
    line.close()
    other.close()


def test_a_message_larger_than_we_take_ends_the_connection(broker):
    line = ready(open_line(broker.port, message_bytes=1000))
    answered(line, [line.subscribe("huge")])
    line.publish("huge", bytes(100_000))
    assert "it sends a message of 1000" in Turns(line).until_down()


def test_no_interface_of_that_name_is_said_in_words(broker):
    reason = Turns(open_line(broker.port, interface="no-such0")).until_down()
    assert "there is no network interface 'no-such0'" in reason or "CAP_NET_RAW" in reason


def test_over_the_loopback_interface_the_loopback_is_reached(broker):
    ready(open_line(broker.port, interface="lo")).close()


@given(st.binary(max_size=40))
def test_no_acknowledgement_breaks_the_reader(octets):
    ack = properties.acknowledgement(b"\x01\x02" + octets)
    assert ack.mid == 0x0102
    assert ack.code == (octets[0] if octets else None)


@given(st.text(max_size=300), st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=30))
def test_a_reason_string_is_found_among_user_properties(said, pairs):
    said, pairs = (text.encode("utf-8", "replace").decode() for text in (said,)), pairs
    (text,) = said
    octets = properties.user_properties(pairs) + b"\x1f" + len(text.encode()).to_bytes(2) + text.encode()
    assert properties.acknowledgement(b"\x00\x01\x87" + properties.Packed(octets).pack()).said == text


@given(st.integers(0, 2**32 - 1), st.text(max_size=200), st.integers(1, 65535))
def test_packed_properties_are_those_that_paho_reads(seconds, text, number):
    text = text.encode("utf-8", "replace").decode().replace("\x00", "")
    octets = properties.expiry(seconds) + properties.content_type(text) + properties.alias(number)
    packed = properties.Packed(octets).pack()
    said, _ = Properties(PacketTypes.PUBLISH).unpack(packed)
    assert (said.MessageExpiryInterval, said.ContentType, said.TopicAlias) == (seconds, text, number)


PACKETS = st.builds(
    lambda kind, flags, body: bytes([kind << 4 | flags, len(body)]) + body,
    st.integers(0, 15),
    st.integers(0, 15),
    st.binary(max_size=100),
)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@given(packets=st.lists(PACKETS, max_size=6))
def test_whatever_a_server_sends_ends_the_connection_at_most(version, packets):
    near, far = socket.socketpair()
    client = PahoClient(Entrance("gw", version=version), None, heard := Heard())
    near.setblocking(False)
    with far:
        client._sock = near
        client._host = "h"
        for qos in (0, 1, 2):
            client.publish("t", b"", qos)
        far.sendall(b"".join(packets))
        for _ in range(10 * len(packets)):
            client.loop_read()
            client.loop_write()
        assert heard.last_code() is None or heard.last_said()
        hang_up(client)
