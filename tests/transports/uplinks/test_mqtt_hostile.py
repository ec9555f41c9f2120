"""What a broken or hostile MQTT server, or whoever may write the topics that we read, cannot do to an uplink."""

import base64
import hashlib
import socket
import struct
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.exception import MalformedPacket

from tests.transports.uplinks.driving import Driver, Turns
from tests.transports.uplinks.hand_broker import (
    CONNACK,
    CONNECT,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    HandBroker,
)
from transports.building import build
from transports.clock import MachineClock
from transports.payloads import OutRecord
from transports.samples import Gap
from transports.uplinks import Identity, Outgoing, mqtt
from transports.uplinks._mqtt import properties
from transports.uplinks._mqtt.client import Heard, PahoClient
from transports.uplinks._mqtt.entrance import Entrance, Server
from transports.uplinks._mqtt.incoming import Incoming, Packet, TooLarge, published
from transports.uplinks._mqtt.line import Line
from transports.uplinks._mqtt.outgoing import Unanswered

MANY_PROPERTIES = b"\x26\x00\x00\x00\x00" * 190_000  # about 950 KiB of user properties without a letter


@pytest.fixture
def by_hand():
    with HandBroker() as broker:
        yield broker


def client_of(far, version="5"):
    """A paho client on the other end of a pair, and what it notes."""
    near, beyond = socket.socketpair()
    client = PahoClient(Entrance("gw", version=version), None, heard := Heard())
    near.setblocking(False)
    client._sock, client._host = near, "h"
    far.append(beyond)
    return client, heard


def uplink(*ports, **table):
    told = build(
        mqtt.Settings,
        {
            "host": "127.0.0.1",
            "port": ports[0],
            "backup": [{"host": "127.0.0.1", "port": port} for port in ports[1:]],
            "protocol": "5",
            **table,
        },
        "uplink.c",
    )
    return told, lambda: Driver(mqtt.connect(told, Identity("plant", "cloud")))


# --- what comes -------------------------------------------------------------------------------------------------------


def test_a_message_full_of_properties_is_read_in_one_pass():
    packet = Packet(PUBLISH, b"\x00\x01t" + properties.Packed(MANY_PROPERTIES).pack() + b"x")
    before = time.process_time()
    _, message = published(packet, is_5=True)
    assert message.payload == b"x"
    assert time.process_time() - before < 5  # paho takes minutes for it


def test_properties_count_as_what_waits_in_the_inbox():
    far = []
    client, heard = client_of(far)
    body = b"\x00\x01t" + properties.Packed(MANY_PROPERTIES).pack()
    octets = bytes([PUBLISH]) + properties.length_of(len(body)) + body
    client._incoming.feed(octets * 3)
    client.loop_read()
    assert heard.messages_bytes >= len(body)
    assert len(heard.messages) == 2  # with the second the inbox is full


def test_what_waits_for_a_release_is_not_kept_for_a_server_that_never_releases():
    far = []
    client, heard = client_of(far)
    far[0].sendall(bytes([PUBLISH | 4, 6]) + b"\x00\x01t\x00\x01\x00")
    assert client.loop_read() != 0
    assert not client._in_messages
    assert not heard.messages


def test_a_second_greeting_ends_the_connection(by_hand):
    line = Line(Server("127.0.0.1", by_hand.port), Entrance("gw", version="5"), None, MachineClock())
    by_hand.greets(line, b"\x00\x00\x00")
    by_hand.says(CONNACK, b"\x00\x00\x03\x13\x00\x00")
    assert "is not MQTT 5" in Turns(line).until_down()


def test_the_answer_to_a_subscription_is_none_to_a_message(by_hand):
    line = Line(Server("127.0.0.1", by_hand.port), Entrance("gw"), None, MachineClock())
    by_hand.greets(line, b"\x00\x00")
    mid = line.publish("t", b"x")
    by_hand.says(SUBACK, struct.pack("!H", mid) + b"\x00")
    by_hand.says(PUBCOMP, struct.pack("!H", mid))
    asked = line.ask()
    by_hand.says(0xB0, struct.pack("!H", asked))
    acks = []
    Turns(line).until(lambda: acks.extend(line.acked()) or acks)
    assert [ack.mid for ack in acks] == [asked]
    by_hand.says(PUBACK, struct.pack("!H", mid))
    Turns(line).until(lambda: acks.extend(line.acked()) or len(acks) > 1)
    assert acks[-1].mid == mid
    line.hang_up()


def test_an_answer_behind_a_full_inbox_is_heard_at_a_farewell(by_hand):
    line = Line(Server("127.0.0.1", by_hand.port), Entrance("gw", inbox_bytes=10), None, MachineClock())
    by_hand.greets(line, b"\x00\x00")
    mid = line.publish("t", b"x")
    for _ in range(3):
        by_hand.says(PUBLISH, b"\x00\x01t" + bytes(20))
    by_hand.says(PUBACK, struct.pack("!H", mid))
    Turns(line).until(lambda: line._heard.messages)
    assert line.acked() == []
    line.close()
    assert [ack.mid for ack in line.acked()] == [mid]


@given(st.lists(st.tuples(st.sampled_from([0x20, 0x30, 0x40, 0xD0]), st.binary(max_size=300)), max_size=8), st.data())
def test_however_octets_are_cut_the_packets_are_the_same(packets, data):
    octets = b"".join(bytes([kind]) + properties.length_of(len(body)) + body for kind, body in packets)
    incoming, found = Incoming(1 << 20), []
    while octets:
        size = data.draw(st.integers(1, len(octets)))
        incoming.feed(octets[:size])
        octets = octets[size:]
        while (packet := incoming.take()) is not None:
            found.append(packet)
    assert found == packets
    assert not incoming.has_packet


@pytest.mark.parametrize(
    ("octets", "wrong"),
    [
        (b"\x30\xff\xff\xff\xff\x01", MalformedPacket),
        (b"\x30\xff\xff\xff\x7f", TooLarge),
        (b"\x90\x81\x80\x04", TooLarge),
    ],
)
def test_a_length_that_cannot_be_is_known_before_its_body_is_read(octets, wrong):
    incoming = Incoming(1 << 20)
    incoming.feed(octets)
    with pytest.raises(wrong):
        incoming.take()


@given(st.binary(max_size=60), st.integers(0, 15), st.booleans())
def test_no_message_breaks_the_reader(body, flags, is_5):
    try:
        _, message = published(Packet(PUBLISH | flags, body), is_5)
    except MalformedPacket:
        return
    assert body.endswith(message.payload)


def test_what_is_told_to_us_is_read_beside_all_else_that_a_message_may_say():
    octets = (
        b"\x01\x01"
        + properties.expiry(9)
        + properties.content_type("text/plain")
        + b"\x0b\xff\x7f"
        + properties.user_properties([("a", "b")])
        + properties.response_topic("back")
        + properties.alias(7)
        + properties.correlation(b"\x00\x07")
    )
    packed = b"..." + properties.Packed(octets).pack()
    assert properties.told(packed + b"rest", 3) == (("back", b"\x00\x07"), len(packed))


def test_ids_of_messages_that_wait_are_not_given_again():
    far = []
    client, _ = client_of(far)
    client._last_mid = 65_534
    client.unanswered.leaves(65_535, 1, b"")
    client.unanswered.leaves(1, 1, b"")
    assert client._mid_generate() == 2


def test_what_a_server_of_little_receive_maximum_has_is_bounded_and_goes_on():
    waiting = Unanswered()
    waiting.most = 1
    assert waiting.leaves(1, 1, b"1")
    assert not waiting.leaves(2, 2, b"2")
    assert not waiting.received(1)
    assert not waiting.answered(0x70, 1)
    assert waiting.answered(0x40, 1)
    assert [*waiting.released()] == [(2, b"2")]
    assert waiting.received(2)
    assert waiting.answered(0x70, 2)
    assert len(waiting) == 0


# --- what it allows ---------------------------------------------------------------------------------------------------


def greet(by_hand, d, said):
    by_hand.accept()
    d.until(by_hand.has_more)
    assert by_hand.heard()[0] == CONNECT
    by_hand.says(CONNACK, b"\x00\x00" + said)


def test_a_server_that_carries_less_than_our_status_is_used_without_it(by_hand):
    _, connect = uplink(by_hand.port, topic="t", topic_aliases=0)
    d = connect()
    greet(by_hand, d, b"\x05\x27" + struct.pack("!I", 30))
    d.until_ready()
    d.uplink.send(Outgoing(1, {"device": "d"}, b"x"))
    by_hand.acks(by_hand.published()[0])
    d.until(lambda: d.took == [1])
    assert any("carries" in warning for warning in d.uplink.standing()["warnings"])
    d.uplink.close(farewell=False)


def test_a_retained_confirmation_is_none(by_hand):
    _, connect = uplink(by_hand.port, confirm="application", status_topic="", confirm_topic="c")
    d = connect()
    greet(by_hand, d, b"\x00")
    d.until(by_hand.has_more)
    kind, body = by_hand.heard()
    assert kind == SUBSCRIBE
    by_hand.says(SUBACK, body[:2] + b"\x00\x01")
    d.until_ready()
    record = OutRecord("out", 1, 5, Gap("press", "lost", 0, 0, 5, 5, 1))
    d.uplink.send(Outgoing(1, {"device": "d"}, b"x", [record]))
    by_hand.acks(by_hand.published()[0])
    claim = b'{"gateway":"plant","topic":"out","taken":[[1,1,9]]}'
    by_hand.says(PUBLISH | 1, b"\x00\x01c\x00" + claim)
    by_hand.says(PUBLISH, b"\x00\x01c\x00oops")
    d.until(lambda: any("no JSON" in notice for notice in d.uplink.notices()))
    assert d.took == []
    by_hand.says(PUBLISH, b"\x00\x01c\x00" + claim)
    d.until(lambda: d.took == [1])
    d.uplink.close(farewell=False)


# --- servers that are of no use ---------------------------------------------------------------------------------------


def tried(told, connect):
    told.past.not_before = float("-inf")
    return connect()


def test_a_server_that_lets_us_in_and_takes_nothing_is_none_where_there_is_another(by_hand):
    with HandBroker() as other:
        told, connect = uplink(by_hand.port, other.port, status_topic="", ack_timeout="200ms")
        d = connect()
        greet(by_hand, d, b"\x00")
        d.until_ready()
        d.uplink.send(Outgoing(1, {"device": "d"}, b"x"))
        assert "unacknowledged" in d.until_down()
        d.uplink.close(farewell=False)
        d = tried(told, connect)
        assert d.uplink.standing()["server"].endswith(str(other.port))
        d.uplink.close(farewell=False)


def test_a_server_that_never_answers_a_subscription_is_none_where_there_is_another(by_hand):
    with HandBroker() as other:
        told, connect = uplink(by_hand.port, other.port, confirm="application", ack_timeout="200ms")
        d = connect()
        greet(by_hand, d, b"\x00")
        d.until(by_hand.has_more)
        assert by_hand.heard()[0] == SUBSCRIBE
        assert "does not answer our subscriptions" in d.until_down()
        d.uplink.close(farewell=False)
        d = tried(told, connect)
        assert d.uplink.standing()["server"].endswith(str(other.port))
        d.uplink.close(farewell=False)


def test_a_server_that_took_messages_is_tried_again_where_it_was(by_hand):
    with HandBroker() as other:
        told, connect = uplink(by_hand.port, other.port, status_topic="", ack_timeout="200ms")
        d = connect()
        greet(by_hand, d, b"\x00")
        d.until_ready()
        for ticket in (1, 2):
            d.uplink.send(Outgoing(ticket, {"device": "d"}, b"x"))
        by_hand.acks(by_hand.published()[0])
        assert "unacknowledged" in d.until_down()
        d.uplink.close(farewell=False)
        d = tried(told, connect)
        assert d.uplink.standing()["server"].endswith(str(by_hand.port))
        d.uplink.close(farewell=False)


def test_an_attempt_that_we_end_ourselves_says_nothing_of_the_server(by_hand):
    with HandBroker() as other:
        told, connect = uplink(by_hand.port, other.port)
        connect().uplink.close(farewell=False)
        assert tried(told, connect).uplink.standing()["server"].endswith(str(by_hand.port))


# --- WebSockets -------------------------------------------------------------------------------------------------------


class WebServer(threading.Thread):
    """Speaks WebSockets, lets a client in, and reads on only when it is told to; `octets` is what came then."""

    def __init__(self, accept=b"Sec-WebSocket-Accept: "):
        super().__init__(daemon=True)
        self._accept, self.octets, self.read_on = accept, bytearray(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = self._listener.getsockname()[1]
        self.start()

    def run(self):
        with self._listener, self._listener.accept()[0] as client:
            asked = b""
            while not asked.endswith(b"\r\n\r\n"):
                asked += client.recv(1)
            key = next(line[19:] for line in asked.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))
            proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            said = (b"HTTP/1.1 101 S", b"Upgrade: websocket", b"Connection: Upgrade", self._accept + proof, b"\r\n")
            client.sendall(b"\r\n".join(said))
            try:
                self._frame(client)
                client.sendall(b"\x82\x04\x20\x02\x00\x00")
                self.read_on.wait(20)
                while True:
                    self.octets += self._frame(client)
            except (EOFError, OSError):
                pass

    def _frame(self, client):
        length = self._exactly(client, 2)[1] & 127
        if length >= 126:
            length = int.from_bytes(self._exactly(client, 2 if length == 126 else 8))
        mask, masked = self._exactly(client, 4), self._exactly(client, length)
        masks = (mask * (length // 4 + 1))[:length]
        return (int.from_bytes(masked) ^ int.from_bytes(masks)).to_bytes(length)

    def _exactly(self, client, count):
        data = b""
        while len(data) < count:
            if not (piece := client.recv(count - len(data))):
                raise EOFError
            data += piece
        return data


def web_line(server):
    return Line(Server("127.0.0.1", server.port), Entrance("gw", transport="websockets"), None, MachineClock())


def test_a_websocket_that_is_read_slowly_gets_every_octet():
    server = WebServer()
    line = web_line(server)
    Turns(line).until(lambda: line.ready)
    expected = b""
    for n in range(30):
        payload = bytes([n]) * (200_000 + n * 1000)
        mid = line.publish("t", payload)
        body = b"\x00\x01t" + mid.to_bytes(2) + payload
        expected += b"\x32" + properties.length_of(len(body)) + body
    server.read_on.set()
    Turns(line).until(lambda: len(server.octets) >= len(expected))
    line.hang_up()
    server.join(20)
    assert bytes(server.octets) == expected


def test_a_websocket_answer_that_cannot_be_read_is_said_at_once():
    server = WebServer(b"Sec-WebSocket-Accept:")
    assert "does not answer as a WebSocket" in Turns(web_line(server)).until_down()
