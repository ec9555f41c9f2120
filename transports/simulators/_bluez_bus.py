"""A private D-Bus: a dbus-daemon of our own, for as long as a block lasts, met by whoever is told its address."""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transports.errors import LinkDown

_PR_SET_PDEATHSIG = 1
_END_WITHIN_S = 2.0
_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def executable() -> str | None:
    """Where the daemon is, None where it is not installed."""
    return shutil.which("dbus-daemon")


@contextmanager
def private_bus() -> Iterator[str]:
    """The bus's address. Raises LinkDown where there is no dbus-daemon, or it does not start."""
    daemon = executable()
    if daemon is None:
        raise LinkDown(
            "dbus-daemon is not installed; install it (apt install dbus-daemon), or give the address of a bus"
        )
    with tempfile.TemporaryDirectory(prefix="holdfast-bus-") as room:
        configuration = Path(room) / "bus.conf"
        configuration.write_text(_CONFIGURATION.format(socket=Path(room) / "bus"))
        command = [daemon, f"--config-file={configuration}", "--nofork", "--nopidfile", "--print-address=1"]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it complains about limits that only a system's bus needs
            text=True,
            preexec_fn=_die_with(os.getpid()),
        ) as bus:
            try:
                yield _address(bus)
            finally:
                _end(bus)


def _address(bus: "subprocess.Popen[str]") -> str:
    address = bus.stdout.readline().strip() if bus.stdout else ""
    if not address:
        raise LinkDown(f"dbus-daemon ended with {bus.wait(_END_WITHIN_S)} before it listened")
    return address


def _end(bus: "subprocess.Popen[str]") -> None:
    bus.terminate()
    try:
        bus.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        bus.kill()


def _die_with(parent: int) -> Callable[[], None]:
    """What the daemon does first: ask the kernel for SIGKILL when `parent` ends, a killed simulator leaves none."""
    prctl = ctypes.CDLL(None).prctl  # found now: a forked child had better not look for libraries

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)

    return ask
