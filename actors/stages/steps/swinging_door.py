"""The swinging door: only the samples of which straight lines come within `deviation` of all the others.

    { stage = "swinging_door", tags = ["*_temp"], deviation = 0.2, max_silence = "10m" }

A line is drawn from the last sample that was sent. A sample is held back while the line to it passes within
`deviation` of every sample in between; when one comes to which it does not, the one before it is sent and is the new
beginning. So whoever joins what was sent by straight lines is nowhere further from a sample than `deviation` (but for
the rounding of floats). The first sample, and the first and the last of each status code, are sent as well; Bad
samples, NaN and infinities are joined by no line. `max_silence` is the longest time from one that is sent to the next.

It holds the newest sample of each tag back, so the samples that come out are in order by tag only, and it is for
readings that are passed on, not for windows. After E. H. Bristol, "Swinging door trending" (1990), with the door
closed by what would leave a sample outside.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.chosen import Chosen
from actors.stages.columnwise import Columnwise, Moments, Part, Plan, packed
from actors.stages.roster import indices
from actors.stages.store import Form, Kept
from transports.samples import FIXED, Batch
from transports.settings import duration, setting

LASTING = True
THINS = True

Freed = tuple[int, int, int, Any, int]  # a sample of a former batch: share, column, time, value, status code


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """How wide the door is."""

    deviation: float = setting(gt=0, help="how far a sample may be from the line, in the tag's unit", example="0.2")
    max_silence_s: float | None = duration(None, help="the longest time from one sample that is sent to the next")


class SwingingDoor(Columnwise):
    """See the module's note. The line begins at `pivot` and `begun_ns`; its slope lies from `low` to `high`."""

    forms: Mapping[str, Form] = {
        "pivot": Form("<f8"),
        "begun_ns": Form("<i8"),
        "low": Form("<f8", fill=-np.inf),
        "high": Form("<f8", fill=np.inf),
        "held": Form(),
        "held_ns": Form("<i8"),
        "code": Form("<u4"),
        "smooth": Form("?"),
        "holds": Form("?"),
        "known": Form("?"),
    }

    def __init__(self, settings: Settings) -> None:
        self._deviation = settings.deviation
        self._silence_ns = 2**62 if settings.max_silence_s is None else round(settings.max_silence_s * 1e9)
        super().__init__(settings.tags)

    def take(self, batch: Batch) -> list[Batch]:
        n, plan = len(batch.times_ns), self._plan(batch.tags)
        if not n or not plan.shares:
            return [batch] if n else []
        moments = Moments(batch.times_ns)
        stays = np.ones((n, len(batch.tags)), np.bool_)
        freed: list[Freed] = []
        for number, (share, width) in enumerate(zip(plan.shares, plan.widths, strict=True)):
            part = self._part(batch, share, width, moments)
            kept = {name: held[part.columns] for name, held in part.kept.items()}
            sent = np.zeros(part.values.shape, np.bool_)
            restless = np.flatnonzero(~self._calm(part, kept))
            if len(restless):
                freed += [(number, *each) for each in self._through(part, kept, restless, sent)]
            for name, held in part.kept.items():
                held[part.columns] = kept[name]
            stays[:, share.among] = sent
        return [*self._gathered(batch, plan, freed), *self._sieve.sifted(batch, stays)]

    def flush(self) -> list[Batch]:
        """The samples that are held back."""
        out = []
        for tag in (tag for tag in self._roster.tags if tag.type in self.kinds):
            kept, at = self._store.of(tag.type, self._roster.width(tag.type)), self._roster.column(tag)
            if kept["holds"][at]:
                block, time_ns = kept["held"][at].tobytes(), int(kept["held_ns"][at])
                out.append(Batch("", 1, (tag,), (time_ns,), {tag.type: block}, int(kept["code"][at])))
                begins = {"pivot": kept["held"][at], "begun_ns": time_ns, "low": -np.inf, "high": np.inf}
                for name, value in {**begins, "holds": False}.items():
                    kept[name][at] = value
        return sorted(out, key=lambda each: each.times_ns)

    def _calm(self, part: Part, kept: Kept) -> NDArray[np.bool_]:
        """Of which tags all samples stay in the door that is open now; the last one of them is then held."""
        times = part.moments.vector[:, None]
        with np.errstate(all="ignore"):
            away, since = part.values - kept["pivot"], (times - kept["begun_ns"]).astype(np.float64)
            slopes = away / since
            highs = np.minimum.accumulate(np.concatenate([kept["high"][None], (away + self._deviation) / since]))
            lows = np.maximum.accumulate(np.concatenate([kept["low"][None], (away - self._deviation) / since]))
        calm: NDArray[np.bool_] = (slopes <= highs[:-1]) & (slopes >= lows[:-1])
        smooth = True if part.fine is None else part.fine
        calm |= ~np.asarray(smooth)
        calm &= kept["known"] & (part.codes == kept["code"]) & (smooth == kept["smooth"]) & (since < self._silence_ns)
        calm[0] &= times[0] > np.where(kept["holds"], kept["held_ns"], kept["begun_ns"])
        calm[1:] &= times[1:] > times[:-1]
        still: NDArray[np.bool_] = np.asarray(calm.all(axis=0))
        lines = still & kept["smooth"]
        kept["high"], kept["low"] = np.where(lines, highs[-1], kept["high"]), np.where(lines, lows[-1], kept["low"])
        kept["held"] = np.where(still, part.values[-1], kept["held"])
        kept["held_ns"] = np.where(still, times[-1], kept["held_ns"])
        kept["holds"] = kept["holds"] | still
        return still

    def _through(
        self, part: Part, kept: Kept, restless: NDArray[np.intp], sent: NDArray[np.bool_]
    ) -> Iterator[tuple[int, int, Any, int]]:
        """Let these tags' samples pass one by one; what is sent of them is marked, what was held before comes out."""
        columns = restless.tolist()
        states = zip(*(held[restless].tolist() for held in kept.values()), strict=True)
        times, values = part.moments.vector.tolist(), part.values.T[restless].tolist()
        codes = part.status.T[restless].tolist()
        smooth = [[True] * len(times)] * len(columns) if part.fine is None else part.fine.T[restless].tolist()
        became: list[Sequence[Any]] = []
        for column, state, *samples in zip(columns, states, values, codes, smooth, strict=True):
            rows, new_state = self._pass(zip(times, *samples, strict=True), *state)
            sent[[row for row in rows if row >= 0], column] = True
            if rows and rows[0] < 0:
                yield column, state[5], state[4], state[6]
            became.append(new_state)
        for name, news in zip(kept, zip(*became, strict=True), strict=True):
            kept[name][restless] = news

    def _pass(
        self,
        samples: Iterable[tuple[int, Any, int, bool]],
        pivot: float,
        begun_ns: int,
        low: float,
        high: float,
        held: Any,
        held_ns: int,
        code: int,
        smooth: bool,
        holds: bool,
        known: bool,
    ) -> tuple[list[int], tuple[Any, ...]]:
        """Let the samples of one tag pass: the numbers of those to send (-1: of a former batch), and the new state.

        One loop over plain numbers, because each turn depends on the one before it.
        """
        deviation, silence_ns, sent = self._deviation, self._silence_ns, []
        before, inf = -1, float("inf")  # the number of the sample that is held
        for row, (time_ns, value, status, is_smooth) in enumerate(samples):
            goes_on = known and status == code and is_smooth == smooth and time_ns > (held_ns if holds else begun_ns)
            since = time_ns - begun_ns
            if goes_on and is_smooth:
                away = value - pivot
                if not low <= away / since <= high:  # the one before it is sent, and a door opens there
                    sent.append(before)
                    pivot, begun_ns, low, high, holds = float(held), held_ns, -inf, inf, False
                    away, since = value - pivot, time_ns - begun_ns
            if goes_on and since < silence_ns:
                if is_smooth:
                    low, high = max(low, (away - deviation) / since), min(high, (away + deviation) / since)
                held, held_ns, holds, before = value, time_ns, True, row
                continue
            if holds and not goes_on:
                sent.append(before)
            sent.append(row)
            pivot, begun_ns, low, high = float(value), time_ns, -inf, inf
            code, smooth, holds, known = status, is_smooth, False, True
        return sent, (pivot, begun_ns, low, high, held, held_ns, code, smooth, holds, known)

    def _gathered(self, batch: Batch, plan: Plan, freed: list[Freed]) -> list[Batch]:
        """Samples of former batches, in order of time."""
        if not freed:
            return []
        rows = {time_ns: row for row, time_ns in enumerate(sorted({each[2] for each in freed}))}
        places = [indices(within) for within in plan.within]
        made = {
            share.kind: np.zeros((len(rows), len(place)), FIXED[share.kind][2])
            for share, place in zip(plan.shares, places, strict=True)
        }
        stays = np.zeros((len(rows), len(plan.apart.tags)), np.bool_)
        codes = np.zeros(stays.shape, np.uint32)
        for number, column, time_ns, value, code in freed:
            row, place = rows[time_ns], places[number][column]
            made[plan.shares[number].kind][row, column] = value
            stays[row, place], codes[row, place] = True, code
        blocks, tags = plan.apart.filled(batch, made, len(rows)), plan.apart.tags
        whole = Batch(batch.source, batch.seq, tags, tuple(rows), blocks, packed(codes), batch.window_ns)
        return self._sieve.sifted(whole, stays)


def make(settings: Settings) -> SwingingDoor:
    """A stage for one source."""
    return SwingingDoor(settings)
