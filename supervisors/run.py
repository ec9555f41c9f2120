"""Running a gateway in this process, as its root: directories, locks, journal, signals, then the supervisor's loop.

    opening (which configuration) ──> directories and locks ──> journal ──> supervisor ──> until it ends

systemd is told about it where there is one (notify.py), and its watchdog is fed with proofs (watchdog.py).
"""

import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import zmq

from supervisors.configuration import tree
from supervisors.configuration.gateway import Gateway
from supervisors.control import LOCK
from supervisors.face.standing import headline
from supervisors.house import House
from supervisors.lifeline import adopt_orphans
from supervisors.notify import Notify
from supervisors.process import open_the_limit
from supervisors.records.journal import EVENTS, Form, Journal, ToJournal, read_by_systemd
from supervisors.reload.opening import Opening, recorded
from supervisors.reload.reloader import Reloader
from supervisors.supervisor import Supervisor
from supervisors.watchdog import Watchdog
from transports.clock import Clock, MachineClock
from transports.errors import HoldfastError, Problem, SettingsError
from transports.mailbox import Mailbox
from transports.messages import Reload
from transports.names import ROOT, own

log = logging.getLogger("holdfast.run")
TOGETHER_S = 1.0  # signals within this time are one request
STOP_ON_S = 30.0  # systemd waits for this long after the last word of a stop that goes on
JOURNAL_S = 1.0  # how often what was only counted is summed up


def run(opening: Opening) -> None:
    """Be the root of this gateway until it is told to end.

    Raises AlreadyRunning when another root has the run directory or the data directory, SettingsError when one of
    them cannot be used, HoldfastError when the root's own rules made it give up.
    """
    gateway, clock = opening.gateway, MachineClock()
    _make(gateway.run_dir, "gateway.run_dir", 0o700)
    _make(gateway.data_dir, "gateway.data_dir", 0o750)
    locks = (
        own(gateway.run_dir / LOCK, f"the run directory {gateway.run_dir}"),
        own(gateway.data_dir / LOCK, f"the data directory {gateway.data_dir}"),
    )
    notify, journal = Notify.taken_from(os.environ), _journal(gateway, clock)
    for warning in gateway.warnings:
        log.warning("%s", warning)
    faulthandler.enable()  # systemd's watchdog ends with SIGABRT: the stacks say where it hung
    adopt_orphans()
    open_the_limit()
    gave_up = _supervise(opening, clock, notify, journal)
    journal.close()
    for lock in locks:
        lock.release()
    if gave_up:
        raise HoldfastError(f"the gateway has ended by its own rules: {gave_up}")


def _supervise(opening: Opening, clock: Clock, notify: Notify, journal: Journal) -> str:
    """Keep the gateway until it has ended; why it gave up, if it did."""
    gateway, mailbox = opening.gateway, Mailbox()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    mailbox.open(gateway.run_dir, ROOT, clock, context)
    supervisor = Supervisor(_house(gateway, notify, clock), tree.root(gateway), clock, mailbox)
    number = recorded(opening, f"uid {os.getuid()}", clock.utc_ns())
    supervisor.changing.by(lambda hands: Reloader(opening, number, hands, clock, mailbox))
    _hear_signals(mailbox, supervisor, clock, notify)
    watchdog = Watchdog(
        notify, clock, mailbox, gateway.run_dir, supervisor.zygote_line, lambda status: notify.status(headline(status))
    )
    log.info("gateway %s starts (pid %d), data in %s", gateway.name, os.getpid(), gateway.data_dir)
    _every(JOURNAL_S, mailbox, clock, lambda: journal.look(clock.now()))
    supervisor.when_started(notify.ready)
    watchdog.begin()
    gave_up = supervisor.run()
    log.info("gateway %s has stopped", gateway.name)
    mailbox.close()
    context.destroy(linger=300)
    notify.close()
    return gave_up


def _house(gateway: Gateway, notify: Notify, clock: Clock) -> House:
    return House(
        gateway.name,
        gateway.run_dir,
        gateway.data_dir,
        gateway.supervision.heartbeat_s,
        gateway.log_level.upper(),
        tree.modules(gateway),
        lambda begins: notify.reloading(clock.now()) if begins else notify.ready(),
    )


def _every(seconds: float, mailbox: Mailbox, clock: Clock, what: Callable[[], None]) -> None:
    def again() -> None:
        what()
        mailbox.at(clock.now() + seconds, again)

    again()


def _hear_signals(mailbox: Mailbox, supervisor: Supervisor, clock: Clock, notify: Notify) -> None:
    """SIGTERM and SIGINT end the gateway in order, a later second one at once; SIGHUP has the configuration read again,
    unless it means that the terminal is gone. They wake the loop by a descriptor, which says which they were.

    One request to stop can arrive twice, as a signal to the process and one to its group (timeout(1), a terminal).
    """
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    impatient_at: float | None = None

    def stop() -> None:
        nonlocal impatient_at
        now = clock.now()
        if impatient_at is None:
            impatient_at = now + TOGETHER_S
            notify.stopping()
            _every(STOP_ON_S / 3, mailbox, clock, lambda: notify.extend(STOP_ON_S))
            supervisor.end()
        elif now > impatient_at:
            supervisor.end_now()

    def reload() -> None:
        supervisor.changing.ask(Reload(who="SIGHUP"), lambda _: None)

    hangup = stop if sys.stdin is not None and sys.stdin.isatty() else reload
    deeds: Mapping[int, Callable[[], None]] = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: hangup}
    for number in deeds:
        signal.signal(number, lambda *_: None)

    def heard() -> None:
        for number in dict.fromkeys(os.read(woken, 64)):
            if number in deeds:
                deeds[number]()

    mailbox.when_readable(woken, heard)


def _journal(gateway: Gateway, clock: Clock) -> Journal:
    """Where everything that is logged here goes; the file has events whatever the level of the output."""
    level = logging.getLevelNamesMapping()[gateway.log_level.upper()]
    by_systemd = read_by_systemd(sys.stderr, os.environ)
    journal = Journal(gateway.data_dir / EVENTS, Form(gateway.log_format), clock, sys.stderr, level, by_systemd)
    logging.basicConfig(level=min(level, logging.INFO), format="%(message)s", handlers=[ToJournal(journal)])
    return journal


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
