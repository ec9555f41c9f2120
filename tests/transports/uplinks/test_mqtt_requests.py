"""Commands from above over MQTT, and their answers."""

import pytest
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.peers.mosquitto import Mosquitto
from tests.transports.uplinks.driving import Driver
from tests.transports.uplinks.hand_broker import PUBLISH, HandBroker
from transports.building import build
from transports.uplinks import Asking, Identity, Telling, mqtt
from transports.uplinks._mqtt.entrance import Arrived, Told
from transports.uplinks._mqtt.requests import WAITING_MOST, Requests

REQUEST = "holdfast/plant/cloud/request"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Mosquitto(tmp_path_factory.mktemp("requests")) as running:
        yield running


class Above:
    """Who asks: a paho client of its own, in its own thread."""

    def __init__(self, port, protocol):
        version = MQTTv5 if protocol == "5" else MQTTv311
        self.client = Client(CallbackAPIVersion.VERSION2, f"above-{protocol}", protocol=version)
        self.answers = []
        self.client.on_message = lambda _client, _data, message: self.answers.append(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def hears(self, topic):
        done = []
        self.client.on_subscribe = lambda *_: done.append(1)
        self.client.subscribe(topic, 1)
        return done

    def asks(self, body, retain=False, **said):
        properties = None
        if said:
            properties = Properties(PacketTypes.PUBLISH)
            for name, value in said.items():
                setattr(properties, name, value)
        self.client.publish(REQUEST, body, 1, retain, properties).wait_for_publish(20)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.client.disconnect()
        self.client.loop_stop()


def driver(broker, **table):
    told = {"host": "127.0.0.1", "port": broker.port, "request_topic": "holdfast/{gateway}/{uplink}/request", **table}
    return Driver(mqtt.connect(build(mqtt.Settings, told, "uplink.cloud"), Identity("plant", "cloud")))


def asked(d):
    came = []
    d.until(lambda: came.extend(d.uplink.asked()) or came)
    return came


def test_on_mqtt_5_the_answer_goes_where_the_request_says_with_its_correlation(broker):
    with Above(broker.port, "5") as above:
        d = driver(broker, protocol="5").until_ready()
        done = above.hears("my/answers/#")
        d.until(lambda: done)
        above.asks(b"status", ResponseTopic="my/answers/7", CorrelationData=b"\x07")
        (request,) = asked(d)
        assert (request.body, request.sender) == (b"status", "")
        d.uplink.answer(request, b"fine")
        d.until(lambda: above.answers)
        (answer,) = above.answers
        assert (answer.topic, answer.payload, answer.properties.CorrelationData) == ("my/answers/7", b"fine", b"\x07")
        d.uplink.close()


def test_on_3_1_1_the_answer_goes_to_the_response_topic(broker):
    with Above(broker.port, "3.1.1") as above:
        d = driver(broker).until_ready()
        done = above.hears("holdfast/plant/cloud/response")
        d.until(lambda: done)
        above.asks(b"status")
        (request,) = asked(d)
        d.uplink.answer(request, b"fine")
        d.until(lambda: above.answers)
        assert above.answers[0].payload == b"fine"
        d.uplink.close()


def test_a_retained_request_is_not_heeded(broker):
    with Above(broker.port, "3.1.1") as above:
        above.asks(b"again and again", retain=True)
        d = driver(broker).until_ready()
        above.asks(b"once")
        assert [request.body for request in asked(d)] == [b"once"]
        above.asks(b"", retain=True)
        d.uplink.close()


def test_nothing_is_subscribed_to_unless_it_is_configured(broker):
    broker.log.clear()
    d = driver(broker, request_topic="").until_ready()
    d.deliver([b"x"])
    assert not any("SUBSCRIBE" in line for line in list(broker.log))
    assert d.uplink.asked() == []
    d.uplink.close()


def test_a_message_without_a_readable_topic_is_no_command_where_none_are_configured():
    with HandBroker() as by_hand:
        d = driver(by_hand, request_topic="")
        by_hand.meet(d)
        by_hand.says(PUBLISH, b"\x00\x01\xffstop everything")
        by_hand.says(PUBLISH, b"\x00\x01xsomething else")
        for _ in range(3):
            d.turn()
        assert d.uplink.asked() == []
        d.uplink.close(farewell=False)


def test_a_topic_that_may_not_be_read_is_a_warning_and_data_flows():
    with HandBroker() as by_hand:
        d = driver(by_hand, protocol="5", status_topic="")
        by_hand.refuses_the_subscription(d)
        d.until_ready()
        assert "no commands come" in d.uplink.standing()["warnings"][0]
        assert d.uplink.notices() == d.uplink.standing()["warnings"]
        d.uplink.close(farewell=False)


def test_requests_that_nobody_takes_are_bounded_and_the_oldest_kept():
    requests = Requests("back")
    for number in range(WAITING_MOST + 5):
        requests.came(Arrived("ask", b"%d" % number, 1, False))
    assert [request.body for request in requests.asked()] == [b"%d" % number for number in range(WAITING_MOST)]
    assert requests.dropped == 5
    requests.came(Arrived("ask", b"new", 1, False))
    assert len(requests.asked()) == 1


@pytest.mark.parametrize("topic", ["a/#", "+", "$SYS/x", ""])
def test_an_answer_goes_only_to_a_topic(topic):
    requests = Requests("back")
    requests.came(Arrived("ask", b"", 1, False, Told(topic)))
    assert requests.asked()[0].reply.topic == "back"


def test_it_tells_and_asks(broker):
    d = driver(broker)
    assert isinstance(d.uplink, Telling)
    assert isinstance(d.uplink, Asking)
    d.uplink.close()
