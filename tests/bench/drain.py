"""Messages a second while a backlog drains, from the spool to a subscriber (QoS 1), and how that is beside bare paho.

The backlog is small readings (one scan of 4 float64), each a record and a message of its own in `json`, written before
the gateway starts. Rates are between arrivals; the time to start and connect is not in them.
`drain_messages_per_s`: all settings are the defaults; the backlog in five parts, each from its first arrival to its
last. `drain_of_paho_ratio`: with `window_messages = 20`, the rate of a whole backlog, over the rate at which paho alone
(paho_publisher.py) publishes the same messages with 20 in flight, to the same Mosquitto with the same subscriber. The
two take turns, and begin in turn; a value is that of one pair.
"""

import os
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from tests.bench import backlog
from tests.bench.report import Values
from tests.bench.rig import HOUSE, TOPIC, WITHIN_S, Arrivals, Bench, Counter, gateway, uplink
from tests.peers.mosquitto import Mosquitto

NAMES = ("drain_messages_per_s", "drain_of_paho_ratio")
RUNS = 5
IN_FLIGHT = 20
BARE_EPOCH = 9  # tells paho's messages from the gateway's, by one digit


def measure(bench: Bench) -> Values:
    """Quick: 20,000 messages, and three pairs of 10,000. Thorough: 200,000, and five pairs of 40,000."""
    runs, records = (3, 10_000) if bench.quick else (RUNS, 40_000)
    pairs = [_pair(bench, records, bare_first=at % 2 == 0) for at in range(runs)]
    bare, drained = (", ".join(f"{rate:,.0f}" for rate in rates) for rates in zip(*pairs, strict=True))
    bench.say(f"{IN_FLIGHT} in flight, messages/s: bare paho {bare}; drained {drained}")
    return {NAMES[0]: _with_defaults(bench), NAMES[1]: [drained / bare for bare, drained in pairs]}


def _with_defaults(bench: Bench) -> list[float]:
    records = round(bench.either(20_000, 200_000))
    room = bench.room()
    with Mosquitto(room) as broker, Counter(broker, room) as counter:
        _drain(bench, broker, records, counter, records)
        arrivals = counter.arrivals()
    bench.say(f"{records:,} messages, each arrived once; repeated {arrivals.repeated}, gaps {arrivals.gaps}")
    parts = np.array_split(arrivals["arrival_ns"], RUNS)
    return [(part.size - 1) / float(part[-1] - part[0]) * 1e9 for part in parts]


def _pair(bench: Bench, records: int, bare_first: bool) -> tuple[float, float]:
    """Messages a second: of paho alone, and of a gateway."""
    room = bench.room()
    with Mosquitto(room) as broker, Counter(broker, room) as counter:
        if bare_first:
            _publish(broker, records)
            counter.wait(records, within_s=60)
        _drain(bench, broker, records, counter, records * (1 + bare_first), f"window_messages = {IN_FLIGHT}")
        drained = counter.arrivals()
        if not bare_first:
            _publish(broker, records)
            counter.wait(records * 2, within_s=60)
        arrivals = counter.arrivals()
    _check(drained.payloads[-1], records)
    return _rate(arrivals, arrivals["epoch"] == BARE_EPOCH), _rate(arrivals, arrivals["epoch"] != BARE_EPOCH)


def _drain(bench: Bench, broker: Mosquitto, records: int, counter: Counter, until: int, more: str = "") -> None:
    """A gateway with so many records, until the subscriber has that many."""
    with gateway(bench, uplink(broker.port, "json", more), lambda made: backlog.write(made, records)):
        counter.wait(until, within_s=200)


def _publish(broker: Mosquitto, records: int) -> None:
    command = [sys.executable, "-m", "tests.bench.paho_publisher", str(broker.port)]
    command += [TOPIC.format(device=backlog.DEVICE), str(records), str(BARE_EPOCH), str(IN_FLIGHT), str(os.getpid())]
    subprocess.run(command, cwd=HOUSE, check=True, timeout=WITHIN_S + 60)


def _check(drained: bytes, records: int) -> None:
    """What the gateway published last is what paho is given, but for the epoch."""
    assert b'"epoch":1,' in drained, drained
    *_, bare = backlog.messages(records, epoch=1)
    assert drained == bare, f"{drained!r} is not {bare!r}"


def _rate(arrivals: Arrivals, chosen: NDArray[np.bool_]) -> float:
    came = arrivals["arrival_ns"][chosen]
    return (came.size - 1) / float(came[-1] - came[0]) * 1e9
