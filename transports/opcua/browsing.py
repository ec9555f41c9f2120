"""Looking through a server for its variables, level by level.

Bounded: so many variables and so many nodes, each node once however many ways lead to it, long lists in parts
(continuation points), which are given back when the rest is not wanted. Properties (a variable's unit, its limits) are
left out, and so is the server's own object, unless the search begins there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transports.errors import LinkRefused
from transports.opcua.answers import BROWSE_NEXT, Browsed, Reference, browse_results
from transports.opcua.learning import namespaces_of, node_types
from transports.opcua.nodes import escaped
from transports.opcua.reasons import named, told
from transports.opcua.requests import ATTRIBUTES, OBJECT, VARIABLE, children_request, local_node, rest_request
from transports.opcua.session import Session

OBJECTS, SERVER_OBJECT, HAS_PROPERTY = "i=85", "i=2253", "i=46"
MOST = 1000  # variables
_NODES_A_VARIABLE = 20  # how many nodes may be looked at for each variable that may be found
_REFERENCES = 500  # of one node in one answer
_NODES = 50  # in one request
_WRITABLE = 0x02  # of an access level: CurrentWrite (OPC 10000-3, 8.57)


@dataclass(frozen=True, slots=True)
class Found:
    """A variable: its node with the namespace's URI, the names on the way to it, its built-in type (0: not known)."""

    node: str
    path: tuple[str, ...]
    built_in: int = 0
    array: bool = False
    writable: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    node: str
    path: tuple[str, ...]


async def find(session: Session, root: str, depth: int, most: int) -> list[Found]:
    """Log in, look at most `depth` levels below `root`, log out. At most `most` variables.

    Raises LinkRefused where there is no such root, LinkDown, LinkTimeout.
    """
    try:
        await session.open()
        namespaces = await namespaces_of(session)
        places = await _search(session, _at_server(root, namespaces), depth, most)
        return await _described(session, places, namespaces)
    finally:
        await session.close()


async def _search(session: Session, root: str, depth: int, most: int) -> list[_Place]:
    """Every variable below the root, nearest first."""
    if local_node(root) is None:
        raise LinkRefused(f"{session.where}: there is no namespace of that name for {root}")
    found: list[_Place] = []
    seen, level = {root, SERVER_OBJECT}, [_Place(root, ())]
    for _ in range(depth):
        following: list[tuple[_Place, bool]] = []
        for begin in range(0, len(level), _NODES):
            some = level[begin : begin + _NODES]
            answers = await _children(session, some, refuse=some[0].node == root)
            for place, references in zip(some, answers, strict=True):
                following += _new(place, references, seen)
            if len(seen) > most * _NODES_A_VARIABLE:
                break
        found += [place for place, is_variable in following if is_variable]
        level = [place for place, _ in following]
        if not level or len(found) >= most or len(seen) > most * _NODES_A_VARIABLE:
            break
    return found[:most]


def _new(place: _Place, references: Sequence[Reference], seen: set[str]) -> list[tuple[_Place, bool]]:
    """What has not been seen before, and whether it is a variable."""
    new: list[tuple[_Place, bool]] = []
    for each in references:
        wanted = each.kind != HAS_PROPERTY and each.node_class in (OBJECT, VARIABLE)
        if wanted and each.node not in seen and local_node(each.node) is not None:
            seen.add(each.node)
            new.append((_Place(each.node, (*place.path, each.name)), each.node_class == VARIABLE))
    return new


async def _children(session: Session, places: Sequence[_Place], refuse: bool) -> list[list[Reference]]:
    """Where each place leads. A place that cannot be looked into leads nowhere, unless it is the root."""
    at_once = min(_NODES, session.at_once["browse"])
    all_references: list[list[Reference]] = []
    for begin in range(0, len(places), at_once):
        some = places[begin : begin + at_once]
        answer = await session.ask(children_request([place.node for place in some], _REFERENCES), "when browsing")
        with told(session.where, "when browsing"):
            results = browse_results(answer, len(some))
        if refuse and results[0].status >= 0x8000_0000:
            raise LinkRefused(f"{session.where}: {named(results[0].status)} for {some[0].node}: is there such a node?")
        all_references += [await _whole(session, result) for result in results]
    return all_references


async def _whole(session: Session, result: Browsed) -> list[Reference]:
    """All of a list that comes in parts; the rest is given back where it is too long."""
    references, more = list(result.references), result.more
    while more:
        enough = len(references) >= MOST * _NODES_A_VARIABLE
        answer = await session.ask(rest_request(more, enough), "when browsing")
        if enough:
            break
        with told(session.where, "when browsing"):
            (part,) = browse_results(answer, 1, BROWSE_NEXT)
        references += part.references
        more = part.more if part.references else b""  # a part of nothing would go on for ever
    return references


async def _described(session: Session, places: Sequence[_Place], namespaces: Sequence[str]) -> list[Found]:
    nodes = [node for place in places if (node := local_node(place.node)) is not None]
    kinds = await node_types(session, nodes)
    levels = await session.read(nodes, ATTRIBUTES.UserAccessLevel)
    return [
        Found(_by_uri(place.node, namespaces), place.path, built_in, array, _may_write(level.value))
        for place, (built_in, array), level in zip(places, kinds, levels, strict=True)
    ]


def _may_write(level: object) -> bool:
    return isinstance(level, int) and bool(level & _WRITABLE)


def _by_uri(node: str, namespaces: Sequence[str]) -> str:
    """A node's name that stays when the server numbers its namespaces anew."""
    where, _, identifier = node.partition(";")
    number = int(where.removeprefix("ns=")) if where.startswith("ns=") else 0
    known = 0 < number < len(namespaces) and namespaces[number]
    return f"nsu={escaped(namespaces[number])};{identifier}" if known else node


def _at_server(node: str, namespaces: Sequence[str]) -> str:
    """The same with the server's number."""
    if not node.startswith("nsu="):
        return node
    where, _, identifier = node.removeprefix("nsu=").partition(";")
    numbers = {escaped(uri): number for number, uri in enumerate(namespaces)}
    return f"ns={numbers[where]};{identifier}" if where in numbers else node
