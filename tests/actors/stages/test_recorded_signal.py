"""A machine's temperature over eleven weeks, with its failures: windows and deadband against plain Python."""

import csv
import statistics
import struct
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.stages.aggregation import Aggregation
from actors.stages.settings import Settings
from transports.samples import Batch, DataType, Gap, Tag

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
Reading = tuple[int, float]


@pytest.fixture(scope="module")
def readings() -> list[Reading]:
    """(time in ns, value) as recorded; one hour of it is repeated, as when a clock is set back."""
    data = Path(__file__).parents[3].parent / "shared" / "data" / "machine_temperature" / "machine_temperature.csv"
    if not data.exists():
        pytest.skip(f"the recorded signal is not here: {data}")
    with data.open(newline="") as file:
        return [
            (
                int(datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC).timestamp()) * SECOND,
                float(row["value"]),
            )
            for row in csv.DictReader(file)
        ]


def batches(readings: list[Reading], length: int) -> Iterator[Batch]:
    tags = (Tag("temperature"),)
    for first in range(0, len(readings), length):
        some = readings[first : first + length]
        block = struct.pack(f"<{len(some)}d", *(value for _, value in some))
        yield Batch("machine", first + 1, tags, tuple(time for time, _ in some), {DataType.FLOAT64: block})


@pytest.mark.parametrize("length", [1, 7, 500])
def test_hours_of_a_recorded_signal_have_its_own_statistics(readings: list[Reading], length: int) -> None:
    settings = Settings(
        from_=("machine.temperature",),
        window_s=3600.0,
        statistics=("count", "min", "max", "mean", "stddev", "last", "first_time", "last_time"),
    )
    aggregation, out = Aggregation("hours", settings), []
    for batch in batches(readings, length):
        out += aggregation.fold(batch, batch.times_ns[-1])
    out += aggregation.expire(readings[-1][0] + 3 * HOUR)
    by_hour: dict[int, list[Reading]] = defaultdict(list)
    for time_ns, value in readings:
        by_hour[time_ns // HOUR * HOUR].append((time_ns, value))
    assert not any(isinstance(item, Gap) for item in out)
    assert [item.times_ns[0] for item in out if isinstance(item, Batch)] == sorted(by_hour)
    for item in out:
        assert isinstance(item, Batch)
        ((start, told, _),) = item.rows()
        values = [value for _, value in by_hour[start]]
        latest = max(enumerate(by_hour[start]), key=lambda each: (each[1][0], each[0]))[1]
        assert told[:3] == (len(values), min(values), max(values))
        assert told[3] == pytest.approx(statistics.fmean(values), rel=1e-13)
        assert told[4] == pytest.approx(statistics.pstdev(values), rel=1e-9, abs=1e-12)
        assert told[5:] == (latest[1], min(by_hour[start])[0], latest[0])


def test_every_reading_is_within_the_deadband_of_the_last_one_sent(readings: list[Reading]) -> None:
    aggregation = Aggregation("changes", Settings(from_=("machine",), deadband=1.0))
    sent: float | None = None
    count = 0
    for batch in batches(readings, 10):
        passed = [
            (time_ns, row[0])
            for item in aggregation.fold(batch, batch.times_ns[-1])
            if isinstance(item, Batch)
            for time_ns, row, _ in item.rows()
        ]
        count += len(passed)
        for time_ns, row, _ in batch.rows():
            if passed and passed[0][0] == time_ns:
                sent = float(passed.pop(0)[1])  # type: ignore[arg-type]
            assert sent is not None
            assert abs(float(row[0]) - sent) <= 1.0  # type: ignore[arg-type]
        assert passed == []
    assert 0 < count < len(readings) / 2
