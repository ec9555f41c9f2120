"""One state: the spool is opened on it, asked, gone on with, and opened once more after a cut that spares nothing.

What is found must keep the promises (promises.py); what is resent must come behind it under ids that were never given;
and after the second cut exactly the same must be there again, because all of it was durable.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tests.crashpoints.disk import Image, RecordingDisk
from tests.crashpoints.facts import Knowledge, Mark, Reader, Said
from tests.crashpoints.found import Found, fetched, found_in, open_on
from tests.crashpoints.gateway import DEVICES, NOW_NS
from tests.crashpoints.ledger import still_waiting, unbalanced
from tests.crashpoints.pending import Pending, at_point
from tests.crashpoints.promises import Strictness, broken
from transports.errors import HoldfastError
from transports.spool import Commit, Position, Record, Spool

# whatever of this comes out of the spool, it is not how a spool is opened and read
_ERRORS = (HoldfastError, OSError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
_LATER_NS = NOW_NS + 10**13


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a state, and what opening it did to the disk: that can be cut again."""

    wrong: tuple[str, ...]
    opening: Pending


def check(image: Image, knowledge: Knowledge, luck: random.Random, how: Strictness) -> Verdict:
    """All promises on one image. `luck` chooses where the opening is cut for the next state."""
    disk = RecordingDisk(image)
    opened = len(disk.operations)
    try:
        spool = open_on(disk, _LATER_NS)
        opened = len(disk.operations)
        wrong = list(_examined(spool, disk, knowledge, how))
    except _ERRORS as error:
        wrong = [f"{type(error).__name__}: {error}"]
    return Verdict(tuple(wrong), at_point(image, disk.operations[: luck.randrange(opened + 1)]))


def _examined(spool: Spool, disk: RecordingDisk, knowledge: Knowledge, how: Strictness) -> Iterator[str]:
    for topic, stat in spool.stat().items():
        if stat.quarantined or stat.damaged:
            yield f"{topic}: quarantined {stat.quarantined}, damaged {stat.damaged} without any damage of the disk"
    producers = [key for key in knowledge.acknowledged if key[1] in DEVICES]
    found = found_in(spool, producers)
    yield from unbalanced(found)
    wrong = list(broken(found, knowledge, how))
    if wrong:  # is it said at the first look at the quota?
        wrong = list(broken(replace(found, dropped=tuple(spool.enforce(_LATER_NS))), knowledge, how))
    if not wrong:
        wrong += _gone_on_with(spool, disk, found, knowledge)
    yield from wrong


def _gone_on_with(spool: Spool, disk: RecordingDisk, found: Found, knowledge: Knowledge) -> Iterator[str]:
    resent = {
        topic: _resent(spool, topic, [name for of, name in found.producers if of == topic], found, knowledge)
        for topic in {of for of, _ in found.producers}
    }
    spool.sync()
    after: dict[Reader, list[Record]] = {}
    for reader, consumer in found.consumers.items():
        new, holes = fetched(spool, reader)
        after[reader] = [*consumer.records, *new]
        if [(record.producer, record.pseq) for record in new] != resent.get(reader[0], []) or holes:
            yield f"{reader}: after resending {resent.get(reader[0], [])} there is {new}, {holes}"
        yield from (f"{reader}: {place} is given again" for place in _used(new, consumer.reader[0], knowledge, found))
    yield from _durably(disk, after)
    for (topic, name), records in after.items():
        if records:
            spool.commit(Commit(topic, name, records[-1].position, b"0"))
    spool.sync()
    yield from still_waiting(spool.ledger())


def _resent(spool: Spool, topic: str, names: list[str], found: Found, knowledge: Knowledge) -> list[Mark]:
    """Every device sends again what is not known to be kept, and two that are; what is new by that."""
    new: list[Mark] = []
    for name in names:
        last = found.producers[topic, name]
        said = {
            each.mark[1]: each
            for asked in knowledge.submitted.values()
            if asked.topic == topic
            for each in asked.records
            if each.mark[0] == name
        }
        for pseq in sorted(said)[-5:]:
            _append(spool, topic, said[pseq])
            new += [said[pseq].mark] if pseq > last else []
    return new


def _append(spool: Spool, topic: str, said: Said) -> None:
    name, pseq = said.mark
    spool.append(topic, name, pseq, [said.payload], _LATER_NS, None, said.kind, [said.samples])


def _used(new: list[Record], topic: str, knowledge: Knowledge, found: Found) -> list[Position]:
    used = {position for of, position in knowledge.at if of == topic}
    used |= {record.position for each in found.consumers.values() if each.reader[0] == topic for record in each.records}
    return [record.position for record in new if record.position in used]


def _durably(disk: RecordingDisk, after: Mapping[Reader, list[Record]]) -> Iterator[str]:
    """Only what was synced is left: nobody may miss anything."""
    again = RecordingDisk(at_point(disk.base, disk.operations).image(0))
    spool = open_on(again, _LATER_NS)
    for reader, records in after.items():
        there, holes = fetched(spool, reader)
        # what was given up in the meantime may be told of again, before everything else
        inside = [hole for hole in holes if there and hole.last >= there[0].position]
        if there != records or inside:
            yield f"{reader}: after a second cut {len(there)} records are there, not {len(records)}; {inside}"
