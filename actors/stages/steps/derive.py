"""A derived tag: the value of an expression over other tags of the same source.

    { stage = "derive", tag = "power", expression = "voltage * current / 1000", unit = "kW" }
    { stage = "derive", tag = "too_hot", expression = "{oil temp} > 80 and running", type = "bool" }

It has a sample for each scan that brings one of the tags; those that the scan lacks count with their last sample, and
before their first there is none. Numbers are computed with as floats (transports/expressions.py has what can be
written). The quality is the worst of the tags'. Where one of them is Bad, NaN or infinite it is Bad, and so it is where
the result is no finite number or not of the type. A tag of the same name that the device has is replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from actors.stages.layout import Layout, Origin, origins
from actors.stages.numbers import BAD
from transports.expressions import Expression, ExpressionError, Reference
from transports.samples import FIXED, Batch, DataType, Quality, Tag
from transports.settings import setting

LASTING = False
MAX_PLANS = 256
_TYPES: Mapping[str, DataType] = {"float64": DataType.FLOAT64, "int64": DataType.INT64, "bool": DataType.BOOL}
_KNOWN_KINDS = (*FIXED, DataType.STRING)


def _fault(expression: str) -> str | None:
    try:
        needed = Expression(expression).references
    except ExpressionError as wrong:
        return f"is no expression: {wrong}"
    return None if needed else "must have at least one tag in it"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The new tag and how it is computed."""

    tag: str = setting(
        help="the name of the new tag", example="power", check=lambda name: None if name else "must be a name"
    )
    expression: str = setting(check=_fault, help="its value, of tags of the same source", example="voltage * current")
    unit: str = setting("", help="its unit")
    type: Literal["float64", "int64", "bool"] = setting("float64", help="its type")


@dataclass(frozen=True, slots=True)
class Input:
    """A tag of the expression in a batch: its number among the tags, its type and its column there."""

    name: str
    number: int
    kind: DataType
    column: int


@dataclass(frozen=True, slots=True)
class Plan:
    """For one tuple of tags: which of them the expression takes, which go on, and what comes out."""

    tags: tuple[Tag, ...]
    inputs: tuple[Input, ...]
    others: NDArray[np.intp]
    layout: Layout


class Derive:
    """See the module's note."""

    def __init__(self, settings: Settings) -> None:
        self._tag = Tag(settings.tag, _TYPES[settings.type], settings.unit)
        self._expression = Expression(settings.expression)
        self._wanted = [reference.tag for reference in self._expression.references]
        self._last: dict[str, tuple[Any, int]] = {}
        self._plans: dict[int, Plan] = {}

    def take(self, batch: Batch) -> list[Batch]:
        """See stage.py."""
        plan = self._plan(batch.tags)
        if not batch.times_ns or not plan.inputs:
            return [batch] if batch.times_ns else []
        codes = None if isinstance(batch.quality, int) else batch.qualities()
        columns: dict[str, Any] = {name: value for name, (value, _) in self._last.items()}
        status: dict[str, Any] = {name: np.uint32(code) for name, (_, code) in self._last.items()}
        for each in plan.inputs:
            columns[each.name] = column = _column(batch, each)
            status[each.name] = np.uint32(batch.quality) if codes is None else codes[:, each.number]
            last = batch.quality if codes is None else codes[-1, each.number]
            self._last[each.name] = _plain(column[-1]), int(last)
        if len(columns) < len(self._wanted):
            return [batch]
        return [self._with(batch, plan, *self._computed(columns, list(status.values()), len(batch.times_ns)))]

    def flush(self) -> list[Batch]:
        """Nothing is held back."""
        return []

    def state(self) -> Any:
        """See stage.py."""
        return {name: [value, code] for name, (value, code) in self._last.items()}

    def restore(self, state: Any) -> None:
        """See stage.py."""
        self._last = {str(name): (value, int(code)) for name, (value, code) in state.items() if name in self._wanted}

    def _computed(self, columns: dict[str, Any], status: list[Any], n: int) -> tuple[NDArray[Any], Any]:
        """The new tag's values, and their status codes or the one of all."""
        worst = status[0]
        for codes in status[1:]:
            worst = np.maximum(worst, codes)
        try:
            values = self._expression.column({Reference("", name): column for name, column in columns.items()}, n)
        except ExpressionError:
            values, worst = np.zeros(n), np.maximum(worst, np.uint32(Quality.BAD_UNEXPECTED))
        values, broken = self._typed(values)
        for column in columns.values():
            if isinstance(column, float) or (isinstance(column, np.ndarray) and column.dtype.kind == "f"):
                broken = broken | ~np.isfinite(column)
        bad = broken | (worst >= BAD)
        if bad.any():
            values = np.where(bad, values.dtype.type(0), values)
            worst = np.where(broken & (worst < BAD), np.uint32(Quality.BAD_OUT_OF_RANGE), worst)
        return values, worst

    def _typed(self, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The values in the tag's type, and which of them have none in it."""
        if self._tag.type is DataType.BOOL:
            return values.astype(np.bool_), np.zeros(values.shape, np.bool_) if values.dtype.kind == "b" else np.isnan(
                values
            )
        values = values.astype(np.float64, copy=False)
        broken = ~np.isfinite(values)
        if self._tag.type is DataType.INT64:
            values = np.rint(values)
            broken |= ~((values >= -(2.0**63)) & (values < 2.0**63))
            values = np.where(broken, 0.0, values).astype("<i8")
        return values, broken

    def _with(self, batch: Batch, plan: Plan, values: NDArray[Any], worst: Any) -> Batch:
        quality = batch.quality
        if not (isinstance(quality, int) and bool((worst == quality).all())):
            codes = np.empty((len(values), len(plan.layout.tags)), "<u4")
            codes[:, :-1] = quality if isinstance(quality, int) else batch.qualities()[:, plan.others]
            codes[:, -1] = worst
            quality = codes.tobytes()
        return Batch(
            batch.source,
            batch.seq,
            plan.layout.tags,
            batch.times_ns,
            plan.layout.filled(batch, {self._tag.type: values[:, None]}),
            quality,
            batch.window_ns,
            batch.aggregate,
            batch.thinned_to,
        )

    def _plan(self, tags: tuple[Tag, ...]) -> Plan:
        plan = self._plans.get(id(tags))
        if plan is None or plan.tags is not tags:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = self._plans[id(tags)] = self._planned(tags)
        return plan

    def _planned(self, tags: tuple[Tag, ...]) -> Plan:
        drawn = origins(tags, lambda number, tag: None)
        inputs = tuple(
            Input(origin.tag.name, number, origin.kind, origin.column)
            for number, origin in enumerate(drawn)
            if origin.tag.name in self._wanted and origin.kind in _KNOWN_KINDS
        )
        others = [number for number, tag in enumerate(tags) if tag.name != self._tag.name]
        made = Origin(self._tag, self._tag.type, 0, True)
        return Plan(tags, inputs, np.array(others, np.intp), Layout([*(drawn[number] for number in others), made]))


def _column(batch: Batch, each: Input) -> NDArray[Any]:
    block, n = batch.blocks[each.kind], len(batch.times_ns)
    if isinstance(block, bytes):
        return np.frombuffer(block, FIXED[each.kind][2]).reshape(n, -1)[:, each.column]
    return np.array(block[each.column :: len(block) // n], object)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def make(settings: Settings) -> Derive:
    """A stage for one source."""
    return Derive(settings)
