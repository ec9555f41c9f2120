"""What hosts are told of the devices: births, data, deaths, from the records of the spool. A decider.

standings.py says what follows from what is heard of a device; here that becomes messages. A batch is read scan by scan:
in one batch a device may die and come back.
"""

from collections.abc import Mapping, Sequence

from transports.errors import UplinkRefused
from transports.payloads import OutRecord, json
from transports.samples import Batch, Gap, Tag
from transports.sparkplug import standings
from transports.sparkplug.devices import Device, Point, Row, metric_name, rows_of
from transports.sparkplug.orders import Moment, Publish
from transports.sparkplug.standings import Act, News, Standing
from transports.sparkplug.voice import FIRST_ALIAS, Voice

QUIET_S = 5.0  # a device that is born for its history only dies so long after the last of it
_DOWN = ("process is down", "not connected")  # the reasons of gaps that say: nothing is read of this device now
_OVERHEAD_BYTES = 256  # what a message has beside one long value


class Telling:
    """All devices of a node, for the life of its process. `by_alias` has every metric of theirs."""

    def __init__(self, voice: Voice, gateway: str, by_exception: bool, max_metrics: int) -> None:
        self._voice, self._gateway = voice, gateway
        self._by_exception, self._max_metrics = by_exception, max_metrics
        self._devices: dict[str, Device] = {}
        self._by_alias: dict[int, tuple[Device, Point]] = {}
        self._quiet_at: dict[str, float] = {}  # when a RECALLED device dies again (monotonic)

    @property
    def by_alias(self) -> Mapping[int, tuple[Device, Point]]:
        """The metrics that may be meant by a command."""
        return self._by_alias

    def device(self, name: str) -> Device | None:
        """The device of this name, None when nothing was heard of it."""
        return self._devices.get(name)

    # --- the session -------------------------------------------------------------------------------------------------

    def births(self, at: Moment) -> list[Publish]:
        """Those of all devices that are there: at once after the node's (tck-id-payloads-dbirth-order)."""
        births = []
        for device in self._devices.values():
            if device.standing is Standing.UNBORN:
                device.standing, _ = standings.step(device.standing, News.ANNOUNCED)
            if device.standing is not Standing.DEAD:
                births.append(self._voice.dbirth(device, at.utc_ms))
        return births

    def over(self) -> None:
        """The session with the hosts is over."""
        self._quiet_at.clear()
        for device in self._devices.values():
            device.standing, _ = standings.step(device.standing, News.OVER)

    def next_due(self) -> float | None:
        """When `due` must be called (monotonic seconds)."""
        return min(self._quiet_at.values(), default=None)

    def due(self, at: Moment) -> list[Publish]:
        """Devices of which no more history comes."""
        quiet = [name for name, due in self._quiet_at.items() if due <= at.now]
        return [said for name in quiet for said in self._heard(self._devices[name], News.QUIET, at)]

    # --- what is heard of devices ------------------------------------------------------------------------------------

    def announced(self, name: str, tags: Sequence[Tag], at: Moment, born: bool) -> list[Publish]:
        """The tags of a device are known; hosts are told if the node is `born`. Raises UplinkRefused."""
        device, _ = self._learn(name, tags, "", at)
        return self._heard(device, News.ANNOUNCED, at) if born else []

    def examine(self, batch: Batch) -> None:
        """Raises UplinkRefused for readings that can never be sent."""
        self._refuse_long(batch)
        device = self._devices.get(batch.source) or Device(batch.source)
        self._refuse_many(device, [metric_name(tag, batch.aggregate) for tag in batch.tags])

    def gap(self, record: OutRecord, gap: Gap, at: Moment) -> list[Publish]:
        """Readings are missing; and perhaps the device is."""
        text = json.encode([record], self._gateway, many=False).decode()
        time_ms = max(0, gap.until_ns // 1_000_000)
        device = self._devices.get(gap.source)
        is_late = record.historical or (device is not None and not device.is_new(record.epoch, record.seq))
        said = [self._voice.gap(text, time_ms, is_late, at.utc_ms)]
        if device is not None and not is_late and gap.reason.startswith(_DOWN):
            said += self._heard(device, News.UNREACHABLE, at)
        return said

    def batch(self, record: OutRecord, batch: Batch, at: Moment) -> list[Publish]:
        """Readings. Raises UplinkRefused, before anything has changed, when they can never be sent."""
        self._refuse_long(batch)
        device, points = self._learn(batch.source, batch.tags, batch.aggregate, at)
        speaks = device.speaks_for(batch)
        # What comes once more, its arrival unproven, is older than the births that went before it. What an aggregate
        # makes of a device that is gone comes late too.
        is_late = record.historical or not device.is_new(record.epoch, record.seq)
        is_late = is_late or (device.standing is Standing.DEAD and not speaks)
        said: list[Publish] = []
        data: list[bytes] = []
        for row in rows_of(batch, points):
            acts = self._stepped(device, _news(device, row, is_late, speaks))
            if Act.BIRTH in acts or Act.DEATH in acts:
                said += self._voice.ddata(device.name, data, at.utc_ms)
                said += self._acted(device, acts, at)
                data = []
            if Act.DATA in acts:
                data += self._changes(row, is_late)
        if device.standing is Standing.RECALLED and is_late:
            self._quiet_at[device.name] = at.now + QUIET_S
        return [*said, *self._voice.ddata(device.name, data, at.utc_ms)]

    def _stepped(self, device: Device, news: News) -> tuple[Act, ...]:
        """By the table; and metrics that the last birth did not tell need another, which has the newest values."""
        device.standing, acts = standings.step(device.standing, news)
        if news is not News.HISTORY and device.standing is not Standing.RECALLED:
            self._quiet_at.pop(device.name, None)
        if Act.BIRTH in acts or not device.is_news:
            return acts
        if news is News.ANNOUNCED and device.standing in (Standing.ALIVE, Standing.RECALLED):
            return (Act.BIRTH,)
        if Act.DATA in acts:
            return (Act.BIRTH, Act.DATA) if news is News.HISTORY else (Act.BIRTH,)
        return acts

    def _heard(self, device: Device, news: News, at: Moment) -> list[Publish]:
        return self._acted(device, self._stepped(device, news), at)

    def _acted(self, device: Device, acts: Sequence[Act], at: Moment) -> list[Publish]:
        said = [self._voice.dbirth(device, at.utc_ms)] if Act.BIRTH in acts else []
        if Act.DEATH in acts:
            device.died()
            said.append(self._voice.ddeath(device.name, at.utc_ms))
        return said

    def _changes(self, row: Row, is_late: bool) -> list[bytes]:
        if is_late:
            return [point.history(reading) for point, reading in row]
        said = [point.data(reading, self._by_exception) for point, reading in row]
        return [metric for metric in said if metric is not None]

    def _learn(self, name: str, tags: Sequence[Tag], aggregate: str, at: Moment) -> tuple[Device, list[Point]]:
        device = self._devices.get(name) or Device(name)
        more = self._refuse_many(device, [metric_name(tag, aggregate) for tag in tags])
        points = device.learn(tags, aggregate, FIRST_ALIAS + len(self._by_alias), at.utc_ms)
        self._devices[name] = device
        if more:
            self._by_alias |= {point.alias: (device, point) for point in points}
        return device, points

    def _refuse_many(self, device: Device, names: Sequence[str]) -> int:
        """How many of these metrics are new; not more than there may be."""
        more = device.new_names(names)
        if len(self._by_alias) + more > self._max_metrics:
            raise UplinkRefused(f"{device.name}: with its tags there are more than {self._max_metrics} metrics")
        return more

    def _refuse_long(self, batch: Batch) -> None:
        most = self._voice.max_bytes - _OVERHEAD_BYTES
        for block in batch.blocks.values():
            for value in block if isinstance(block, list) else ():
                value_bytes = len(value.encode()) if isinstance(value, str) else len(value)
                if value_bytes * (8 if isinstance(value, tuple) else 1) > most:
                    raise UplinkRefused(f"{batch.source}: a value of {value_bytes} bytes; a message carries {most}")


def _news(device: Device, row: Row, is_late: bool, speaks: bool) -> News:
    if is_late:
        return News.HISTORY
    device.take(row)
    return News.UNREACHABLE if speaks and device.is_unreachable(row) else News.LIVE
