"""A stranger's module is imported in a process of its own first: what kills or hangs that one must not be the root."""

import faulthandler
import os
import select
import signal
from collections.abc import Callable
from functools import lru_cache

from transports import catalog

WITHIN_S = 10.0


@lru_cache(maxsize=256)
def fault_of(kind: str, name: str, within_s: float = WITHIN_S) -> str:
    """Why a module that is not the house's own cannot even be imported; "" when it can, or raises like any other."""
    if catalog.is_own(kind, name):
        return ""
    return survives(lambda: catalog.load(kind, name, ""), within_s)


def survives(call: Callable[[], object], within_s: float) -> str:
    """Make the call in a forked process: "" when that process lives through it, or how it ended."""
    pid = os.fork()
    if pid == 0:
        _attempt(call)
    pidfd = os.pidfd_open(pid)
    try:
        if not select.select([pidfd], [], [], within_s)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return f"importing it takes longer than {within_s:g} s"
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(pidfd)
    if os.WIFSIGNALED(status):
        return f"importing it kills the process ({signal.Signals(os.WTERMSIG(status)).name})"
    return ""


def _attempt(call: Callable[[], object]) -> None:
    """In the forked process; never returns. What is raised is raised again where it can be told."""
    faulthandler.disable()  # what happens here is told in one line, by the parent
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        call()
    finally:
        os._exit(0)
