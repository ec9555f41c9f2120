"""The receiver against a real broker: nothing is acknowledged or confirmed before it is stored, and nothing twice."""

import os
import random
import signal
import threading
from contextlib import contextmanager

import orjson
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.peers.certificates import Authority
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto, free_port
from tests.transports.receiving.served import Served, connected, record

KILLS = 20
TOPIC = "holdfast/plant-7/press-1"
CONFIG = """
[gateway]
name = "plant-7"
[device.press-1]
driver = "sim"
period = "10ms"
tags = {{ n = {{ wave = "counter" }}, level = {{ wave = "sine" }} }}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {port}
payload = "{payload}"
compress = "zstd"
batch_records = 20
"""


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path, ["max_inflight_messages 500"]) as broker:
        yield broker


@contextmanager
def streaming(port):
    """Records 1, 2, 3, ... for as long as the block lasts; the block is given a list that then holds the last one."""
    last, ending = [0], threading.Event()

    def stream(client):
        while not ending.is_set():
            last[0] += 1
            sent = client.publish(TOPIC, record(last[0]), qos=1)
            if last[0] % 20 == 0:  # as fast as the broker takes them, no faster than it is any use
                sent.wait_for_publish(30)
                ending.wait(0.005)
        sent.wait_for_publish(30)

    with connected(port) as client:
        thread = threading.Thread(target=stream, args=(client,))
        thread.start()
        try:
            yield last
        finally:
            ending.set()
            thread.join()


def test_killed_again_and_again_in_the_middle_of_a_stream_it_has_each_record_exactly_once(tmp_path, broker):
    with Served(tmp_path, broker.port) as receiver:
        receiver.wait_for_words("connected to")
        with streaming(broker.port) as last:
            for _ in range(KILLS):
                stored = receiver.count("records")
                receiver.wait(lambda at_least=stored + 50: receiver.count("records") > at_least)
                threading.Event().wait(random.random() * 0.05)  # anywhere between two commits
                receiver.kill()
                receiver.start()
        receiver.wait(lambda: receiver.count("records") >= last[0])
        assert receiver.asked("SELECT seq FROM records ORDER BY seq") == [(n + 1,) for n in range(last[0])]
        values = receiver.asked("SELECT integer FROM readings ORDER BY integer")
        assert values == [(n + 1,) for n in range(last[0])], "each record with its reading, once"
        assert receiver.count("unreadable") == 0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_is_delivered_twice_is_stored_once_and_confirmed_twice(tmp_path, broker, protocol):
    heard, news = [], threading.Condition()

    def note(_client, _data, message):
        with news:
            heard.append(orjson.loads(message.payload))
            news.notify_all()

    modern = protocol == "5"
    properties = None
    if modern:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "answers/here"
    options = ["--protocol", protocol, *([] if modern else ["--confirm"])]
    with Served(tmp_path, broker.port, *options) as receiver, connected(broker.port, modern) as client:
        receiver.wait_for_words("connected to")
        client.on_message = note
        subscribed = threading.Event()
        client.on_subscribe = lambda *_: subscribed.set()
        client.subscribe("answers/here" if modern else "holdfast/plant-7/cloud/confirm", 1)
        assert subscribed.wait(30)
        for turn in (1, 2):
            client.publish(TOPIC, record(41, epoch=3), qos=1, properties=properties)
            with news:
                assert news.wait_for(lambda turn=turn: len(heard) >= turn, 30)
            assert receiver.count("records") == 1, "a confirmation comes after the commit"
        assert heard == [{"gateway": "plant-7", "topic": "out", "taken": [[3, 41, 41]]}] * 2
        assert receiver.count("unreadable") == 0, "its own confirmations are no noise to it"


def test_what_nobody_waits_for_is_not_confirmed(tmp_path, broker):
    with Served(tmp_path, broker.port) as receiver, connected(broker.port) as client:
        receiver.wait_for_words("connected to")
        client.publish(TOPIC, record(1), qos=1)
        receiver.wait(lambda: receiver.count("records") == 1)
        client.publish(TOPIC, record(2), qos=1)
        receiver.wait(lambda: receiver.count("records") == 2)
    assert not any("PUBLISH from holdfast-receiver" in line for line in broker.log)


def test_nothing_is_acknowledged_while_the_database_cannot_be_written(tmp_path, broker):
    with Served(tmp_path, broker.port) as receiver, connected(broker.port) as client:
        receiver.database.mkdir()  # no file can be there
        receiver.wait_for_words("trying again")
        receiver.kill()
        receiver.database.rmdir()
        receiver.start()
        receiver.wait_for_words("connected to")
        receiver.wait(lambda: receiver.database.exists())
        blocker = threading.Event()

        def block():
            import sqlite3

            base = sqlite3.connect(receiver.database, isolation_level=None)
            base.execute("BEGIN IMMEDIATE")
            blocker.wait(60)
            base.execute("ROLLBACK")
            base.close()

        thread = threading.Thread(target=block)
        thread.start()
        client.publish(TOPIC, record(1), qos=1)
        receiver.wait_for_words("database is locked")
        assert not any("PUBACK from holdfast-receiver" in line for line in broker.log)
        blocker.set()
        thread.join()
        receiver.wait(lambda: receiver.count("records") == 1)


def test_a_broker_that_is_away_is_waited_for_and_told_of_once(tmp_path):
    port = free_port()
    with Served(tmp_path, port) as receiver:
        receiver.wait_for_words("nobody listens there")
        with Mosquitto(tmp_path, port=port) as broker, connected(port) as client:
            receiver.wait_for_words("connected to")
            client.publish(TOPIC, record(1), qos=1)
            receiver.wait(lambda: receiver.count("records") == 1)
            broker.kill()
            receiver.wait_for_words("trying again", times=2)
            broker.start()
            receiver.wait_for_words("connected to", times=2)
        assert receiver.output.read_text().count("nobody listens there") <= 2
        assert receiver.stop() == 0
        assert "1 records stored, 0 came again, 0 unreadable" in receiver.output.read_text()


def test_noise_is_kept_and_acknowledged_and_holds_nobody_up(tmp_path, broker):
    with Served(tmp_path, broker.port) as receiver, connected(broker.port) as client:
        receiver.wait_for_words("connected to")
        client.publish(TOPIC, b"\xff\xfe noise", qos=1)
        client.publish("holdfast/x", b"", qos=1)
        client.publish(TOPIC, record(1), qos=1)
        receiver.wait(lambda: receiver.count("records") == 1)
        receiver.wait(lambda: receiver.count("unreadable") == 2)
        receiver.wait(lambda: sum("PUBACK from holdfast-receiver" in line for line in broker.log) == 3)


def test_a_response_topic_that_is_none_costs_nothing_but_its_confirmation(tmp_path, broker):
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = "$SYS/forbidden"
    with Served(tmp_path, broker.port) as receiver, connected(broker.port, modern=True) as client:
        receiver.wait_for_words("connected to")
        for seq in (1, 2):
            client.publish(TOPIC, record(seq), qos=1, properties=properties)
        receiver.wait(lambda: receiver.count("records") == 2)
        client.publish(TOPIC, record(3), qos=1)
        receiver.wait(lambda: receiver.count("records") == 3)
        assert receiver.output.read_text().count("connected to") == 1


def test_over_tls_with_a_password_from_a_file(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.signs("127.0.0.1")
    lines = [f"cafile {authority.ca}", f"certfile {pair.certificate}", f"keyfile {pair.key}"]
    (tmp_path / "secret").write_text("open sesame\n")
    options = ["--tls-ca", str(authority.ca), "--user", "cloud", "--password-file", str(tmp_path / "secret")]
    with Mosquitto(tmp_path, lines) as broker, Served(tmp_path, broker.port, *options) as receiver:
        receiver.wait_for_words("connected to")
        assert any("'cloud'" in line or "u'cloud'" in line for line in broker.log)
        receiver.kill()
    with Mosquitto(tmp_path, lines) as broker, Served(tmp_path, broker.port, "--tls") as receiver:
        receiver.wait_for_words("its certificate is not accepted")


@pytest.mark.parametrize("payload", ["json", "msgpack"])
def test_what_a_gateway_delivers_is_there_whole(tmp_path, broker, payload):
    config = CONFIG.format(port=broker.port, payload=payload)
    with Served(tmp_path, broker.port) as receiver, Gateway(tmp_path, config) as gateway:
        receiver.wait(lambda: receiver.count("readings WHERE tag = 'n'") >= 100)
        os.kill(gateway.child("cloud")["pid"], signal.SIGKILL)
        gateway.wait(lambda status: any(c["name"] == "cloud" and c["restarts"] == 1 for c in status["children"]))
        wanted = receiver.count("readings WHERE tag = 'n'") + 50
        receiver.wait(lambda: receiver.count("readings WHERE tag = 'n'") >= wanted)
        gateway.stop()
        (last,) = receiver.asked("SELECT max(integer) FROM readings WHERE tag = 'n'")[0]
        values = [value for (value,) in receiver.asked("SELECT integer FROM readings WHERE tag = 'n' ORDER BY 1")]
        assert values == list(range(values[0], last + 1)), "each once, none missing"
        assert receiver.count("unreadable") == 0
        kinds = receiver.asked("SELECT DISTINCT tag, kind FROM readings WHERE device = 'press-1' ORDER BY 1")
        assert kinds == [("level", "real"), ("n", "integer")]
