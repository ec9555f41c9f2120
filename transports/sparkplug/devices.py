"""The devices behind an edge node: their metrics, each with its alias and the newest value, and what hosts were told.

A reading of a device becomes the metric of its tag's name; what an aggregate made is `AGGREGATE/TAG`, so that hosts see
it as a folder of the device. Nothing is ever taken from a device's metrics: an alias means the same for ever.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from transports.quality import Quality
from transports.samples import Batch, DataType, Tag, Value
from transports.sparkplug.datatypes import SPARKPLUG, Form, SparkplugType, Wired, wired
from transports.sparkplug.payload import QUALITY, Metric, Property, encode_metric
from transports.sparkplug.qualities import SparkplugQuality, sparkplug_quality
from transports.sparkplug.standings import Standing

UNIT = "engUnit"  # no rule of the specification; the property in which hosts commonly look for a unit
SILENCES = 3  # so many time-outs in a row are a lost connection, as they are where devices are read
_GONE = {Quality.BAD_NOT_CONNECTED, Quality.BAD_NO_COMMUNICATION, Quality.BAD_COMMUNICATION, Quality.BAD_OUT_OF_SERVICE}
_QUALITIES: dict[SparkplugQuality, dict[str, Property]] = {
    quality: {QUALITY: (SparkplugType.INT32, int(quality))} for quality in SparkplugQuality
}
_NOTHING: dict[str, Property] = {}


class Reading(NamedTuple):
    """What a metric was at one time (ms UTC), as the wire has it; no value where it is Bad or not known."""

    time_ms: int
    value: Wired | None
    quality: SparkplugQuality
    status: int


@dataclass(slots=True)
class Point:
    """One metric of a device. `told` is what hosts were told last: a change is a difference from that."""

    name: str
    alias: int
    tag: Tag
    is_own: bool  # not an aggregate's
    now: Reading
    told: tuple[object, SparkplugQuality] | None = None

    def birth(self, longest: int | None = None) -> bytes:
        """In a birth: name, alias, type, and the current value (tck-id-topics-dbirth-metrics).

        A text, bytes or an array of more than `longest` bytes is not told: it is null, and stale, until it changes.
        """
        time_ms, value, quality, _ = self.now
        if longest is not None and value is not None and _length(value) > longest:
            value, quality = None, SparkplugQuality.STALE
        self.told = _essence(value), quality
        unit: dict[str, Property] = {UNIT: (SparkplugType.STRING, self.tag.unit)} if self.tag.unit else {}
        kind = SPARKPLUG[self.tag.type]
        properties = _QUALITIES[quality] | unit
        return encode_metric(
            Metric(self.name, self.alias, time_ms, kind, value, is_null=value is None, properties=properties)
        )

    def data(self, reading: Reading, by_exception: bool) -> bytes | None:
        """In data: the alias alone (tck-id-payloads-alias-data-cmd-requirement); None for what hosts know already."""
        time_ms, value, quality, _ = reading
        essence = _essence(value), quality
        if by_exception and essence == self.told:
            return None
        was_good = self.told is not None and self.told[1] is SparkplugQuality.GOOD
        self.told = essence
        said = _NOTHING if was_good and quality is SparkplugQuality.GOOD else _QUALITIES[quality]
        return encode_metric(
            Metric(alias=self.alias, timestamp_ms=time_ms, value=value, is_null=value is None, properties=said)
        )

    def history(self, reading: Reading) -> bytes:
        """In data that comes late: it says nothing of the present."""
        time_ms, value, quality, _ = reading
        said = _NOTHING if quality is SparkplugQuality.GOOD else _QUALITIES[quality]
        return encode_metric(
            Metric(None, self.alias, time_ms, value=value, is_null=value is None, is_historical=True, properties=said)
        )


Row = list[tuple[Point, Reading]]


@dataclass(slots=True)
class Device:
    """A device of this name. `is_news`: it has metrics, or types, that the last birth did not tell. `newest`: the
    place (epoch, seq) in the spool of the newest that was told of it."""

    name: str
    points: dict[str, Point] = field(default_factory=dict)
    standing: Standing = Standing.UNBORN
    is_news: bool = False
    silences: int = 0
    newest: tuple[int, int] = (0, 0)

    def new_names(self, names: Sequence[str]) -> int:
        """How many metrics it would have more."""
        return sum(name not in self.points for name in names)

    def learn(self, tags: Sequence[Tag], aggregate: str, next_alias: int, utc_ms: int) -> list[Point]:
        """The points of these tags, in their order. New ones get the next aliases and are stale until a value comes."""
        points = []
        for tag in tags:
            name = metric_name(tag, aggregate)
            point = self.points.get(name)
            unknown = Reading(utc_ms, None, SparkplugQuality.STALE, Quality.UNCERTAIN_LAST_USABLE)
            if point is None:
                point = self.points[name] = Point(name, next_alias, tag, not aggregate, unknown)
                next_alias += 1
                self.is_news = True
            elif point.tag != tag:
                if point.tag.type is not tag.type:  # the old value is of the old type
                    point.now = unknown
                point.tag = tag
                self.is_news = True
            points.append(point)
        return points

    def is_new(self, epoch: int, seq: int) -> bool:
        """Whether a live record was not told before. Those of a device come in the order of their places."""
        before, self.newest = self.newest, max(self.newest, (epoch, seq))
        return self.newest > before

    def take(self, row: Row) -> None:
        """These are the newest values."""
        for point, reading in row:
            point.now = reading

    def is_unreachable(self, row: Row) -> bool:
        """Whether this row, once taken, says that nothing of the device can be read any more.

        An aggregate tells of the past: it is heeded only where the device's own readings do not come this way.
        """
        if not all(reading.status in _GONE or reading.status == Quality.BAD_TIMEOUT for _, reading in row):
            self.silences = 0
            return False
        self.silences += 1
        own = [point for point in self.points.values() if point.is_own] or list(self.points.values())
        statuses = {point.now.status for point in own}
        return statuses <= _GONE or (self.silences >= SILENCES and statuses <= _GONE | {Quality.BAD_TIMEOUT})

    def died(self) -> None:
        """What was last heard of it is not the present any more."""
        for point in self.points.values():
            if point.now.quality is SparkplugQuality.GOOD:
                point.now = point.now._replace(quality=SparkplugQuality.STALE)

    def speaks_for(self, batch: Batch) -> bool:
        """Whether a batch tells how the device is now: its own readings do, an aggregate's if it has none."""
        return not batch.aggregate or not any(point.is_own for point in self.points.values())


def metric_name(tag: Tag, aggregate: str) -> str:
    """The name of the metric that carries a tag."""
    return f"{aggregate}/{tag.name}" if aggregate else tag.name


def rows_of(batch: Batch, points: Sequence[Point]) -> list[Row]:
    """The scans of a batch in the order of their time (tck-id-operational-behavior-data-publish-dbirth-order)."""
    told = [
        [
            (point, _reading(time_ns, point.tag.type, value, code))
            for point, value, code in zip(points, values, codes, strict=True)
        ]
        for time_ns, values, codes in batch.rows()
    ]
    return sorted(told, key=lambda row: row[0][1].time_ms if row else 0)


def _reading(time_ns: int, kind: DataType, value: Value | None, status: int) -> Reading:
    time_ms = max(0, time_ns // 1_000_000)  # unsigned on the wire: nothing is before 1970
    return Reading(time_ms, None if value is None else wired(kind, value), sparkplug_quality(status), status)


def _essence(value: Wired | None) -> object:
    """What is equal where, and only where, the bits are: NaN is NaN, and -0.0 is not 0.0."""
    if value is not None and value.form is Form.DOUBLE:
        return struct.pack("<d", value.content)
    return value


def _length(value: Wired) -> int:
    return len(value.content) if isinstance(value.content, (str, bytes)) else 0
