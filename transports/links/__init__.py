"""Device drivers: one file each, found by its name, with no list to edit.

    catalog ──finds──> links/modbus.py ──has──> Settings, connect(settings) ──gives──> Link
                                                                                         │ tags
    actors/device.py ──calls, on time──────────────────────────────────────────────────> │ read, write, close

A driver file has
- a first line that says what it reads; its module docstring is its manual page;
- `Settings`, a frozen dataclass of `setting(...)` fields (transports/settings.py), with an optional
  `problems(path) -> Iterable[Problem]` for what only shows when settings are seen together;
- `connect(settings) -> Link`: opens the connection or raises LinkDown;
- a link with more than `read`, `write`, `close` where it can do more: Listening, Paced, Commanded, Receipted (below);
- optionally `browse(settings) -> str`: what the device offers, as lines of TOML for its table `tags`;
- optionally `EXTRA`, the name of the extra in pyproject whose library it needs. That library is imported at the head
  of the driver, and nowhere else.

A driver tries once: no loop, no retry, no sleep, no thread, no clock but the stamp on a scan. When to read, what
follows a failure and how long to wait is decided by the device actor that calls it. Every call returns or raises
within the driver's own time-out. Reading raises LinkTimeout (count it, ask again), LinkRefused (this request will
never work) or LinkDown (close, connect again); anything else is a bug and ends the process with a crash report.

The same file outside this package is found through the entry point group `holdfast.links`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from transports.samples import Batch, Scan, Tag, Value
from transports.writing import Limits


@runtime_checkable
class Link(Protocol):
    """An open connection to one device."""

    tags: tuple[Tag, ...]
    """Everything that this device can say, announced once. A scan of some of them brings its own tuple."""

    def read(self) -> Sequence[Scan] | Batch:
        """What the device says now, oldest first; nothing when a listening link has nothing.

        A driver that makes thousands of values at once may return a finished Batch, whose `source` and `seq` the
        device actor fills in.
        """
        ...

    def write(self, tag: str, value: Value) -> None:
        """Set one tag. Raises LinkRefused when the tag is not writable, LinkTimeout, LinkDown."""
        ...

    def close(self) -> None:
        """Give the connection back. May be called twice; never raises."""
        ...


@runtime_checkable
class Listening(Protocol):
    """A link that the device wakes: `read` is called when `fileno` is readable, and no period is needed."""

    def fileno(self) -> int:
        """The descriptor to wait on."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A link of which some tags have a period of their own: those are read by `read_pace`, the others by `read`."""

    paces: tuple[float, ...]
    """The periods (s) that tags have of their own, each once."""

    def read_pace(self, period_s: float) -> Sequence[Scan]:
        """The tags of that period, as `read` does it."""
        ...


@runtime_checkable
class Commanded(Protocol):
    """A link of which commands may set tags. A link without it takes no command."""

    writable: Mapping[str, Limits]
    """The tags that a command may set, and within which limits; the caller of `write` has checked these."""


@runtime_checkable
class Receipted(Protocol):
    """A link that tells its far end what is durable: for devices that send a reading again until it is acknowledged."""

    def kept(self, reads: int) -> None:
        """Everything that the first `reads` calls of `read` handed out is durable now: acknowledge it."""
        ...
