"""An uplink on the way between a real spool and a real broker."""

import json
from pathlib import Path

from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.subscriber import Received, Subscriber

CONFIG = """
[gateway]
name = "north"
[device.big]
driver = "sim"
period = "50ms"
tags = {{ n = {{ wave = "counter", count = 100 }} }}
[device.small]
driver = "sim"
period = "50ms"
tags = {{ n = {{ wave = "counter" }} }}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {port}
max_message = "1KiB"
topic = "north/{{device}}"
{more}
"""


def _records(messages: list[Received], device: str) -> list[dict[str, object]]:
    return [json.loads(m.payload) for m in list(messages) if m.topic == f"north/{device}"]


def test_what_can_never_be_delivered_is_announced_as_a_gap_and_the_stream_goes_on(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port, "north/#") as cloud,
        Gateway(tmp_path, CONFIG.format(port=broker.port, more="")) as gateway,
    ):
        cloud.wait(lambda messages: len(_records(messages, "big")) >= 3 and len(_records(messages, "small")) >= 3)
        gateway.wait(lambda _: gateway.child("cloud")["state"]["refused"] >= 3)
        assert gateway.child("cloud")["restarts"] == 0
    for number, record in enumerate(_records(cloud.messages, "big"), 1):
        gap = record["gap"]
        assert isinstance(gap, dict)
        assert gap["reason"].startswith("refused")
        assert (gap["first_seq"], gap["last_seq"], gap["count"]) == (number, number, 1)


def test_batched_records_travel_together_as_a_list_and_all_of_them_arrive(tmp_path: Path) -> None:
    more = 'batch_records = 5\nbatch_wait = "200ms"\n'
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port, "north/#") as cloud,
        Gateway(tmp_path, CONFIG.format(port=broker.port, more=more)) as gateway,
    ):
        cloud.wait(lambda messages: len(_records(messages, "small")) >= 4)
        assert gateway.child("cloud")["restarts"] == 0
    messages = [json.loads(m.payload) for m in cloud.messages if m.topic == "north/small"]
    assert all(isinstance(message, list) and len(message) <= 5 for message in messages)
    assert any(len(message) > 1 for message in messages), "records were collected"
    numbers = [record["source_seq"] for message in messages for record in message]
    assert numbers == list(range(1, len(numbers) + 1))


def _told(gateway: Gateway, event: str) -> list[str]:
    """The texts of the events of that kind about the uplink."""
    lines = (gateway.data_dir / "events.ndjson").read_text().splitlines()
    return [told["text"] for told in map(json.loads, lines) if (told["event"], told.get("name")) == (event, "cloud")]


def test_a_lost_far_end_is_one_event_that_names_the_cure_and_so_is_its_return(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port, "north/#") as cloud,
        Gateway(tmp_path, CONFIG.format(port=broker.port, more="")) as gateway,
    ):
        cloud.wait(lambda messages: _records(messages, "small"))
        gateway.wait(lambda _: any("can never be delivered" in text for text in _told(gateway, "Warned")))
        broker.kill()
        refused = f"cloud: 127.0.0.1:{broker.port}: nobody listens there (connection refused)"
        gateway.wait(lambda _: gateway.child("cloud")["state"]["last_error"] == refused.removeprefix("cloud: "))
        gateway.wait(lambda _: refused in _told(gateway, "Warned"))
        broker.start()
        gateway.wait(lambda _: _told(gateway, "Noticed") == ["cloud: connected again"])
        gateway.wait(lambda _: gateway.child("cloud")["state"]["last_error"] == "")
        assert _told(gateway, "Warned").count(refused) == 1


def test_servers_that_are_tried_in_turn_are_each_told_of_once(tmp_path: Path) -> None:
    first, backup = free_port(), free_port()
    more = f'backup = [{{ host = "127.0.0.1", port = {backup} }}]\nretry_ceiling = "1s"'
    with Gateway(tmp_path, CONFIG.format(port=first, more=more)) as gateway:
        for port in (first, backup) * 2:
            error = f"127.0.0.1:{port}: nobody listens there (connection refused)"
            gateway.wait(lambda _, error=error: gateway.child("cloud")["state"]["last_error"] == error)
        told = _told(gateway, "Warned")
        assert sorted(told) == sorted(
            f"cloud: 127.0.0.1:{port}: nobody listens there (connection refused)" for port in (first, backup)
        )
