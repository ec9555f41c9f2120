"""Running a gateway in this process, as its root: directories, lock, signals, then the supervisor's loop."""

import logging
import os
import signal
import sys
from pathlib import Path

import zmq

from supervisors import tree
from supervisors.control import LOCK
from supervisors.gateway import Gateway
from supervisors.lifeline import adopt_orphans
from supervisors.supervisor import House, Supervisor
from transports.clock import Clock, MachineClock
from transports.errors import Problem, SettingsError
from transports.mailbox import Mailbox
from transports.names import ROOT, own

log = logging.getLogger("holdfast.run")
TOGETHER_S = 1.0  # signals within this time are one request


def run(gateway: Gateway) -> None:
    """Be the root of this gateway until it is told to end.

    Raises AlreadyRunning when another root has the run directory or the data directory, SettingsError when one of
    them cannot be used.
    """
    _make(gateway.run_dir, "gateway.run_dir", 0o700)
    _make(gateway.data_dir, "gateway.data_dir", 0o750)
    locks = (
        own(gateway.run_dir / LOCK, f"the run directory {gateway.run_dir}"),
        own(gateway.data_dir / LOCK, f"the data directory {gateway.data_dir}"),
    )
    _speak(gateway.log_level)
    for warning in gateway.warnings:
        log.warning("%s", warning)
    adopt_orphans()
    _supervise(gateway)
    for lock in locks:
        lock.release()


def _supervise(gateway: Gateway) -> None:
    clock, mailbox = MachineClock(), Mailbox()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    mailbox.open(gateway.run_dir, ROOT, clock, context)
    rules = gateway.supervision
    house = House(
        gateway.name,
        gateway.run_dir,
        gateway.data_dir,
        rules.heartbeat_s,
        gateway.log_level.upper(),
        tree.modules(gateway),
    )
    supervisor = Supervisor(house, tree.children(gateway), tree.budget(rules), clock, mailbox)
    _hear_signals(mailbox, supervisor, clock)
    log.info("gateway %s starts (pid %d), data in %s", gateway.name, os.getpid(), gateway.data_dir)
    supervisor.run()
    log.info("gateway %s has stopped", gateway.name)
    mailbox.close()
    context.destroy(linger=300)


def _hear_signals(mailbox: Mailbox, supervisor: Supervisor, clock: Clock) -> None:
    """SIGTERM and SIGINT end the gateway in order, a later second one at once. They wake the loop by a descriptor.

    One request to stop can arrive twice, as a signal to the process and one to its group (timeout(1), a terminal).
    """
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    impatient_at: float | None = None

    def heard() -> None:
        nonlocal impatient_at
        os.read(woken, 64)
        now = clock.now()
        if impatient_at is None:
            impatient_at = now + TOGETHER_S
            supervisor.end()
        elif now > impatient_at:
            supervisor.end_now()

    mailbox.when_readable(woken, heard)


def _make(directory: Path, path: str, mode: int) -> None:
    """Have the directory, writable; a fresh or empty one gets `mode`, one with strangers' files keeps its own."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / LOCK).exists() or not any(directory.iterdir()):
            directory.chmod(mode)
        (directory / LOCK).touch()
    except OSError as refused:
        cure = f"must be a directory that this user can write to ({refused.strerror})"
        raise SettingsError(Problem(path, repr(str(directory)), cure)) from refused
    if directory.stat().st_mode & 0o777 & ~mode:
        cure = f"is open to other users and has other files in it; name one for Holdfast alone, or chmod {mode:o} it"
        raise SettingsError(Problem(path, repr(str(directory)), cure))


def _speak(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
