"""Which records travel together in one message: by number, by size, by time, and never two keys in one: a decider.

The key is whatever the message's address depends on: the device, where the topic template names it; one and the same
for all records where it does not. Records of one key keep their order. A record waits for company `max_wait_s` at
most; with `max_records` = 1 it never waits.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """When a group is full: records, bytes (a larger single record travels alone), and its oldest record's wait."""

    max_records: int = 1
    max_bytes: int = 128 * 1024
    max_wait_s: float = 1.0


class Entry(NamedTuple, Generic[T]):
    """One record as batching sees it: what its address depends on, its size, and the record itself."""

    key: Hashable
    record_bytes: int
    record: T


class Group(NamedTuple, Generic[T]):
    """Records of one key, in order: one message."""

    key: Hashable
    records: tuple[T, ...]
    group_bytes: int


@dataclass(slots=True)
class _Growing(Generic[T]):
    """A group that still has room; `due` is the monotonic time at which it must leave."""

    due: float
    records: list[T] = field(default_factory=list)
    group_bytes: int = 0


class Batching(Generic[T]):
    """The groups that still have room, in the order in which they were begun: the first is due first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._growing: dict[Hashable, _Growing[T]] = {}

    @property
    def held(self) -> int:
        """How many records wait for company."""
        return sum(len(group.records) for group in self._growing.values())

    def add(self, entry: Entry[T], now: float) -> list[Group[T]]:
        """Take a record in. Gives the groups that are thereby complete: the one it no longer fitted in, its own."""
        ready = [self._closed(entry.key)] if self._overflows(entry) else []
        group = self._growing.setdefault(entry.key, _Growing(now + self._limits.max_wait_s))
        group.records.append(entry.record)
        group.group_bytes += entry.record_bytes
        return [*ready, self._closed(entry.key)] if self._is_full(group) else ready

    def due(self, now: float) -> list[Group[T]]:
        """The groups that have waited long enough, the longest first; they leave."""
        return [self._closed(key) for key in [key for key, group in self._growing.items() if group.due <= now]]

    def next_due(self) -> float | None:
        """When `due` must be asked next (monotonic seconds); None while nobody waits."""
        return next((group.due for group in self._growing.values()), None)

    def flush(self) -> list[Group[T]]:
        """All groups, full or not, the longest waiting first: for a farewell, or when the spool is drained."""
        return self.due(float("inf"))

    def keep(self, wanted: Callable[[T], bool]) -> None:
        """Forget what waits, but for these."""
        for key, group in list(self._growing.items()):
            group.records = [record for record in group.records if wanted(record)]
            if not group.records:
                del self._growing[key]

    def reset(self) -> None:
        """Forget what waits: the spool will hand it out again."""
        self._growing.clear()

    def _closed(self, key: Hashable) -> Group[T]:
        group = self._growing.pop(key)
        return Group(key, tuple(group.records), group.group_bytes)

    def _overflows(self, entry: Entry[T]) -> bool:
        group = self._growing.get(entry.key)
        return group is not None and group.group_bytes + entry.record_bytes > self._limits.max_bytes

    def _is_full(self, group: _Growing[T]) -> bool:
        return len(group.records) >= self._limits.max_records or group.group_bytes >= self._limits.max_bytes
