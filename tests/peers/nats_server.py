"""A real nats-server in a process of its own, or a cluster of them, that never outlives the test.

with NatsServer(tmp_path) as server:
    ...server.url...
    server.configure("authorization { ... }")     # and SIGHUP: it has taken it when this returns
    server.kill(); server.start()                  # on the same port, with what its disk has

with cluster(tmp_path, 3) as servers: ...          # returns when JetStream has a leader
"""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import nats
from nats.errors import Error

from tests.peers.mosquitto import free_port

WITHIN_S = 30.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Stored:
    """One message of a stream."""

    subject: str
    headers: dict[str, str]
    data: bytes

    @property
    def msg_id(self) -> str:
        return self.headers["Nats-Msg-Id"]


class NatsServer:
    """A server with JetStream on 127.0.0.1:`port`. `lines` go into its configuration."""

    def __init__(self, directory: Path, *lines: str, name: str = "alone", jetstream: bool = True) -> None:
        self.name, self.port = name, free_port()
        self.log: deque[str] = deque(maxlen=2000)
        self._directory, self._lines, self._jetstream = directory / name, lines, jetstream
        self._directory.mkdir(parents=True)
        self._process: subprocess.Popen[str] | None = None
        self._news = threading.Condition()
        self._reloads = 0
        self._silent: subprocess.Popen[str] | None = None  # the process that says nothing any more

    def __enter__(self) -> "NatsServer":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.log.clear()
        self._reloads = 0
        self._process = subprocess.Popen(
            [_executable(), "-c", str(self._configuration())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        self._await("Server is ready")

    def configure(self, *lines: str) -> None:
        """Other lines in its configuration, in force when this returns."""
        self._lines = lines
        self._configuration()
        self._reloads += 1
        self._signal(signal.SIGHUP)
        self._await("Reloaded server configuration", self._reloads)

    def kill(self) -> None:
        """SIGKILL. May be called when it is not running."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as systemd does."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def call(self, work, **options):
        """What `work(client, jetstream)`, a coroutine, answers over a connection of its own."""
        return asyncio.run(asyncio.wait_for(_called(self.url, work, options), WITHIN_S))

    def stream(self, name: str, *subjects: str, **config: object) -> None:
        """Make a stream."""
        self.call(lambda _, js: js.add_stream(name=name, subjects=list(subjects), **config))

    def contents(self, name: str) -> list[Stored]:
        """Every message of a stream, in order."""
        return self.call(lambda _, js: _read(js, name))

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it has not been started"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            process.wait()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                with self._news:
                    if self._process in (process, None):  # what a former one has left to say is not about this one
                        self.log.append(line.rstrip())
                        self._news.notify_all()
        with self._news:
            self._silent = process
            self._news.notify_all()

    def _await(self, words: str, times: int = 1) -> None:
        def said() -> bool:
            return sum(words in line for line in self.log) >= times

        with self._news:
            self._news.wait_for(lambda: said() or self._silent is self._process, WITHIN_S)
        assert said(), "\n".join([f"no {words!r} of the server {self.name}:", *list(self.log)[-20:]])

    def _configuration(self) -> Path:
        lines = [f'server_name: "{self.name}"', f"listen: 127.0.0.1:{self.port}"]
        if self._jetstream:
            lines.append(f'jetstream {{ store_dir: "{self._directory}", max_mem: 64M, max_file: 256M }}')
        path = self._directory / "server.conf"
        path.write_text("\n".join([*lines, *self._lines]) + "\n")
        return path


@contextmanager
def cluster(directory: Path, size: int = 3) -> Iterator[list[NatsServer]]:
    """Servers that know each other; JetStream has a leader."""
    routes = [free_port() for _ in range(size)]
    urls = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    servers = [
        NatsServer(
            directory,
            f"cluster {{ name: plant, listen: 127.0.0.1:{port}, routes: [{urls}] }}",
            name=f"n{number}",
        )
        for number, port in enumerate(routes)
    ]
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        servers[0].call(_led)
        yield servers


async def _led(client, js) -> None:
    while True:
        try:
            await js.account_info()
            return
        except (Error, TimeoutError):
            await asyncio.sleep(0.05)  # polls a condition


async def _called(url, work, options):
    client = await nats.connect(url, allow_reconnect=False, **options)
    try:
        return await work(client, client.jetstream())
    finally:
        await client.close()


async def _read(js, name: str) -> list[Stored]:
    state = (await js.stream_info(name)).state
    found: list[Stored] = []
    for seq in range(state.first_seq, state.last_seq + 1):
        message = await js.get_msg(name, seq)
        found.append(Stored(message.subject, dict(message.headers or {}), message.data or b""))
    assert len(found) == state.messages
    return found


def _executable() -> str:
    found = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found, "these tests need a real nats-server: apt-get install nats-server"
    return found
