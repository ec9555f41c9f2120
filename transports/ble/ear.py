"""One peripheral as it is heard: what its advertisements become, and what its silence is called.

    SILENT ──heard──> FINE ──nothing for silent_after, or the adapter is lost──> SILENT     each change to SILENT or
                       │ ^                                                                  GARBLED is said once, as
              garbage  v │ heard                                                            Bad of all its tags
                      GARBLED

A decider: bytes and times are handed in. What a peripheral measures is announced where that is known (its format says
it, or `measures` names it), and learned by hearing it where it is not.
"""

from collections.abc import Sequence

from transports.ble.said import RSSI, Decode, Said
from transports.errors import NotUnderstood
from transports.samples import Quality, Scan, Tag, Value

SILENT, GARBLED, FINE = Quality.BAD_NO_COMMUNICATION, Quality.BAD_DECODING, Quality.GOOD
MOST_LEARNED = 64  # measures of one peripheral: a stranger's nonsense must not fill the memory
_MOST_LAYOUTS = 32  # mixtures of measures that are remembered


class Ear:
    """Hears one peripheral. `measures` are announced; with `learns` others are taken, too."""

    def __init__(self, name: str, decode: Decode, measures: Sequence[Tag], learns: bool, silent_after_s: float) -> None:
        self.name, self._decode, self._learns, self._silent_after_s = name, decode, learns, silent_after_s
        self._named: dict[str, Tag] = {}
        for measure in (RSSI, *measures):
            self._learn(measure)
        self.announced = tuple(self._named.values())
        self._all = self.announced
        self._layouts: dict[tuple[str, ...], tuple[Tag, ...]] = {}
        self._state, self._last_s = SILENT, 0.0
        self._last: Said | None = None
        self.trouble = ""
        self.refused = 0

    def heard(self, data: bytes, rssi: int, now: float, time_ns: int) -> list[Scan]:
        """What an advertisement adds: one scan, or none where it is a repetition."""
        try:
            said = self._decode(data)
        except NotUnderstood as garbage:
            self.refused += 1
            self.trouble = str(garbage)
            return self._become(GARBLED, time_ns)
        gap_s = now - self._last_s
        before = self._last if gap_s < self._silent_after_s else None  # with a new battery it counts from 0 again
        if said.is_older(before):
            self.refused += 1
            self.trouble = f"number {said.number} after {before.number if before else 0}: recorded and sent again?"
            return []
        repeated, self._last_s, self.trouble = said.repeats(before, gap_s), now, ""
        if repeated and self._state is FINE:
            return []
        self._last, self._state = said, FINE
        return [self._scan(said, rssi, time_ns)]

    def missed(self, now: float, time_ns: int) -> list[Scan]:
        """What the time that has passed adds: Bad of all its tags, once, when it was too long."""
        if self._state is not FINE or now - self._last_s < self._silent_after_s:
            return []
        return self._become(SILENT, time_ns)

    def lost(self, time_ns: int) -> list[Scan]:
        """What the loss of the adapter adds: Bad of all its tags, unless that was said."""
        return self._become(SILENT, time_ns)

    def bad(self, quality: int, time_ns: int) -> Scan:
        """Bad of all its tags."""
        return Scan(time_ns, self._all, [None] * len(self._all), quality)

    def _become(self, state: Quality, time_ns: int) -> list[Scan]:
        if self._state is state:
            return []
        self._state = state
        return [self.bad(state, time_ns)]

    def _scan(self, said: Said, rssi: int, time_ns: int) -> Scan:
        pairs: list[tuple[Tag, Value | None]] = [(RSSI, rssi), *said.values]
        taken = [(tag.name, value) for tag, value in pairs if tag.name in self._named or self._learned(tag)]
        tags = self._layout(tuple(name for name, _ in taken))
        values = [value for _, value in taken]
        if None not in values:
            return Scan(time_ns, tags, values)
        missing = [Quality.BAD_SENSOR_FAILURE if value is None else Quality.GOOD for value in values]
        return Scan(time_ns, tags, values, missing)

    def _learned(self, measure: Tag) -> bool:
        if not self._learns or len(self._named) > MOST_LEARNED:
            return False
        self._learn(measure)
        self._all = tuple(self._named.values())
        return True

    def _learn(self, measure: Tag) -> None:
        self._named[measure.name] = Tag(f"{self.name}.{measure.name}", measure.type, measure.unit)

    def _layout(self, names: tuple[str, ...]) -> tuple[Tag, ...]:
        """The tags of these names; the same tuple for the same names, as it is compared by identity first."""
        known = self._layouts.get(names)
        if known is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            known = self._layouts[names] = tuple(self._named[name] for name in names)
        return known
