"""Short words for written scenarios."""

from typing import Any

from supervisors.spec import AutoShutdown, Exhausted, Restart, Strategy
from tests.otp.scenarios import BRUTAL_KILL, CRASHED, NORMAL, SHUTDOWN, Act, Crash, End, Node, Scenario, Sup, Worker

ONE, REST, ALL = Strategy.ONE_FOR_ONE, Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL
PERMANENT, TRANSIENT, TEMPORARY = Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY
ANY_SIGNIFICANT, ALL_SIGNIFICANT = AutoShutdown.ANY, AutoShutdown.ALL
QUARANTINE = Exhausted.QUARANTINE

__all__ = ["BRUTAL_KILL", "CRASHED", "NORMAL", "SHUTDOWN"]


def worker(name: str, *starts: str, **more: Any) -> Worker:
    return Worker(name, starts=starts, **more)


def transient(name: str, *starts: str, **more: Any) -> Worker:
    return Worker(name, restart=TRANSIENT, starts=starts, **more)


def temporary(name: str, *starts: str, **more: Any) -> Worker:
    return Worker(name, restart=TEMPORARY, starts=starts, **more)


def workers(names: str) -> tuple[Worker, ...]:
    """Plain permanent ones."""
    return tuple(Worker(name) for name in names.split())


def sup(name: str, *children: Node, **more: Any) -> Sup:
    return Sup(name, children, **more)


def root(*children: Node, **more: Any) -> Sup:
    return Sup("root", children, **more)


def crash(names: str, how: str = CRASHED) -> Crash:
    return Crash(tuple(names.split()), how)


def told(promise: str, tree: Sup, *acts: Act) -> Scenario:
    """With the end of it all as the last act: so the order of stopping is seen."""
    return Scenario(promise, tree, (*acts, End()))
