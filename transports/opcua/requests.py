"""What is asked of a server, as asyncua sends it (OPC 10000-4, 5.9 and 5.11)."""

import uuid
from collections.abc import Sequence

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from transports.opcua.nodes import node_of

ATTRIBUTES = AttributeIds
SUBTYPES, HIERARCHICAL = "i=45", "i=33"  # kinds of ways between nodes
OBJECT, VARIABLE = 1, 2  # classes of nodes


def node_id(identifier: int | str | bytes | uuid.UUID, namespace: int = 0) -> ua.NodeId:
    """A node as asyncua has it, whose hints know only its own kinds of numbers."""
    return ua.NodeId(identifier, namespace)  # type: ignore[arg-type]


def local_node(text: str) -> ua.NodeId | None:
    """The node of a name that a server gave; None where it is at another server, or no name."""
    try:
        wanted = node_of(text)
    except ValueError:
        return None
    return node_id(wanted.identifier, wanted.namespace) if isinstance(wanted.namespace, int) else None


def read_request(nodes: Sequence[ua.NodeId], attribute: AttributeIds = AttributeIds.Value) -> ua.ReadRequest:
    """One attribute of each node, with both times."""
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [ua.ReadValueId(node, attribute) for node in nodes]
    return request


def supertypes_request(kinds: Sequence[str]) -> ua.BrowseRequest:
    """What each data type is a direct subtype of."""
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = 1
    request.Parameters.NodesToBrowse = [_ways(kind, SUBTYPES, ua.BrowseDirection.Inverse, 0) for kind in kinds]
    return request


def children_request(nodes: Sequence[str], most: int) -> ua.BrowseRequest:
    """The objects and variables below each node, at most so many in one answer."""
    request, below = ua.BrowseRequest(), ua.BrowseDirection.Forward
    request.Parameters.RequestedMaxReferencesPerNode = most
    request.Parameters.NodesToBrowse = [_ways(node, HIERARCHICAL, below, OBJECT | VARIABLE) for node in nodes]
    return request


def rest_request(more: bytes, release: bool) -> ua.BrowseNextRequest:
    """The rest of a list; with `release`, that it is not wanted."""
    request = ua.BrowseNextRequest()
    request.Parameters.ReleaseContinuationPoints = release
    request.Parameters.ContinuationPoints = [more]
    return request


def _ways(node: str, kind: str, direction: ua.BrowseDirection, classes: int) -> ua.BrowseDescription:
    wanted = ua.BrowseDescription()
    wanted.NodeId = local_node(node) or ua.NodeId()
    wanted.BrowseDirection = direction
    wanted.ReferenceTypeId = local_node(kind) or ua.NodeId()
    wanted.IncludeSubtypes = True
    wanted.NodeClassMask = classes
    wanted.ResultMask = ua.BrowseResultMask.All
    return wanted
