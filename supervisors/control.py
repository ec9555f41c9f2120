"""The operator's line to a running gateway: one question to a mailbox, the root's mostly, one answer, in time."""

import os
import secrets
from pathlib import Path
from typing import Any

import zmq

from transports.errors import AskTimeout, HoldfastError, NotRunning
from transports.messages import Message, Reply, pack, unpack
from transports.names import PATH_LIMIT, ROOT, endpoint, listens, mailbox_path, owner_pid

LOCK = "gateway.lock"
TIMEOUT_S = 5.0
LOOK_S = 1.0  # whether the gateway is still there, while an answer is awaited
ENVIRONMENT = "HOLDFAST_RUN_DIR"


def ask(run_dir: Path, question: Message, timeout_s: float = TIMEOUT_S, to: str = ROOT) -> Any:
    """The answer of the root, or of the child `to`. Raises NotRunning when no gateway answers there, HoldfastError with
    what was refused, when the gateway runs without that child, or when the run directory is another user's."""
    path = mailbox_path(run_dir, to)
    if os.access(run_dir, os.F_OK) and not os.access(run_dir, os.X_OK):
        raise HoldfastError(f"{run_dir} belongs to the user {_owner(run_dir)}; run holdfast as that user")
    if len(os.fsencode(path)) > PATH_LIMIT or not listens(mailbox_path(run_dir, ROOT)):
        raise NotRunning(f"no gateway runs in {run_dir}; start it with: holdfast run CONFIG --run-dir {run_dir}")
    if not listens(path):
        raise HoldfastError(f"the gateway runs, but its {to} does not; {_why(to)}")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.ROUTING_ID, f"operator-{os.getpid()}-{secrets.token_hex(4)}".encode())
            socket.connect(endpoint(path))
            socket.send_multipart(pack(question, ask=1))
            _await(socket, run_dir, timeout_s, to)
            reply, _ = unpack(socket.recv_multipart())
    finally:
        context.destroy(linger=0)
    assert isinstance(reply, Reply)
    if reply.error:
        raise HoldfastError(reply.error)
    return reply.value


def _await(socket: "zmq.Socket[bytes]", run_dir: Path, timeout_s: float, to: str) -> None:
    """Wait for the answer, and no longer than there is somebody who could give it."""
    while timeout_s > 0:
        if socket.poll(round(min(timeout_s, LOOK_S) * 1000)):
            return
        timeout_s -= LOOK_S
        if not listens(mailbox_path(run_dir, ROOT)):
            raise NotRunning(f"the gateway in {run_dir} ended before it answered")
        if not listens(mailbox_path(run_dir, to)):
            raise HoldfastError(f"the {to} ended before it answered; {_why(to)}")
    if to != ROOT:
        raise AskTimeout(f"the {to} does not answer in time; {_why(to)}")
    pid = owner_pid(run_dir / LOCK)
    raise NotRunning(f"the gateway in {run_dir} (pid {pid}) does not answer in time")


def _why(child: str) -> str:
    return f"see why: holdfast status {child}, holdfast logs {child}"


def find_run_dir(given: Path | None) -> Path:
    """The run directory that is meant: given, from HOLDFAST_RUN_DIR, or that of the only gateway that runs here.

    Raises NotRunning when there is none, or more than one to choose from.
    """
    if given is not None:
        return given.absolute()
    if named := os.environ.get(ENVIRONMENT):
        return Path(named).absolute()
    from supervisors.configuration.gateway import (
        default_run_dir,  # all settings classes come with it: 20 ms that --run-dir saves
    )

    roots = {default_run_dir("any").parent, Path(f"/tmp/holdfast-{os.getuid()}"), Path("/run/holdfast")}
    found = sorted({lock.parent for root in roots if root.is_dir() for lock in _locks(root) if owner_pid(lock)})
    if len(found) == 1:
        return found[0]
    if found:
        raise NotRunning(f"several gateways run here; choose one with --run-dir: {', '.join(map(str, found))}")
    raise NotRunning("no gateway runs here; if it was started with --run-dir, name the same directory")


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:  # a user without a name
        return str(path.stat().st_uid)


def _locks(root: Path) -> list[Path]:
    try:
        return [*root.glob(LOCK), *root.glob(f"*/{LOCK}")]
    except OSError:
        return []
