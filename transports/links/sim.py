"""A slow sine, for trying Holdfast without wires: simulated signals, and faults on demand.

    [device.demo]
    driver = "sim"
    [device.demo.tags]
    level = { wave = "sine", period = "1m", amplitude = 20, offset = 50, unit = "%" }
    seen  = { wave = "counter" }
    valve = { wave = "constant", type = "bool", writable = true }

Waves follow the clock, so two gateways show the same; `count = N` makes a run of N signals, each a little ahead of the
one before. With `batch` above 1 a read brings that many scans at once, spread over the time since the last read.
The text of the file named by `faults` makes the device misbehave; transports/faults.py lists how.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkRefused, Problem
from transports.faults import GARBAGE, SILENCE, fault_in, suffer_connecting, suffer_reading
from transports.runs import problems_of_names, run_names
from transports.samples import FIXED, Batch, DataType, Scan, Tag, Value
from transports.settings import duration, nearest, setting
from transports.waves import KINDS, Signal, Waves
from transports.writing import Limits, Writing

_TYPES: Mapping[str, DataType] = {
    "float64": DataType.FLOAT64,
    "int64": DataType.INT64,
    "uint64": DataType.UINT64,
    "bool": DataType.BOOL,
}
_EXACT = 2.0**53  # whole numbers up to here are exact in the float they are made from
_TAKES: Mapping[DataType, str] = {
    DataType.FLOAT64: "a number between -2^53 and 2^53",
    DataType.INT64: "a whole number between -2^53 and 2^53",
    DataType.UINT64: "a whole number between 0 and 2^53",
    DataType.BOOL: "true or false",
}
_FIRST_SPACING_NS = 1_000_000
_MOST_VALUES = 1_000_000  # 8 MB of floats


def _exact(value: float) -> str | None:
    return None if abs(value) <= _EXACT else "must lie between -2^53 and 2^53"


@dataclass(frozen=True)
class SignalSettings(Writing):
    """One entry of the table `tags`."""

    wave: str = setting(choices=KINDS, help="the signal's form; a counter counts the scans", example="sine")
    type: str | None = setting(
        None, choices=tuple(_TYPES), help="default: uint64 for a counter, else float64; a bool is true above 0"
    )
    period_s: float = duration("10s", help="how long one wave takes", ge=1e-6, le=1e9)
    amplitude: float = setting(1.0, check=_exact, help="how far it swings from the offset; what a counter counts by")
    offset: float = setting(0.0, check=_exact, help="the middle of the wave; the value of a constant")
    noise: float = setting(0.0, ge=0, check=_exact, help="standard deviation of noise that is added")
    phase: float = setting(0.0, ge=0, le=1, help="how much of a period it runs ahead")
    count: int | None = setting(None, ge=1, le=100_000, help="a run of that many tags: name0, name1, ...")
    unit: str = setting("", help="engineering unit, such as degC")

    def problems(self, path: str) -> Iterable[Problem]:
        """Only a constant keeps what is written to it."""
        yield from self.writing_problems(path)
        if self.writable and self.wave != "constant":
            yield Problem(f"{path}.writable", "True", 'only wave = "constant" can be written')

    def named(self, name: str) -> Iterator[tuple[Tag, Signal]]:
        """The tags and signals that this entry stands for."""
        kind = _TYPES[self.type or ("uint64" if self.wave == "counter" else "float64")]
        for at, each in enumerate(run_names(name, self.count)):
            ahead = (self.phase + at / (self.count or 1)) % 1.0
            signal = Signal(self.wave, round(self.period_s * 1e9), self.amplitude, self.offset, self.noise, ahead)
            yield Tag(each, kind, self.unit), signal


@dataclass(frozen=True)
class Settings:
    """A device that is not there."""

    tags: Mapping[str, SignalSettings] = setting(
        help="what it shows: a table for each tag, its name the key", example='{ level = { wave = "sine" } }'
    )
    batch: int = setting(1, ge=1, le=10_000, help="scans that one read brings")
    seed: int = setting(0, ge=0, le=2**63 - 1, help="noise of equal seeds is equal, scan by scan")
    faults: str = setting("", help="path of a file whose text says how to misbehave", example="/run/holdfast/fault")

    @property
    def faults_file(self) -> Path | None:
        """The control file, if there is one."""
        return Path(self.faults) if self.faults else None

    def problems(self, path: str) -> Iterable[Problem]:
        """At least one tag, no name twice once runs are expanded, and no more at once than memory likes."""
        yield from problems_of_names({name: entry.count for name, entry in self.tags.items()}, f"{path}.tags")
        values = self.batch * sum(entry.count or 1 for entry in self.tags.values())
        if values > _MOST_VALUES:
            cure = f"makes {values} values a read; at most {_MOST_VALUES} are allowed"
            yield Problem(f"{path}.batch", str(self.batch), cure)


class SimLink:
    """The open connection to nothing: a scan, or a batch of them, a read."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        made = [both for name, entry in settings.tags.items() for both in entry.named(name)]
        self.tags = tuple(tag for tag, _ in made)
        self._waves = Waves([signal for _, signal in made], settings.seed)
        self._columns = {kind: _columns(self.tags, kind) for kind in FIXED if _columns(self.tags, kind).size}
        self._column = {tag.name: at for at, tag in enumerate(self.tags)}
        self.writable = _writable(settings)
        self._scans, self._faults, self._clock = settings.batch, settings.faults_file, clock
        self._read_scans, self._last_ns, self._closed = 0, 0, False

    def read(self) -> Sequence[Scan] | Batch:
        if self._closed:
            raise LinkDown("the simulated device is closed; connect again")
        trouble = suffer_reading(fault_in(self._faults))
        now_ns = self._clock.utc_ns()
        if trouble == SILENCE:
            return []
        if trouble == GARBAGE:
            return [Scan(now_ns, self.tags, [("garbage",)] * len(self.tags))]  # type: ignore[list-item]
        batch = self._batch(spread(self._last_ns, now_ns, self._scans))
        self._last_ns = now_ns
        self._read_scans += self._scans
        return batch if self._scans > 1 else [Scan(time_ns, self.tags, row) for time_ns, row, _ in batch.rows()]

    def write(self, tag: str, value: Value) -> None:
        if self._closed:
            raise LinkDown("the simulated device is closed; connect again")
        if tag not in self.writable:
            raise LinkRefused(f"{tag}: cannot be written; {nearest(tag, list(self.writable))}")
        column = self._column[tag]
        kind = self.tags[column].type
        if not isinstance(value, (int, float)) or not _fits(kind, value):
            raise LinkRefused(f"{tag} = {value!r:.40}: takes {_TAKES[kind]}")
        self._waves.set_offset(column, value)

    def close(self) -> None:
        self._closed = True

    def _batch(self, times_ns: NDArray[np.int64]) -> Batch:
        values = self._waves.values(times_ns, self._read_scans + 1)
        blocks: dict[DataType, bytes | list[Any]] = {
            kind: _as(kind, values if columns.size == len(self.tags) else values[:, columns])
            for kind, columns in self._columns.items()
        }
        return Batch("", 0, self.tags, tuple(times_ns.tolist()), blocks)


def connect(settings: Settings) -> SimLink:
    """Ready at once, unless the control file says otherwise."""
    suffer_connecting(fault_in(settings.faults_file))
    return SimLink(settings, MachineClock())


def spread(last_ns: int, now_ns: int, scans: int) -> NDArray[np.int64]:
    """Times of `scans` scans after `last_ns` (0 for never), evenly up to `now_ns`, the last of which is now."""
    past_ns = now_ns - last_ns if 0 < last_ns < now_ns else scans * _FIRST_SPACING_NS
    return now_ns - np.arange(scans - 1, -1, -1, dtype=np.int64) * max(past_ns // scans, 1)


def _as(kind: DataType, values: NDArray[np.float64]) -> bytes:
    """The values as a block of that type: a whole number is the nearest one, a bool is true above 0."""
    _, _, dtype = FIXED[kind]
    if kind is DataType.BOOL:
        return (values > 0).tobytes()
    if kind is DataType.FLOAT64:
        return values.astype(dtype, copy=False).tobytes()
    low = 0.0 if kind is DataType.UINT64 else -(2.0**62)
    return np.clip(np.rint(values), low, 2.0**62).astype(dtype).tobytes()


def _fits(kind: DataType, value: int | float) -> bool:
    if kind is DataType.BOOL:
        return value in (0, 1)
    low = 0 if kind is DataType.UINT64 else -_EXACT
    return low <= value <= _EXACT and (kind is DataType.FLOAT64 or value == int(value))


def _columns(tags: Sequence[Tag], kind: DataType) -> NDArray[np.intp]:
    return np.array([at for at, tag in enumerate(tags) if tag.type is kind], np.intp)


def _writable(settings: Settings) -> dict[str, Limits]:
    """The tags that commands may set."""
    entries = ((key, entry, entry.limits) for key, entry in settings.tags.items())
    return {tag.name: limits for key, entry, limits in entries if limits for tag, _ in entry.named(key)}
