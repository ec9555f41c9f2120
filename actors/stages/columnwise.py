"""The frame of stages that look at columns: it finds the chosen tags and gives each type's samples as one matrix.

take(batch) ──for each type──> Part: values, status codes, times, which are usable, what is remembered
                                 │ turned(part)
                                 └──> Turned: new values, new status codes, which samples stay ──> batches
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.layout import Layout, origins
from actors.stages.numbers import BAD
from actors.stages.roster import MAX_TAGS, Columns, Roster, Selection, Share, indices, neighbours
from actors.stages.sieve import Sieve
from actors.stages.store import Form, Kept, Store
from transports.samples import FIXED, Batch, DataType, Quality, Tag

MAX_PLANS = 256
NUMBERS = (DataType.INT64, DataType.UINT64, DataType.FLOAT64)
Codes = int | NDArray[np.uint32]


class Moments:
    """The times of a batch's scans, as a vector once somebody asks for them."""

    __slots__ = ("_times_ns", "_vector")

    def __init__(self, times_ns: tuple[int, ...]) -> None:
        self._times_ns = times_ns
        self._vector: NDArray[np.int64] | None = None

    @property
    def vector(self) -> NDArray[np.int64]:
        """UTC ns of each scan."""
        if self._vector is None:
            self._vector = np.fromiter(self._times_ns, np.int64, len(self._times_ns))
        return self._vector


@dataclass(slots=True)
class Part:
    """The samples of one type in a batch: values (scans, tags), one status code for all or a matrix of them.

    `fine` tells which are usable, neither Bad nor NaN nor infinite; None for all of them. `kept` is what is remembered
    of the type's tags, and these tags are its `columns`.
    """

    kind: DataType
    values: NDArray[Any]
    codes: Codes
    fine: NDArray[np.bool_] | None
    moments: Moments
    kept: Kept
    columns: Columns

    @property
    def status(self) -> NDArray[np.uint32]:
        """The status codes, one a sample."""
        return np.full(self.values.shape, self.codes, np.uint32) if isinstance(self.codes, int) else self.codes

    @property
    def is_void(self) -> bool:
        """Whether none of it is usable."""
        return self.fine is not None and not self.fine.any()

    def marked(self, which: NDArray[np.bool_], code: int) -> NDArray[np.uint32]:
        """The status codes, at least as bad as `code` where `which` says yes."""
        codes = self.status
        return np.where(which, np.maximum(codes, np.uint32(code)), codes)


@dataclass(slots=True)
class Turned:
    """What became of a part: None for status codes that stay, and for samples that all do."""

    values: NDArray[Any]
    codes: NDArray[np.uint32] | None = None
    stays: NDArray[np.bool_] | None = None


@dataclass(slots=True)
class Plan:
    """What is done with batches of one tuple of tags.

    `layout` is of all tags with the chosen ones turned, `apart` of the chosen ones alone, `within` each share's columns
    there.
    """

    shares: tuple[Share, ...]
    widths: tuple[int, ...]
    layout: Layout
    apart: Layout
    within: tuple[Columns, ...]


class Columnwise:
    """A stage that turns values into values, each in its place. `kinds` and `forms` are its own to set."""

    kinds: Sequence[DataType] = NUMBERS
    forms: Mapping[str, Form] = {}

    def __init__(self, tags: Sequence[str]) -> None:
        self._patterns = tuple(f"*.{pattern}" for pattern in tags)
        self._sieve = Sieve()
        self._begin(())

    def turned(self, part: Part) -> Turned:
        """What becomes of the samples of one type."""
        raise NotImplementedError

    def renamed(self, tag: Tag) -> Tag:
        """The tag under which what becomes of `tag` goes on: another type or unit."""
        return tag

    def take(self, batch: Batch) -> list[Batch]:
        """See stage.py."""
        n = len(batch.times_ns)
        plan = self._plan(batch.tags)
        if not n or not plan.shares:
            return [batch] if n else []
        moments, made = Moments(batch.times_ns), {}
        codes: NDArray[np.uint32] | None = None
        stays: NDArray[np.bool_] | None = None
        for share, width in zip(plan.shares, plan.widths, strict=True):
            done = self.turned(self._part(batch, share, width, moments))
            made[share.kind] = done.values
            if done.codes is not None:
                codes = batch.qualities().copy() if codes is None else codes
                codes[:, share.among] = done.codes
            if done.stays is not None:
                stays = np.ones((n, len(batch.tags)), np.bool_) if stays is None else stays
                stays[:, share.among] = done.stays
        blocks, quality = plan.layout.filled(batch, made), batch.quality if codes is None else packed(codes)
        out = Batch(
            batch.source,
            batch.seq,
            plan.layout.tags,
            batch.times_ns,
            blocks,
            quality,
            batch.window_ns,
            batch.aggregate,
            batch.thinned_to,
        )
        return [out] if stays is None else self._sieve.sifted(out, stays)

    def flush(self) -> list[Batch]:
        """Nothing is held back."""
        return []

    def state(self) -> Any:
        """See stage.py."""
        return [[[tag.name, int(tag.type), tag.unit] for tag in self._roster.tags], self._store.state()]

    def restore(self, state: Any) -> None:
        """See stage.py."""
        tags, kept = state
        self._begin(tuple(Tag(name, DataType(kind), unit) for name, kind, unit in tags))
        self._store.restore(kept)

    def _begin(self, tags: tuple[Tag, ...]) -> None:
        self._roster = Roster("", self._patterns, tags)
        self._store = Store(self.forms)
        self._plans: dict[int, tuple[Selection, Plan]] = {}

    def _plan(self, tags: tuple[Tag, ...]) -> Plan:
        selection = self._roster.find(tags)
        if selection is None:
            if len(self._roster.tags) + len(tags) > MAX_TAGS and self._roster.tags:
                self._begin(())  # a source that invents names for ever; what was remembered of them is given up
            selection = self._roster.select(tags)
            if len(self._plans) > MAX_PLANS:
                self._plans.clear()
        known = self._plans.get(id(selection))
        if known is None or known[0] is not selection:
            known = self._plans[id(selection)] = (selection, self._planned(tags, selection))
        return known[1]

    def _planned(self, tags: tuple[Tag, ...], selection: Selection) -> Plan:
        shares = tuple(share for share in selection.shares if share.kind in self.kinds)
        chosen = {number for share in shares for number in indices(share.among).tolist()}
        drawn = origins(tags, lambda number, tag: self.renamed(tag) if number in chosen else None)
        widths = tuple(self._roster.width(share.kind) for share in shares)
        self._met(selection)
        alone = [tags[number] for number in sorted(chosen)]
        place = {number: at for at, number in enumerate(sorted(chosen))}
        within = tuple(neighbours([place[number] for number in indices(share.among).tolist()]) for share in shares)
        apart = Layout(origins(alone, lambda number, tag: self.renamed(tag)), tags)
        return Plan(shares, widths, Layout(drawn, tags), apart, within)

    def _met(self, selection: Selection) -> None:
        """Tags came together for the first time."""

    def _part(self, batch: Batch, share: Share, width: int, moments: Moments) -> Part:
        block = batch.blocks[share.kind]
        assert isinstance(block, bytes)
        values = np.frombuffer(block, FIXED[share.kind][2]).reshape(len(batch.times_ns), -1)[:, share.block]
        quality = batch.quality
        codes = quality if isinstance(quality, int) else batch.qualities()[:, share.among]
        fine = usable(values, codes)
        return Part(share.kind, values, codes, fine, moments, self._store.of(share.kind, width), share.kept)


def usable(values: NDArray[Any], codes: Codes) -> NDArray[np.bool_] | None:
    """Which samples are neither Bad nor NaN nor infinite; None when all are."""
    if isinstance(codes, int):
        if codes >= BAD:
            return np.zeros(values.shape, np.bool_)
        if values.dtype.kind != "f":
            return None
        fine = np.isfinite(values)
    else:
        fine = np.isfinite(values) & (codes < BAD) if values.dtype.kind == "f" else codes < BAD
    return None if bool(fine.all()) else fine


def packed(codes: NDArray[np.uint32]) -> int | bytes:
    """Status codes as a batch has them: one for all where they are alike."""
    first = codes.flat[0]
    return int(first) if (codes == first).all() else codes.astype("<u4", copy=False).tobytes()


def without_values(values: NDArray[Any], bad: NDArray[np.bool_]) -> NDArray[Any]:
    """The values with the placeholder where there is none."""
    placed: NDArray[Any] = np.where(bad, values.dtype.type(0), values)
    return placed


def spans(values: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """How far apart two numbers are; whole ones exactly, over all of their range."""
    if values.dtype.kind == "f":
        apart: NDArray[Any] = np.abs(values - others)
        return apart
    distance: NDArray[Any] = np.maximum(values, others).astype(np.uint64) - np.minimum(values, others).astype(np.uint64)
    return distance


OUT_OF_RANGE, DOUBTFUL = Quality.BAD_OUT_OF_RANGE, Quality.UNCERTAIN_SUB_NORMAL
