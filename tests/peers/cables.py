"""Several cables between here and a namespace, and one address behind all of them: a far end over two networks.

with Namespace() as far, Cables(far, 2) as cables:
    with far.inside(): ...listen on cables.behind...
    cables.near[0], cables.near[1]     # the interfaces on this side, each with a route of its own to `behind`
    cables.cut(0)                      # the far plug is pulled: this side has no carrier
    cables.plug_in(0)
    cables.black_hole(1)               # the carrier stays, and every packet is lost
    cables.heal(1)
    cables.lay_anew(0)                 # here is another interface of the same name, as a modem's that dialled

RFC 2544 gives 198.18.0.0/15 to such tests; tests/peers/namespace.py has the lower half of it.
"""

import secrets
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.peers.namespace import _NOBODY, Namespace, _run


class Cables:
    """Routes here prefer the first cable to the second, and so on. The cables go with the test."""

    def __init__(self, far: Namespace, number: int) -> None:
        self._far, tag = far, secrets.token_hex(2)
        net = 1 + secrets.randbelow(250)
        self.near = [f"hcn{tag}{at}" for at in range(number)]
        self._ends = [f"hcf{tag}{at}" for at in range(number)]
        self._addresses = [(f"198.19.{net}.{4 * at + 1}", f"198.19.{net}.{4 * at + 2}") for at in range(number)]
        self.behind = f"198.19.{net}.254"

    def __enter__(self) -> "Cables":
        try:
            with self._far.inside():
                _run("ip", "addr", "add", f"{self.behind}/32", "dev", "lo")
            with self._inhabitant() as inhabitant:
                for at in range(len(self.near)):
                    self._lay(at, str(inhabitant.pid))
        except BaseException:
            self._take_away()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._take_away()

    def cut(self, at: int) -> None:
        """Pull the plug at the far end: the carrier is gone on this side."""
        self._inside("ip", "link", "set", self._ends[at], "down")

    def plug_in(self, at: int) -> None:
        """The carrier is back."""
        self._inside("ip", "link", "set", self._ends[at], "up")

    def black_hole(self, at: int) -> None:
        """Both ends send to an address that nobody has."""
        near, far = self._addresses[at]
        _run("ip", "neigh", "replace", far, "lladdr", _NOBODY, "nud", "permanent", "dev", self.near[at])
        self._inside("ip", "neigh", "replace", near, "lladdr", _NOBODY, "nud", "permanent", "dev", self._ends[at])

    def heal(self, at: int) -> None:
        """Packets arrive again."""
        near, far = self._addresses[at]
        _run("ip", "neigh", "del", far, "dev", self.near[at])
        self._inside("ip", "neigh", "del", near, "dev", self._ends[at])

    def lay_anew(self, at: int) -> None:
        """The interface is gone, and one of the same name, with the same address, comes in its place."""
        _run("ip", "link", "del", self.near[at])
        with self._inhabitant() as inhabitant:
            self._lay(at, str(inhabitant.pid))

    def _inhabitant(self) -> "subprocess.Popen[bytes]":
        """Somebody who lives there: ip(8) knows an unnamed namespace by that."""
        with self._far.inside():
            return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def _lay(self, at: int, inhabitant: str) -> None:
        (near, far), (here, there) = self._addresses[at], (self.near[at], self._ends[at])
        _run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", inhabitant)
        Path(f"/proc/sys/net/ipv4/conf/{here}/rp_filter").write_text("2")  # answers come by the less preferred way, too
        _run("ip", "addr", "add", f"{near}/30", "dev", here)
        _run("ip", "link", "set", here, "up")
        self._inside("ip", "addr", "add", f"{far}/30", "dev", there)
        self._inside("ip", "link", "set", there, "up")
        _run("ip", "route", "add", self.behind, "via", far, "dev", here, "metric", str(10 + at))

    def _take_away(self) -> None:
        for here in self.near:
            with suppress(subprocess.CalledProcessError):
                _run("ip", "link", "del", here)

    def _inside(self, *command: str) -> None:
        with self._far.inside():
            _run(*command)
