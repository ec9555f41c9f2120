"""Inside a child process: builds its actor, watches over it, and makes every failure an exit with a report.

The only room of this package that imports actors. Exit codes: 0 ended in order, 1 an exception (its traceback is in
`run_dir/NAME.crash`), 77 there is nothing for it to do (NotNeeded). Whatever the process prints, its Python stacks on
SIGABRT or SIGSEGV included, goes to `logs/NAME.log` of the data directory.
"""

import faulthandler
import logging
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import zmq
from pykka import ActorDeadError, ActorRef

from actors.actor import Fate, Place
from supervisors.records.logs import log_path
from transports.clock import MachineClock
from transports.errors import HoldfastError, NotNeeded
from transports.mailbox import Leave, Mailbox

LEFT_OUT = 77  # the exit code of a test that is skipped, too (automake)
LINGER_MS = 300  # how long last messages may take to leave

Builder = Callable[[Place, Fate, "Home"], "ActorRef[Any]"]


@dataclass(frozen=True, slots=True)
class Home:
    """What is written in a child's spec file: its kind and settings, and the house rules."""

    kind: str
    table: Mapping[str, Any]
    gateway: str
    data_dir: str
    heartbeat_s: float
    log_level: str = "INFO"


def write_home(run_dir: Path, name: str, home: Home) -> None:
    """Put a child's spec where its next incarnation finds it. Raises TypeError, ValueError or OverflowError for a value
    without a form."""
    path = spec_path(run_dir, name)
    fresh = path.with_suffix(".spec.new")
    fresh.write_bytes(msgpack.packb({field: getattr(home, field) for field in Home.__slots__}))
    fresh.rename(path)


def spec_path(run_dir: Path, name: str) -> Path:
    """Where a child finds what it is."""
    return run_dir / f"{name}.spec"


def crash_path(run_dir: Path, name: str) -> Path:
    """Where a child leaves the traceback it died of, for the root to collect."""
    return run_dir / f"{name}.crash"


def warm_context() -> "zmq.Context[zmq.Socket[bytes]]":
    """A ZeroMQ context whose threads run already: made while nobody waits for this process yet."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.socket(zmq.DEALER).close(linger=0)
    return context


def rehearse(run_dir: Path, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    """Open and close a mailbox under a name that no child can have, while nobody waits: what that touches for the first
    time (pages that were the zygote's until now, code, sockets) is a millisecond of a restart."""
    mailbox = Mailbox()
    name = f".{os.getpid()}"
    with suppress(HoldfastError, OSError, zmq.ZMQError):  # it will be told when it is in earnest
        mailbox.open(run_dir, name, MachineClock(), context)
        mailbox.close()
    with suppress(OSError):
        (run_dir / f"{name}.lock").unlink()


def main(run_dir: Path, name: str, token: int, last_end: str, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    """Be the child `name` until the end; never returns."""
    os.setpgid(0, 0)
    try:
        home = Home(**msgpack.unpackb(spec_path(run_dir, name).read_bytes()))
        _speak(Path(home.data_dir), name, home.log_level)
        place = Place(name, run_dir, MachineClock(), context, token, time.time_ns(), home.heartbeat_s, last_end)
        error = _live(home, place)
    except Exception as failure:  # noqa: BLE001  the host's last line: it becomes an exit code and a report
        error = failure
    if error is not None:
        text = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace")
        with suppress(OSError):  # a full disk must not keep a process from ending
            crash_path(run_dir, name).write_bytes(text)
        os.write(2, text)
    logging.shutdown()
    os._exit(0 if error is None else LEFT_OUT if isinstance(error, NotNeeded) else 1)


def _live(home: Home, place: Place) -> BaseException | None:
    """Run the actor to its end, in this thread; what it died of, or None when it was asked to stop."""
    fate = Fate(alone=True)
    signal.signal(signal.SIGTERM, lambda *_: _leave(fate))
    KINDS[home.kind](place, fate, home)
    fate.over.wait()
    place.context.destroy(linger=LINGER_MS)
    return fate.error


def _leave(fate: Fate) -> None:
    if fate.reference is None:
        os._exit(0)  # asked to stop before it began
    with suppress(ActorDeadError):  # it is about to end anyway
        fate.reference.tell(Leave())


class _Lines(logging.Formatter):
    """Log lines with the actor's name, which is known last."""

    actor = ""

    def format(self, record: logging.LogRecord) -> str:
        return f"{self.formatTime(record)} {record.levelname} {self.actor}: {super().format(record)}"


_lines = _Lines()
_own = logging.StreamHandler()


def warm_up() -> None:
    """What a child needs before it knows its name, done once, before the zygote forks: its pages are then shared."""
    _own.setStream(os.fdopen(2, "w", buffering=1, closefd=False))
    _own.setFormatter(_lines)
    logging.getLogger().addHandler(_own)
    logging.getLogger("pykka").setLevel(logging.CRITICAL)  # the traceback is told once, by `main`
    faulthandler.enable(2)


def _speak(data_dir: Path, name: str, level: str) -> None:
    """Everything this process prints goes to its log file, and nowhere else: a fleet that flaps floods nobody."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    file = os.open(log_path(data_dir, name), flags, 0o640)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    _lines.actor = name
    logging.getLogger().setLevel(level)


def _device(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.device import Device, Work

    return Device.start(place, fate, Work(**home.table))


def _spooler(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.spooler import Spooler, Work

    return Spooler.start(place, fate, Work(**home.table))


def _aggregator(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.aggregator import Aggregator, Work

    return Aggregator.start(place, fate, Work(**home.table))


def _uplink(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.uplink import UplinkActor, Work

    return UplinkActor.start(place, fate, home.gateway, Work(**home.table))


def _program(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.program import Program, Work

    return Program.start(place, fate, Work(**home.table))


def _line(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.line import Line, Work

    return Line.start(place, fate, Work(**home.table))


def _rules(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.rulebook import Rulebook, Work

    return Rulebook.start(place, fate, Work(**home.table))


def _network(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.network import Network, Work

    return Network.start(place, fate, Work(**home.table))


def _diagnostics(place: Place, fate: Fate, home: Home) -> "ActorRef[Any]":
    from actors.diagnostics import Diagnostics, Work

    return Diagnostics.start(place, fate, Work(**home.table))


KINDS: Mapping[str, Builder] = {
    "device": _device,
    "spooler": _spooler,
    "aggregator": _aggregator,
    "uplink": _uplink,
    "program": _program,
    "line": _line,
    "rules": _rules,
    "network": _network,
    "diagnostics": _diagnostics,
}
