"""What comes in with far too many properties, as paho packs and reads it."""

from typing import Any

import pytest
from paho.mqtt.client import MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.peers.mosquitto import Mosquitto
from transports.building import build
from transports.mqtt.broker import BrokerSettings
from transports.mqtt.client import PROPERTIES_MOST_BYTES, connect_options, new_client, with_few_properties


def properties(pairs: int) -> Any:
    made: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    made.ResponseTopic = "plant/answers"
    if pairs:
        made.UserProperty = [("k" * 50, str(number)) for number in range(pairs)]
    return made


def body(pairs: int, qos: int) -> bytes:
    mid = b"\0\7" if qos else b""
    return b"\0\5plant" + mid + properties(pairs).pack() + b"payload"


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("pairs", [0, 1, 100])
def test_a_message_with_a_few_properties_is_read_as_it_is(pairs: int, qos: int) -> None:
    assert with_few_properties(body(pairs, qos), qos) == body(pairs, qos)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_of_one_with_too_many_none_is_read_and_all_the_rest_is(qos: int) -> None:
    many = body(PROPERTIES_MOST_BYTES // 50, qos)
    begins = body(0, qos).index(b"plant") + len("plant") + (2 if qos else 0)
    assert with_few_properties(many, qos) == many[:begins] + b"\0payload"


@pytest.mark.parametrize("cut", range(8))
def test_a_body_that_was_cut_off_is_left_to_be_judged(cut: int) -> None:
    assert with_few_properties(body(0, 1)[:cut], 1) == body(0, 1)[:cut]


def test_a_flood_of_properties_does_not_hold_up_the_reader(tmp_path: Any) -> None:
    heard: list[tuple[bytes, Any]] = []
    with Mosquitto(tmp_path) as broker:
        settings = build(BrokerSettings, {"host": "127.0.0.1", "port": broker.port, "client_id": "us"}, "device.x")
        client = new_client(settings)
        client.on_message = lambda _client, _data, message: heard.append((message.payload, message.properties))
        client.connect("127.0.0.1", broker.port, **connect_options(settings))
        client.subscribe("plant")
        client.publish("plant", b"many", qos=1, properties=properties(PROPERTIES_MOST_BYTES // 50))
        client.publish("plant", b"few", qos=1, properties=properties(1))
        while len(heard) < 2:
            client.loop(1.0)
        client.disconnect()
    (many, without), (few, whole) = heard
    assert (many, few) == (b"many", b"few")
    assert not hasattr(without, "ResponseTopic")
    assert whole.ResponseTopic == "plant/answers"
    assert client.protocol == MQTTv5
