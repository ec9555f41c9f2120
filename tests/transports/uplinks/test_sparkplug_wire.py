"""What stands in the packets of the Sparkplug uplink, against a broker played by hand."""

import select
import struct
import threading

import pytest

from tests.transports.sparkplug.gateway_desk import state
from tests.transports.uplinks.hand_broker import CONNACK, CONNECT, PUBACK, PUBLISH, HandBroker
from tests.transports.uplinks.sparkplug_driving import GROUP, HOST, NODE, Node
from transports.errors import UplinkDown
from transports.samples import DataType, Tag
from transports.sparkplug.payload import decode

SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT = 0x80, 0x90, 0xA0, 0xB0, 0xE0
CLEAN, WILL, WILL_QOS, WILL_RETAIN = 0x02, 0x04, 0x18, 0x20  # of CONNECT's flags (MQTT 3.1.1, section 3.1.2.3)
NDEATH = f"spBv1.0/{GROUP}/NDEATH/{NODE}"


class Played(HandBroker):
    """A broker for one node; `five`: it speaks MQTT 5."""

    def __init__(self, five=False):
        super().__init__()
        self.five = five

    def lets_in(self, node):
        """Accept the node's connection; the body of its CONNECT."""
        node.driver.until(lambda: select.select([self.listener], [], [], 0)[0])
        self.accept()
        node.driver.until(lambda: self._has_something())
        kind, body = self.heard()
        assert kind == CONNECT
        self.says(CONNACK, b"\x00\x00\x00" if self.five else b"\x00\x00")
        return body

    def next_of(self, node, kind):
        """The next packet of a kind; others are passed over."""
        while True:
            node.driver.until(lambda: self._has_something())
            this, body = self.heard()
            if this == kind:
                return body

    def answers(self, kind, packet_id, codes=b""):
        self.says(kind, struct.pack("!H", packet_id) + (b"\x00" if self.five else b"") + codes)

    def _has_something(self):
        self.client.setblocking(False)
        try:
            return bool(self.client.recv(1, 2))  # MSG_PEEK
        except BlockingIOError:
            return False
        finally:
            self.client.settimeout(20)


@pytest.fixture(params=["3.1.1", "5"])
def either(request):
    with Played(request.param == "5") as broker:
        yield broker


@pytest.fixture
def plain():
    with Played() as broker:
        yield broker


@pytest.fixture
def five():
    with Played(True) as broker:
        yield broker


def node_at(broker, **table):
    return Node(broker.port, protocol="5" if broker.five else "3.1.1", **table).connect()


def flags(connect):
    return connect[7]


def will_of(connect, five):
    """(topic, payload) of the Will in a CONNECT's body (MQTT 3.1.1, section 3.1.3; MQTT 5 has properties besides)."""
    at = 10 + (1 + connect[10] if five else 0)
    at += 2 + struct.unpack_from("!H", connect, at)[0]  # the client id
    at += 1 + connect[at] if five else 0
    told = []
    for _ in range(2):
        (length,) = struct.unpack_from("!H", connect, at)
        told.append(connect[at + 2 : at + 2 + length])
        at += 2 + length
    return told[0].decode(), decode(told[1])


def test_tck_id_principles_persistence_clean_session_311(plain):
    assert flags(plain.lets_in(node_at(plain))) & CLEAN


def test_tck_id_principles_persistence_clean_session_50(five):
    connect = five.lets_in(node_at(five))
    assert flags(connect) & CLEAN
    properties = connect[11 : 11 + connect[10]]
    assert properties[:1] == b"\x27"  # Maximum Packet Size, and no Session Expiry Interval (0x11): then it is 0
    assert len(properties) == 5


def test_tck_id_message_flow_edge_node_birth_publish_will_message(either):
    connect = either.lets_in(node_at(either))
    topic, payload = will_of(connect, either.five)
    assert flags(connect) & WILL
    assert topic == NDEATH
    assert [metric.name for metric in payload.metrics] == ["bdSeq"]


def test_tck_id_message_flow_edge_node_birth_publish_will_message_qos(either):
    assert flags(either.lets_in(node_at(either))) & WILL_QOS == 0x08


def test_tck_id_message_flow_edge_node_birth_publish_will_message_will_retained(either):
    assert not flags(either.lets_in(node_at(either))) & WILL_RETAIN


def test_a_connection_that_is_refused_costs_a_number_all_the_same(plain, tmp_path):
    node = Node(plain.port, tmp_path).connect()
    plain.accept()
    plain.next_of(node, CONNECT)
    plain.says(CONNACK, b"\x00\x05")
    assert "not authorized" in node.driver.until_down()
    node.connect()
    assert will_of(plain.lets_in(node), False)[1].metrics[0].value.content == 1


def test_tck_id_payloads_ndeath_will_message_publisher_disconnect_mqtt50(five):
    node = node_at(five, host_id=HOST)
    five.lets_in(node)
    for _ in range(3):
        packet_id = struct.unpack_from("!H", five.next_of(node, SUBSCRIBE))[0]
        five.answers(SUBACK, packet_id, b"\x01")
    topic = f"spBv1.0/STATE/{HOST}".encode()
    for online in (True, False):
        five.says(PUBLISH, struct.pack("!H", len(topic)) + topic + b"\x00" + state(online, 1))
    said = []
    player = threading.Thread(target=play_on, args=(five, said))
    player.start()
    with pytest.raises(UplinkDown, match="offline"):
        node.driver.until(lambda: False, 10)
    player.join()
    assert [kind for kind, _ in said] == [PUBLISH, PUBLISH, DISCONNECT]
    assert NDEATH.encode() in said[1][1]
    assert said[2][1][:1] == b"\x04"


def play_on(broker, said):
    """Note the packets up to DISCONNECT, and acknowledge the one with QoS 1."""
    while not said or said[-1][0] != DISCONNECT:
        said.append(broker.heard())
        if NDEATH.encode() in said[-1][1]:
            broker.answers(PUBACK, struct.unpack_from("!H", said[-1][1], 2 + len(NDEATH))[0])


def test_a_subscription_that_is_refused_is_said_with_its_cure(plain):
    node = node_at(plain)
    plain.lets_in(node)
    plain.answers(SUBACK, struct.unpack_from("!H", plain.next_of(node, SUBSCRIBE))[0], b"\x80")
    node.until_said(f"refuses the subscription to spBv1.0/{GROUP}/NCMD/{NODE}: let this user read it")


def test_data_counts_when_the_question_after_it_is_answered_and_not_before(either):
    node = node_at(either)
    either.lets_in(node)
    node.driver.until_ready()
    first = node.tell(1.5)
    packet_id = struct.unpack_from("!H", either.next_of(node, UNSUBSCRIBE))[0]
    second = node.tell(2.5)
    node.driver.turn()
    assert node.took == []
    either.answers(UNSUBACK, packet_id, b"\x11" if either.five else b"")
    node.until_taken(first)
    assert second not in node.took
    packet_id = struct.unpack_from("!H", either.next_of(node, UNSUBSCRIBE))[0]
    either.answers(UNSUBACK, packet_id, b"\x11" if either.five else b"")
    node.until_taken(second)


def test_the_answer_that_comes_together_with_the_end_still_counts(plain):
    node = node_at(plain)
    plain.lets_in(node)
    node.driver.until_ready()
    ticket = node.tell(1.5)
    plain.answers(UNSUBACK, struct.unpack_from("!H", plain.next_of(node, UNSUBSCRIBE))[0])
    plain.client.close()
    node.driver.until_down()
    assert [*node.took, *node.uplink.taken()] == [ticket]


def test_an_answer_after_the_host_went_offline_proves_nothing(plain):
    node = node_at(plain, host_id=HOST)
    plain.lets_in(node)
    topic = f"spBv1.0/STATE/{HOST}".encode()
    plain.says(PUBLISH, struct.pack("!H", len(topic)) + topic + state(True, 1))
    node.driver.until_ready()
    node.tell(1.5)
    packet_id = struct.unpack_from("!H", plain.next_of(node, UNSUBSCRIBE))[0]
    offline, answer = state(False, 1), struct.pack("!BBH", UNSUBACK, 2, packet_id)
    body = struct.pack("!H", len(topic)) + topic + offline
    plain.client.sendall(bytes([PUBLISH, len(body)]) + body + answer)
    assert HOST in node.driver.until_down()
    assert [*node.took, *node.uplink.taken()] == []


def test_an_answer_that_came_with_the_host_s_end_and_the_line_s_proves_nothing(plain):
    node = node_at(plain, host_id=HOST)
    plain.lets_in(node)
    topic = f"spBv1.0/STATE/{HOST}".encode()
    plain.says(PUBLISH, struct.pack("!H", len(topic)) + topic + state(True, 1))
    node.driver.until_ready()
    node.tell(1.5)
    packet_id = struct.unpack_from("!H", plain.next_of(node, UNSUBSCRIBE))[0]
    body = struct.pack("!H", len(topic)) + topic + state(False, 1)
    plain.client.sendall(bytes([PUBLISH, len(body)]) + body + struct.pack("!BBH", UNSUBACK, 2, packet_id))
    plain.client.close()
    node.driver.until_down()
    assert [*node.took, *node.uplink.taken()] == []


def test_without_proof_what_was_not_written_when_the_line_ended_is_not_taken_by_the_next(plain):
    text = Tag("text", DataType.STRING)
    node = node_at(plain, confirm="sent", by_exception=False)
    plain.lets_in(node)
    node.driver.until_ready()
    while not node.uplink.wants_write():
        node.say(node.record("x" * 100_000, tags=(text,)))
    unwritten = node.say(node.record("the last", tags=(text,)))
    plain.client.close()
    node.driver.until_down()
    plain.lets_in(node.connect())
    node.driver.until_ready()
    node.until_taken(node.say(node.record("the first", tags=(text,))))
    assert unwritten not in node.took


def test_a_server_that_lives_and_never_answers_is_given_up(plain):
    node = node_at(plain, ack_timeout="200ms")
    plain.lets_in(node)
    node.driver.until_ready()
    node.tell(1.5)
    assert "a question is unanswered for 0.2 s" in node.driver.until_down()


def test_a_birth_that_the_server_cannot_carry_ends_the_connection_with_the_reason(five):
    node = node_at(five)
    five.accept()
    five.next_of(node, CONNECT)
    five.says(CONNACK, b"\x00\x00\x05\x27" + struct.pack("!I", 100))  # Maximum Packet Size
    why = node.driver.until_down()
    assert "NBIRTH" in why
    assert "cannot be divided" in why


def test_data_is_divided_to_what_the_server_carries(five):
    node = node_at(five)
    five.accept()
    five.next_of(node, CONNECT)
    five.says(CONNACK, b"\x00\x00\x05\x27" + struct.pack("!I", 1500))
    node.driver.until_ready()
    node.say(*[node.record(n + 0.5, n) for n in range(200)])
    told = [len(five.next_of(node, PUBLISH)) for _ in range(8)]
    assert max(told) < 1500


def test_a_puback_that_nobody_asked_for_harms_nobody(plain):
    node = node_at(plain)
    plain.lets_in(node)
    node.driver.until_ready()
    plain.answers(PUBACK, 4711)
    plain.answers(UNSUBACK, 4712)
    node.tell(1.5)
    plain.next_of(node, UNSUBSCRIBE)
    assert node.took == []
