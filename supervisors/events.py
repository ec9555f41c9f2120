"""What happened to the tree, said once: the log, the status and the tests read the same event."""

import logging
from dataclasses import dataclass

log = logging.getLogger("holdfast.supervisor")


@dataclass(frozen=True, slots=True)
class ChildReady:
    """A child does its work."""

    name: str
    pid: int
    took_s: float
    level = logging.INFO

    def __str__(self) -> str:
        return f"{self.name} is running (pid {self.pid}, ready after {self.took_s * 1000:.1f} ms)"


@dataclass(frozen=True, slots=True)
class ChildDied:
    """A child ended without being asked to."""

    name: str
    pid: int
    how: str
    next_in_s: float
    quarantined: bool
    comes_back: bool = True
    level = logging.WARNING

    def __str__(self) -> str:
        if not self.comes_back:
            return f"{self.name} (pid {self.pid}) died: {self.how}"
        what = "is quarantined, next probe" if self.quarantined else "is restarted"
        when = "at once" if self.next_in_s <= 0 else f"in {self.next_in_s:.1f} s"
        return f"{self.name} (pid {self.pid}) died: {self.how}; it {what} {when}"


@dataclass(frozen=True, slots=True)
class ChildStopped:
    """A child ended as it was asked to."""

    name: str
    how: str
    level = logging.INFO

    def __str__(self) -> str:
        return f"{self.name} stopped ({self.how})"


@dataclass(frozen=True, slots=True)
class ChildHung:
    """A child gave no sign of life, or was not ready in time; it is being ended."""

    name: str
    pid: int
    level = logging.WARNING

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid}) hangs; its stacks go to its log, then it is ended"


@dataclass(frozen=True, slots=True)
class ZygoteDied:
    """The zygote ended; another is started. No child is affected."""

    how: str
    level = logging.WARNING

    def __str__(self) -> str:
        return f"the zygote died: {self.how}; another is started, running children are not affected"


@dataclass(frozen=True, slots=True)
class Operated:
    """An operator's verb was carried out or refused."""

    who: str
    verb: str
    name: str
    result: str
    level = logging.INFO

    def __str__(self) -> str:
        return f"{self.who}: {self.verb} {self.name}: {self.result}".replace("  ", " ")


Event = ChildReady | ChildDied | ChildStopped | ChildHung | ZygoteDied | Operated


def say(event: Event) -> None:
    """Write an event to the log, at its own level."""
    log.log(event.level, "%s", event)
