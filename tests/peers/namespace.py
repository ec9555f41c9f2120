"""A network namespace with a cable to this one, that can be black-holed and throttled; gone with the test.

with Namespace() as far:
    with far.inside():          # what this thread starts now lives behind the cable
        gateway.start()
    far.black_hole()            # frames leave and arrive nowhere: no RST, no ICMP, only silence
    far.heal()
    far.throttle("2mbit")       # both directions

The namespace has no name: it lives as long as this process has it open or somebody lives in it, so that nothing is left
behind by a test that is killed. The cable is a veth pair, `near` on this side, `far` on the other (RFC 2544 gives
198.18.0.0/15 to such tests).
"""

import ctypes
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import pytest

_CLONE_NEWNET = 0x4000_0000  # linux/sched.h
_LIBC = ctypes.CDLL(None, use_errno=True)
_NOBODY = "02:00:00:00:de:ad"  # a locally administered address that no card here has
Run = Callable[..., None]  # a command, word by word
_OWN = "/proc/thread-self/ns/net"


class Namespace:
    """`near` and `far` are the addresses of the two ends. Skips the test where the kernel does not allow it."""

    def __init__(self) -> None:
        third, fourth = secrets.randbelow(256), secrets.randbelow(64) * 4
        self.near, self.far = f"198.18.{third}.{fourth + 1}", f"198.18.{third}.{fourth + 2}"
        self._cards = f"hfn{third:02x}{fourth:02x}", f"hff{third:02x}{fourth:02x}"
        self._descriptor = -1

    def __enter__(self) -> "Namespace":
        if missing := why_not():
            pytest.skip(missing)
        self._descriptor = _unshared()
        try:
            self._lay_cable()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Move this thread behind the cable: what it starts (processes, threads, sockets) stays there."""
        back = os.open(_OWN, os.O_RDONLY)
        try:
            _enter(self._descriptor)
            yield
        finally:
            _enter(back)
            os.close(back)

    def black_hole(self) -> None:
        """Both ends send to an address that nobody has: every packet leaves and none arrives."""
        for run, peer, card in self._ends():
            run("ip", "neigh", "replace", peer, "lladdr", _NOBODY, "nud", "permanent", "dev", card)

    def heal(self) -> None:
        """Packets arrive again."""
        for run, peer, card in self._ends():
            run("ip", "neigh", "del", peer, "dev", card)

    def throttle(self, rate: str) -> None:
        """Let so much through in each direction, such as "2mbit" (tc-tbf(8)); more waits, up to half a second."""
        for run, _, card in self._ends():
            run("tc", "qdisc", "replace", "dev", card, "root", "tbf", "rate", rate, "burst", "32kb", "latency", "500ms")

    def unthrottle(self) -> None:
        """Let everything through."""
        for run, _, card in self._ends():
            run("tc", "qdisc", "del", "dev", card, "root")

    def close(self) -> None:
        """Cut the cable and let go of the namespace. May be called twice."""
        with suppress(subprocess.CalledProcessError):
            _run("ip", "link", "del", self._cards[0])
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _lay_cable(self) -> None:
        near, far = self._cards
        with self.inside():
            inhabitant = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with inhabitant:  # ip(8) knows an unnamed namespace by somebody who lives there; cat leaves with its input
            _run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", str(inhabitant.pid))
        self._run_inside("ip", "link", "set", "lo", "up")
        for run, address, card in ((_run, self.near, near), (self._run_inside, self.far, far)):
            run("ip", "addr", "add", f"{address}/30", "dev", card)
            run("ip", "link", "set", card, "up")

    def _ends(self) -> tuple[tuple[Run, str, str], ...]:
        """Of each end: how to run a command there, the other end's address, the card."""
        near, far = self._cards
        return (_run, self.far, near), (self._run_inside, self.near, far)

    def _run_inside(self, *command: str) -> None:
        with self.inside():
            _run(*command)


def why_not() -> str:
    """Why there can be no namespace here; "" when there can."""
    for program in ("ip", "tc"):
        if not shutil.which(program):
            return f"no namespace: {program} (Debian's iproute2) is not installed"
    try:
        os.close(_unshared())
    except OSError as refused:
        return f"no namespace: the kernel refuses it ({refused.strerror}); it takes root, or CAP_SYS_ADMIN"
    return ""


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)


def _unshared() -> int:
    """A descriptor of a new, empty namespace. Made by a thread of its own, that takes no other along."""
    made: list[int | OSError] = []

    def leave() -> None:
        if _LIBC.unshare(_CLONE_NEWNET):
            made.append(OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))
        else:
            made.append(os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC))

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
