"""What the world outside knows of a spool: what was handed in, what it was told, and how far consumers came.

The workload notes each fact when it becomes one; `known(record, point)` is the sum of those up to a point. A fact noted
after n operations counts at point n: whoever was told something has it, even if the power goes in the next moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from transports.spool import Kind, Position

Mark = tuple[str, int]  # a record, by its producer's name and number
Reader = tuple[str, str]  # topic, consumer


@dataclass(frozen=True, slots=True)
class Said:
    """One record as its producer made it."""

    mark: Mark
    payload: bytes
    kind: Kind
    samples: int


@dataclass(frozen=True, slots=True)
class Advance:
    """A commit: the number in its state, where it stands, and every record that its consumer has had by then."""

    reader: Reader
    number: int
    position: Position
    had: frozenset[Mark]


@dataclass(frozen=True, slots=True)
class Submitted:
    """An append has been asked for, perhaps with a commit; what the spool had already is not in `records`."""

    number: int
    topic: str
    records: tuple[Said, ...]
    advance: Advance | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """The append has returned: its records have these positions."""

    number: int
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The append has raised: nothing of it was taken."""

    number: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Everything of this producer up to a number is durable: the producer forgets it."""

    topic: str
    producer: str
    pseq: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A consumer has asked for this commit, outside of an append."""

    advance: Advance


@dataclass(frozen=True, slots=True)
class Durable:
    """A sync has returned that was begun after this commit."""

    reader: Reader
    number: int


@dataclass(frozen=True, slots=True)
class GivingUp:
    """The spool has been asked to give up what there is no room for, and has not answered yet."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It has answered: these ranges of records, first and last, are lost on purpose."""

    topic: str
    ranges: tuple[tuple[Position, Position], ...]


Fact = Submitted | Given | Refused | Acknowledged | Committed | Durable | GivingUp | GivenUp


@dataclass(slots=True)
class Knowledge:
    """The sum of some facts."""

    submitted: dict[int, Submitted] = field(default_factory=dict)
    given: dict[int, tuple[Position, ...]] = field(default_factory=dict)
    at: dict[tuple[str, Position], Said] = field(default_factory=dict)
    acknowledged: dict[tuple[str, str], int] = field(default_factory=dict)
    advances: dict[Reader, dict[int, Advance]] = field(default_factory=dict)
    durable: dict[Reader, int] = field(default_factory=dict)
    given_up: list[tuple[str, Position, Position]] = field(default_factory=list)
    giving_up: bool = False
    unanswered: dict[str, int] = field(default_factory=dict)  # up to which seq it was giving up when it died over it

    def learn(self, fact: Fact) -> None:
        """Take one more fact in."""
        match fact:
            case Submitted(number=number, advance=advance):
                self.submitted[number] = fact
                if advance:
                    self.advances.setdefault(advance.reader, {})[advance.number] = advance
            case Given(number, positions):
                self.given[number] = positions
                asked = self.submitted[number]
                self.at.update(zip([(asked.topic, each) for each in positions], asked.records, strict=True))
            case Refused(number):
                refused = self.submitted.pop(number)
                if refused.advance:
                    del self.advances[refused.advance.reader][refused.advance.number]
            case Acknowledged(topic, producer, pseq):
                self.acknowledged[topic, producer] = max(pseq, self.acknowledged.get((topic, producer), 0))
            case Committed(advance):
                self.advances.setdefault(advance.reader, {})[advance.number] = advance
            case Durable(reader, number):
                self.durable[reader] = max(number, self.durable.get(reader, 0))
            case GivingUp():
                if self.giving_up:
                    self.unanswered = {
                        topic: max(each.seq for of, each in self.at if of == topic) for topic, _ in self.at
                    }
                self.giving_up = True
            case GivenUp(topic, ranges):
                self.given_up += [(topic, first, last) for first, last in ranges]
                self.giving_up = False

    def on_purpose(self, topic: str, first: Position, last: Position) -> bool:
        """Whether all records of a range are, or may be, among those given up."""
        ranges = [(a.seq, b.seq) for of, a, b in self.given_up if of == topic]
        here = [each.seq for (of, each) in self.at if of == topic and first.seq <= each.seq <= last.seq]
        if self.giving_up or last.seq <= self.unanswered.get(topic, 0):
            return True
        return all(any(a <= seq <= b for a, b in ranges) for seq in here)

    def promised(self, topic: str) -> dict[Mark, Said]:
        """The records of a topic that were acknowledged."""
        return {
            said.mark: said
            for asked in self.submitted.values()
            if asked.topic == topic
            for said in asked.records
            if said.mark[1] <= self.acknowledged.get((topic, said.mark[0]), 0)
        }


def known(facts: Iterable[Fact]) -> Knowledge:
    """The sum of these facts, in their order."""
    knowledge = Knowledge()
    for fact in facts:
        knowledge.learn(fact)
    return knowledge
