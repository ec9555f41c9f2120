"""confirm = "application": a message is taken when the application has told of all its records, and not before."""

import time
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber
from tests.transports.uplinks.driving import Driver
from tests.transports.uplinks.hand_broker import HandBroker
from transports.building import build
from transports.errors import NotUnderstood
from transports.payloads import OutRecord
from transports.uplinks import Identity, Outgoing, mqtt
from transports.uplinks._mqtt.confirm import Claim, Confirming, claims_in

IDENTITY = Identity("plant", "cloud")
CONFIRM = "holdfast/plant/cloud/confirm"


class TestConfirming:
    """The decider."""

    @given(st.data())
    def test_a_message_is_done_with_when_it_is_acknowledged_and_all_its_records_are_told_of_and_never_before(
        self, data
    ):
        messages = data.draw(
            st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 2), st.integers(0, 12)), max_size=4))
        )
        confirming = Confirming()
        for ticket, ids in enumerate(messages):
            confirming.sent(ticket, ids)
        told, acked, done = set(), set(), set()
        events = st.one_of(
            st.tuples(st.just("ack"), st.integers(0, max(0, len(messages) - 1))),
            st.tuples(st.sampled_from("ab"), st.integers(1, 2), st.integers(0, 12), st.integers(0, 40)),
        )
        for event in data.draw(st.lists(events, max_size=40)):
            if event[0] == "ack":
                acked.add(event[1])
                new = confirming.acked(event[1])
            else:
                topic, epoch, first, more = event
                told |= {(topic, epoch, seq) for seq in range(first, first + more + 1)}
                new = confirming.told(Claim(topic, epoch, first, first + more))
            assert not done & set(new)
            done |= set(new)
            assert done == {n for n, ids in enumerate(messages) if n in acked and set(ids) <= told}
        open_still = [n for n in range(len(messages)) if n not in done]
        assert confirming.oldest == (open_still[0] if open_still else None)

    def test_a_claim_of_everything_there_ever_was_takes_no_time(self):
        confirming = Confirming()
        confirming.sent(1, [("out", 1, 5)])
        confirming.acked(1)
        assert confirming.told(Claim("out", 1, 0, 2**64)) == [1]

    def test_ten_thousand_claims_of_nothing_take_no_time(self):
        confirming = Confirming()
        confirming.sent(1, [("out", 1, seq) for seq in range(50_000)])
        before = time.process_time()
        claims = [Claim("out", 1, 10**6 * n, 10**6 * n + 10**5) for n in range(1, 10_000)]
        assert confirming.told(*claims) == []
        assert time.process_time() - before < 5  # one by one it were a minute
        assert confirming.acked(1) == []
        assert confirming.told(*claims, Claim("out", 1, 40_000, 10**9), Claim("out", 1, 0, 39_999)) == [1]

    def test_what_it_remembers_is_what_is_on_its_way(self):
        confirming = Confirming()
        for ticket in range(1000):
            confirming.sent(ticket, [("out", ticket, ticket)])
            confirming.acked(ticket)
            confirming.told(Claim("out", ticket, 0, ticket))
        assert (confirming._missing, confirming._tickets, confirming._acked) == ({}, {}, set())


class TestWords:
    def test_what_an_application_says(self):
        said = orjson.dumps({"gateway": "plant", "topic": "out", "taken": [[3, 1, 5], [4, 0, 0]], "more": 1})
        assert claims_in(said, "plant") == [Claim("out", 3, 1, 5), Claim("out", 4, 0, 0)]

    @pytest.mark.parametrize(
        "said",
        [
            b"",
            b"[]",
            b"{}",
            b'{"gateway": "other", "topic": "out", "taken": []}',
            b'{"gateway": "plant", "topic": 1, "taken": []}',
            b'{"gateway": "plant", "topic": "out", "taken": {}}',
            b'{"gateway": "plant", "topic": "out", "taken": [[1, 2]]}',
            b'{"gateway": "plant", "topic": "out", "taken": [[1, 2, 1]]}',
            b'{"gateway": "plant", "topic": "out", "taken": [[1, 2, 3.0]]}',
            b'{"gateway": "plant", "topic": "out", "taken": [[1, -2, 3]]}',
            b'{"gateway": "plant", "topic": "out", "taken": [[true, 2, 3]]}',
        ],
    )
    def test_anything_else_is_not_understood(self, said):
        with pytest.raises(NotUnderstood):
            claims_in(said, "plant")

    @given(st.binary(max_size=60))
    def test_no_bytes_break_it(self, said):
        with pytest.raises(NotUnderstood):
            claims_in(said, "plant")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Mosquitto(tmp_path_factory.mktemp("confirm")) as running:
        yield running


@pytest.fixture
def cloud(broker, request):
    with Subscriber(broker.port, "holdfast/plant/press-1", request.node.name) as subscriber:
        yield subscriber


def driver(broker, **table):
    told = {"host": "127.0.0.1", "port": broker.port, "confirm": "application", **table}
    return Driver(mqtt.connect(build(mqtt.Settings, told, "uplink.cloud"), IDENTITY))


def out(ticket, *seqs):
    records = tuple(OutRecord("out", 3, seq, SimpleNamespace()) for seq in seqs)
    return Outgoing(ticket, {"device": "press-1"}, b"%d" % ticket, records)


def confirms(cloud, *taken, gateway="plant"):
    said = orjson.dumps({"gateway": gateway, "topic": "out", "taken": taken})
    cloud._client.publish(CONFIRM, said, qos=1).wait_for_publish(20)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_message_is_taken_when_the_application_has_all_of_it(broker, cloud, protocol):
    d = driver(broker, protocol=protocol).until_ready()
    d.uplink.send(out(1, 1, 2))
    d.uplink.send(out(2, 3))
    cloud.wait(lambda messages: len(messages) >= 2)
    confirms(cloud, [3, 2, 3])
    d.until(lambda: d.took)
    assert d.took == [2]
    confirms(cloud, [3, 1, 1], gateway="elsewhere")
    cloud._client.publish(CONFIRM, b"\xff", qos=1)
    d.until(lambda: not d.uplink._line or d.uplink._past.notices)
    assert d.took == [2]
    confirms(cloud, [3, 0, 10**18])
    d.until(lambda: d.took == [2, 1])
    assert any("is ignored" in notice for notice in d.uplink.notices())
    d.uplink.close()


def test_on_mqtt_5_each_message_says_where_to_confirm_it(broker):
    came = []
    with Subscriber(broker.port, "nothing", "plain"):
        reader = driver(
            broker, protocol="5", confirm="puback", client_id="reader", request_topic="holdfast/plant/press-1"
        )
        reader.until_ready()
        d = driver(broker, protocol="5").until_ready()
        d.uplink.send(out(1, 1))
        reader.until(lambda: came.extend(reader.uplink.asked()) or came)
        assert came[0].reply.topic == CONFIRM
        d.uplink.close(farewell=False)
        reader.uplink.close()


def test_an_application_that_is_silent_gets_everything_again(broker):
    d = driver(broker, confirm_timeout="300ms").until_ready()
    d.uplink.send(out(1, 1))
    assert "no application has confirmed a message" in d.until_down()
    assert d.uplink.taken() == []


def test_as_long_as_one_after_the_other_is_confirmed_it_is_not_given_up(broker, cloud):
    d = driver(broker, confirm_timeout="30m", keepalive="10h").until_ready()
    for ticket in range(4):
        d.uplink.send(out(ticket, ticket))
    cloud.wait(lambda messages: len(messages) == 4)
    now = time.monotonic()
    for ticket in range(4):
        confirms(cloud, [3, ticket, ticket])
        now += 29 * 60
        deadline = time.monotonic() + 20
        while len(d.took) == ticket:
            assert time.monotonic() < deadline
            d.uplink.step(now)
            d.took += d.uplink.taken()
    d.uplink.close(farewell=False)


def test_a_confirm_topic_that_may_not_be_read_is_told_with_its_cure():
    with HandBroker() as by_hand:
        d = driver(by_hand, protocol="5")
        by_hand.refuses_the_subscription(d)
        reason = d.until_down()
    assert f"refuses the subscription to {CONFIRM}" in reason
    assert "access list" in reason
