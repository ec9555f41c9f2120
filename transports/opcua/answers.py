"""The answers of a server that carry values, from the bytes of a message (OPC 10000-4, 5.11 to 5.14).

Every answer begins with the node id of its type and a response header; `answer_body` checks both and passes over them.
"""

from dataclasses import dataclass

from transports.errors import NotUnderstood
from transports.opcua.octets import Octets
from transports.opcua.values import DataValue, data_value

SERVICE_FAULT = "i=397"
READ, CREATE_MONITORED_ITEMS, CREATE_SUBSCRIPTION, PUBLISH = "i=634", "i=754", "i=790", "i=829"
BROWSE, BROWSE_NEXT = "i=530", "i=536"
DATA_CHANGE, STATUS_CHANGE = "i=811", "i=820"
MOST_ITEMS = 10_000  # that one notification may carry: it is told to the server, and held against what comes


@dataclass(frozen=True, slots=True)
class Monitored:
    """What became of one request to watch a variable."""

    status: int
    sampling_ms: float
    queue_size: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription as the server made it."""

    id: int
    publishing_ms: float
    lifetime_count: int
    keepalive_count: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A way from one node to another: what kind of way, to which node, of which name and class."""

    kind: str
    node: str
    name: str
    node_class: int


@dataclass(frozen=True, slots=True)
class Browsed:
    """Ways from one node; `more` is what to ask with for the rest, b"" when that was all."""

    status: int
    more: bytes
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """One publish answer: values by the handles of their variables, or none, which means "still here".

    `ended` is the status code with which the server ended the subscription, if it did.
    """

    subscription: int
    sequence: int
    values: tuple[tuple[int, DataValue], ...]
    keepalive: bool
    ended: int | None = None


def vet_answer(body: bytes) -> int:
    """The status code of a whole answer; raises NotUnderstood where its header is not one.

    An additional header, which is reserved and which nobody sends, is refused: its content may be anything.
    """
    octets = Octets(body)
    octets.node_id()
    return _header(octets)


def answer_body(data: bytes, kind: str) -> Octets:
    """What follows the header of an answer of that type. Raises NotUnderstood."""
    octets = Octets(data)
    found = octets.node_id()
    status = _header(octets)
    if found != kind or status >= 0x8000_0000:
        raise NotUnderstood(f"an answer of type {found} (status {status:#010x}) where {kind} was asked for")
    return octets


def read_results(data: bytes, expected: int) -> list[DataValue]:
    """The values of a ReadResponse, one for each node that was asked for."""
    octets = answer_body(data, READ)
    _expect(octets.count(), expected)
    return [data_value(octets) for _ in range(expected)]


def monitored_results(data: bytes, expected: int) -> list[Monitored]:
    """What became of each variable of a CreateMonitoredItemsResponse."""
    octets = answer_body(data, CREATE_MONITORED_ITEMS)
    _expect(octets.count(20), expected)
    return [_monitored(octets) for _ in range(expected)]


def browse_results(data: bytes, expected: int, kind: str = BROWSE) -> list[Browsed]:
    """The ways from each node of a BrowseResponse, or of a BrowseNextResponse."""
    octets = answer_body(data, kind)
    _expect(octets.count(12), expected)
    return [_browsed(octets) for _ in range(expected)]


def subscribed(data: bytes) -> Subscribed:
    """A CreateSubscriptionResponse."""
    octets = answer_body(data, CREATE_SUBSCRIPTION)
    return Subscribed(octets.u32(), octets.f64(), octets.u32(), octets.u32())


def notice(data: bytes) -> Notice:
    """A PublishResponse."""
    octets = answer_body(data, PUBLISH)
    subscription = octets.u32()
    octets.skip(4 * octets.count(4))  # sequence numbers that could be asked for again
    octets.u8()  # whether more waits: the next request is under way already
    sequence = octets.u32()
    octets.skip(8)  # when it was sent
    values: list[tuple[int, DataValue]] = []
    ended, parts = None, octets.count(3)
    for _ in range(parts):
        kind, body = octets.extension()
        if kind == DATA_CHANGE:
            values += _changes(Octets(body), MOST_ITEMS - len(values))
        elif kind == STATUS_CHANGE:
            ended = Octets(body).u32()
    return Notice(subscription, sequence, tuple(values), parts == 0, ended)


def _header(octets: Octets) -> int:
    octets.skip(8 + 4)  # time, handle
    status = octets.u32()
    octets.skip_diagnostics()
    for _ in range(octets.count(4)):
        octets.block()
    _, additional = octets.extension()
    if additional:
        raise NotUnderstood("an answer with an additional header")
    return status


def _monitored(octets: Octets) -> Monitored:
    status, _, sampling_ms, queue_size = octets.u32(), octets.u32(), octets.f64(), octets.u32()
    octets.extension()  # what the server says of the filter
    return Monitored(status, sampling_ms, queue_size)


def _browsed(octets: Octets) -> Browsed:
    status, more = octets.u32(), octets.block() or b""
    return Browsed(status, more, tuple(_reference(octets) for _ in range(octets.count(15))))


def _reference(octets: Octets) -> Reference:
    kind = octets.node_id()
    octets.u8()  # forward: only those were asked for
    node = octets.node_id()
    octets.u16()  # namespace of the name
    name = octets.text() or ""
    octets.localized()
    node_class = octets.i32()
    octets.node_id()
    return Reference(kind, node, name, node_class)


def _changes(octets: Octets, most: int) -> list[tuple[int, DataValue]]:
    count = octets.count(5)
    if count > most:
        raise NotUnderstood(f"{count} values in one notification, where at most {MOST_ITEMS} were asked for")
    return [(octets.u32(), data_value(octets)) for _ in range(count)]


def _expect(count: int, expected: int) -> None:
    if count != expected:
        raise NotUnderstood(f"{count} results where {expected} were asked for")
