"""What a message costs over MQTT and over HTTPS: time, processor time and bytes, of 100 B and 10 KiB.

The uplinks themselves, as the actor drives them, each in a process of its own (uplink_client.py): MQTT (3.1.1, QoS 1)
to a real Mosquitto, plain and over TLS, bare paho to the same, HTTPS (POST) to tests/peers/https_server.py. Each
message waits for its PUBACK or its answer. `one` is one at a time, `many` 100 on their way; of those, HTTPS has 32
requests on their way, the most that it takes, with `ordered = false`. Spool and encoding are not in it (drain.py has
them). The four take turns, and a value is that of one turn, so that the ratios are of one run.

`uplinks_https_*`: HTTPS over MQTT with TLS. `uplinks_tls_cpu_*`: MQTT with TLS over plain MQTT. `uplinks_of_paho_*`:
the rate of plain MQTT over bare paho's. The costs behind the ratios, and what the servers used, are said beside: the
HTTPS server is Python, and where it keeps a processor busy it is what limits the rate.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median

from tests.bench.machine import cpu_s
from tests.bench.report import Values
from tests.bench.rig import HOUSE, WITHIN_S, Bench
from tests.bench.uplink_client import Cost
from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto
from tests.peers.processes import start_peer

SIZES, FLIGHTS = {"100b": 100, "10k": 10_240}, {"one": 1, "many": 100}
CELLS = tuple(product(SIZES, FLIGHTS))
NAMES = (
    *(f"uplinks_https_{what}_{size}_{flight}" for what in ("time", "cpu") for size, flight in CELLS),
    *(f"uplinks_https_bytes_{size}" for size in SIZES),
    *(f"uplinks_tls_cpu_{size}_{flight}" for size, flight in CELLS),
    *(f"uplinks_of_paho_{size}_{flight}" for size, flight in CELLS),
)
ROUNDS = 5
Turn = Mapping[tuple[str, str], Cost]


def measure(bench: Bench) -> Values:
    """Quick: a few hundred messages a cell. Thorough: five times as many."""
    with far_ends(bench.room()) as ends:
        turns = [_turn(ends, round(bench.either(1, 5))) for _ in range(ROUNDS)]
        for name, end in ends.items():
            bench.say(end.said(name))
    for name, (size, flight) in product(ends, CELLS):
        bench.say(_costs(name, size, flight, [turn[name][size, flight] for turn in turns]))
    return {name: [_ratio(name, turn) for turn in turns] for name in NAMES}


class FarEnd:
    """One client's kind, settings, how many messages it gets of each cell, and what its server used."""

    def __init__(self, kind: str, settings: dict[str, object], few: int, server: int) -> None:
        self.kind, self.settings, self._few, self._server = kind, settings, few, server
        self._used_s = self._busy_s = 0.0

    def turn(self, times: int) -> Turn:
        """All cells, in one process."""
        cells = [
            (SIZES[size], FLIGHTS[flight], self._few * times * (4 if flight == "many" else 1)) for size, flight in CELLS
        ]
        command = [sys.executable, "-m", "tests.bench.uplink_client", self.kind]
        command += [json.dumps(self.settings), json.dumps(cells), str(os.getpid())]
        before = cpu_s([self._server])
        done = subprocess.run(command, cwd=HOUSE, check=True, capture_output=True, text=True, timeout=WITHIN_S * 4)
        self._used_s += cpu_s([self._server]) - before
        costs = [Cost(**json.loads(line)) for line in done.stdout.splitlines()]
        self._busy_s += sum(cost.s * messages * 1.1 for cost, (_, _, messages) in zip(costs, cells, strict=True))
        return dict(zip(CELLS, costs, strict=True))

    def said(self, name: str) -> str:
        """How busy its server was while messages came."""
        return f"{name}: its server used {self._used_s / self._busy_s:.0%} of a processor"


@contextmanager
def far_ends(room: Path) -> Iterator[dict[str, FarEnd]]:
    """The servers, and the way to each."""
    authority = Authority(room)
    pair = authority.signs("cloud.plant")
    tls = [f"certfile {pair.certificate}", f"keyfile {pair.key}"]
    words = ["--certificate", str(pair.certificate), "--key", str(pair.key), "--log", str(room / "requests")]
    with Mosquitto(room) as plain, Mosquitto(room, tls) as secure, start_peer("https_server.py", *words) as server:
        trust = {"ca": str(authority.ca)}
        mqtt = {"host": "127.0.0.1", "topic": "bench/{device}", "status_topic": "status/bench"}
        https = {"url": f"https://127.0.0.1:{server.port}/in", "ordered": False, "connections": 32, "tls": trust}
        yield {
            "bare paho": FarEnd("paho", {**mqtt, "port": plain.port}, 400, plain.pid),
            "mqtt": FarEnd("mqtt", {**mqtt, "port": plain.port}, 400, plain.pid),
            "mqtt + tls": FarEnd("mqtt", {**mqtt, "port": secure.port, "tls": trust}, 400, secure.pid),
            "https": FarEnd("https", https, 100, server.process.pid),
        }


def _turn(ends: Mapping[str, FarEnd], times: int) -> dict[str, Turn]:
    return {name: end.turn(times) for name, end in ends.items()}


def _costs(name: str, size: str, flight: str, costs: list[Cost]) -> str:
    """The medians of one cell, in words."""
    s, used_s, wire_bytes = (median(getattr(cost, each) for cost in costs) for each in ("s", "cpu_s", "wire_bytes"))
    of = f"{name}, {size}, {FLIGHTS[flight]} in flight:"
    return f"{of:<35} {s * 1e6:7.0f} us, {used_s * 1e6:7.0f} us of a processor, {wire_bytes:8.0f} bytes"


def _ratio(name: str, turn: Mapping[str, Turn]) -> float:
    """The value of one figure in one turn."""
    match name.removeprefix("uplinks_").split("_"):
        case ["https", "bytes", size]:
            return turn["https"][size, "one"].wire_bytes / turn["mqtt + tls"][size, "one"].wire_bytes
        case ["https", "time", size, flight]:
            return turn["https"][size, flight].s / turn["mqtt + tls"][size, flight].s
        case ["https", "cpu", size, flight]:
            return turn["https"][size, flight].cpu_s / turn["mqtt + tls"][size, flight].cpu_s
        case ["tls", "cpu", size, flight]:
            return turn["mqtt + tls"][size, flight].cpu_s / turn["mqtt"][size, flight].cpu_s
        case ["of", "paho", size, flight]:
            return turn["bare paho"][size, flight].s / turn["mqtt"][size, flight].s
    raise ValueError(name)
