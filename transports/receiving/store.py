"""The receiver's database: what came is there for good when `keep` has returned, and each record once.

WAL with synchronous=FULL: a commit is on the disk before it returns (SQLite, PRAGMA synchronous), and readers neither
wait nor make us wait. One transaction takes all of a batch, or nothing of it.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from transports.errors import Problem, SettingsError, SpoolError
from transports.receiving.rows import Record, RecordId, Understood, Wrong
from transports.receiving.schema import APPLICATION_ID, SCHEMA, VERSION

BUSY_S = 2.0  # how long another that writes is waited for
UNREADABLE_MOST = 10_000  # messages without any id, of strangers: the oldest go
_NOT_THE_SAME = "another record has this id: was the gateway's data directory replaced? Give it another name"
_RECORD = "INSERT OR IGNORE INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READING = "INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_GAP = "INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ESSENCE = """SELECT device, aggregate, source_seq, time_ns FROM records
              WHERE gateway = ? AND topic = ? AND epoch = ? AND seq = ?"""
_UNREADABLE = """INSERT INTO unreadable VALUES (?, ?, ?, ?, ?, 1, ?, ?)
                 ON CONFLICT (digest) DO UPDATE SET times = times + 1, last_ns = excluded.last_ns"""
_TOO_MANY = """DELETE FROM unreadable WHERE records = '[]' AND rowid IN
               (SELECT rowid FROM unreadable WHERE records = '[]' ORDER BY rowid DESC LIMIT -1 OFFSET ?)"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message: where it came, its bytes, when (UTC ns), and what it says."""

    mqtt_topic: str
    payload: bytes
    received_ns: int
    said: Understood


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a batch: records stored, those that were there already, messages with something unreadable."""

    records: int = 0
    repeated: int = 0
    unreadable: int = 0

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(self.records + other.records, self.repeated + other.repeated, self.unreadable + other.unreadable)


class Store:
    """The database in a file, which is made when there is none. Raises SettingsError for a file of something else,
    SpoolError whenever the disk refuses: then only `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._failing(), ExitStack() as undo:
            self._base = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            undo.callback(self._base.close)
            self._begin()
            undo.pop_all()

    def keep(self, arrivals: Sequence[Arrival]) -> Kept:
        """Store all of these; they are durable on return."""
        with self._failing(), self._transaction(), closing(self._base.cursor()) as cursor:
            kept = Kept()
            for arrival in arrivals:
                kept += self._take(cursor, arrival)
            if kept.unreadable:
                cursor.execute(_TOO_MANY, (UNREADABLE_MOST,))
        return kept

    def close(self) -> None:
        """Let go of the file. Never raises, may be called twice."""
        self._base.close()

    def _begin(self) -> None:
        header = self._pragma("application_id"), self._pragma("user_version"), self._pragma("schema_version")
        if header != (0, 0, 0) and header[:2] != (APPLICATION_ID, VERSION):
            cure = "is a database of something else, or of another version of Holdfast; name a new file"
            raise SettingsError(Problem("--database", repr(str(self._path)), cure))
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            if not self._pragma("schema_version"):  # asked again: another may have made it meanwhile
                self._make()

    def _make(self) -> None:
        for statement in filter(str.strip, SCHEMA.split(";")):
            self._base.execute(statement)
        self._base.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._base.execute(f"PRAGMA user_version = {VERSION}")

    def _pragma(self, name: str) -> int:
        (value,) = self._base.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as wrong:
            if getattr(wrong, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
                cure = "is no SQLite database; name a new file"
                raise SettingsError(Problem("--database", repr(str(self._path)), cure)) from wrong
            raise SpoolError(f"{self._path}: {wrong}; nothing is acknowledged until it can be written") from wrong

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        finally:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")

    def _take(self, cursor: sqlite3.Cursor, arrival: Arrival) -> Kept:
        wrong, records, repeated = list(arrival.said.wrong), 0, 0
        for record in arrival.said.records:
            if _insert(cursor, record, arrival):
                records += 1
            elif cursor.execute(_ESSENCE, record.id).fetchone() == record.essence:
                repeated += 1
            else:
                wrong.append(Wrong(_NOT_THE_SAME, record.id))
        if wrong:
            _set_aside(cursor, arrival, wrong)
        return Kept(records, repeated, bool(wrong))


def _insert(cursor: sqlite3.Cursor, record: Record, arrival: Arrival) -> bool:
    """Whether it is new; then it is stored."""
    gateway, late = record.id.gateway, int(record.historical)
    thinned, where = (record.thinned_to, record.time_ns, late), (arrival.mqtt_topic, arrival.received_ns)
    row = (*record.id, record.device, record.aggregate, record.source_seq, *thinned, *where)
    if cursor.execute(_RECORD, row).rowcount != 1:
        return False
    owner = (cursor.lastrowid, gateway, record.device, record.aggregate)
    cursor.executemany(
        _READING,
        (
            (*owner, tag, time_ns, *cell, quality, scan, unit, window_ns, late)
            for tag, time_ns, cell, quality, scan, unit, window_ns in record.readings
        ),
    )
    if record.gap is not None:
        cursor.execute(_GAP, (*owner, *record.gap))
    return True


def _set_aside(cursor: sqlite3.Cursor, arrival: Arrival, wrong: Sequence[Wrong]) -> None:
    digest = sha256(arrival.mqtt_topic.encode() + b"\0" + arrival.payload).digest()
    ids: list[RecordId] = [each.id for each in wrong if each.id is not None]
    reason = "; ".join(dict.fromkeys(each.reason for each in wrong))
    at_ns = arrival.received_ns
    row = (digest, arrival.mqtt_topic, arrival.payload, reason[:1000], json.dumps(ids), at_ns, at_ns)
    cursor.execute(_UNREADABLE, row)
