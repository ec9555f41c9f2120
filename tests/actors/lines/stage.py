"""A line's actor in a thread of the test, on the pseudo-terminal of a process with slaves; a root listens."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq
from pykka import ActorRef

from actors.actor import Fate, Place
from actors.line import Line, Work
from tests.peers.processes import Peer, start_peer
from tests.transports.desk import Desk
from transports.clock import MachineClock
from transports.lines import LineClient, line_path, open_line
from transports.messages import Beat, Ready
from transports.names import ROOT
from transports.rtu_frames import with_crc

NAME = "rs485-1"
TIMEOUT_S = 5.0  # for answers that come: a slow machine is no bug


def reading(unit: int, address: int = 0, count: int = 2) -> bytes:
    """A request for holding registers."""
    return with_crc(bytes((unit, 3)) + address.to_bytes(2, "big") + count.to_bytes(2, "big"))


def writing(unit: int, address: int, value: int) -> bytes:
    """A request that sets one register."""
    return with_crc(bytes((unit, 6)) + address.to_bytes(2, "big") + value.to_bytes(2, "big"))


def registers(answer: bytes) -> list[int]:
    """What an answer to `reading` says."""
    return [int.from_bytes(answer[at : at + 2], "big") for at in range(3, len(answer) - 2, 2)]


class Stage:
    """`port` is a name that can be moved to another terminal, as /dev/serial/by-id is by an adapter."""

    def __init__(self) -> None:
        self.run_dir = Path(tempfile.mkdtemp(prefix="hf-"))
        self.root = Desk(self.run_dir, ROOT)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.fate = Fate()
        self.port = self.run_dir / "adapter"
        self.path = line_path(self.run_dir, NAME)
        self.actor: ActorRef[Line] | None = None
        self._clients: list[LineClient] = []

    def plug(self, peer: Peer) -> None:
        """The adapter is that peer's terminal now."""
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(f"/dev/pts/{peer.port}")

    def start(self, **settings: Any) -> None:
        place = Place(NAME, self.run_dir, MachineClock(), self.context, 7, 1, heartbeat_s=0.05)
        table = {"port": str(self.port), "baud": 19200, **settings}
        self.actor = Line.start(place, self.fate, Work(table))
        self.until_ready()

    def until_ready(self) -> None:
        self.root.until(lambda: any(isinstance(message, Ready) for message in self.root.messages))

    def client(self, member: str) -> LineClient:
        client = open_line(self.path, member)
        self._clients.append(client)
        return client

    def read(self, client: LineClient, unit: int, timeout_s: float = TIMEOUT_S, **more: Any) -> list[int]:
        return registers(client.exchange(reading(unit, **more), "rtu", timeout_s))

    def state(self) -> dict[str, Any]:
        """What the next sign of life tells."""
        self.root.letters.clear()
        self.root.until(lambda: any(isinstance(message, Beat) for message in self.root.messages))
        return dict(next(message for message in self.root.messages if isinstance(message, Beat)).state)

    def until_state(self, holds: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """What it tells, once that holds."""
        while not holds(state := self.state()):
            assert not self.fate.over.is_set(), f"it died: {self.fate.error!r}"
        return state

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self.actor is not None and self.actor.is_alive():
            self.actor.stop()
        self.context.destroy(linger=0)
        self.root.__exit__(None, None, None)
        shutil.rmtree(self.run_dir, ignore_errors=True)


@contextmanager
def slaves(*options: str) -> Iterator[Peer]:
    """Slaves in a process of their own, until the block ends."""
    with start_peer("rtu_slaves.py", *options) as peer:
        yield peer


def together(*work: Callable[[], Any]) -> list[Any]:
    """What each returns or raises, done in a thread each."""
    results: list[Any] = [None] * len(work)

    def run(at: int, what: Callable[[], Any]) -> None:
        try:
            results[at] = what()
        except Exception as error:  # noqa: BLE001  it is what the test looks at
            results[at] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
