"""A real Mosquitto broker in a process of its own, that never outlives the test.

with Mosquitto(tmp_path) as broker:
    ...broker.port...
    broker.pause()      # hangs: the kernel still accepts, nobody answers
    broker.resume()
    broker.kill()       # SIGKILL
    broker.start()      # on the same port
"""

import ctypes
import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

START_WITHIN_S = 20.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def free_port() -> int:
    """A TCP port on the loopback that nobody uses at the moment.

    Below those that the kernel gives to outgoing connections: while a server is away, a client that keeps calling may
    otherwise be given the server's own port as its source (it then talks to itself), and the server cannot come back.
    """
    low, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    for port in random.sample(range(low // 2, low), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("100 ports of the loopback tried, and all are in use")


class Mosquitto:
    """A broker on 127.0.0.1:`port`. `lines` go into its configuration's listener, `log` holds its last words.

    Anonymous clients may connect unless `lines` say otherwise. With `persistence` its sessions and queues survive
    `stop` (SIGTERM), not `kill`: Mosquitto writes them when it ends. Offline sessions queue without limit.
    """

    def __init__(
        self, directory: Path, lines: Sequence[str] = (), persistence: bool = False, port: int | None = None
    ) -> None:
        self.port = port or free_port()
        self.log: deque[str] = deque(maxlen=2000)
        self._directory = directory / f"mosquitto-{self.port}"
        self._lines, self._persistence = lines, persistence
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The broker's process."""
        assert self._process is not None, "the broker has not been started"
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens. On the same port as before, with what persistence kept."""
        running = threading.Event()
        self._process = subprocess.Popen(
            [_executable(), "-v", "-c", str(self._configuration())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_die_with_the_test,
        )
        threading.Thread(target=self._listen, args=(self._process, running), daemon=True).start()
        if not running.wait(START_WITHIN_S) or self._process.poll() is not None:
            ended = self._process.poll()
            self.kill()
            last = "\n".join(list(self.log)[-20:])
            raise AssertionError(f"mosquitto did not start on port {self.port} (exit status {ended}):\n{last}")

    def stop(self) -> None:
        """End it with SIGTERM, as an operator does, and wait until it has gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL. May be called when it is not running."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, sign: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(sign)
        process.send_signal(signal.SIGCONT)
        process.wait()

    def _listen(self, process: "subprocess.Popen[str]", running: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.log.append(line.rstrip())
                if line.rstrip().endswith(" running"):
                    running.set()
        running.set()  # it has ended: do not wait for a start that cannot come any more

    def _configuration(self) -> Path:
        self._directory.mkdir(exist_ok=True)
        lines = [
            f"user {getpass.getuser()}",  # run as root it would become a user that cannot read the test's directory
            "log_dest stderr",
            "max_queued_messages 0",
            f"persistence {str(self._persistence).lower()}",
            f"persistence_location {self._directory}/",
            f"listener {self.port} 127.0.0.1",
            *([] if any(line.startswith("allow_anonymous") for line in self._lines) else ["allow_anonymous true"]),
            *self._lines,
        ]
        path = self._directory / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        return path


def _executable() -> str:
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found, "these tests need a real broker: `make test` installs mosquitto"
    return found


def _die_with_the_test() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
