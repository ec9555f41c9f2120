"""The Modbus peer keeps its own promises: it ends with its test."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from tests.peers.processes import start_modbus_server

START_AND_WAIT = """
import sys
from tests.peers.processes import start_modbus_server
with start_modbus_server() as peer:
    print(peer.process.pid, flush=True)
    sys.stdin.read()
"""


def gone(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 10)[0])


def test_a_peer_ends_with_the_block_that_started_it() -> None:
    with start_modbus_server() as peer:
        pidfd = os.pidfd_open(peer.process.pid)
    assert gone(pidfd)
    os.close(pidfd)


def test_a_peer_does_not_outlive_a_killed_test() -> None:
    house = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT], cwd=house, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as test:
        assert test.stdout is not None
        pidfd = os.pidfd_open(int(test.stdout.readline()))
        test.send_signal(signal.SIGKILL)
    assert gone(pidfd)
    os.close(pidfd)
