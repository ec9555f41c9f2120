"""The windows of one source that are open, when they close, and what comes too late for them.

    time ──>   ──────────┬─────────┬─────────┬──────
                closed   │ open    │ open    │
                         ^ closed_ns          ^ the newest sample; closed_ns = its time - lateness, rounded down

Everything before `closed_ns` is summed up and sent. A later sample moves it on, and so does the wall clock when the
source has gone silent. It moves back only when the source's clock does (see `_clock_was_set_back`).
"""

from operator import le
from typing import Any

from actors.stages.numbers import NEVER
from actors.stages.roster import Roster
from actors.stages.settings import Settings
from actors.stages.sheet import Sheets
from actors.stages.window import Before, Window
from transports.samples import Batch, DataType, Gap, Tag

GRACE_NS = 2_000_000_000  # from a device's reading to here: its own batching, the spool's sync, a restart of either
AHEAD_NS = 60_000_000_000  # clocks of devices differ by seconds; by more than this one of them was wrong


class Source:
    """Scans of one source into batches of statistics. `seq` is the next batch's number."""

    def __init__(self, name: str, settings: Settings, window_ns: int) -> None:
        self.name, self._settings, self._window_ns = name, settings, window_ns
        self.seq, self.folded, self.late = 1, 0, 0
        self._closed_ns = self._folded_ns = NEVER
        self._windows: dict[int, Window] = {}
        self._begin(())

    @classmethod
    def restored(cls, name: str, settings: Settings, window_ns: int, state: Any) -> "Source":
        """A source from what `state` gave."""
        source = cls(name, settings, window_ns)
        source._closed_ns, source._folded_ns, tags, windows, *before = state
        source._begin(tuple(Tag(name, DataType(kind), unit) for name, kind, unit in tags))
        wanted = settings.statistics
        source._windows = {start: Window.restored(wanted, source._span(start), held) for start, held in windows}
        if source._before is not None and before and before[0] is not None:
            source._before = Before.restored(before[0])
        return source

    def state(self) -> list[Any]:
        """What `restored` takes, for msgpack; the counters are kept by the caller."""
        tags = [[tag.name, int(tag.type), tag.unit] for tag in self._roster.tags]
        windows = [[at, held.state()] for at, held in self._windows.items()]
        before = None if self._before is None else self._before.state()
        return [self._closed_ns, self._folded_ns, tags, windows, before]

    def fold(self, batch: Batch, utc_ns: int) -> list[Batch | Gap]:
        """Take a batch in (at least one scan); what closes by it comes out, oldest first."""
        out: list[Batch | Gap] = []
        selection = self._roster.find(batch.tags)
        if selection is None:
            if not self._roster.admits(batch.tags):
                out += self.flush()
                self._begin(())
            selection = self._roster.select(batch.tags)
        if not selection.shares:
            return out
        oldest, newest = min(batch.times_ns), max(batch.times_ns)
        if self._clock_was_set_back(oldest, newest, utc_ns):
            out += self.flush()
            self._closed_ns = NEVER
            self.interrupt()
        self._folded_ns = utc_ns
        self.folded += len(batch.times_ns)
        start = self._start(oldest)
        if oldest >= self._closed_ns and newest < start + self._window_ns:
            self._window(start).add(batch, selection, self._roster, _order(batch.times_ns), self._before)
        else:
            groups, late = self._grouped(batch.times_ns)
            for start, rows in sorted(groups.items()):
                self._window(start).add(batch, selection, self._roster, rows, self._before)
            out += self._missed(late)
        self._closed_ns = max(self._closed_ns, self._horizon(newest))
        return out + self._close()

    def interrupt(self) -> None:
        """Readings are missing here: what was known before holds no more."""
        self._before = Before() if "twa" in self._settings.statistics else None

    def expire(self, utc_ns: int) -> list[Batch | Gap]:
        """Close the windows whose time has passed on the wall clock while the source is silent."""
        ends = [start + self._window_ns for start in self._windows]
        self._closed_ns = max([self._closed_ns, *(end for end in ends if self._due(end) <= utc_ns)])
        return self._close()

    def due(self) -> int | None:
        """When, in UTC ns, `expire` will have something to do; `None` while nothing is open."""
        return self._due(min(self._windows) + self._window_ns) if self._windows else None

    def flush(self) -> list[Batch | Gap]:
        """Close whatever is open, oldest first."""
        return self._sent(sorted(self._windows))

    def _begin(self, tags: tuple[Tag, ...]) -> None:
        self._roster = Roster(self.name, self._settings.from_, tags)
        self._sheets = Sheets(self._roster, self._settings.statistics)
        self.interrupt()

    def _clock_was_set_back(self, oldest: int, newest: int, utc_ns: int) -> bool:
        """Whether what is late only is so because the source's clock was ahead, and now is right.

        Without this, one sample stamped years ahead would make all that follow late for years. Windows of that time
        may then come out twice, each with what was sampled before and after the clock was set.
        """
        return oldest < self._closed_ns and newest - AHEAD_NS <= utc_ns < self._closed_ns - AHEAD_NS

    def _grouped(self, times_ns: tuple[int, ...]) -> tuple[dict[int, list[int]], list[int]]:
        """The scans' numbers by the window they fall in, in order of time; and the times of those too late."""
        groups: dict[int, list[int]] = {}
        late: list[int] = []
        closed = self._closed_ns
        for row, time_ns in enumerate(times_ns):
            if time_ns < closed:
                late.append(time_ns)
            else:
                groups.setdefault(self._start(time_ns), []).append(row)
                closed = max(closed, self._horizon(time_ns))
        for rows in groups.values():
            rows.sort(key=times_ns.__getitem__)
        return groups, late

    def _missed(self, times_ns: list[int]) -> list[Gap]:
        if not times_ns:
            return []
        self.late += len(times_ns)
        since, until = max(min(times_ns) - 1, NEVER), max(times_ns) + 1
        detail = f"{len(times_ns)} scans came after their window of {self._window_ns / 1e9:g} s was closed"
        return [Gap(self.name, "late", since, until, count=len(times_ns), detail=detail)]

    def _window(self, start: int) -> Window:
        if start not in self._windows:
            self._windows[start] = Window(self._settings.statistics, self._span(start))
        return self._windows[start]

    def _close(self) -> list[Batch | Gap]:
        return self._sent(sorted(start for start in self._windows if start + self._window_ns <= self._closed_ns))

    def _sent(self, starts: list[int]) -> list[Batch | Gap]:
        out: list[Batch | Gap] = []
        for start in starts:
            tables = self._windows.pop(start).tables
            batch = self._sheets.batch(self.seq, start, self._window_ns, tables)
            if batch is not None:
                self.seq += 1
                out.append(batch)
        return out

    def _span(self, start: int) -> tuple[int, int]:
        return start, start + self._window_ns

    def _start(self, time_ns: int) -> int:
        return max(time_ns - time_ns % self._window_ns, NEVER)

    def _horizon(self, time_ns: int) -> int:
        return self._start(time_ns - self._settings.lateness_ns)

    def _due(self, end: int) -> int:
        return max(end + self._settings.lateness_ns, self._folded_ns) + GRACE_NS


def _order(times_ns: tuple[int, ...]) -> list[int] | None:
    """The scans' numbers in order of time, those of equal time as they came; `None` where that is as they stand."""
    if all(map(le, times_ns, times_ns[1:])):
        return None
    return sorted(range(len(times_ns)), key=times_ns.__getitem__)
