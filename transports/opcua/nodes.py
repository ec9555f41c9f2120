"""Names of nodes as they are written: `ns=2;s=Line.Speed`, or by the namespace's URI: `nsu=urn:maker:plc;i=1042`.

The part before the first `;` may be left out for namespace 0. The identifier is a number (`i=`), text (`s=`), a GUID
(`g=`) or bytes (`b=`, base64). A URI is the better name: a server may number its namespaces anew when it starts.
"""

import base64
import binascii
import re
import uuid
from dataclasses import dataclass

_FORM = re.compile(r"(?:ns=(?P<ns>\d{1,5});|nsu=(?P<uri>[^;]+);)?(?P<kind>[isgb])=(?P<identifier>.+)", re.DOTALL)
FORM = 'must be a node id such as "ns=2;s=Line.Speed", "ns=3;i=1042" or "nsu=urn:maker:plc;s=Line.Speed"'


@dataclass(frozen=True, slots=True)
class Node:
    """`namespace` is its number, or its URI."""

    namespace: int | str
    identifier: int | str | bytes | uuid.UUID


def node_of(text: str) -> Node:
    """The node of that name. Raises ValueError with the cure."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(FORM)
    namespace: int | str = (
        match["uri"].replace("%3B", ";").replace("%25", "%") if match["uri"] else int(match["ns"] or 0)
    )
    if isinstance(namespace, int) and namespace > 0xFFFF:
        raise ValueError("must have a namespace below 65536")
    return Node(namespace, _identifier(match["kind"], match["identifier"]))


def check_node(text: str) -> str | None:
    """What is wrong with the name of a node, None if nothing."""
    try:
        node_of(text)
    except ValueError as wrong:
        return str(wrong)
    return None


def escaped(uri: str) -> str:
    """A URI as it stands in a node's name (OPC 10000-6, 5.3.1.11)."""
    return uri.replace("%", "%25").replace(";", "%3B")


def _identifier(kind: str, text: str) -> int | str | bytes | uuid.UUID:
    match kind:
        case "i":
            if not text.isascii() or not text.isdigit() or int(text) > 0xFFFF_FFFF:
                raise ValueError("must have a number from 0 to 4294967295 after i=")
            return int(text)
        case "s":
            return text
        case "g":
            try:
                return uuid.UUID(text)
            except ValueError as wrong:
                raise ValueError("must have a GUID such as 09087e75-8e5e-499b-954f-f2a9603db28a after g=") from wrong
        case _:
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as wrong:
                raise ValueError("must have base64 after b=") from wrong
