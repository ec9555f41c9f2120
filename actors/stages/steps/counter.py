"""A counter that wraps around or is reset, as a total that only grows.

    { stage = "counter", tags = ["parts"], wrap = "16 bit" }
    { stage = "counter", tags = ["*_kwh"], max_step = 50 }

The total begins with the counter's own reading and is a uint64 for whole numbers, exact, and a float64 for floats. It
takes the tag's place. From one sample to the next:

    further                      counted
    further than max_step        not plausible: Bad. When the next one fits to it, counting goes on from there; what was
                                 counted in the jump is unknown and left out
    back, and a wrap fits        counted over the wrap. It fits up to `max_step`, without that up to half of the range
    back to half of it or less   the counter was reset: what it shows now was counted since
    back by less                 a step back (rounding, an older sample): the total waits for the counter

A Bad sample, NaN, an infinity and a number below 0 (which becomes Bad) count nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from actors.stages.chosen import Chosen
from actors.stages.columnwise import OUT_OF_RANGE, Columnwise, Part, Turned, without_values
from actors.stages.dense import Dense
from actors.stages.numbers import BAD
from actors.stages.roster import Selection
from actors.stages.store import Form, Kept
from transports.samples import DataType, Tag
from transports.settings import setting

LASTING = True
Number = int | float
_RANGES: Mapping[str, int] = {"16 bit": 2**16, "32 bit": 2**32, "64 bit": 2**64}
_TOP = 2**64 - 1


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """Where it wraps and what is plausible."""

    wrap: Literal["16 bit", "32 bit", "64 bit"] | int | None = setting(
        None, help="after how many counts it begins again: 16 bit, 32 bit, 64 bit or a number", gt=0
    )
    max_step: int | float | None = setting(None, gt=0, help="the most that it can count from one sample to the next")

    @property
    def modulus(self) -> int:
        """After how many counts it begins again, 0 where it never does."""
        return _RANGES[self.wrap] if isinstance(self.wrap, str) else self.wrap or 0


@dataclass(slots=True)
class Count:
    """One counter: its last plausible reading, the total, what makes the one of the other, and a doubtful reading."""

    reading: Number
    added: Number
    total: Number
    doubt: Number | None

    def step(self, reading: Number, settings: Settings) -> bool:
        """Take the next reading; whether it is plausible."""
        modulus, most = settings.modulus, settings.max_step
        ahead = reading - self.reading
        around = ahead + modulus if modulus and ahead < 0 else -1
        if ahead >= 0 and most is not None and ahead > most:
            if self.doubt is None or not 0 <= reading - self.doubt <= most:
                self.doubt = reading
                return False
            self.added = self.total - reading
        elif 0 <= around <= (modulus // 2 if most is None else most):
            self.added += modulus
        elif ahead < 0 and reading * 2 <= self.reading:
            self.added = self.total
        elif ahead < 0:
            self.doubt = None
            return True  # a step back: neither the reading nor the total moves
        self.reading, self.doubt = reading, None
        self.total = max(self.total, reading + self.added)
        return True


class Counter(Columnwise):
    """See the module's note. What is kept of whole numbers is uint64, whatever their type; `added` modulo 2^64."""

    forms: Mapping[str, Form] = {
        "reading": Form(),
        "added": Form(),
        "total": Form(),
        "doubt": Form(),
        "doubted": Form("?"),
        "known": Form("?"),
    }

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        most = settings.max_step
        self._most = {"u": None if most is None else min(math.floor(most), _TOP), "f": most}
        super().__init__(settings.tags)

    def renamed(self, tag: Tag) -> Tag:
        return Tag(tag.name, DataType.FLOAT64 if tag.type is DataType.FLOAT64 else DataType.UINT64, tag.unit)

    def turned(self, part: Part) -> Turned:
        values, wrong = part.values, np.less(part.values, 0)
        if values.dtype.kind == "i":
            values = values.view("<u8")
        if wrong.any():
            wrong &= np.less(part.codes, BAD)
            part.fine = ~wrong if part.fine is None else part.fine & ~wrong
        if part.is_void:
            return self._done(part, values, wrong)
        kept = {name: _unsigned(held)[part.columns] for name, held in part.kept.items()}
        dense = Dense(values, part.fine)
        totals, steady = self._steady(dense, kept)
        for tag in np.flatnonzero(~steady).tolist():
            plausible = self._one_by_one(dense, kept, tag, totals)
            rows = np.ones(dense.values.shape[0], np.bool_)
            rows[: len(plausible)] = plausible
            missing = np.ones(values.shape, np.bool_)
            missing[:, tag] = rows
            wrong = wrong | ~dense.spread(missing, True)
        for name, held in part.kept.items():
            _unsigned(held)[part.columns] = kept[name]
        return self._done(part, dense.spread(totals, values), wrong)

    def _steady(self, dense: Dense, kept: Kept) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The totals of counters that only go on as they should, and which these are; what is kept of them is new."""
        values = dense.values
        before = np.concatenate([np.where(kept["known"], kept["reading"], values[0])[None], values[:-1]])
        with np.errstate(over="ignore", invalid="ignore"):
            goes_on = values >= before
            if (most := self._most[values.dtype.kind]) is not None:
                goes_on &= values - before <= most
            totals = values + kept["added"]
        if dense.counts.min() < len(values):
            goes_on |= ~dense.is_sample()
        newest = dense.newest(totals, kept["total"])
        steady: NDArray[np.bool_] = goes_on.all(axis=0) & (kept["known"] | (kept["total"] == 0))
        if values.dtype.kind == "f":
            totals = np.maximum(totals, kept["total"])  # the sum of two floats may round below what it was
            newest = np.maximum(newest, kept["total"])
        else:
            steady &= newest >= kept["total"]
        told = steady & (dense.counts > 0)
        kept["reading"] = np.where(told, dense.newest(values, kept["reading"]), kept["reading"])
        kept["total"] = np.where(told, newest, kept["total"])
        kept["doubted"] = kept["doubted"] & ~told
        kept["known"] = kept["known"] | told
        return totals, steady

    def _one_by_one(self, dense: Dense, kept: Kept, tag: int, totals: NDArray[Any]) -> list[bool]:
        """A counter of which something is to be decided: its totals, in their places, and what of it is plausible."""
        readings = dense.values[: int(dense.counts[tag]), tag].tolist()
        if not readings:
            return []
        count = _count(kept, tag, readings[0])
        plausible, told = [], []
        for reading in readings:
            plausible.append(count.step(reading, self._settings))
            if count.total > _TOP and dense.values.dtype.kind == "u":
                count.total, count.added = reading, 0  # beyond 64 bits: it begins anew
            told.append(count.total)
        totals[: len(told), tag] = told
        added = count.added % 2**64 if dense.values.dtype.kind == "u" else count.added
        for name, value in {"reading": count.reading, "added": added, "total": count.total, "known": True}.items():
            kept[name][tag] = value
        kept["doubted"][tag], kept["doubt"][tag] = count.doubt is not None, count.doubt or 0
        return plausible

    def _done(self, part: Part, totals: NDArray[Any], wrong: NDArray[np.bool_]) -> Turned:
        if not wrong.any():
            return Turned(totals)
        return Turned(without_values(totals, wrong), part.marked(wrong, OUT_OF_RANGE))

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._note(self._roster.tags)

    def _begin(self, tags: tuple[Tag, ...]) -> None:
        super()._begin(tags)
        self._places: dict[str, tuple[DataType, int]] = {}

    def _met(self, selection: Selection) -> None:
        self._note(selection.taken)

    def _note(self, tags: Sequence[Tag]) -> None:
        """A counter that comes back with another type or unit goes on from its total."""
        for tag in (tag for tag in tags if tag.type in self.kinds):
            place = tag.type, self._roster.column(tag)
            former = self._places.get(tag.name, place)
            self._places[tag.name] = place
            if former != place:
                total = _unsigned(self._store.of(former[0], self._roster.width(former[0]))["total"])[former[1]].item()
                held = _unsigned(self._store.of(tag.type, self._roster.width(tag.type))["total"])
                held[place[1]] = max(held[place[1]].item(), min(int(total), _TOP) if held.dtype.kind == "u" else total)


def _count(kept: Kept, tag: int, first: Number) -> Count:
    """One counter as it is kept; one that was never read begins with `first`, or goes on from its total."""
    total = kept["total"][tag].item()
    if not kept["known"][tag]:
        return Count(first, total - first if total else 0, total, None)
    reading = kept["reading"][tag].item()
    added = total - reading if isinstance(total, int) else kept["added"][tag].item()
    return Count(reading, added, total, kept["doubt"][tag].item() if kept["doubted"][tag] else None)


def _unsigned(held: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as uint64, in place; the others as they are."""
    return held.view("<u8") if held.dtype.kind == "i" else held


def make(settings: Settings) -> Counter:
    """A stage for one source."""
    return Counter(settings)
