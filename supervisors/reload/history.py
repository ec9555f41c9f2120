"""The configurations that a gateway has had, on the disk: numbered, whole, with what became of each.

    DATA_DIR/config/
        000042.toml   the text, byte for byte
        000042.json   {"number", "time" (UTC, ISO 8601), "who", "why", "sha256", "outcome", "reason", "instead_of"}

A number counts when its JSON is there: that is written last, and each file is replaced as a whole (temporary file,
fsync, rename, fsync of the directory). At most KEEP are kept, besides the last that was good. Nobody but the gateway's
user may read them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from transports.durable import replace_file
from transports.errors import HoldfastError

KEEP = 50


class Outcome(StrEnum):
    """What became of a configuration; the words are what an operator reads."""

    STARTED = "started"  # the gateway began with it
    TRYING = "trying"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled back"
    ABANDONED = "abandoned"  # the gateway ended before it was confirmed
    REPLACED = "replaced"  # it was in CONFIG when a rollback took its place, and never in force


GOOD = frozenset({Outcome.STARTED, Outcome.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Entry:
    """One of them. `instead_of` is the sha256 of the text that CONFIG had, when that one is to be passed over."""

    number: int
    time: str
    who: str
    why: str
    sha256: str
    outcome: Outcome
    reason: str = ""
    instead_of: str = ""

    @property
    def good(self) -> bool:
        return self.outcome in GOOD


def sha256_of(text: bytes) -> str:
    """Which text it is."""
    return hashlib.sha256(text).hexdigest()


def last_good(entries: Sequence[Entry]) -> Entry | None:
    """The newest that a gateway has worked with; `entries` are in order."""
    return next((entry for entry in reversed(entries) if entry.good), None)


def in_place_of(sha256: str, entries: Sequence[Entry]) -> Entry | None:
    """What a gateway begins with when CONFIG has this text: an entry, or None for the text itself.

    A text whose last attempt was not confirmed is passed over for the last that was good; one that a rollback should
    have replaced in CONFIG, but could not, for what that brought back.
    """
    about = (e for e in reversed(entries) if e.sha256 == sha256 or (e.instead_of == sha256 and e.good))
    newest = next((entry for entry in about if entry.outcome is not Outcome.REPLACED), None)
    if newest is None or (newest.good and newest.sha256 == sha256):
        return None
    good = newest if newest.good else last_good(entries)
    return None if good is None or good.sha256 == sha256 else good


class History:
    """The directory of them. All that is written may raise OSError."""

    def __init__(self, directory: Path, keep: int = KEEP) -> None:
        self.directory, self._keep = directory, keep

    def entries(self) -> list[Entry]:
        """What is there, oldest first; what is damaged is passed over."""
        read = (_entry(path) for path in sorted(self.directory.glob("*.json"), key=_number))
        return [entry for entry in read if entry is not None]

    def entry(self, number: int) -> Entry:
        """One of them. Raises HoldfastError when it is not kept."""
        entry = _entry(self._path(number, "json"))
        if entry is None:
            kept = [entry.number for entry in self.entries()]
            known = f"{kept[0]} to {kept[-1]} are kept" if kept else "none is kept yet"
            raise HoldfastError(f"there is no configuration {number}; {known}, see: holdfast config history")
        return entry

    def text_path(self, number: int) -> Path:
        return self._path(number, "toml")

    def text(self, number: int) -> bytes:
        """The text of an entry. Raises HoldfastError when it is not as it was written."""
        entry = self.entry(number)
        try:
            text = self.text_path(number).read_bytes()
        except OSError as lost:
            raise HoldfastError(f"the text of configuration {number} cannot be read ({lost.strerror})") from lost
        if sha256_of(text) != entry.sha256:
            raise HoldfastError(f"the text of configuration {number} is damaged; choose another one")
        return text

    def add(self, text: bytes, entry: Entry) -> Entry:
        """Keep a text under the next number, durable when this returns; the oldest over the limit go."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = [_number(path) for path in (*self.directory.glob("*.toml"), *self.directory.glob("*.json"))]
        entry = replace(entry, number=max(taken, default=0) + 1, sha256=sha256_of(text))
        replace_file(self.text_path(entry.number), text)
        self._write(entry)
        self._prune()
        return entry

    def settle(self, number: int, outcome: Outcome, reason: str = "") -> Entry:
        """Write down what became of it, durable when this returns."""
        entry = replace(self.entry(number), outcome=outcome, reason=reason)
        self._write(entry)
        return entry

    def _write(self, entry: Entry) -> None:
        replace_file(self._path(entry.number, "json"), json.dumps(asdict(entry), indent=1).encode())

    def _prune(self) -> None:
        entries = self.entries()
        good = last_good(entries)
        for entry in entries[: -self._keep]:
            if entry != good:
                self._path(entry.number, "json").unlink(missing_ok=True)
                self.text_path(entry.number).unlink(missing_ok=True)

    def _path(self, number: int, ending: str) -> Path:
        return self.directory / f"{number:06d}.{ending}"


def noted(who: str, why: str, utc_ns: int, outcome: Outcome, instead_of: str = "") -> Entry:
    """An entry that `add` will number."""
    moment = datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC)
    return Entry(0, moment.isoformat(), who, why, "", outcome, instead_of=instead_of)


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdigit() else 0


def _entry(path: Path) -> Entry | None:
    try:
        told = json.loads(path.read_bytes())
        return Entry(**{**told, "outcome": Outcome(told["outcome"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
