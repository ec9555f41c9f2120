"""With confirm = "application" a broker may forget what it had acknowledged: the receiver has everything, once."""

from dataclasses import fields

import pytest

from supervisors.control import ask
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.transports.receiving.served import Served
from transports.messages import Ledger
from transports.names import SPOOLER
from transports.uplinks.mqtt import Settings

CONFIG = """
[gateway]
name = "plant-7"
[device.press-1]
driver = "sim"
period = "20ms"
tags = {{ n = {{ wave = "counter" }} }}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {port}
protocol = "{protocol}"
confirm = "application"
confirm_timeout = "1s"
"""
CAN_CONFIRM = any(field.name == "confirm" for field in fields(Settings))
pytestmark = pytest.mark.skipif(not CAN_CONFIRM, reason="this uplink does not wait for the application yet")


def account(gateway):
    """Of the device's samples, in the uplink's row of the ledger: read, delivered, waiting, gaps."""
    rows = ask(gateway.run_dir, Ledger(), to=SPOOLER)["rows"]
    return next(tuple(row[3:]) for row in rows if tuple(row[:3]) == ("out", "press-1", "cloud"))


def acknowledged(broker):
    return sum("Sending PUBACK to plant-7-cloud" in line for line in broker.log)


@pytest.mark.parametrize(("protocol", "options"), [("5", []), ("3.1.1", ["--protocol", "3.1.1", "--confirm"])])
def test_a_broker_that_dies_with_what_it_acknowledged_loses_nothing(tmp_path, protocol, options):
    with (
        Mosquitto(tmp_path) as broker,
        Served(tmp_path, broker.port, *options) as receiver,
        Gateway(tmp_path, CONFIG.format(port=broker.port, protocol=protocol)) as gateway,
    ):
        receiver.wait(lambda: receiver.count("records") >= 20)
        receiver.kill()
        before = acknowledged(broker)
        gateway.wait(lambda _: acknowledged(broker) >= before + 20)  # for a receiver that is away
        broker.kill()  # and with it all of that: it keeps nothing on a disk
        broker.start()
        receiver.start()
        stored = receiver.count("records")
        receiver.wait(lambda: receiver.count("records") >= stored + 60)
        gateway.operate("stop", "press-1")
        gateway.wait(lambda _: account(gateway)[2] == 0)
        read, delivered, _, gaps = account(gateway)
        assert (delivered, gaps) == (read, 0)
        values = [value for (value,) in receiver.asked("SELECT integer FROM readings ORDER BY integer")]
        assert len(values) == read, "every sample that was read"
        assert values == list(range(values[0], values[0] + read)), "each once"
        assert receiver.count("unreadable") == 0
