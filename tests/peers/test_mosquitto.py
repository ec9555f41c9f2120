"""The far ends that other tests trust, held to their word."""

import os
import select
import signal
import subprocess
import sys

from paho.mqtt.publish import single

from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber


def publish(broker, payload):
    single("site/data", payload, qos=1, hostname="127.0.0.1", port=broker.port)


def test_a_session_gets_what_was_sent_while_it_was_away_also_over_a_restart_of_the_broker(tmp_path):
    with Mosquitto(tmp_path, persistence=True) as broker:
        Subscriber(broker.port, "site/#").close()
        publish(broker, b"one")
        broker.stop()
        broker.start()
        publish(broker, b"two")
        with Subscriber(broker.port, "site/#") as cloud:
            cloud.wait(lambda messages: len(messages) == 2)
        assert cloud.payloads("site/data") == [b"one", b"two"]


def test_a_subscriber_comes_back_by_itself_when_the_broker_was_killed(tmp_path):
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port) as cloud:
        broker.kill()
        broker.start()
        cloud.wait_for_subscription()
        publish(broker, b"back")
        cloud.wait(lambda messages: [message.payload for message in messages] == [b"back"])


def test_a_subscriber_in_a_process_of_its_own_writes_what_it_acknowledges(tmp_path):
    with Mosquitto(tmp_path) as broker:
        command = [sys.executable, "-m", "tests.peers.subscriber", str(broker.port), "site/#", str(tmp_path / "got")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline() == "subscribed\n"
                publish(broker, b"one")
                assert process.stdout.readline() == "1\n"
                assert (tmp_path / "got").read_bytes() == b"one\n"
            finally:
                process.kill()


def test_the_broker_never_outlives_the_test(tmp_path):
    code = (
        "import pathlib, signal, sys; from tests.peers.mosquitto import Mosquitto;"
        "broker = Mosquitto(pathlib.Path(sys.argv[1])); broker.start(); broker.pause();"
        "print(broker.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as test:
        handle = os.pidfd_open(int(test.stdout.readline()))
        test.send_signal(signal.SIGKILL)
        assert select.select([handle], [], [], 20)[0], "mosquitto outlived the process that started it"
        os.close(handle)
