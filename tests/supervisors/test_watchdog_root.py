"""A whole gateway under systemd's eyes: it says when it is ready, when it ends, and starves when a part of it stops."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.gateway import Gateway
from transports.names import ROOT, mailbox_path

ROOT_DIR = Path(__file__).parents[2]
WITHIN_S = 30.0
WATCHDOG_S = 1.0
STARVED_S = 1.5 * WATCHDOG_S  # systemd would have acted by then
CONFIG = """
[gateway]
name = "watched"
[device.sine]
driver = "sim"
tags = { level = { wave = "sine" } }
[uplink.local]
type = "file"
path = "out.ndjson"
"""

pytestmark = pytest.mark.skipif(
    "Watchdog(" not in "".join((ROOT_DIR / "supervisors" / name).read_text() for name in ("run.py", "supervisor.py")),
    reason="the root does not speak to systemd yet",
)


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def close(self) -> None:
        self._socket.close()

    def waits_for(self, word: str) -> str:
        """The next message that begins so."""
        deadline = time.monotonic() + WITHIN_S
        while (left_s := deadline - time.monotonic()) > 0:
            said = self._next(left_s)
            if said.startswith(word):
                return said
        raise AssertionError(f"systemd did not hear {word}")

    def starves(self) -> bool:
        """Whether there is no sign of life for as long as systemd waits, within the time of a few of them."""
        last = time.monotonic()
        deadline = last + WITHIN_S
        while time.monotonic() < deadline:
            if self._next(STARVED_S).startswith("WATCHDOG=1"):
                last = time.monotonic()
            if time.monotonic() - last >= STARVED_S:
                return True
        return False

    def _next(self, within_s: float) -> str:
        self._socket.settimeout(within_s)
        try:
            return self._socket.recv(4096).decode()
        except TimeoutError:
            return ""


@contextmanager
def watched(directory: Path) -> Iterator[tuple[Gateway, Systemd]]:
    gateway = Gateway(directory, CONFIG.replace("out.ndjson", str(directory / "out.ndjson")))
    path = gateway.home / "notify"
    systemd = Systemd(path)
    gateway.environment.update(NOTIFY_SOCKET=str(path), WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
    try:
        with gateway:
            yield gateway, systemd
    finally:
        systemd.close()


def test_systemd_hears_ready_signs_of_life_and_stopping_in_this_order(tmp_path: Path) -> None:
    with watched(tmp_path) as (gateway, systemd):
        systemd.waits_for("READY=1")
        systemd.waits_for("WATCHDOG=1")
        os.kill(gateway.pid, signal.SIGTERM)
        systemd.waits_for("STOPPING=1")


def test_a_zygote_that_stands_still_makes_the_watchdog_starve_until_it_goes_on(tmp_path: Path) -> None:
    with watched(tmp_path) as (gateway, systemd):
        systemd.waits_for("WATCHDOG=1")
        zygote = gateway.pids()["zygote"]
        os.kill(zygote, signal.SIGSTOP)
        assert systemd.starves()
        os.kill(zygote, signal.SIGCONT)
        systemd.waits_for("WATCHDOG=1")
        assert gateway.pids()["zygote"] == zygote


def test_a_killed_zygote_is_replaced_without_a_missing_sign_of_life(tmp_path: Path) -> None:
    with watched(tmp_path) as (gateway, systemd):
        zygote = gateway.pids()["zygote"]
        os.kill(zygote, signal.SIGKILL)
        gateway.wait(lambda status: status["zygote"]["ready"] and status["zygote"]["pid"] not in (0, zygote))
        systemd.waits_for("WATCHDOG=1")


def test_a_root_whose_control_socket_was_deleted_starves(tmp_path: Path) -> None:
    with watched(tmp_path) as (gateway, systemd):
        systemd.waits_for("WATCHDOG=1")
        mailbox_path(gateway.run_dir, ROOT).unlink()
        assert systemd.starves()


def test_no_child_may_speak_for_the_root(tmp_path: Path) -> None:
    with watched(tmp_path) as (gateway, _):
        for name, pid in gateway.pids().items():
            if name != "root":
                assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes(), name
