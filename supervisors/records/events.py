"""What happened to the tree, said once: the log, the journal, the status and the tests read the same event.

An event is whom it is about (`name`), what kind it is (its class), what else is known (its fields), how grave it is
(`level`), and a sentence for a person (`str`). Repetitions of it are told from others by its kind, its name and its
`cause`: see folding.py.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from supervisors.face.wording import amount
from transports.names import ROOT

log = logging.getLogger("holdfast.supervisor")


@dataclass(frozen=True, slots=True)
class Event:
    """The frame of all events. One that does not fold (`folds`) is written out each time it happens."""

    name: str
    level: ClassVar[int] = logging.INFO
    folds: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        return type(self).__name__

    @property
    def cause(self) -> str:
        """Why it happened, where the same kind can happen to the same child for several reasons."""
        return ""

    @property
    def fields(self) -> Mapping[str, Any]:
        """All that is known, by name; the order is that of the class."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class ChildReady(Event):
    """A child does its work."""

    pid: int
    took_s: float

    def __str__(self) -> str:
        return f"{self.name} is running (pid {self.pid}, ready after {self.took_s * 1000:.1f} ms)"


@dataclass(frozen=True, slots=True)
class ChildDied(Event):
    """A child ended without being asked to."""

    pid: int
    how: str
    next_in_s: float
    quarantined: bool
    comes_back: bool = True
    level = logging.WARNING

    @property
    def cause(self) -> str:
        return f"{self.how} {self._fate}"

    @property
    def _fate(self) -> str:
        if not self.comes_back:
            return "is not started again"
        return "is quarantined, next probe" if self.quarantined else "is restarted"

    def __str__(self) -> str:
        if not self.comes_back:
            return f"{self.name} (pid {self.pid}) died: {self.how}"
        when = "at once" if self.next_in_s <= 0 else f"in {self.next_in_s:.1f} s"
        return f"{self.name} (pid {self.pid}) died: {self.how}; it {self._fate} {when}"


@dataclass(frozen=True, slots=True)
class ChildStopped(Event):
    """A child ended as it was asked to."""

    how: str

    @property
    def cause(self) -> str:
        return self.how

    def __str__(self) -> str:
        return f"{self.name} stopped ({self.how})"


@dataclass(frozen=True, slots=True)
class ChildHung(Event):
    """A child gave no sign of life, was not ready in time, or passed a hard limit: it is being ended."""

    pid: int
    why: str
    level = logging.WARNING

    @property
    def cause(self) -> str:
        return self.why

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid}) {self.why}; its stacks go to its log, then it is ended"


@dataclass(frozen=True, slots=True)
class ChildUnkillable(Event):
    """A child is still there `since_s` seconds (0.0: a while) after SIGKILL: the kernel does not let go of it."""

    pid: int
    since_s: float = 0.0
    level = logging.ERROR

    def __str__(self) -> str:
        after = f"{self.since_s:.0f} s after" if self.since_s else "after"
        return (
            f"{self.name} (pid {self.pid}) is still there {after} SIGKILL, stuck in the kernel; "
            "it is not started a second time: look at its device or disk"
        )


@dataclass(frozen=True, slots=True)
class LimitSoft(Event):
    """A child uses more than its soft limit (an alarm, nothing is done to it), or no longer does: not `over`.

    `what` is memory (bytes), descriptors, or CPU (share of one core).
    """

    pid: int
    what: str
    used: float
    limit: float
    over: bool = True
    level = logging.WARNING

    @property
    def cause(self) -> str:
        return f"{self.what} {self.over}"

    def __str__(self) -> str:
        used, limit = _in_words(self.what, self.used), _in_words(self.what, self.limit)
        again = "" if self.over else " again"
        return f"{self.name} (pid {self.pid}) uses {used}{again}, its soft limit is {limit}"


@dataclass(frozen=True, slots=True)
class SupervisorGaveUp(Event):
    """A supervisor could not keep its children within its rules; its own supervisor deals with that."""

    how: str
    level = logging.ERROR

    def __str__(self) -> str:
        return f"the supervisor {self.name} gave up: {self.how}"


@dataclass(frozen=True, slots=True)
class ZygoteDied(Event):
    """The zygote ended; another is started. No child is affected."""

    name: str = field(default="zygote", init=False)
    how: str
    level = logging.WARNING

    @property
    def cause(self) -> str:
        return self.how

    def __str__(self) -> str:
        return f"the zygote died: {self.how}; another is started, running children are not affected"


@dataclass(frozen=True, slots=True)
class Reloaded(Event):
    """Another configuration is in force; `what` says what changed."""

    name: str = field(default=ROOT, init=False)
    what: str
    folds = False

    def __str__(self) -> str:
        return f"the configuration was reloaded: {self.what}"


@dataclass(frozen=True, slots=True)
class ReloadRolledBack(Event):
    """The configuration before the reload is in force again."""

    name: str = field(default=ROOT, init=False)
    why: str
    level = logging.ERROR

    def __str__(self) -> str:
        return f"the reload was taken back, the configuration before it is in force: {self.why}"


@dataclass(frozen=True, slots=True)
class LevelChanged(Event):
    """A child logs from another level on."""

    to: str
    who: str = ""
    folds = False

    def __str__(self) -> str:
        return f"{self.name} logs from {self.to} on{f' (asked by {self.who})' if self.who else ''}"


@dataclass(frozen=True, slots=True)
class Audited(Event):
    """An operator's verb was carried out or refused: `names` are the children that it meant, none is the gateway."""

    name: str = field(default=ROOT, init=False)
    who: str
    verb: str
    names: Sequence[str]
    why: str
    result: str
    folds = False

    def __str__(self) -> str:
        why = f" (why: {self.why})" if self.why else ""
        return f"{self.who}: {' '.join((self.verb, *self.names))}: {self.result}{why}"


@dataclass(frozen=True, slots=True)
class Commanded(Event):
    """A rule commanded the device `name`: what, and what came of it."""

    origin: str
    target: str
    result: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.target}: {self.result}"


@dataclass(frozen=True, slots=True)
class Noticed(Event):
    """A child has said what an operator should hear of: its far end is back."""

    what: str

    @property
    def cause(self) -> str:
        return self.what

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


@dataclass(frozen=True, slots=True)
class Warned(Noticed):
    """A child has said what an operator must hear of: its far end is gone, and why; a certificate will expire."""

    level = logging.WARNING


def say(event: Event) -> None:
    """Write an event to the log, at its own level; the journal, if the log goes there, knows it again."""
    log.log(event.level, "%s", event)


def _in_words(what: str, used: float) -> str:
    if what == "memory":
        return f"{amount(round(used))} of memory"
    return f"{used:.0%} of a core" if what == "CPU" else f"{used:g} {what}"
