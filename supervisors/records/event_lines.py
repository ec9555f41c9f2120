"""Events as an operator reads them: from the journal's file or the audit record, chosen by name and time."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from supervisors.records import audit, journal
from supervisors.records.record_lines import dumped, harmless, local_stamp, parsed, seconds_of
from supervisors.records.rotated import parts
from supervisors.records.trail import Renamed

Record = Mapping[str, Any]


class Events:
    """The records in a data directory that are about `pattern` (a name, or one with `*`), not before `since`
    (seconds since 1970 UTC). `audited` reads the audit record instead of the journal."""

    def __init__(self, data_dir: Path, pattern: str = "*", since: float = 0.0, audited: bool = False) -> None:
        name, files = (audit.AUDIT, audit.FILES) if audited else (journal.EVENTS, journal.FILES)
        self._trail = Renamed(parts(data_dir / name, files))
        self._pattern, self._since = pattern, since

    def so_far(self, last: int | None) -> Iterable[Record]:
        """What is there, or only the newest records of it, at most `last`; `news` goes on after them."""
        return self.news() if last is None else deque(self.news(), maxlen=last)

    def news(self) -> Iterator[Record]:
        """The records since the last time. A line that is torn or none of the house's is left out."""
        records = (record for line in self._trail.news() if (record := parsed(line)) is not None)
        return (record for record in records if self._wanted(record))

    def _wanted(self, record: Record) -> bool:
        if seconds_of(record) < self._since:
            return False
        return self._pattern == "*" or any(fnmatchcase(name, self._pattern) for name in _names(record))


def shown(record: Record, as_json: bool) -> str:
    """A record on one line."""
    if as_json:
        return dumped(record)
    when = local_stamp(round(seconds_of(record) * 1000) * 1_000_000)
    return harmless(f"{when} {record.get('level')} {record.get('text')}")


def _names(record: Record) -> Iterator[str]:
    yield str(record.get("name"))
    several = record.get("names")
    if isinstance(several, (list, dict)):
        yield from map(str, several)
