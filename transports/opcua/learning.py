"""What a server knows of the variables that are configured: which types they have, and which of them are there.

A type is learned from the variable's DataType; where that is a subtype (an enumeration, a unit of time), from what it
is a subtype of; where it may be anything, from the present value. A tag of which no type can be known stays Bad.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from asyncua import ua

from transports.opcua import types, values
from transports.opcua.answers import browse_results
from transports.opcua.nodes import node_of
from transports.opcua.reasons import named, told
from transports.opcua.requests import ATTRIBUTES, local_node, node_id, supertypes_request
from transports.opcua.session import Session
from transports.opcua.tags import TagSettings
from transports.opcua.values import DataValue
from transports.samples import DataType, Tag

NAMESPACES = node_id(2255)
_SCALAR, _ANY, _SCALAR_OR_VECTOR = -1, -2, -3  # value ranks (OPC 10000-3, 5.6.2); others are arrays
_LEVELS = 16  # of subtypes
_ENUMERATION, _ABSTRACT = 29, range(22, 30)  # i=29 is told as an Int32; BaseDataType, Number, Integer as anything
BAD_NODE_ID_UNKNOWN = 0x8034_0000


@dataclass(frozen=True, slots=True)
class Point:
    """One tag at the server. `built_in` is 0 while its type is not known, `status` is why it is not to be had, or 0."""

    tag: Tag
    node: ua.NodeId | None
    built_in: int = 0
    array: bool = False
    status: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the server says of a node before any value is seen."""

    status: int
    built_in: int
    rank: int


async def learn(session: Session, tags: Mapping[str, TagSettings]) -> list[Point]:
    """A point for each tag, in their order."""
    namespaces = await namespaces_of(session)
    points = [_named_point(name, tag, namespaces) for name, tag in tags.items()]
    there = [at for at, point in enumerate(points) if point.node is not None]
    nodes = [node for point in points if (node := point.node) is not None]
    facts = await _facts(session, nodes)
    vague = [at for at, fact in enumerate(facts) if fact.status == 0 and (not fact.built_in or fact.rank < _SCALAR)]
    shown = dict(zip(vague, await session.read([nodes[at] for at in vague]), strict=True)) if vague else {}
    for at, number in enumerate(there):
        point = points[number]
        points[number] = _learned(point, tags[point.tag.name].type, facts[at], shown.get(at))
    return points


async def node_types(session: Session, nodes: Sequence[ua.NodeId]) -> list[tuple[int, bool]]:
    """The built-in type of each variable (0 if not known) and whether it is an array: for lists of variables."""
    return [(fact.built_in, fact.rank >= 0) for fact in await _facts(session, nodes)]


async def namespaces_of(session: Session) -> list[str]:
    """The server's namespaces by number."""
    (said,) = await session.read([NAMESPACES])
    return [str(uri) for uri in said.value] if isinstance(said.value, tuple) else []


def _named_point(name: str, tag: TagSettings, namespaces: Sequence[str]) -> Point:
    """The point before anything is asked: its node, if its namespace is there."""
    wanted = node_of(tag.node)
    known = Tag(name, types.NAMES[tag.type] if tag.type else DataType.FLOAT64, tag.unit)
    namespace = wanted.namespace
    if isinstance(namespace, str):
        if namespace not in namespaces:
            return Point(
                known, None, status=BAD_NODE_ID_UNKNOWN, reason=f"the server has no namespace {namespace!r:.80}"
            )
        namespace = namespaces.index(namespace)
    return Point(known, node_id(wanted.identifier, namespace))


async def _facts(session: Session, nodes: Sequence[ua.NodeId]) -> list[_Facts]:
    if not nodes:
        return []
    kinds = await session.read(nodes, ATTRIBUTES.DataType)
    ranks = await session.read(nodes, ATTRIBUTES.ValueRank)
    built_in = await _built_in(session, {said.value for said in kinds if isinstance(said.value, str)})
    return [
        _Facts(
            kind.status if kind.status >= 0x8000_0000 else 0,
            built_in.get(kind.value, 0),
            rank.value if isinstance(rank.value, int) else _ANY,
        )
        for kind, rank in zip(kinds, ranks, strict=True)
    ]


async def _built_in(session: Session, kinds: set[str]) -> dict[str, int]:
    """The built-in type that each data type is, or is a subtype of; 0 where it may be several."""
    found = {kind: number for kind in kinds if (number := _number(kind)) is not None}
    above = {kind: kind for kind in kinds - found.keys() if local_node(kind)}  # each with the ancestor that was reached
    for _ in range(_LEVELS):
        if not above:
            break
        parents = await _parents(session, sorted(set(above.values())))
        following = {kind: parents[at] for kind, at in above.items()}
        found |= {kind: number for kind, at in following.items() if (number := _number(at)) is not None}
        above = {kind: at for kind, at in following.items() if at and kind not in found}
    return found


def _number(kind: str) -> int | None:
    """The built-in type of a data type; 0 for what is abstract, None for what is a subtype of another."""
    if not kind.startswith("i="):
        return None
    number = int(kind[2:])
    if number == _ENUMERATION:
        return values.INT32
    if number in _ABSTRACT:
        return values.EXTENSION if number == values.EXTENSION else 0
    return number if 0 < number <= values.BUILT_IN else None


async def _parents(session: Session, kinds: Sequence[str]) -> dict[str, str]:
    """What each data type is a direct subtype of."""
    parents: dict[str, str] = {}
    for begin in range(0, len(kinds), session.at_once["browse"]):
        some = kinds[begin : begin + session.at_once["browse"]]
        answer = await session.ask(supertypes_request(some), "to a question about types")
        with told(session.where, "in answer to a question about types"):
            for kind, browsed in zip(some, browse_results(answer, len(some)), strict=True):
                above = browsed.references[0].node if browsed.references else ""
                parents[kind] = above if local_node(above) else ""
    return parents


def _learned(point: Point, given: str | None, facts: _Facts, shown: DataValue | None) -> Point:
    """The point with what is known of its type."""
    if facts.status:
        return replace(point, status=facts.status, reason=f"{named(facts.status)}: is the node id right?")
    built_in = facts.built_in or (shown.type if shown else 0)
    array = facts.rank >= 0 or (facts.rank != _SCALAR and shown is not None and shown.array)
    kind = types.type_of(built_in, array)
    if given is not None:
        return replace(point, built_in=built_in if kind else 0, array=array)
    if kind is None:
        reason = (
            f"{types.name_of(built_in, array)} has no place here; read its parts"
            if built_in
            else "its type cannot be known while it has no value; write type = ..."
        )
        return replace(point, status=types.BAD_NOT_SUPPORTED, reason=reason)
    return replace(point, tag=replace(point.tag, type=kind), built_in=built_in, array=array)
