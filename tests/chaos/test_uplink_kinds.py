"""Every kind of uplink keeps the promises of the first one: kills and outages lose nothing, and the accounts add up.

A real far end of each kind (clouds.py) is taken away and brought back while devices, spooler and uplink are killed with
SIGKILL. Then all drains, and is held against both ends: what the devices have served, and what the gateway's own ledger
says. HOLDFAST_CHAOS_S says how long the long campaigns are, all kinds together.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.bench import backlog
from tests.chaos.accounts import accounts, is_drained
from tests.chaos.clouds import ABSENT, KINDS, Cloud
from tests.chaos.ledger import Arrived, arrived, delivered, records, served
from tests.chaos.outcome import Outcome, wait_until
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import free_port
from tests.peers.processes import start_modbus_server

SHORT_S = 8.0
LONG_S = float(os.environ.get("HOLDFAST_CHAOS_S", "600")) / len(KINDS)
SETTLE_S = 60.0
BACKLOG = 20_000
DEVICES = ("steady", "killed", "sim")
VICTIMS = ("killed", "sim", "spooler", "cloud")
CONFIG = """
[gateway]
name = "kinds"
[supervision]
intensity = 1000
backoff_first = "50ms"
backoff_ceiling = "500ms"
[device.steady]
driver = "modbus"
host = "127.0.0.1"
port = {steady}
period = "20ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 4 }} }}
[device.killed]
driver = "modbus"
host = "127.0.0.1"
port = {killed}
period = "20ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 4 }} }}
[device.sim]
driver = "sim"
period = "20ms"
tags = {{ n = {{ wave = "counter" }}, level = {{ wave = "sine" }} }}
[uplink.cloud]
{cloud}
"""
DEAD = {
    "mqtt": '[uplink.dead]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {port}\nretry_first = "100ms"\n',
    "https": '[uplink.dead]\ntype = "https"\nurl = "https://127.0.0.1:{port}/in"\nretry_first = "100ms"\n',
}


class Site:
    """A gateway with three devices, its far end, and what is done to them."""

    def __init__(self, gateway: Gateway, cloud: Cloud, logs: dict[str, Path], seed: int) -> None:
        self.gateway, self.cloud, self.dice, self._logs = gateway, cloud, random.Random(seed), logs
        self.done: dict[str, int] = {}

    def rage(self, duration_s: float) -> None:
        """Rounds, until the time is over: each has every victim once, and the far end away for a while."""
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            for victim in self.dice.sample((*VICTIMS, "far end"), len(VICTIMS) + 1):
                time.sleep(self.dice.uniform(0.1, 1.0))  # the campaign's own rhythm, not a wait for anything
                self._strike(victim)
        print(f"struck {self.done}")

    def settle(self) -> None:
        """The devices stop, and all that waits arrives."""
        self.gateway.wait(lambda s: all(child["phase"] == "running" for child in s["children"]), SETTLE_S)
        for name in DEVICES:
            self.gateway.operate("stop", name)
        self.gateway.wait(lambda _: all(self.gateway.child(name)["phase"] == "stopped" for name in DEVICES), SETTLE_S)
        self.gateway.wait(lambda _: is_drained(self.gateway, "cloud"), SETTLE_S)
        wait_until(lambda: all(outcome.settled for outcome in self.outcomes().values()), SETTLE_S)

    def outcomes(self) -> dict[str, Outcome]:
        """What the Modbus devices served against what has arrived of them."""
        got = arrived(self.cloud.payloads())
        return {name: Outcome(served(log), got.get(name, Arrived())) for name, log in self._logs.items()}

    def _strike(self, victim: str) -> None:
        if victim == "far end":
            self.cloud.stop()
            time.sleep(self.dice.uniform(0.2, 1.5))  # the outage itself
            self._kill(self.dice.choice(VICTIMS))
            self.cloud.start()
            self.done[victim] = self.done.get(victim, 0) + 1
        else:
            self._kill(victim)

    def _kill(self, name: str) -> None:
        if pid := self.gateway.pids().get(name):
            os.kill(pid, signal.SIGKILL)
            self.done[name] = self.done.get(name, 0) + 1


@contextmanager
def site(tmp_path: Path, kind: str, more: str = "") -> Iterator[Site]:
    """A running site with a far end of that kind; `more` is configuration besides."""
    logs, seed = {name: tmp_path / f"{name}.log" for name in ("steady", "killed")}, int(time.time())
    print(f"{kind}, seed {seed}")
    with ExitStack() as stack:
        ports = {name: stack.enter_context(start_modbus_server("--log", str(log))).port for name, log in logs.items()}
        cloud = stack.enter_context(KINDS[kind](tmp_path))
        config = CONFIG.format(cloud=cloud.table, **ports) + more
        gateway = stack.enter_context(Gateway(tmp_path, config))
        wait_until(lambda: bool(arrived(cloud.payloads())), SETTLE_S)
        yield Site(gateway, cloud, logs, seed)


def campaign(tmp_path: Path, kind: str, duration_s: float, dead: str = "") -> None:
    """Chaos, and everything that must hold after it."""
    more = DEAD[dead].format(port=free_port()) if dead else ""
    with site(tmp_path, kind, more) as there:
        there.rage(duration_s)
        there.settle()
        cloud = there.cloud
        payloads, in_order, outcomes = cloud.payloads(), cloud.in_order(), there.outcomes()
        rows = accounts(there.gateway, "cloud")
        dead_rows = accounts(there.gateway, "dead") if dead else {}
    assert set(VICTIMS) | {"far end"} == set(there.done), "everybody was struck"
    assert_kept(outcomes)
    assert_in_order_and_told_apart(in_order)
    assert cloud.repeats or not any(device.repeated for device in arrived(payloads).values())
    got = delivered(payloads)
    for name in DEVICES:
        row = rows[name]
        assert row["read"] == row["delivered"] + row["waiting"] + row["gaps"]
        assert row["waiting"] == 0
        assert row["delivered"] == got.distinct(name) or not cloud.has_ids, f"{name}: the far end has others"
        if dead:
            assert dead_rows[name]["delivered"] == dead_rows[name]["gaps"] == 0
            assert dead_rows[name]["waiting"] == row["read"], "all of it waits for whoever is dead"


def assert_kept(outcomes: dict[str, Outcome]) -> None:
    """Nothing is missing, but what a killed device held; and a gap says so."""
    steady, killed = outcomes["steady"], outcomes["killed"]
    assert len(steady.served_at) > 100
    assert steady.missing == []
    assert killed.unexplained == []
    for outcome in outcomes.values():
        values = outcome.got.values
        assert len(values) == len(set(values)), "a value came under two ids"
        assert set(values) <= set(outcome.served_at), "a value that was never served"


def assert_in_order_and_told_apart(payloads: list[bytes]) -> None:
    """Each lane of a device is in its order; what came twice is the same record, and says so by its id."""
    got = arrived(payloads)
    for name, device in got.items():
        assert device.live == sorted(device.live), f"{name}: live readings out of order"
        assert device.historical == sorted(device.historical), f"{name}: history out of order"
    first: dict[tuple[str, str, int, int], object] = {}
    for record in (each for payload in payloads for each in records(payload)):
        key = record["gateway"], record["topic"], record["epoch"], record["seq"]
        told = record["device"], record.get("readings"), record.get("gap")
        assert first.setdefault(key, told) == told, f"two records of the id {key}"
    print({name: (len(device.live), len(device.historical), device.repeated) for name, device in got.items()})


EVERY_KIND = [*KINDS, *(pytest.param(kind, marks=pytest.mark.skip(reason=why)) for kind, why in ABSENT.items())]


@pytest.mark.timeout(SHORT_S + 180)
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_chaos_loses_nothing_over_any_kind_of_uplink(tmp_path: Path, kind: str) -> None:
    campaign(tmp_path, kind, SHORT_S)


@pytest.mark.slow
@pytest.mark.timeout(LONG_S + 300)
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_long_chaos_loses_nothing_over_any_kind_of_uplink(tmp_path: Path, kind: str) -> None:
    campaign(tmp_path, kind, LONG_S)


@pytest.mark.timeout(SHORT_S + 180)
@pytest.mark.parametrize(("kind", "dead"), [("mqtt", "https"), ("https", "mqtt")])
def test_an_uplink_that_is_dead_for_the_whole_run_costs_the_other_nothing(tmp_path: Path, kind: str, dead: str) -> None:
    campaign(tmp_path, kind, SHORT_S, dead)


def test_a_dead_uplink_beside_it_does_not_slow_down_the_one_that_lives(tmp_path: Path) -> None:
    alone, beside = (drained_in_s(tmp_path / name, more) for name, more in (("alone", ""), ("beside", DEAD["https"])))
    print(f"{BACKLOG} records drain in {alone:.2f} s alone, in {beside:.2f} s beside a dead uplink")
    assert beside < 2 * alone, "generous: two cores, and others on them"


def drained_in_s(room: Path, more: str) -> float:
    """From the first message of a backlog at the far end to its last. For the dead one all of it waits."""
    room.mkdir()
    with KINDS["mqtt"](room) as cloud, ExitStack() as stack:
        config = f'[gateway]\nname = "pace"\n[uplink.cloud]\n{cloud.table}\n{more.format(port=free_port())}'
        gateway = Gateway(room, config)
        backlog.write(gateway, BACKLOG)
        stack.enter_context(gateway)
        wait_until(lambda: bool(cloud.payloads()), SETTLE_S)
        begun = time.monotonic()
        wait_until(lambda: len(cloud.payloads()) >= BACKLOG, SETTLE_S)
        took_s = time.monotonic() - begun
        assert len(cloud.payloads()) == BACKLOG
        if more:
            row = accounts(gateway, "dead")[backlog.DEVICE]
            assert (row["delivered"], row["waiting"]) == (0, row["read"])
    return took_s
