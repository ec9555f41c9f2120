"""Names as places in the run directory: where an actor's mailbox is, and that it has one owner.

    run_dir/                 0700
        gateway.lock         held by the root; its text is the root's pid
        NAME.lock            held by the process that is NAME now
        NAME.ipc             its mailbox (ZeroMQ ROUTER)
        NAME.live            its live feed (ZeroMQ PUB)
        NAME.line            where the owner of a serial line lets its members in
        NAME.commands        what rules commanded it in this boot of the machine
        rules.json           how the rules stood when their process ended

`bind()` on an ipc path unlinks whatever is there, also the path of a process that lives; so the lock is taken first.
The kernel drops a lock with its process, however that ended.
"""

import errno
import fcntl
import os
import socket
from pathlib import Path

from transports.errors import AlreadyRunning

ROOT = "root"
SPOOLER = "spooler"
RULES = "rules"
NETWORK = "network"
DIAGNOSTICS = "diagnostics"
PATH_LIMIT = 107  # sun_path of a Unix socket is 108 bytes with its closing zero


def mailbox_path(run_dir: Path, name: str) -> Path:
    return run_dir / f"{name}.ipc"


def feed_path(run_dir: Path, name: str) -> Path:
    return run_dir / f"{name}.live"


def endpoint(path: Path) -> str:
    return f"ipc://{path}"


class Ownership:
    """The exclusive right to a name, for as long as this process lives or until `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the name back. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def own(path: Path, what: str) -> Ownership:
    """Take the lock file at `path` for this process. Raises AlreadyRunning with the pid of its live owner."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as taken:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise AlreadyRunning(what, int(owner) if owner.isdigit() else 0) from taken
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return Ownership(descriptor)


def owner_pid(path: Path) -> int:
    """The pid that holds the lock file at `path`, 0 when nobody does."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read(32).decode("ascii", "replace").strip()
                return int(text) if text.isdigit() else 0
    except OSError:
        return 0
    return 0


def listens(path: Path) -> bool:
    """Whether a process is behind the Unix socket at `path` now: its file may have outlived it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(str(path)) in (0, errno.EAGAIN)


def listening(path: Path, kind: socket.SocketKind, backlog: int) -> socket.socket:
    """A Unix socket that listens at `path`, in place of what was there: the name's lock is taken already."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        listener.bind(str(path))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener
