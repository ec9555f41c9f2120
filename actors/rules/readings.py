"""The newest readings of the tags that rules need, from the live feed, and how old they are."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from actors.producing.records import part
from transports.expressions import Reference
from transports.samples import Batch, Tag, Value


@dataclass(frozen=True, slots=True)
class Reading:
    """What was last heard of a tag: `value` is None where it is Bad. `heard_s` is when it came here (monotonic)."""

    value: Value | None
    quality: int
    time_ns: int
    heard_s: float


class Readings:
    """The newest reading of each tag that is wanted; nothing else is held."""

    def __init__(self, wanted: Iterable[Reference], began_s: float) -> None:
        self._began_s = began_s
        self._wanted: dict[str, set[str]] = {}
        for reference in wanted:
            self._wanted.setdefault(reference.device, set()).add(reference.tag)
        self._known: dict[Reference, Reading] = {}
        self._places: dict[str, tuple[tuple[Tag, ...], Mapping[int, Reference]]] = {}

    def take(self, batch: Batch, now: float) -> list[Reference]:
        """The wanted tags of which this batch has a reading, each once; of several scans the newest counts."""
        places = self._wanted_of(batch)
        if not places:
            return []
        time_ns, values, codes = _newest(batch)
        for at, reference in places.items():
            self._known[reference] = Reading(values[at], codes[at], time_ns, now)
        return list(places.values())

    def of(self, reference: Reference) -> Reading | None:
        """What was last heard of a tag, None if nothing was yet."""
        return self._known.get(reference)

    def usable(self, references: Collection[Reference], now: float, silent_after_s: float) -> dict[Reference, Value]:
        """The values that are to be had: Good or Uncertain, not NaN, and young enough (0 s: of any age)."""
        oldest = now - silent_after_s if silent_after_s else -inf
        found = ((reference, self._known.get(reference)) for reference in references)
        young = ((reference, reading.value) for reference, reading in found if reading and reading.heard_s > oldest)
        return {reference: value for reference, value in young if value is not None and not _is_nan(value)}

    def awaited(self, references: Collection[Reference], now: float, silent_after_s: float) -> bool:
        """Whether one of these was not heard at all, and it is too early to call that silence (0 s: always)."""
        early = not silent_after_s or now < self._began_s + silent_after_s
        return early and any(reference not in self._known for reference in references)

    def old_at(self, references: Collection[Reference], silent_after_s: float, now: float) -> float:
        """When the next of these becomes too old, or has been awaited for too long."""
        if not silent_after_s:
            return inf
        found = (self._known.get(reference) for reference in references)
        heard = (
            self._began_s if each is None else each.heard_s for each in found if each is None or each.value is not None
        )
        return min((time + silent_after_s for time in heard if time + silent_after_s > now), default=inf)

    def told(self, references: Collection[Reference], now: float, silent_after_s: float) -> list[Mapping[str, Any]]:
        """What is known of these, as plain data; ages in s."""
        usable = self.usable(references, now, silent_after_s)
        return [_told(reference, self._known.get(reference), reference in usable, now) for reference in references]

    def _wanted_of(self, batch: Batch) -> Mapping[int, Reference]:
        """The columns that are wanted; remembered as long as the device brings the same tags."""
        names = self._wanted.get(batch.source)
        if names is None:
            return {}
        tags, places = self._places.get(batch.source, ((), {}))
        if tags != batch.tags or not places:
            places = {at: Reference(batch.source, tag.name) for at, tag in enumerate(batch.tags) if tag.name in names}
            self._places[batch.source] = (batch.tags, places)
        return places


def _is_nan(value: Value) -> bool:
    """What a broken sensor says through a Good register."""
    return isinstance(value, float) and math.isnan(value)


def _newest(batch: Batch) -> tuple[int, tuple[Any, ...], tuple[int, ...]]:
    scans = len(batch.times_ns)
    (newest,) = (batch if scans == 1 else part(batch, scans - 1, scans)).rows()
    return newest


def _told(reference: Reference, reading: Reading | None, usable: bool, now: float) -> Mapping[str, Any]:
    if reading is None:
        return {"tag": str(reference), "value": None, "quality": None, "age_s": None, "usable": False}
    value = reading.value.hex() if isinstance(reading.value, bytes) else reading.value
    age_s = now - reading.heard_s
    return {"tag": str(reference), "value": value, "quality": reading.quality, "age_s": age_s, "usable": usable}
