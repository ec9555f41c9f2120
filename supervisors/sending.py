"""Commanding a device of a running gateway, and waiting for what comes of it.

The command is told again, under the same key, until its outcome arrives: a device's process that ended over it is
started again meanwhile, and by its journal says what it knows. So telling twice never executes twice. Whoever was
stopped, or cannot be built, is not waited for.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

import zmq

from supervisors import control
from supervisors.plan import Phase
from transports.clock import Clock
from transports.errors import HoldfastError, NotRunning
from transports.messages import Command, Outcome, Status, pack, unpack
from transports.names import ROOT, endpoint, listens, mailbox_path
from transports.settings import nearest

AGAIN_S = 0.5  # between two tellings
AFTERWARDS_S = 10.0  # after its time is over: to be read back, or for the device to be started again
NOT_COMING = {
    Phase.HELD: "start it: holdfast start {device}",
    Phase.BROKEN: "it cannot be built: {reason}",
    Phase.ENDED: "start it again: holdfast start {device}",
}


def send(run_dir: Path, device: str, command: Command, clock: Clock) -> Outcome:
    """The command's outcome. Raises HoldfastError for an unknown device, for one that does not run and is not about to,
    and when no outcome can be had: then it can be asked for again under the same key."""
    _expect(run_dir, device)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.IMMEDIATE, 1)  # what cannot be delivered now is told again, not queued
            socket.setsockopt(zmq.RECONNECT_IVL, 20)
            socket.setsockopt(zmq.ROUTING_ID, f"operator-{os.getpid()}-{secrets.token_hex(4)}".encode())
            socket.connect(endpoint(mailbox_path(run_dir, device)))
            return _outcome(socket, run_dir, device, command, clock)
    finally:
        context.destroy(linger=0)


def _outcome(socket: "zmq.Socket[bytes]", run_dir: Path, device: str, command: Command, clock: Clock) -> Outcome:
    is_told, phase = False, "running"
    while clock.now() < (latest := command.until_s + (AFTERWARDS_S if is_told else 0.0)):
        if socket.poll(20, zmq.POLLOUT):
            with suppress(zmq.Again):  # its process ended between the look and the telling
                socket.send_multipart(pack(command), zmq.NOBLOCK)
                is_told = True
        outcome = _heard(socket, command.key, clock, min(latest, clock.now() + AGAIN_S))
        if outcome is not None:
            return outcome
        if not listens(mailbox_path(run_dir, ROOT)):
            raise NotRunning(f"the gateway in {run_dir} ended; what came of the command: --key {command.key} again")
        if not listens(mailbox_path(run_dir, device)):
            phase = _expect(run_dir, device, command.key if is_told else "")
    if not is_told:
        raise HoldfastError(f"{device} is {phase} and could not be told in time: nothing was sent to it")
    raise HoldfastError(f"{device} told no outcome; ask again with --key {command.key}; see: holdfast status {device}")


def _heard(socket: "zmq.Socket[bytes]", key: str, clock: Clock, until_s: float) -> Outcome | None:
    """The outcome of this key, if it comes until then."""
    while (left_s := until_s - clock.now()) > 0:
        if socket.poll(round(left_s * 1000) + 1):
            said, _ = unpack(socket.recv_multipart())
            if isinstance(said, Outcome) and said.key == key:
                return said
    return None


def _expect(run_dir: Path, device: str, told: str = "") -> str:
    """The phase of the device, which runs or will. Raises HoldfastError when it will not; `told` is the key under which
    it may have heard a command already."""
    children = control.ask(run_dir, Status())["children"]
    devices = {child["name"]: child for child in children if child["kind"] == "device"}
    if device not in devices:
        raise HoldfastError(f"unknown device {device!r}; {nearest(device, list(devices))}")
    child = devices[device]
    cure = NOT_COMING.get(Phase.HELD if child["held"] else Phase(child["phase"]))
    if cure is None:
        return str(child["phase"])
    what = f"what came of the command: --key {told} again, when it runs" if told else "nothing was sent to it"
    raise HoldfastError(f"{device} is {child['phase']}: {what}; {cure.format(device=device, reason=child['reason'])}")
