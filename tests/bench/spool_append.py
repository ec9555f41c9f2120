"""Samples a second into the spool, from a producer's `add` to the acknowledgement that they are durable; CPU for them.

One producer process (`python -m tests.bench.spool_append RUN_DIR SPANS SPAN_S SPOOLER_PID`) with the real mailbox,
outbox and session of a device; batches of 500 float64 (5 scans of 100 tags), each packed, a record and an append of its
own, to the spooler of a running gateway whose uplink has no broker, so that everything is kept. It goes on while less
than 3 MiB wait for their acknowledgement, which comes after the fdatasync of the group commit (50 ms or 256 records).
`spool_append_cpu_s_per_million`: user and system time of the producer (its packing included) and of the spooler, from
the first to the last acknowledgement of each span, over the samples acknowledged in between.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zmq

from actors.producing.outbox import Entry, Outbox
from actors.producing.producer import Producer
from actors.routes import OUT
from tests.bench.machine import cpu_s
from tests.bench.report import Values
from tests.bench.rig import HOUSE, WITHIN_S, Bench, gateway, uplink
from tests.peers.mosquitto import free_port
from transports import codec
from transports.clock import MachineClock
from transports.mailbox import Call, Letter, Mailbox
from transports.samples import Batch, Scan, Tag, batch_of
from transports.spool import Settings, Spool

NAMES = ("spool_append_samples_per_s", "spool_append_cpu_s_per_million")
SCANS, TAGS = 5, 100
AHEAD_BYTES = 3 * 1024 * 1024
WARM_S = 0.3
RUNS = 5


def measure(bench: Bench) -> Values:
    """Five spans of one producer, after a warm-up."""
    with gateway(bench, uplink(free_port())) as running:
        span_s = bench.either(0.5, 4.0)
        command = [sys.executable, "-m", "tests.bench.spool_append", str(running.run_dir), str(RUNS), str(span_s)]
        command.append(str(running.pids()["spooler"]))
        done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, timeout=WITHIN_S + RUNS * span_s)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        running.kill()
        kept = _kept(running.data_dir / "spool")
    bench.say(f"{told['acknowledged']:,} records acknowledged; {kept:,} on the disk after the gateway was killed")
    assert kept >= told["acknowledged"]
    return {NAMES[0]: told["rates"], NAMES[1]: told["cpu_s_per_million"]}


def _kept(directory: Path) -> int:
    """How many records the spool of that directory holds, all of them the producer's."""
    spool = Spool.open(str(directory), Settings(), {"raw": (), OUT: ("cloud",)}, time.time_ns())
    kept = spool.producer(OUT, "bench")[0]
    spool.close()
    return kept


@dataclass(frozen=True, slots=True)
class Ack:
    """An acknowledgement: when (monotonic), samples so far, processor time that producer and spooler used so far."""

    at: float
    samples: int
    cpu_s: float


class Source:
    """The producer: it keeps the outbox filled and notes each acknowledgement."""

    def __init__(self, run_dir: Path, spooler: int) -> None:
        self._pids = (os.getpid(), spooler)
        self._mailbox = Mailbox()
        self._mailbox.open(run_dir, "bench", MachineClock(), zmq.Context())
        outbox = Outbox("bench", codec.pack, max_bytes=1 << 40)
        self._producer = Producer(self._mailbox, "bench", time.time_ns(), {OUT: outbox}, lambda *_: None)
        self._added = 0
        tags = tuple(Tag(f"t{at}") for at in range(TAGS))
        row = [at / 7 for at in range(TAGS)]
        self._batch = batch_of("bench", 1, [Scan(time.time_ns(), tags, row)] * SCANS)

    def run(self, until: float) -> list[Ack]:
        """Append until then; the acknowledgements."""
        acknowledged: list[Ack] = []
        while time.monotonic() < until:
            while self._producer.waiting_bytes < AHEAD_BYTES:
                self._add()
            match self._mailbox.get().message:
                case Call(what):
                    what()
                case Letter(message=message):
                    self._producer.hear(message)
                    samples = (self._added - self._producer.waiting) * SCANS * TAGS
                    acknowledged.append(Ack(time.monotonic(), samples, cpu_s(self._pids)))
        return acknowledged

    def _add(self) -> None:
        b = self._batch
        batch = Batch(b.source, 1 + self._added * SCANS, b.tags, b.times_ns, b.blocks)
        self._producer.add(OUT, Entry((codec.pack(batch),)))
        self._added += 1


def spans(acknowledged: list[Ack], begin: float, runs: int, span_s: float) -> Iterator[tuple[Ack, Ack]]:
    """The first and the last acknowledgement of each span."""
    for run in range(runs):
        chosen = [ack for ack in acknowledged if begin + run * span_s <= ack.at < begin + (run + 1) * span_s]
        yield chosen[0], chosen[-1]


def main(run_dir: Path, runs: int, span_s: float, spooler: int) -> None:
    begin = time.monotonic() + WARM_S
    acknowledged = Source(run_dir, spooler).run(begin + runs * span_s)
    edges = list(spans(acknowledged, begin, runs, span_s))
    told = {
        "rates": [(last.samples - first.samples) / (last.at - first.at) for first, last in edges],
        "cpu_s_per_million": [
            (last.cpu_s - first.cpu_s) / (last.samples - first.samples) * 1e6 for first, last in edges
        ],
        "acknowledged": acknowledged[-1].samples // (SCANS * TAGS),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
