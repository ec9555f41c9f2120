"""To a file, one record or message a line (NDJSON): for trying Holdfast without a broker, and for sites without a net.

    out.ndjson        what is written now
    out.ndjson.1      the file before it, and so on up to .keep; the oldest is deleted

A message counts as delivered when fdatasync has returned. Lines are ended by a newline; a last line without one (the
power went) is ended at the next opening, so that it never runs into the record that follows. Payload formats that are
not text (msgpack) are refused.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from transports.durable import sync_directory
from transports.errors import Problem, UplinkDown, UplinkRefused
from transports.settings import duration, setting, size
from transports.uplinks import Identity, Outgoing


@dataclass(frozen=True)
class Settings:
    """Which file, when it is made durable, and how much of the past is kept beside it."""

    path: Path = setting(help="the file to append to; its directory must exist", example="/var/lib/holdfast/out.ndjson")
    max_bytes: int = size("64MiB", help="a file that would grow beyond this is put aside and a new one begun")
    keep: int = setting(5, ge=1, le=10_000, help="how many files put aside are kept; the oldest is deleted")
    sync_s: float = duration("100ms", ge=0, le=60, help="how long a written message may wait to be made durable")

    def problems(self, path: str) -> Iterator[Problem]:
        """A path that can never be a file."""
        if self.path.is_dir():
            yield Problem(f"{path}.path", repr(str(self.path)), "is a directory; name a file in it")


def connect(settings: Settings, identity: Identity) -> "FileUplink":
    """The file, open for appending. Raises UplinkDown when it cannot be opened or another process writes to it."""
    return FileUplink(settings)


class FileUplink:
    """An Uplink (transports/uplinks) that is always ready while the disk is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._written: list[int] = []
        self._taken: list[int] = []
        self._sync_at: float | None = None
        self._size = 0
        self._file = -1
        with self._disk():
            self._open()

    def fileno(self) -> int:
        """None: a file is never waited for."""
        return -1

    def wants_write(self) -> bool:
        """Never: see `fileno`."""
        return False

    def ready(self) -> bool:
        """Whether the file is open."""
        return self._file >= 0

    def step(self, now: float) -> None:
        """Make durable what has waited long enough. Waits for the disk: if that hangs, so does this uplink alone."""
        self._must_be_open()
        if self._written and self._sync_at is None:
            self._sync_at = now + self._settings.sync_s
        if self._sync_at is not None and now >= self._sync_at:
            with self._disk():
                self._sync()

    def send(self, message: Outgoing) -> None:
        """Append one line. Raises UplinkRefused for a payload that is not one line of text."""
        self._must_be_open()
        if b"\n" in message.payload or not _is_text(message.payload):
            raise UplinkRefused("a payload that is not one line of text; use a JSON format for a file")
        line = message.payload + b"\n"
        with self._disk():
            if self._size and self._size + len(line) > self._settings.max_bytes:
                self._rotate()
            self._append(line)
        self._written.append(message.ticket)

    def taken(self) -> Sequence[int]:
        """The tickets of what has been made durable, in order."""
        taken, self._taken = self._taken, []
        return taken

    def next_step(self, now: float) -> float:
        """When the next sync is due; at once after a `send` that no `step` has seen yet."""
        if self._sync_at is not None:
            return self._sync_at
        return now if self._written else float("inf")

    def close(self, farewell: bool = True) -> None:
        """Close the file; with a farewell what was written is made durable first and can still be asked as taken."""
        if farewell and self.ready():
            with suppress(OSError):  # not synced, not taken: it is handed out again
                self._sync()
        self._shut()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """An error of the disk ends this uplink: what was not synced is handed out again, to a file opened anew."""
        try:
            yield
        except OSError as wrong:
            self._shut()
            raise UplinkDown(f"{self._settings.path}: {_in_words(wrong)}") from wrong

    def _open(self) -> None:
        path = self._settings.path
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two rotating writers would delete each other's lines
        self._size = os.fstat(self._file).st_size
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            self._append(b"\n")
        sync_directory(path.parent)

    def _append(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            written = os.write(self._file, view)
            self._size += written
            view = view[written:]

    def _sync(self) -> None:
        os.fdatasync(self._file)
        self._taken += self._written
        self._written.clear()
        self._sync_at = None

    def _rotate(self) -> None:
        self._sync()
        path = self._settings.path
        for number in range(self._settings.keep, 1, -1):
            if (younger := _aside(path, number - 1)).exists():
                younger.replace(_aside(path, number))
        path.replace(_aside(path, 1))
        self._shut()
        self._open()

    def _must_be_open(self) -> None:
        if self._file < 0:
            raise UplinkDown(f"{self._settings.path}: is closed")

    def _shut(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _in_words(wrong: OSError) -> str:
    if isinstance(wrong, BlockingIOError):
        return "another process writes to it"
    if isinstance(wrong, FileNotFoundError):
        return f"its directory does not exist ({wrong.strerror})"
    return wrong.strerror or str(wrong)


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
