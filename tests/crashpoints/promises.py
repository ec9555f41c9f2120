"""The promises at the head of transports/spool, each compared with what is found and what the world knows.

A function a promise; each yields what is broken, in words. `only_synced` is the state in which the kernel wrote nothing
by itself: there a commit must not be durable before what it commits.

What was given up on purpose must be said: by a gap or a hole that the consumer is handed, by what opening drops, or by
the ledger, which has it even if the power goes before the gap is durable. `strict` leaves out the ledger.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.crashpoints.facts import Advance, Knowledge, Said, Submitted
from tests.crashpoints.found import INSPECTOR, READERS, Consumer, Found, Told, told_by
from tests.crashpoints.ledger import lost
from transports.spool import START, Position

DURABLE_READER = "agg"  # it fetches `durable`, so that nothing ever comes to it twice


@dataclass(frozen=True, slots=True)
class Strictness:
    """`only_synced`: of this state; `strict`: of whoever asks. See the module's note."""

    only_synced: bool = False
    strict: bool = False


def broken(found: Found, knowledge: Knowledge, how: Strictness) -> Iterator[str]:
    """Every promise that does not hold."""
    for consumer in found.consumers.values():
        yield from _order(consumer)
        yield from _identity(consumer, knowledge)
        yield from _cursor(consumer, knowledge)
        yield from _nothing_missing(consumer, found, knowledge, how.strict)
        yield from _once(consumer, knowledge)
        if how.only_synced and consumer.position > found.ends[consumer.reader[0]]:
            yield f"{consumer.reader}: the commit of {consumer.position} is durable before what it commits"
    yield from _whole(found, knowledge)
    yield from _numbers(found, knowledge)


def had(consumer: Consumer, knowledge: Knowledge) -> Advance:
    """What a consumer has had, by the commit that is found."""
    nothing = Advance(consumer.reader, 0, START, frozenset())
    return knowledge.advances.get(consumer.reader, {}).get(consumer.number, nothing)


def _order(consumer: Consumer) -> Iterator[str]:
    positions = [record.position for record in consumer.records]
    if any(a >= b for a, b in zip([consumer.position, *positions], positions, strict=False)):
        yield f"{consumer.reader}: positions do not rise: {positions}"
    last: dict[str, int] = {}
    for name, pseq in consumer.marks():
        if pseq <= last.get(name, 0):
            yield f"{consumer.reader}: {name} {pseq} comes after {name} {last[name]}"
        last[name] = pseq


def _identity(consumer: Consumer, knowledge: Knowledge) -> Iterator[str]:
    """An id stands for one record, and each record is one that somebody handed in."""
    topic = consumer.reader[0]
    handed_in = {
        (each.mark, each.payload)
        for asked in knowledge.submitted.values()
        if asked.topic == topic
        for each in asked.records
    }
    for record in consumer.records:
        mark = record.producer, record.pseq
        given = knowledge.at.get((topic, record.position))
        if given is not None and (given.mark, given.payload) != (mark, record.payload):
            yield f"{consumer.reader}: {record.position} was {given.mark} and is {mark} now"
        elif given is None and (mark, record.payload) not in handed_in:
            yield f"{consumer.reader}: nobody ever handed in {mark} at {record.position}"
    for hole in consumer.holes:
        head = not consumer.records or hole.last < consumer.records[0].position
        if not (head and knowledge.on_purpose(topic, hole.first, hole.last)):
            yield f"{consumer.reader}: {hole} without any damage of the disk"


def _cursor(consumer: Consumer, knowledge: Knowledge) -> Iterator[str]:
    durable = knowledge.durable.get(consumer.reader, 0)
    if consumer.number < durable:
        yield f"{consumer.reader}: stands at commit {consumer.number}, but {durable} was durable"
    if had(consumer, knowledge).position != consumer.position:
        yield f"{consumer.reader}: at {consumer.position} with the state of another commit, {consumer.number}"


def _nothing_missing(consumer: Consumer, found: Found, knowledge: Knowledge, strict: bool) -> Iterator[str]:
    """What was acknowledged is here, or was had, or is said to be lost."""
    topic = consumer.reader[0]
    here = {*consumer.marks(), *had(consumer, knowledge).had}
    missing = {mark: said for mark, said in knowledge.promised(topic).items() if mark not in here}
    if not missing or consumer.reader[1] == INSPECTOR:  # who comes new misses nothing that went before
        return
    told = _told(consumer, found, knowledge)
    where = {said.mark: position for (of, position), said in knowledge.at.items() if of == topic}
    silent = [(mark, where.get(mark)) for mark in sorted(missing) if not _is_told(told, where.get(mark))]
    if silent and (strict or not _in_the_ledger(consumer, found, missing.values())):
        yield f"{consumer.reader}: {len(silent)} acknowledged records are missing without a word, {silent[:3]}"


def _is_told(lost: Sequence[Told], position: Position | None) -> bool:
    return position is not None and any(told.first.seq <= position.seq <= told.last.seq for told in lost)


def _in_the_ledger(consumer: Consumer, found: Found, missing: Iterable[Said]) -> bool:
    """Whether it says that at least so much is lost."""
    by_ledger = lost(found, consumer)
    samples: Counter[str] = Counter()
    for said in missing:
        samples[said.mark[0]] += said.samples
    return all(by_ledger[producer] >= missed for producer, missed in samples.items())


def _told(consumer: Consumer, found: Found, knowledge: Knowledge) -> list[Told]:
    """What a consumer of this topic is told to be lost; a lost gap record counts as told again by what tells of it."""
    topic, marks = consumer.reader[0], had(consumer, knowledge).had
    lost = [Told(each.topic, each.first, each.last) for each in found.dropped if each.topic == topic]
    lost += [Told(hole.topic, hole.first, hole.last) for hole in consumer.holes]
    lost += [told for record in consumer.records if (told := told_by(topic, record.producer, record.payload))]
    gaps = [
        (position, told, said.mark)
        for (of, position), said in knowledge.at.items()
        if of == topic and (told := told_by(topic, said.mark[0], said.payload))
    ]
    for position, told, mark in reversed(gaps):  # a gap is younger than what it tells of
        if mark in marks or _is_told(lost, position):
            lost.append(told)
    return lost


def _once(consumer: Consumer, knowledge: Knowledge) -> Iterator[str]:
    if consumer.reader[1] != DURABLE_READER:
        return
    for mark in had(consumer, knowledge).had.intersection(consumer.marks()):
        yield f"{consumer.reader}: {mark} was had, and comes again"


def _whole(found: Found, knowledge: Knowledge) -> Iterator[str]:
    """An append is found with all its records and its commit, or nothing of it."""
    for number, asked in knowledge.submitted.items():
        readers = [found.consumers[asked.topic, name] for name in READERS[asked.topic]]
        given = knowledge.given.get(number)
        for consumer in readers:
            there = _there(consumer, knowledge, asked.records, given)
            if any(there) and not all(there):
                yield f"{consumer.reader}: of the append of {[each.mark for each in asked.records]} is found {there}"
            if asked.advance and there:
                yield from _with_its_commit(asked, there, consumer, found, knowledge)


def _with_its_commit(
    asked: Submitted, there: list[bool], consumer: Consumer, found: Found, knowledge: Knowledge
) -> Iterator[str]:
    advance = asked.advance
    assert advance is not None
    stands_at = found.consumers[advance.reader].number
    if any(there) and stands_at < advance.number:
        yield f"{asked.records[0].mark} is found, but not its commit {advance.number} of {advance.reader}"
    missing = [said for said, is_there in zip(asked.records[-len(there) :], there, strict=True) if not is_there]
    if stands_at == advance.number and missing and not _in_the_ledger(consumer, found, missing):
        yield f"{consumer.reader}: commit {advance.number} of {advance.reader} is found, but not its {missing[0].mark}"


def _there(
    consumer: Consumer, knowledge: Knowledge, said: tuple[Said, ...], given: tuple[Position, ...] | None
) -> list[bool]:
    """Which of an append a consumer finds; without what is behind its cursor."""
    if given is not None:
        found = {record.position for record in consumer.records}
        return [position in found for position in given if position > consumer.position]
    known = {position for (topic, position) in knowledge.at if topic == consumer.reader[0]}
    new = {
        ((record.producer, record.pseq), record.payload) for record in consumer.records if record.position not in known
    }
    return [(each.mark, each.payload) in new for each in said]


def _numbers(found: Found, knowledge: Knowledge) -> Iterator[str]:
    """A producer's number is at least the acknowledged one, and no higher than what it said."""
    highest: dict[tuple[str, str], int] = {}
    for asked in knowledge.submitted.values():
        for said in asked.records:
            name, pseq = said.mark
            highest[asked.topic, name] = max(pseq, highest.get((asked.topic, name), 0))
    for key, last in found.producers.items():
        if not knowledge.acknowledged.get(key, 0) <= last <= highest.get(key, 0):
            yield f"{key}: its last number is {last}; acknowledged {knowledge.acknowledged.get(key, 0)}"
