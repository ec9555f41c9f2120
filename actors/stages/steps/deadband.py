"""A deadband: a sample passes when it moved by more than this since the last that passed.

    { stage = "deadband", tags = ["oil*"], absolute = 0.5 }
    { stage = "deadband", tags = ["flow"], percent = 2.0, max_silence = "60s" }

So does the first of a tag, one whose status code changed, and one after `max_silence`. It leaves samples out, so it is
for readings that are passed on, not for windows. Flags pass when they change; texts, bytes and arrays pass always.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.band import Band
from actors.stages.chosen import Chosen
from actors.stages.columnwise import NUMBERS, Columnwise, Part, Turned
from actors.stages.numbers import BAD
from actors.stages.store import Form, Kept
from transports.errors import Problem
from transports.samples import DataType
from transports.settings import duration, setting

LASTING = False
THINS = True


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """How far is far."""

    absolute: float | None = setting(None, ge=0, help="how far it may move, in the tag's unit")
    percent: float | None = setting(None, ge=0, help="the same, in percent of the last one that passed")
    max_silence_s: float | None = duration(None, help="let an unchanged value pass after this long")

    def problems(self, path: str) -> Iterator[Problem]:
        """A band without a width."""
        if self.absolute is None and self.percent is None:
            yield Problem(f"{path}.absolute", "", "is missing; write absolute, percent or both")


class Deadband(Columnwise):
    """See the module's note."""

    kinds = (*NUMBERS, DataType.BOOL)
    forms: Mapping[str, Form] = {"value": Form(), "at_ns": Form("<i8"), "code": Form("<u4"), "known": Form("?")}

    def __init__(self, settings: Settings) -> None:
        self._band = Band(settings.absolute, settings.percent)
        self._silence_ns = None if settings.max_silence_s is None else round(settings.max_silence_s * 1e9)
        super().__init__(settings.tags)

    def turned(self, part: Part) -> Turned:
        last = {name: held[part.columns] for name, held in part.kept.items()}
        stays = self._far(last, part.values, part.codes, part.moments.vector[:, None])
        if not stays.any():
            return Turned(part.values, None, stays)
        for tag in np.flatnonzero(stays.any(axis=0)).tolist():
            self._pass(part, last, tag, stays)
        for name, held in part.kept.items():
            held[part.columns] = last[name]
        return Turned(part.values, None, stays)

    def _far(self, last: Kept, values: NDArray[Any], codes: Any, times: Any) -> NDArray[np.bool_]:
        moved = self._band.left(values, np.broadcast_to(last["value"], values.shape))
        far: NDArray[np.bool_] = (moved & np.less(codes, BAD)) | np.not_equal(codes, last["code"]) | ~last["known"]
        if self._silence_ns is not None:  # or its clock was set back by as much
            far |= np.abs(times - last["at_ns"]) >= self._silence_ns
        return far

    def _pass(self, part: Part, last: Kept, tag: int, stays: NDArray[np.bool_]) -> None:
        """From the first sample that passes on, each is compared with the last one that did."""
        some = slice(tag, tag + 1)
        times = part.moments.vector[:, None]
        at = int(stays[:, tag].argmax())
        stays[at:, tag] = False
        while True:
            stays[at, tag] = True
            codes = part.codes if isinstance(part.codes, int) else part.codes[:, some]
            last["value"][tag], last["at_ns"][tag], last["known"][tag] = part.values[at, tag], times[at, 0], True
            last["code"][tag] = codes if isinstance(codes, int) else codes[at, 0]
            rest = slice(at + 1, None)
            of_tag = {name: held[some] for name, held in last.items()}
            far = self._far(
                of_tag, part.values[rest, some], codes if isinstance(codes, int) else codes[rest], times[rest]
            )
            if not far.any():
                return
            at += 1 + int(far.argmax())


def make(settings: Settings) -> Deadband:
    """A stage for one source."""
    return Deadband(settings)
