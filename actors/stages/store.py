"""What a stage remembers of its tags: named vectors or matrices of each type, their last axis the tags' columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transports.samples import FIXED, DataType

Kept = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """How one thing is remembered: its dtype (None for the tag's own), rows (0 for a vector), what it begins with."""

    dtype: str | None = None
    rows: int = 0
    fill: Any = 0

    def blank(self, kind: DataType, width: int) -> NDArray[Any]:
        """The memory of tags that were never seen."""
        shape = (self.rows, width) if self.rows else (width,)
        return np.full(shape, self.fill, self.dtype or FIXED[kind][2])


class Store:
    """Everything that is remembered, by type."""

    def __init__(self, forms: Mapping[str, Form]) -> None:
        self._forms = forms
        self._kept: dict[DataType, Kept] = {}

    def of(self, kind: DataType, width: int) -> Kept:
        """What is remembered of the tags of one type, with room for as many."""
        kept = self._kept.setdefault(kind, {})
        for name, form in self._forms.items():
            held = kept.get(name)
            if held is None:
                kept[name] = form.blank(kind, width)
            elif held.shape[-1] < width:
                kept[name] = np.concatenate([held, form.blank(kind, width - held.shape[-1])], axis=-1)
        return kept

    def state(self) -> dict[int, dict[str, bytes]]:
        """What `restore` takes, to the bit."""
        return {int(kind): {name: held.tobytes() for name, held in kept.items()} for kind, kept in self._kept.items()}

    def restore(self, state: Any) -> None:
        """Take back what `state` gave; what an older version did not remember begins anew."""
        self._kept = {}
        for number, packed in state.items():
            kind = DataType(number)
            held = {name: self._array(kind, name, packed[name]) for name in self._forms if name in packed}
            width = max((each.shape[-1] for each in held.values()), default=0)
            self._kept[kind] = {name: held.get(name, form.blank(kind, width)) for name, form in self._forms.items()}

    def _array(self, kind: DataType, name: str, packed: bytes) -> NDArray[Any]:
        form = self._forms[name]
        flat = np.frombuffer(packed, form.dtype or FIXED[kind][2]).copy()
        return flat.reshape(form.rows, -1) if form.rows else flat
