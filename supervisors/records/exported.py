"""Records of a spool, out of it: as lines for a person, or as JSON in the form of the payload `json`.

A hole is told as the uplinks tell it: a gap of `spool/TOPIC/EPOCH`, under the id of its last record. A record that
holds no readings (of a newer version, or a dead letter) has its bytes in base64 as `undecoded`.
"""

import json
import os
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from supervisors.face.spooled import hole_line, record_line
from transports import codec
from transports.durable import sync_directory
from transports.errors import HoldfastError, NotUnderstood
from transports.payloads import OutRecord
from transports.payloads import json as payload
from transports.samples import Batch, Gap
from transports.spool import Hole, Record

BLOCK_BYTES = 1 << 20


@dataclass(slots=True)
class Exported:
    """How much was written; the `lost` are the records that the holes stand for."""

    records: int = 0
    gaps: int = 0
    holes: int = 0
    lost: int = 0
    undecoded: int = 0


def decoded(record: Record) -> Batch | Gap | NotUnderstood:
    """What a record says; the error when nobody can tell."""
    try:
        return codec.unpack(record.payload)
    except NotUnderstood as wrong:
        return wrong


def gap_of(hole: Hole) -> Gap:
    """A hole as a gap that travels north: its numbers are the spool's."""
    source = f"spool/{hole.topic}/{hole.first.epoch}"
    until_ns = max(hole.since_ns, hole.until_ns)
    return Gap(source, hole.reason, hole.since_ns, until_ns, hole.first.seq, hole.last.seq, hole.count)


def line(topic: str, found: Record | Hole, gateway: str, counted: Exported) -> bytes:
    """One record as one object, without the end of the line; `counted` takes it in."""
    if isinstance(found, Hole):
        counted.holes, counted.lost = counted.holes + 1, counted.lost + found.count
        return payload.encode([OutRecord(topic, *found.last, gap_of(found))], gateway, many=False)
    counted.records += 1
    item = decoded(found)
    if isinstance(item, NotUnderstood):
        counted.undecoded += 1
        key = {"gateway": gateway, "topic": topic, "epoch": found.position.epoch, "seq": found.position.seq}
        bare = {**key, "device": found.producer, "undecoded": b64encode(found.payload).decode("ascii")}
        return json.dumps(bare, separators=(",", ":")).encode()
    counted.gaps += isinstance(item, Gap)
    return payload.encode([OutRecord(topic, *found.position, item)], gateway, many=False)


def told(found: Record | Hole) -> str:
    """One record, for a person."""
    return hole_line(found) if isinstance(found, Hole) else record_line(found, decoded(found))


def told_as_json(topic: str, gateway: str, found: Record | Hole) -> str:
    """The same as one object: that of `line`, and what the spool knows besides."""
    said = json.loads(line(topic, found, gateway, Exported()))
    if isinstance(found, Hole):
        return json.dumps({"kind": "hole", "lost": found.count, **said})
    kept = {"time_ns": found.time_ns, "producer": found.producer, "pseq": found.pseq, "samples": found.samples}
    return json.dumps({"kind": found.kind.name.lower(), **kept, **said})


def wanted(kinds: Collection[str], producer: str, found: Record | Hole) -> bool:
    """Whether it is of these kinds and of this producer ("": of any). A hole is: nobody knows what was in it."""
    return isinstance(found, Hole) or (found.kind.name.lower() in kinds and producer in ("", found.producer))


def until(until_ns: int, found: Record | Hole) -> bool:
    """Whether it was kept not after a time; 0 is no limit."""
    return not until_ns or (found.since_ns if isinstance(found, Hole) else found.time_ns) <= until_ns


def write(lines: Iterable[bytes], out: BinaryIO) -> None:
    """All of them, a block at a time. Raises OSError."""
    block = bytearray()
    for each in lines:
        block += each + b"\n"
        if len(block) >= BLOCK_BYTES:
            out.write(block)
            block.clear()
    out.write(block)
    out.flush()


@contextmanager
def whole(path: Path, force: bool) -> Iterator[BinaryIO]:
    """A new file that appears under its name when all of it is durable, or not at all.

    Raises HoldfastError when the name is taken (unless `force` replaces a file), or when it cannot be written.
    """
    if path.is_dir() or (path.exists() and not force):
        raise HoldfastError(
            f"{path} exists; name another file{'' if path.is_dir() else ', or replace it with --force'}"
        )
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with _scrapped(fresh), fresh.open("xb", buffering=0) as file:
            yield file
            os.fsync(file.fileno())
            fresh.rename(path)
            with suppress(OSError):  # some file systems of USB sticks cannot; the file itself is durable
                sync_directory(path.parent)
    except OSError as refused:
        raise HoldfastError(f"{path} cannot be written ({refused.strerror})") from refused


@contextmanager
def _scrapped(fresh: Path) -> Iterator[None]:
    """Nothing is left of what did not become a whole file."""
    try:
        yield
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
