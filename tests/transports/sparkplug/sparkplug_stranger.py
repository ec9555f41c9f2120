"""Sparkplug B payloads read and written by others: the npm package sparkplug-payload, in a process of its own.

It is installed once from its lock into a cache outside the tree, in a folder named by the lock's hash.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.peers.opcua_node import Unreachable, node

HERE = Path(__file__).parent / "stranger"
WITHIN_S = 120.0
_NO_NETWORK = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH")


@cache
def installed() -> Path:
    """The folder with its packages. Raises Unreachable; anything else that fails is an error."""
    parts = [(HERE / name).read_bytes() for name in ("package.json", "package-lock.json")]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]
    named = os.environ.get("XDG_CACHE_HOME")
    base = Path(named) if named else Path(tempfile.gettempdir()) / f"holdfast-cache-{os.getuid()}"
    folder = base / "holdfast-tests" / f"sparkplug-{key}"
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.parent.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder.parent} belongs to somebody else; set XDG_CACHE_HOME")
    if not folder.exists():
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    """Beside its place, then renamed: another process may do the same at the same time."""
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix="installing-"))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, beside)
        npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-update-notifier", "--fetch-retries=1")
        command = [node(), npm, "ci", "--prefer-offline", *quiet]
        done = subprocess.run(command, cwd=beside, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        if done.returncode and any(code in done.stderr for code in _NO_NETWORK):
            raise Unreachable("npm cannot reach its registry")
        if done.returncode:
            raise RuntimeError(f"npm ci failed:\n{done.stderr[-2000:]}")
        if not folder.exists():
            beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


class Stranger:
    """Asks the process, one line each way."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def decode(self, payload):
        """The message as protobufjs reads it: 64-bit numbers as text, bytes as base64."""
        return self._ask(decode=base64.b64encode(payload).decode())

    def birth(self, payload):
        """The payload as users of the library get it: values by their datatypes."""
        return self._ask(birth=base64.b64encode(payload).decode())

    def encode(self, payload):
        """The bytes of a payload that a user of the library would send."""
        return base64.b64decode(self._ask(encode=payload))

    def _ask(self, **question):
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the stranger died over it"
        return json.loads(answer)


@contextmanager
def stranger() -> Iterator[Stranger]:
    """Raises Unreachable. It ends with its standard input, and so with us."""
    command = [node(), HERE / "talk.cjs", installed()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Stranger(process)
        finally:
            process.kill()
