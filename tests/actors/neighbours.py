"""An actor in a thread of the test, with a root and a spooler that listen and say what the test has them say."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import zmq

from actors.actor import Fate, Place
from tests.transports.desk import Desk
from transports.clock import MachineClock
from transports.messages import Beat
from transports.names import ROOT, SPOOLER

SESSION = 1


class Neighbours:
    """`actor` is set by whoever starts it, at `place`."""

    def __init__(self) -> None:
        self.run_dir = Path(tempfile.mkdtemp(prefix="hf-"))
        self.root, self.spooler = Desk(self.run_dir, ROOT), Desk(self.run_dir, SPOOLER)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.fate = Fate()
        self.actor: Any

    def place(self, name: str) -> Place:
        return Place(name, self.run_dir, MachineClock(), self.context, 7, SESSION, heartbeat_s=0.02)

    def said(self, kind: type) -> list[Any]:
        """What the spooler was told, of this kind."""
        return [message for message in self.spooler.messages if isinstance(message, kind)]

    def state(self) -> dict[str, Any]:
        """What its next sign of life tells."""
        self.root.letters.clear()
        self.root.until(lambda: any(isinstance(message, Beat) for message in self.root.messages))
        return dict(next(message for message in self.root.messages if isinstance(message, Beat)).state)

    def close(self) -> None:
        if self.actor.is_alive():
            self.actor.stop()
        self.context.destroy(linger=0)
        self.spooler.__exit__(None, None, None)
        self.root.__exit__(None, None, None)
        shutil.rmtree(self.run_dir, ignore_errors=True)
