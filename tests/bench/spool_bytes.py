"""Bytes on the disk for each sample of a slow analog signal, compressed by its device (zstd, level 1).

A machine's temperature as it was recorded (22,695 readings of one float64 tag), in batches of 500 scans, each packed
as a device with `compress` does it, a record and an append of its own. The bytes are those that the file system has
given to the topic's segments after a sync, heads and the unused end of the last block included, over the samples. The
recording's times are exact; the same with times as a poll has them (up to 1 ms late, to the ns) is said beside.
"""

import csv
import random
import time
from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tests.bench.report import Values
from tests.bench.rig import HOUSE, Bench
from transports import codec
from transports.samples import Batch, DataType, Tag
from transports.spool import OsFiles, Settings, Spool

NAMES = ("spool_bytes_per_sample",)
RECORDING = HOUSE.parent / "shared" / "data" / "machine_temperature" / "machine_temperature.csv"
SCANS = 500
LATE_NS = 1_000_000
Reading = tuple[int, float]  # ns UTC, value


def measure(bench: Bench) -> Values:
    """Once, quick or not: nothing in it depends on the machine's speed."""
    if not RECORDING.exists():
        bench.say(f"SKIPPED: the recorded signal is not here: {RECORDING}")
        return {}
    readings = _recorded()
    dice = random.Random(1)
    late = [(time_ns + dice.randrange(LATE_NS), value) for time_ns, value in readings]
    plain, polled = _per_sample(bench, readings, 0), _per_sample(bench, late, codec.LEVEL)
    bench.say(f"{len(readings):,} samples; not compressed {plain:.2f}, with the times of a poll {polled:.2f} bytes")
    return {NAMES[0]: [_per_sample(bench, readings, codec.LEVEL)]}


def _recorded() -> list[Reading]:
    with RECORDING.open(newline="") as file:
        return [(_ns(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _per_sample(bench: Bench, readings: Sequence[Reading], level: int) -> float:
    """Bytes on the disk over samples."""
    directory = bench.room()
    spool = Spool.open(str(directory), Settings(), {"raw": (), "out": ("cloud",)}, time.time_ns())
    packed_bytes = 0
    for pseq, batch in enumerate(_batches(readings), 1):
        payload = codec.pack(batch, level)
        spool.append("out", batch.source, pseq, [payload], time.time_ns(), counts=[batch.samples])
        packed_bytes += len(payload)
    spool.sync()
    spool.close()
    segments = list((directory / "out").iterdir())
    assert sum(path.stat().st_size for path in segments) >= packed_bytes
    return sum(OsFiles().allocated(str(path)) for path in segments) / len(readings)


def _batches(readings: Sequence[Reading]) -> Iterator[Batch]:
    tags = (Tag("temperature"),)
    for first in range(0, len(readings), SCANS):
        times_ns, values = zip(*readings[first : first + SCANS], strict=True)
        yield Batch("machine", first + 1, tags, times_ns, {DataType.FLOAT64: array("d", values).tobytes()})
