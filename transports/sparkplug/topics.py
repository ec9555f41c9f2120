"""Sparkplug's topics: spBv1.0/GROUP/VERB/NODE[/DEVICE] and spBv1.0/STATE/HOST (chapter 4).

A device's name becomes one level: what may not stand in an id is written %XX, as in an URL, and so are the % itself
and what no topic may hold; so two names never become one id, and the name can be read back.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from transports.errors import Problem

NAMESPACE = "spBv1.0"  # tck-id-topic-structure-namespace-a
STATE = "STATE"
# tck-id-topic-structure-namespace-valid-group-id and its siblings: + / #; and MQTT's own (3.1.1, section 1.5.3)
_RESERVED = "+/#"
_FORBIDDEN = "\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_IN_ID = re.compile(f"[{_RESERVED}{_FORBIDDEN}]")
_IN_NAME = re.compile(f"[%{_RESERVED}{_FORBIDDEN}]")
ID_MOST_BYTES = 20_000  # three of them and the verb fit into a topic of 65,535 bytes


class Verb(StrEnum):
    """The types of messages that nodes and hosts exchange."""

    NBIRTH = "NBIRTH"
    NDEATH = "NDEATH"
    NDATA = "NDATA"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDEATH = "DDEATH"
    DDATA = "DDATA"
    DCMD = "DCMD"


@dataclass(frozen=True, slots=True)
class Address:
    """An edge node: its group and its own id, together unique at all the servers it may ever talk to."""

    group_id: str
    edge_node_id: str

    def of_node(self, verb: Verb) -> str:
        """tck-id-topic-structure-namespace-device-id-non-associated-message-types: no device in it."""
        return f"{NAMESPACE}/{self.group_id}/{verb}/{self.edge_node_id}"

    def of_device(self, verb: Verb, device: str) -> str:
        """tck-id-topic-structure-namespace-device-id-associated-message-types. `device` is the device's name."""
        return f"{self.of_node(verb)}/{device_id(device)}"

    def of_all_devices(self, verb: Verb) -> str:
        """What to subscribe to for the commands to any device."""
        return f"{self.of_node(verb)}/+"

    def command(self, topic: str) -> tuple[Verb, str] | None:
        """(NCMD, "") or (DCMD, the device's name) for a topic with commands to this node; None for any other."""
        levels = topic.split("/")
        if topic == self.of_node(Verb.NCMD):
            return Verb.NCMD, ""
        if len(levels) != 5 or "/".join(levels[:4]) != self.of_node(Verb.DCMD):
            return None
        name = device_name(levels[4])
        # One id a device: another spelling of it might be let through where the server refuses the id
        return (Verb.DCMD, name) if name is not None and device_id(name) == levels[4] else None


def state_topic(host_id: str) -> str:
    """Where a host application says whether it is online (tck-id-host-topic-phid-birth-topic)."""
    return f"{NAMESPACE}/{STATE}/{host_id}"


def id_problems(path: str, given: str) -> Iterator[Problem]:
    """What keeps a text from being the id of a group, an edge node or a host."""
    if not given:
        yield Problem(path, repr(given), "must not be empty")
    elif found := _IN_ID.search(given):
        yield Problem(path, repr(given), f"must not contain {found[0]!r}: no + / # and no control characters")
    elif len(given.encode()) > ID_MOST_BYTES:
        yield Problem(path, f"{given[:20]!r}...", f"must be at most {ID_MOST_BYTES} bytes; an id should be short")


def device_id(name: str) -> str:
    """The id of a device, of a name that may be anything."""
    escaped = _IN_NAME.sub(lambda found: "".join(f"%{byte:02X}" for byte in _utf8(found[0])), name)
    return escaped or "%"


def device_name(device_id: str) -> str | None:
    """The name again; None for what is the id of no name."""
    if device_id == "%":
        return ""
    try:
        return unquote(device_id, errors="surrogatepass")
    except UnicodeDecodeError:
        return None


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs that differ in nothing but upper and lower case, which the specification advises against
    (tck-id-case-sensitivity-sparkplug-ids, tck-id-case-sensitivity-metric-names)."""
    first: dict[str, str] = {}
    return [(first[low], name) for name in names if first.setdefault(low := name.lower(), name) != name]


def _utf8(letter: str) -> bytes:
    return letter.encode(errors="surrogatepass")
