"""Children that do as they are told, badly: a kind `puppet` for the real host, loaded into the real zygote.

A module that the zygote preloads. The mood is in the child's table, or comes later as an `Operate` message:

    well      works                              late      never gets ready
    deaf      does not hear SIGTERM              busy      works, and then only computes, for ever
    raise     raises an error                    hang      waits for something that never comes
    segfault  dies of SIGSEGV                    exit      leaves with exit code 7, behind everybody's back
    done      ends in order, unasked             helper    starts a process of its own that outlives it, and dies
    eat       takes memory, more and more        open      opens descriptors, more and more
    burn      works, and uses a whole core       clib      hangs in a C call that holds the interpreter

While a file named by PUPPETS_REFUSE exists, the system has no process to give: fork(2) fails with EAGAIN in the zygote
(its text `first`), or in the process between the zygote and its child (`second`).
"""

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from actors.actor import Actor, Fate, Place
from supervisors import host
from supervisors.lifeline import die_with
from transports.messages import Message, Operate

MOUTHFUL_BYTES = 8 * 2**20
FULL_BYTES = 512 * 2**20  # where `eat` stops, so that a test that fails ends no machine
HANDFUL = 10
FULL_HANDS = 2_000
STEP_S = 0.02


class Puppet(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, table: Mapping[str, Any]) -> None:
        super().__init__(place, fate)
        self._mood = str(table["mood"])
        self.stomach = bytearray()
        self.hands: list[int] = []

    def begin(self) -> None:
        print(f"the puppet {self.place.name} is {self._mood}", flush=True)
        if self._mood == "late":
            threading.Event().wait()
        self.mailbox.at(self.place.clock.now(), self._act)

    def on_message(self, sender: str, message: Message) -> Any:
        assert isinstance(message, Operate)
        self._mood = message.verb
        self.mailbox.at(self.place.clock.now(), self._act)

    def leave(self) -> None:
        if self._mood != "deaf":
            self.stop()

    def state(self) -> Mapping[str, Any]:
        return {"mood": self._mood}

    def again(self, in_s: float = STEP_S) -> None:
        """Go on with it in a moment, and hear and beat meanwhile."""
        self.mailbox.at(self.place.clock.now() + in_s, self._act)

    def _act(self) -> None:
        if self._mood in _DEEDS:
            _DEEDS[self._mood](self)


def _raise(_: Puppet) -> None:
    raise RuntimeError("a bug of the puppet")


def _compute(_: Puppet) -> None:
    while True:
        pass


def _help(_: Puppet) -> None:
    root = os.getppid()
    if os.fork() == 0:
        os.setsid()
        while os.getppid() != root:
            os.sched_yield()
        die_with(root)  # nothing outlives the test, whatever comes of it
        threading.Event().wait()
    os._exit(1)


def _eat(puppet: Puppet) -> None:
    if len(puppet.stomach) < FULL_BYTES:
        puppet.stomach += b"x" * MOUTHFUL_BYTES
        puppet.again()


def _open(puppet: Puppet) -> None:
    if len(puppet.hands) < FULL_HANDS:
        puppet.hands += [os.open("/dev/null", os.O_RDONLY) for _ in range(HANDFUL)]
        puppet.again()


def _burn(puppet: Puppet) -> None:
    until = puppet.place.clock.now() + STEP_S
    while puppet.place.clock.now() < until:
        pass
    puppet.again(0.0)


_DEEDS: Mapping[str, Callable[[Puppet], Any]] = {
    "raise": _raise,
    "busy": _compute,
    "hang": lambda _: threading.Event().wait(),
    "segfault": lambda _: ctypes.string_at(0),
    "exit": lambda _: os._exit(7),
    "done": lambda puppet: puppet.stop(),
    "helper": _help,
    "eat": _eat,
    "open": _open,
    "burn": _burn,
    "clib": lambda _: ctypes.PyDLL(None).pause(),
}


def _forked(real: Callable[[], int], zygote: int) -> int:
    refusing = Path(os.environ["PUPPETS_REFUSE"])
    where = refusing.read_text() if refusing.exists() else ""
    if where == ("first" if os.getpid() == zygote else "second"):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return real()


if "PUPPETS_REFUSE" in os.environ:
    _real, _zygote = os.fork, os.getpid()
    os.fork = lambda: _forked(_real, _zygote)

cast(dict[str, host.Builder], host.KINDS)["puppet"] = lambda place, fate, home: Puppet.start(place, fate, home.table)
