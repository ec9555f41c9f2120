"""Milliseconds from a value that changes at one device's driver to the write at another's, by a rule between the two.

A line is written into a pseudo-terminal that a `serial` device listens to; the rule commands another device, whose
driver writes the time down. Both times are of this machine's monotonic clock. Each change waits for the write of the
one before.
"""

import os
import select
import time
from pathlib import Path
from typing import TextIO

from tests.bench.report import Values, percentile
from tests.bench.rig import Bench, gateway
from tests.peers.gateway import Gateway

NAMES = ("rule_ms_p50", "rule_ms_p99")
RUNS = 5
STRANGERS = Path(__file__).parents[1] / "peers" / "strangers"
DEVICES = r"""
[device.press]
driver = "serial"
port = "{port}"
pattern = 'L=(?P<level>\d+)'
[device.fan]
driver = "witness"
file = "{witness}"
[rule.follow]
when = "press.level % 2 == 1"
then = ["fan.follow = press.level"]
else = ["fan.follow = press.level"]
"""


def measure(bench: Bench) -> Values:
    """Quick: five runs of 100 changes. Thorough: five of 1,000."""
    room, changes = bench.room(), round(bench.either(100, 1000))
    witness = room / "witness"
    witness.touch()
    master, slave = os.openpty()
    text = DEVICES.format(port=os.ttyname(slave), witness=witness)
    environment = {"PYTHONPATH": f"{STRANGERS}:{Path.cwd()}"}
    try:
        with gateway(bench, text, lambda made: made.environment.update(environment)) as running:
            _begin(running, master, witness)
            runs = [_run(master, witness, 1000 + run * changes, changes) for run in range(RUNS)]
    finally:
        os.close(master)
        os.close(slave)
    bench.say(f"{RUNS * changes} changes, the slowest {max(map(max, runs)):.1f} ms")
    return {name: [percentile(run, percent) for run in runs] for name, percent in zip(NAMES, (50, 99), strict=True)}


def _begin(running: Gateway, master: int, witness: Path) -> None:
    """The feed is lossy while it connects: say something until the rule has followed."""
    running.wait(lambda _: all(running.child(name)["state"].get("connected") for name in ("press", "fan")))

    def followed(_: object) -> bool:
        os.write(master, b"L=2\nL=3\n")
        return bool(witness.read_text())

    running.wait(followed)
    running.wait(lambda _: running.child("rules")["state"].get("on_the_way") == 0)


def _run(master: int, witness: Path, first: int, changes: int) -> list[float]:
    """How long each change took, in ms."""
    took = []
    with witness.open() as file:
        file.seek(0, os.SEEK_END)
        for value in range(first, first + changes):
            begun_ns = time.monotonic_ns()
            os.write(master, b"L=%d\n" % value)
            took.append((_written(file, value) - begun_ns) / 1e6)
    return took


def _written(file: TextIO, value: int) -> int:
    """The time of the write of that value (monotonic ns), once it is there."""
    until, rest = time.monotonic() + 10.0, ""
    while time.monotonic() < until:
        rest += file.readline()
        if rest.endswith("\n"):
            _, said, at = rest.split()
            rest = ""
            if int(said) == value:
                return int(at)
        select.select([], [], [], 0.0002)  # the waits of whoever measures do not count
    raise AssertionError(f"{value} was not written")
