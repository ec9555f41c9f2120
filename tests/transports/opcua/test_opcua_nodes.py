import uuid

import pytest

from transports.opcua.nodes import Node, check_node, escaped, node_of
from transports.opcua.requests import local_node


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("i=85", Node(0, 85)),
        ("ns=2;s=Line.Speed", Node(2, "Line.Speed")),
        ("ns=2;s=a;b=c", Node(2, "a;b=c")),
        ("ns=65535;i=4294967295", Node(65535, 4294967295)),
        ("nsu=urn:maker:plc;i=7", Node("urn:maker:plc", 7)),
        ("nsu=http://a.b/c%3Bd%25;s=ü", Node("http://a.b/c;d%", "ü")),
        (
            "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            Node(1, uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a")),
        ),
        ("ns=1;b=//4=", Node(1, b"\xff\xfe")),
    ],
)
def test_a_node_is_named_as_the_standard_names_it(text: str, node: Node) -> None:
    assert node_of(text) == node
    assert check_node(text) is None


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("Line.Speed", "must be a node id such as"),
        ("", "must be a node id such as"),
        ("ns=2", "must be a node id such as"),
        ("ns=2;s=", "must be a node id such as"),
        ("ns=x;i=1", "must be a node id such as"),
        ("ns=70000;i=1", "below 65536"),
        ("ns=2;i=speed", "a number from 0 to 4294967295"),
        ("ns=2;i=4294967296", "a number from 0 to 4294967295"),
        ("ns=2;i=٣", "a number from 0 to 4294967295"),
        ("ns=2;g=123", "must have a GUID"),
        ("ns=2;b=%%%", "must have base64"),
    ],
)
def test_what_names_no_node_is_told_how_to(text: str, cure: str) -> None:
    assert cure in (check_node(text) or "")
    assert local_node(text) is None


def test_a_uri_comes_back_from_how_it_is_written() -> None:
    for uri in ("urn:a", "http://a.b/;x", "100%;%3B"):
        assert node_of(f"nsu={escaped(uri)};i=1").namespace == uri
