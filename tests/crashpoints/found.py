"""A spool as it is found: what each consumer would get, where it stands, and what is said of the missing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.crashpoints.facts import Mark, Reader
from tests.crashpoints.gateway import CONSUMERS, DIRECTORY, SETTINGS, SPOOLER
from transports.spool import Account, Dropped, Files, Hole, Position, Record, Spool

INSPECTOR = "inspector"  # nobody reads `dead`; to look into it, somebody must
READERS: Mapping[str, tuple[str, ...]] = {topic: names or (INSPECTOR,) for topic, names in CONSUMERS.items()}
_GAP = re.compile(rb"gap (\d+) (\d+) (\d+) (\d+)")
_MAX_BYTES = 900  # several fetches, each ending somewhere in a block


@dataclass(frozen=True, slots=True)
class Told:
    """Records of a topic that are said to be lost."""

    topic: str
    first: Position
    last: Position


@dataclass(frozen=True, slots=True)
class Consumer:
    """What one consumer finds."""

    reader: Reader
    position: Position
    number: int
    records: Sequence[Record]
    holes: Sequence[Hole]

    def marks(self) -> list[Mark]:
        return [(record.producer, record.pseq) for record in self.records]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that can be asked of a spool."""

    consumers: Mapping[Reader, Consumer]
    producers: Mapping[tuple[str, str], int]
    ends: Mapping[str, Position]
    accounts: Sequence[Account]
    dropped: Sequence[Dropped] = ()


def open_on(files: Files, now_ns: int) -> Spool:
    """As the gateway opens it, and an inspector looks into `dead`."""
    return Spool.open(DIRECTORY, SETTINGS, READERS, now_ns, files=files)


def found_in(spool: Spool, producers: Sequence[tuple[str, str]]) -> Found:
    """Ask for everything."""
    consumers = [_consumer(spool, (topic, name)) for topic, names in READERS.items() for name in names]
    return Found(
        {each.reader: each for each in consumers},
        {(topic, name): spool.producer(topic, name)[0] for topic, name in producers},
        {topic: spool.end(topic) for topic in READERS},
        spool.ledger(),
    )


def _consumer(spool: Spool, reader: Reader) -> Consumer:
    position, state = spool.cursor(*reader)
    records, holes = fetched(spool, reader)
    return Consumer(reader, position, int(state or b"0"), records, holes)


def fetched(spool: Spool, reader: Reader) -> tuple[list[Record], list[Hole]]:
    """Everything that comes from here on."""
    records: list[Record] = []
    holes: list[Hole] = []
    while True:
        got = spool.fetch(*reader, _MAX_BYTES)
        if not got.records and not got.holes:
            return records, holes
        records += got.records
        holes += got.holes


def told_by(topic: str, producer: str, payload: bytes) -> Told | None:
    """What a gap record of the spooler says."""
    said = _GAP.match(payload) if producer == SPOOLER else None
    if not said:
        return None
    first_epoch, first, last_epoch, last = map(int, said.groups())
    return Told(topic, Position(first_epoch, first), Position(last_epoch, last))
