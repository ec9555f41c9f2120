"""Far ends in processes of their own, started by a test and gone with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_PEERS = Path(__file__).parent


@dataclass
class Peer:
    """A running peer that printed the port it listens on, and takes new orders on its standard input."""

    process: "subprocess.Popen[str]"
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = int(self._line())

    def tell(self, *options: str) -> None:
        """Change how it behaves to these options; returns when they are in force."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(options) + "\n")
        self.process.stdin.flush()
        assert self._line() == "ok"

    def kill(self) -> None:
        """End its whole process group at once. May be called twice."""
        with suppress(ProcessLookupError):
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            self.kill()
            raise RuntimeError(f"the peer ended with {self.process.returncode}: {self.process.args!r}")
        return line


@contextmanager
def start_peer(script: str, *options: str) -> Iterator[Peer]:
    """Run `tests/peers/<script>` until the block ends.

    The script calls `die_with_parent` on `--parent`, prints its port, then reads orders from its standard input.
    Call it from a thread that lives as long as the block: the kernel counts the thread as the parent.
    """
    command = [sys.executable, str(_PEERS / script), "--parent", str(os.getpid()), *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield Peer(process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def start_modbus_server(*options: str, port: int = 0) -> Iterator[Peer]:
    """A Modbus TCP server on 127.0.0.1 (see modbus_server.py for its options); port 0 picks a free one."""
    with start_peer("modbus_server.py", "--port", str(port), *options) as peer:
        yield peer
