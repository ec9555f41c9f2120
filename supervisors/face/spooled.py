"""A spool in words: its topics, its damage, its records, what a purge would take, and the ledger. Pure.

What is said of a record is one line, or with JSON one object; payloads/json.py says how its readings look.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from supervisors.face.columns import Column
from supervisors.face.wording import amount, count, local_time, plain, quality_text, shortened, size, value_text
from transports.errors import NotUnderstood
from transports.samples import Batch, Gap
from transports.spool.examination import Damage, Torn
from transports.spool.inspection import Examined, SetAside
from transports.spool.sights import Sight
from transports.spool.terms import Hole, Position, Record

SHOWN_TAGS = 8
SHOWN_BYTES = 24
VALUE_LETTERS = 40


def place(position: Position) -> str:
    """EPOCH/SEQ, as `--from` takes it."""
    return f"{position.epoch}/{position.seq}"


def when(time_ns: int) -> str:
    """In local time; "-" where nobody knows."""
    return local_time(time_ns) if time_ns else "-"


def _between(since_ns: int, until_ns: int) -> str:
    """Between two times, as far as they are known."""
    if since_ns and until_ns:
        return f", between {when(since_ns)} and {when(until_ns)}"
    return f", after {when(since_ns)}" if since_ns else ""


# --- stat ------------------------------------------------------------------------------------------------------------

TOPICS: Sequence[Column[Sight]] = (
    Column("topic", 0, lambda each: each.topic, least=8),
    Column("segments", 2, lambda each: count(each.segments), right=True),
    Column("on disk", 0, lambda each: size(each.bytes), right=True),
    Column("epoch", 4, lambda each: str(each.epoch), right=True),
    Column("first", 3, lambda each: place(each.first)),
    Column("end", 1, lambda each: place(each.end)),
    Column("oldest", 1, lambda each: when(each.oldest_ns)),
    Column("quarantined", 2, lambda each: count(each.quarantined) if each.quarantined else "-", right=True),
    Column("set aside", 6, lambda each: count(each.set_aside) if each.set_aside else "-", right=True),
    Column("formats", 5, lambda each: _formats(each.versions)),
)

Reader = tuple[Sight, str]
READERS: Sequence[Column[Reader]] = (
    Column("topic", 0, lambda each: each[0].topic, least=8),
    Column("consumer", 0, lambda each: plain(each[1]), least=10),
    Column("has had", 1, lambda each: place(each[0].cursors[each[1]])),
    Column("waiting records", 0, lambda each: count(each[0].waiting[each[1]]), right=True),
)


def readers(sights: Sequence[Sight]) -> list[Reader]:
    """Each consumer of each topic."""
    return [(sight, name) for sight in sights for name in sight.cursors]


def sight_fields(sight: Sight) -> dict[str, Any]:
    """A topic for JSON."""
    consumers = {
        name: {"position": list(position), "waiting": sight.waiting[name]} for name, position in sight.cursors.items()
    }
    return {
        "topic": sight.topic,
        "segments": sight.segments,
        "bytes": sight.bytes,
        "epoch": sight.epoch,
        "first": list(sight.first),
        "end": list(sight.end),
        "oldest_ns": sight.oldest_ns or None,
        "newest_ns": sight.newest_ns or None,
        "consumers": consumers,
        "quarantined": sight.quarantined,
        "set_aside": sight.set_aside,
        "versions": {str(version): number for version, number in sorted(sight.versions.items())},
    }


def _formats(versions: Mapping[int, int]) -> str:
    named = {0: "unreadable"}
    return ", ".join(f"{number} x {named.get(version, version)}" for version, number in sorted(versions.items())) or "-"


# --- verify ----------------------------------------------------------------------------------------------------------

Finding = Damage | Torn | SetAside | Examined


def finding(topic: str, found: Finding) -> str:
    """What was found, on one line."""
    match found:
        case Damage():
            return f"{topic}: DAMAGED {_where(found)}: {plain(found.reason)}; {_lost(found)}{_still(found.readable)}"
        case Torn(path=path, offset=offset, end=end):
            why = "being written, or left by a crash: never acknowledged, so this is normal"
            return f"{topic}: {path} is whole up to byte {offset}; {end - offset} more are {why}"
        case SetAside(path=path, readable=readable):
            return f"{topic}: {path} is in quarantine, and everybody has been told{_still(readable)}"
    whole = "no damage" if not found.damages else f"damaged in {found.damages} places, {found.lost} records are lost"
    return f"{topic}: {found.segments} segments, {amount(found.bytes)}, {found.records} records: {whole}"


def finding_fields(topic: str, found: Finding) -> dict[str, Any]:
    """The same for JSON; `found` says which of the four it is."""
    match found:
        case Damage():
            lost = {"first": list(found.first), "last": list(found.last)} if found.first and found.last else {}
            times = {"since_ns": found.since_ns or None, "until_ns": found.until_ns or None}
            told = {**_bytes(found), "reason": found.reason, "lost": found.count, **lost, **times}
            return {"topic": topic, "found": "damage", **told, "readable": found.readable}
        case Torn():
            return {"topic": topic, "found": "torn", **_bytes(found)}
        case SetAside(path=path, bytes=length, readable=readable):
            return {"topic": topic, "found": "set aside", "file": path, "bytes": length, "readable": readable}
    names = ("segments", "bytes", "records", "damages", "lost", "torn_bytes")
    return {"topic": topic, "found": "sum", **{name: getattr(found, name) for name in names}}


def _bytes(found: Damage | Torn) -> dict[str, Any]:
    return {"file": found.path, "offset": found.offset, "bytes": found.end - found.offset}


def _where(damage: Damage) -> str:
    if damage.offset == damage.end:
        return f"{damage.path} at byte {damage.offset}"
    return f"{damage.path} bytes {damage.offset} to {damage.end - 1} ({damage.end - damage.offset})"


def _lost(damage: Damage) -> str:
    if not damage.first or not damage.last:
        return "no record is lost with it"
    times = _between(damage.since_ns, damage.until_ns)
    return f"lost: {place(damage.first)} to {place(damage.last)} ({damage.count} records{times})"


def _still(readable: int) -> str:
    return f"; {readable} of its records can still be read" if readable else ""


# --- dump ------------------------------------------------------------------------------------------------------------


def record_line(record: Record, item: Batch | Gap | NotUnderstood) -> str:
    """A record, on one line."""
    head = f"{place(record.position)} {when(record.time_ns)} {record.kind.name.lower()} {plain(record.producer)}"
    return f"{head} #{record.pseq}: {_said(record, item)}"


def hole_line(hole: Hole) -> str:
    """What is missing between two records."""
    times = _between(hole.since_ns, hole.until_ns)
    return f"{place(hole.first)} to {place(hole.last)}: {hole.count} records are lost ({plain(hole.reason)}){times}"


def _said(record: Record, item: Batch | Gap | NotUnderstood) -> str:
    match item:
        case Gap():
            scans = f", scans {item.first_seq} to {item.last_seq}" if item.first_seq is not None else ""
            number = f" ({item.count})" if item.count is not None else ""
            times = _between(item.since_ns, item.until_ns)
            return f"gap of {plain(item.source)}: {plain(item.reason)}{scans}{number}{times}"
        case Batch():
            return _batch(item)
    head = record.payload[:SHOWN_BYTES].hex(" ")
    more = "..." if len(record.payload) > SHOWN_BYTES else ""
    return f"{len(record.payload)} bytes that are no readings: {head}{more}"


def _batch(batch: Batch) -> str:
    scans = len(batch.times_ns)
    made_by = f" by {plain(batch.aggregate)}" if batch.aggregate else ""
    head = f"{plain(batch.source)}{made_by} scan {batch.seq}" + (f" to {batch.seq + scans - 1}" if scans > 1 else "")
    if not scans:
        return f"{head}: nothing"
    time_ns, values, codes = deque(batch.rows(), maxlen=1).pop()
    shown = [
        f"{plain(tag.name)}={shortened(plain(value_text(value)), VALUE_LETTERS)}{_quality(code)}"
        for tag, value, code in zip(batch.tags, values, codes, strict=False)
    ]
    more = f" and {len(shown) - SHOWN_TAGS} more" if len(shown) > SHOWN_TAGS else ""
    return f"{head} at {when(time_ns)}: {', '.join(shown[:SHOWN_TAGS])}{more}"


def _quality(code: int) -> str:
    said = quality_text(code)
    return f" ({said})" if said else ""


# --- ledger ----------------------------------------------------------------------------------------------------------


def _number(name: str) -> Column[Mapping[str, Any]]:
    told = {"in_device": "in the device"}
    return Column(
        told.get(name, name),
        0,
        lambda row: "-" if row[name] is None else f"{row[name]:,}".replace(",", " "),
        right=True,
    )


LEDGER: Sequence[Column[Mapping[str, Any]]] = (
    Column("topic", 0, lambda row: plain(row["topic"]), least=6),
    Column("producer", 0, lambda row: plain(row["producer"]), least=10),
    Column("consumer", 0, lambda row: plain(row["consumer"]) or "-", least=10),
    *(_number(name) for name in ("read", "in_device", "delivered", "waiting", "gaps")),
    Column("adds up", 0, lambda row: "yes" if row["adds_up"] else f"NO: {_off(row):+d}"),
)


def _off(row: Mapping[str, Any]) -> int:
    told: int = row["delivered"] + row["waiting"] + row["gaps"] - row["read"]
    return told
