"""A receiver in a process of its own (`holdfast receive`), and the database that it fills, as its readers see it."""

import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

WITHIN_S = 30.0
_LIBC = ctypes.CDLL(None)
_VERB = "import typer; from supervisors.verbs.receiving import receive; typer.run(receive)"


class Served:
    """Ends with the test; `start` again after `kill`."""

    def __init__(self, directory: Path, port: int, *options: str) -> None:
        self.database, self.output = directory / "readings.sqlite", directory / "receiver.log"
        self._command = [sys.executable, "-u", "-c", _VERB, "--broker", f"127.0.0.1:{port}"]
        self._command += ["--database", str(self.database), *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Served":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=lambda: _LIBC.prctl(1, signal.SIGKILL),
            )

    def kill(self) -> None:
        """SIGKILL. May be called when it does not run."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        return self._end(signal.SIGTERM)

    def asked(self, question: str) -> list[Any]:
        """The rows that the database answers; none while there is no database."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as base:
            try:
                return base.execute(question).fetchall()
            except sqlite3.OperationalError as early:
                if "no such table" in str(early):
                    return []
                raise

    def count(self, table: str) -> int:
        rows = self.asked(f"SELECT count(*) FROM {table}")
        return rows[0][0] if rows else 0

    def wait(self, until: Callable[[], object], within_s: float = WITHIN_S) -> None:
        """Look again and again; an AssertionError shows what the receiver said."""
        deadline = time.monotonic() + within_s
        while not until():
            assert self._process is None or self._process.poll() is None, self.output.read_text()[-3000:]
            assert time.monotonic() < deadline, self.output.read_text()[-3000:]
            time.sleep(0.01)  # polls a condition; nothing is assumed to have happened after it

    def wait_for_words(self, words: str, times: int = 1) -> None:
        self.wait(lambda: self.output.read_text().count(words) >= times)

    def _end(self, number: int) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(WITHIN_S)


@contextmanager
def connected(port: int, modern: bool = False) -> Iterator[Client]:
    """A client that publishes, and hears what is published."""
    protocol = MQTTProtocolVersion.MQTTv5 if modern else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, f"test-{os.getpid()}-{time.monotonic_ns()}", protocol=protocol)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def record(seq: int, epoch: int = 1, gateway: str = "plant-7", device: str = "press-1", **other: Any) -> bytes:
    """A record as the format json has it, with one reading whose value is `seq`."""
    reading = {"tag": "n", "value": seq, "time": 1_700_000_000_000_000_000 + seq, "quality": 0, "scan": seq}
    head = {"gateway": gateway, "topic": "out", "epoch": epoch, "seq": seq, "device": device}
    return orjson.dumps({**head, "source_seq": seq, "readings": [reading], **other})
