"""A running flaky_proxy.py as a test holds it: its port, its orders, and what happened to each connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.link_faults import Fault
from tests.peers.processes import Peer, start_peer


@dataclass(frozen=True)
class Happened:
    """`kind` is accepted, struck or closed; the time is monotonic seconds."""

    kind: str
    connection: int
    at: float
    fault: Fault


@dataclass(frozen=True)
class Connected:
    """One connection: when it came, when it had gone (the client's side), and whether its fault struck."""

    number: int
    fault: Fault
    accepted_at: float
    closed_at: float | None
    struck: bool


class FlakyLink:
    """`port` is where the client connects; without an order it is a good link."""

    def __init__(self, peer: Peer, log: Path) -> None:
        self._peer, self._log = peer, log
        self.port = peer.port

    def be(self, fault: Fault, after: int = 1, part: float = 0.5, delay_s: float = 0.05, refuse_s: float = 0.5) -> None:
        """Do this to every connection that comes from now on."""
        options = ("--after", after, "--part", part, "--delay", delay_s, "--refuse", refuse_s)
        self._peer.tell("--fault", fault.value, *map(str, options))

    def flap(self, flaps: int, seed: int, most: int) -> None:
        """Do something to each of the next `flaps` connections, chosen by the seed, and then nothing more."""
        self._peer.tell("--flaps", str(flaps), "--seed", str(seed), "--most", str(most))

    def happened(self) -> list[Happened]:
        """Everything so far, in order."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [
            Happened(kind, int(number), int(at_ns) / 1e9, Fault(fault))
            for kind, number, at_ns, fault in (line.split() for line in lines)
        ]

    def connections(self) -> list[Connected]:
        """Every connection so far, in the order in which they came."""
        events = self.happened()
        struck = {event.connection for event in events if event.kind == "struck"}
        closed = {event.connection: event.at for event in events if event.kind == "closed"}
        return [
            Connected(each.connection, each.fault, each.at, closed.get(each.connection), each.connection in struck)
            for each in events
            if each.kind == "accepted"
        ]


@contextmanager
def start_flaky_link(directory: Path, broker: int) -> Iterator[FlakyLink]:
    """A link to the broker's port on 127.0.0.1, until the block ends."""
    log = directory / f"link-to-{broker}.log"
    with start_peer("flaky_proxy.py", "--broker", str(broker), "--log", str(log)) as peer:
        yield FlakyLink(peer, log)
