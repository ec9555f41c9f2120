"""Scans of what a server said: one for each time, with the tags that were said to be so then.

A server gives each value a time of its own. Values of the same time make one scan; of one tag, the order in which they
came is kept. `CLOCKS` says whose time it is: "source" (the device behind the server), "server", or "gateway". Where the
one is not given the next one stands in.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from transports.opcua.types import sample
from transports.opcua.values import DataValue
from transports.samples import Scan, Tag, Value

CLOCKS = ("source", "server", "gateway")
_GROUPINGS = 1024  # tuples of tags that are kept, so that the same tags are the same tuple
_LATEST_NS = 2**63 - 1
Said = tuple[int, DataValue]  # the tag's number, and what was said of it


class Columns:
    """The tags of a device by number, and tuples of some of them, each made once."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        self.tags = tuple(tags)
        self._all = tuple(range(len(self.tags)))
        self.some = lru_cache(_GROUPINGS)(self._some)

    def _some(self, numbers: tuple[int, ...]) -> tuple[Tag, ...]:
        return self.tags if numbers == self._all else tuple(self.tags[at] for at in numbers)


def scans_of(columns: Columns, said: Iterable[Said], clock: str, now_ns: int) -> list[Scan]:
    """Scans of what was said, oldest first."""
    groups: list[dict[int, DataValue]] = []
    times: list[int] = []
    latest: dict[int, int] = {}
    for number, data in said:
        time_ns = time_of(data, clock, now_ns)
        at = latest.get(time_ns)
        if at is None or number in groups[at]:
            latest[time_ns] = at = len(groups)
            groups.append({})
            times.append(time_ns)
        groups[at][number] = data
    return [_scan(columns, times[at], groups[at]) for at in sorted(range(len(groups)), key=times.__getitem__)]


def time_of(data: DataValue, clock: str, now_ns: int) -> int:
    """When a value was so (UTC ns), by that clock or the next that is known."""
    given = {"source": (data.source_ns, data.server_ns), "server": (data.server_ns,), "gateway": ()}[clock]
    return next((time_ns for time_ns in given if time_ns is not None and abs(time_ns) <= _LATEST_NS), now_ns)


def _scan(columns: Columns, time_ns: int, group: Mapping[int, DataValue]) -> Scan:
    tags = columns.some(tuple(group))
    values: list[Value | None] = []
    codes: list[int] = []
    for tag, data in zip(tags, group.values(), strict=True):
        value, code = sample(tag.type, data)
        values.append(value)
        codes.append(code)
    same = len(set(codes)) == 1
    return Scan(time_ns, tags, values, codes[0] if same else codes)
