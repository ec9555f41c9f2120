"""A whole gateway as an edge node: processes, devices, brokers die; a host misses no value and is told no nonsense.

Messages are read by an implementation that is not ours.
"""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.opcua_node import Unreachable
from tests.peers.processes import start_modbus_server
from tests.transports.sparkplug.host_application import HostApplication
from tests.transports.sparkplug.sparkplug_stranger import stranger

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "sparkplug.toml"
COUNTING = """
[gateway]
name = "gw"
[device.press]
driver = "sim"
period = "20ms"
tags = {{ n = {{ wave = "counter" }} }}
[uplink.scada]
type = "sparkplug"
host = "127.0.0.1"
port = {port}
group_id = "plant 7"
host_id = "{host_id}"
live_within = "1s"
"""
MODBUS = """
[gateway]
name = "gw"
[device.plc]
driver = "modbus"
host = "127.0.0.1"
port = {plc}
period = "50ms"
retry_first = "100ms"
retry_ceiling = "200ms"
[device.plc.tags]
r = {{ address = 10, type = "uint16" }}
[uplink.scada]
type = "sparkplug"
host = "127.0.0.1"
port = {port}
group_id = "plant 7"
"""

WRITABLE = """
[gateway]
name = "gw"
[device.press]
driver = "sim"
period = "20ms"
tags = {{ setpoint = {{ wave = "constant", offset = 60, writable = true, min = 0, max = 120 }} }}
[uplink.scada]
type = "sparkplug"
host = "127.0.0.1"
port = {port}
group_id = "plant 7"
commands = true
[principal.scada]
trust = "uplink"
uplinks = ["scada"]
verbs = ["write"]
devices = ["press"]
tags = ["setpoint"]
"""


@pytest.fixture(scope="module")
def other():
    try:
        with stranger() as one:
            yield one
    except Unreachable as why:
        pytest.skip(str(why))


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path) as running:
        yield running


def counted(host):
    return [int(value.value) for value in host.values("press", "n") if value.value is not None]


def missing(host):
    """What is missing of what the device counted, between the first and the last that the host has."""
    seen = set(counted(host))
    return set(range(min(seen), max(seen) + 1)) - seen


def test_a_process_that_is_killed_is_dead_for_the_host_at_once_and_its_next_life_has_the_next_number(
    tmp_path, broker, other
):
    with HostApplication(broker.port, other) as host:
        with Gateway(tmp_path, COUNTING.format(port=broker.port, host_id="")) as gateway:
            for births in (1, 2):
                host.wait(lambda verbs, births=births: verbs.count("NBIRTH") == births and verbs[-1] == "DDATA press")
                os.kill(gateway.child("scada")["pid"], signal.SIGKILL)
                host.wait(lambda verbs, births=births: verbs.count("NDEATH") == births)
            host.wait(lambda verbs: verbs.count("NBIRTH") == 3)
            assert gateway.stop() == 0  # in order: its own NDEATH
            host.wait(lambda verbs: verbs[-1] == "NDEATH")
            gateway.start()
            host.wait(lambda verbs: verbs.count("NBIRTH") == 4 and verbs[-1] == "DDATA press")
        host.wait(lambda verbs: verbs.count("NDEATH") == 4)
    assert host.bd_seqs("NBIRTH") == host.bd_seqs("NDEATH") == [0, 1, 2, 3]
    host.check_sequence()


def test_a_broker_that_is_killed_costs_no_value_and_the_backlog_is_historical(tmp_path, broker, other):
    with (
        HostApplication(broker.port, other, "scada-1") as host,
        Gateway(tmp_path, COUNTING.format(port=broker.port, host_id="scada-1")) as gateway,
    ):
        host.wait(lambda verbs: verbs.count("DDATA press") > 20)
        broker.kill()
        gateway.wait(lambda _: not gateway.child("scada")["state"]["connected"])
        seen = gateway.child("press")["state"]["scans"]
        gateway.wait(lambda _: gateway.child("press")["state"]["scans"] > seen + 75)  # some are older than live_within
        broker.start()
        host.wait(lambda verbs: verbs.count("NBIRTH") == 2)
        newest = max(counted(host))
        gateway.wait(lambda _: newest + 100 in counted(host) and not missing(host))
    told = host.values("press", "n")
    live = [int(value.value) for value in told if not value.is_historical]
    late = [int(value.value) for value in told if value.is_historical]
    assert live == sorted(live)
    assert len(late) > 50
    host.check_sequence()


def test_what_happens_while_the_primary_host_is_away_comes_when_it_is_back(tmp_path, broker, other):
    with (
        HostApplication(broker.port, other, "scada-1") as host,
        Gateway(tmp_path, COUNTING.format(port=broker.port, host_id="scada-1")) as gateway,
    ):
        host.wait(lambda verbs: verbs.count("DDATA press") > 20)
        host.says(False)
        host.wait(lambda verbs: verbs[-1] == "NDEATH")
        seen = gateway.child("press")["state"]["scans"]
        gateway.wait(lambda _: gateway.child("press")["state"]["scans"] > seen + 30)
        assert host.verbs()[-1] == "NDEATH"
        assert not gateway.child("scada")["state"]["connected"]
        host.says(True)
        host.wait(lambda verbs: verbs.count("NBIRTH") == 2)
        newest = max(counted(host))
        gateway.wait(lambda _: newest + 50 in counted(host) and not missing(host))
    host.check_sequence()


def test_a_device_that_is_killed_dies_and_is_born_again_when_it_is_back(tmp_path, broker, other):
    plc = free_port()
    with (
        HostApplication(broker.port, other) as host,
        start_modbus_server(port=plc) as server,
        Gateway(tmp_path, MODBUS.format(plc=plc, port=broker.port)) as gateway,
    ):
        host.wait(lambda verbs: verbs == ["NBIRTH", "DBIRTH plc"])
        server.kill()
        host.wait(lambda verbs: verbs[-1] == "DDEATH plc")
        with start_modbus_server(port=plc):
            host.wait(lambda verbs: verbs[-1] == "DBIRTH plc")
        assert gateway.child("plc")["restarts"] == 0
    assert [value.value for value in host.values("plc", "r")] == ["10", "10"]
    assert host.verbs()[:4] == ["NBIRTH", "DBIRTH plc", "DDEATH plc", "DBIRTH plc"]
    host.check_sequence()


def test_a_host_writes_what_its_principal_may_and_sees_the_new_value(tmp_path, broker, other):
    with (
        HostApplication(broker.port, other) as host,
        Gateway(tmp_path, WRITABLE.format(port=broker.port)) as gateway,
    ):
        host.wait(lambda verbs: verbs == ["NBIRTH", "DBIRTH press"])
        for value in (4200.0, 42.5):  # the first is more than the device takes
            host.asks("DCMD", {"name": "setpoint", "type": "Double", "value": value}, device="press")
        host.wait(lambda verbs: verbs[-1] == "DDATA press")
        gateway.wait(lambda _: gateway.child("scada")["state"]["requests"]["asked"] == 2)
    assert [value.value for value in host.values("press", "setpoint")] == [60, 42.5]


def test_the_example_runs_as_it_stands(tmp_path, other):
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", 1883))
        probe.close()
        _runs(tmp_path, other, EXAMPLE.read_text(), 1883)
        return
    pytest.skip("something else listens at 127.0.0.1:1883")


def test_the_example_runs_at_another_port(tmp_path, other):
    port = free_port()
    _runs(tmp_path, other, EXAMPLE.read_text().replace("port = 1883", f"port = {port}"), port)


def _runs(tmp_path, other, config, port):
    with (
        Mosquitto(tmp_path, port=port) as broker,
        HostApplication(broker.port, other, node="sparkplug") as host,
        Gateway(tmp_path, config) as gateway,
    ):
        host.wait(lambda verbs: {"DDATA press-1", "DBIRTH oven"} <= set(verbs))
        host.asks_for_births()
        host.wait(lambda verbs: verbs.count("NBIRTH") == 2)
        assert gateway.stop() == 0
        host.wait(lambda verbs: verbs[-1] == "NDEATH")
        metrics = host.read("DBIRTH", "press-1")["metrics"]
        assert [metric["name"] for metric in metrics] == ["force", "strokes", "setpoint"]
        host.check_sequence()
