"""Messages a second while a backlog drains: from the spool through the uplink and Mosquitto (QoS 1) to a subscriber.

The backlog is small readings (one scan of 4 float64), each a record and a message of its own in `json`, written before
the gateway starts. The rate is between arrivals: the backlog in five parts, each from its first arrival to its last;
the time to start and connect is not in it.
"""

import time

import numpy as np

from tests.bench.report import Values
from tests.bench.rig import Bench, Counter, gateway, uplink
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from transports import codec
from transports.samples import Scan, Tag, batch_of
from transports.spool import Settings, Spool

NAMES = ("drain_messages_per_s",)
RUNS = 5
TOGETHER = 100  # records written in one transaction


def measure(bench: Bench) -> Values:
    """Quick: 20,000 messages. Thorough: 200,000."""
    records = round(bench.either(20_000, 200_000))
    room = bench.room()
    with (
        Mosquitto(room) as broker,
        Counter(broker, room) as counter,
        gateway(bench, uplink(broker.port), lambda made: _write(made, records)),
    ):
        counter.wait(records, within_s=200)
        arrivals = counter.arrivals()
    bench.say(f"{records:,} messages, each arrived once; repeated {arrivals.repeated}, gaps {arrivals.gaps}")
    parts = np.array_split(arrivals["arrival_ns"], RUNS)
    return {NAMES[0]: [(part.size - 1) / float(part[-1] - part[0]) * 1e9 for part in parts]}


def _write(gateway: Gateway, records: int) -> None:
    directory = gateway.data_dir / "spool"
    gateway.data_dir.mkdir(mode=0o750)
    directory.mkdir()
    spool = Spool.open(str(directory), Settings(), {"raw": (), "out": ("cloud",)}, time.time_ns())
    tags = tuple(Tag(name) for name in ("force", "way", "speed", "heat"))
    for begin in range(1, records + 1, TOGETHER):
        scans = [
            (seq, Scan(time.time_ns(), tags, [seq * 0.25, 12.5, 3.125, 71.0])) for seq in range(begin, begin + TOGETHER)
        ]
        payloads = [codec.pack(batch_of("press", seq, [scan])) for seq, scan in scans]
        spool.append("out", "press", begin, payloads, time.time_ns())
    spool.close()
