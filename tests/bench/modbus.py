"""Modbus TCP, 10 x 100 registers: datapoints a second to a subscriber, and CPU seconds a million at a period of 1 s.

One `modbus` device that reads ten blocks of 100 registers, ten requests a scan, from a Modbus server in a process of
its own; a record and a message of 1,000 values in `json_columns` each, through spool, uplink and Mosquitto (QoS 1).
`modbus_samples_per_s`: distinct datapoints that arrive at the subscriber, between the first and the last arrival of
each span after a warm-up. The period is 1 ms, which offers 1,000,000/s.
`modbus_cpu_s_per_million`: user and system time of all processes of the gateway (root, zygote, spooler, uplink,
device; not broker, server, subscriber) in a whole number of periods, divided by the datapoints that arrived in them.
The same from ten devices with one request of 100 registers each, ten processes, is said beside in a thorough run.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import numpy as np

from tests.bench.machine import cpu_s
from tests.bench.report import Values
from tests.bench.rig import Bench, Counter, gateway, let_pass, spans, uplink
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.processes import start_modbus_server

NAMES = ("modbus_samples_per_s", "modbus_cpu_s_per_million")
PERIOD = {1: "1ms", 10: "3ms"}  # by devices: ten processes that hardly pause would starve the uplink of two cores
RUNS, REGISTERS, STRIDE = 5, 100, 125  # a stride of 125 keeps the requests apart


@dataclass(frozen=True)
class Shape:
    """How the 1,000 registers are read."""

    devices: int
    requests: int

    def tables(self, port: int, period: str) -> str:
        """The tables of the devices."""
        runs = (f"r{n}_ = {{ address = {n * STRIDE}, count = {REGISTERS} }}" for n in range(self.requests))
        tags = "\n".join(runs)
        common = f'driver = "modbus"\nhost = "127.0.0.1"\nport = {port}\nperiod = "{period}"'
        devices = range(self.devices)
        return "".join(f"\n[device.plc{at}]\n{common}\n[device.plc{at}.tags]\n{tags}\n" for at in devices)

    def __str__(self) -> str:
        return f"{self.devices} devices x {self.requests} requests of {REGISTERS} registers"


WANTED, BESIDE = Shape(1, 10), Shape(10, 1)


def measure(bench: Bench) -> Values:
    """Quick: spans of 0.3 s and 1 s. Thorough: of 4 s and 10 s."""
    values = {NAMES[0]: _fast(bench, WANTED), NAMES[1]: _at_1_s(bench, WANTED)}
    if not bench.quick:
        _fast(bench, BESIDE)
        _at_1_s(bench, BESIDE)
    return values


def _fast(bench: Bench, shape: Shape) -> list[float]:
    with _running(bench, shape, PERIOD[shape.devices]) as (_, counter):
        let_pass(0.5)
        edges = spans(RUNS, bench.either(0.3, 4.0))
        arrivals = counter.arrivals()
    samples = REGISTERS * shape.requests
    assert sum(map(len, json.loads(arrivals.payloads[-1])["values"])) == samples
    rates = [arrivals.rate(*edge) * samples for edge in edges]
    ages = [float(np.median(arrivals.ages_ms(*edge))) for edge in edges]
    bench.say(f"every {PERIOD[shape.devices]}, {shape}: {median(rates):,.0f}/s")
    bench.say(f"gaps {arrivals.gaps}, age at arrival {ages[0]:.1f} -> {ages[-1]:.1f} ms")
    return rates


def _at_1_s(bench: Bench, shape: Shape) -> list[float]:
    span_s = bench.either(1.0, 10.0)
    with _running(bench, shape, "1s") as (running, counter):
        counter.wait(shape.devices)
        pids = running.pids().values()
        since_read_s = (time.time_ns() - counter.arrivals()["arrival_ns"][-1]) / 1e9
        let_pass((1.5 - since_read_s) % 1.0)  # so that spans begin and end half way between two reads
        used = [cpu_s(pids)]
        edges = []
        for _ in range(RUNS):
            edges += spans(1, span_s)
            used.append(cpu_s(pids))
        arrivals = counter.arrivals()
    samples = [int(arrivals.within(*edge).sum()) * REGISTERS * shape.requests for edge in edges]
    values = [(used[at + 1] - used[at]) / samples[at] * 1e6 for at in range(RUNS)]
    bench.say(f"at 1 s, {shape}: {median(values):.2f} CPU-s per million, {samples[0] / span_s:.0f} datapoints/s")
    return values


@contextmanager
def _running(bench: Bench, shape: Shape, period: str) -> Iterator[tuple[Gateway, Counter]]:
    room = bench.room()
    with (
        Mosquitto(room) as broker,
        Counter(broker, room) as counter,
        start_modbus_server("--registers", str(STRIDE * 10)) as server,
        gateway(bench, shape.tables(server.port, period) + uplink(broker.port, "json_columns")) as running,
    ):
        yield running, counter
