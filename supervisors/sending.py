"""Commanding a device of a running gateway, and waiting for what comes of it.

The command is told again, under the same key, until its outcome arrives: a device's process that ended over it is
started again meanwhile, and by its journal says what it knows. So telling twice never executes twice.
"""

import os
import secrets
from pathlib import Path

import zmq

from supervisors import control
from transports.clock import Clock
from transports.errors import HoldfastError, NotRunning
from transports.messages import Command, Outcome, Status, pack, unpack
from transports.names import ROOT, endpoint, listens, mailbox_path
from transports.settings import nearest

AGAIN_S = 0.5  # between two tellings
AFTERWARDS_S = 10.0  # after its time is over: to be read back, or for the device to be started again


def send(run_dir: Path, device: str, command: Command, clock: Clock) -> Outcome:
    """The command's outcome. Raises HoldfastError for an unknown device, and when no outcome can be had: then it can
    be asked for again under the same key."""
    _known(run_dir, device)
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
    latest = command.until_s + AFTERWARDS_S
    while clock.now() < latest:
        if socket.poll(20, zmq.POLLOUT):
            socket.send_multipart(pack(command), zmq.NOBLOCK)
        again = clock.now() + AGAIN_S
        while (left_s := again - clock.now()) > 0:
            if socket.poll(round(left_s * 1000) + 1):
                said, _ = unpack(socket.recv_multipart())
                if isinstance(said, Outcome) and said.key == command.key:
                    return said
        if not listens(mailbox_path(run_dir, ROOT)):
            raise NotRunning(f"the gateway in {run_dir} ended; what came of the command: --key {command.key} again")
    why = f"see: holdfast status {device}"
    raise HoldfastError(f"{device} told no outcome; ask again with --key {command.key}; {why}")


def _known(run_dir: Path, device: str) -> None:
    children = control.ask(run_dir, Status())["children"]
    devices = [child["name"] for child in children if child["kind"] == "device"]
    if device not in devices:
        raise HoldfastError(f"unknown device {device!r}; {nearest(device, devices)}")
