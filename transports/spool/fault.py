"""The end of trust in a disk: after one error the spool refuses everything until it is opened again.

A failed fsync may have thrown the unwritten pages away while the next fsync on the same descriptor succeeds, so
trying again would acknowledge what is lost. A full disk is no fault: nothing was promised, and space can be made.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from transports.errors import SpoolError, SpoolFull

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Fault:
    """Shared by a spool and its sync jobs: set once, by whichever thread meets the error, and never cleared."""

    def __init__(self) -> None:
        self.reason = ""

    def check(self) -> None:
        """Raises SpoolError once anything has failed."""
        if self.reason:
            raise SpoolError(f"the spool stopped earlier and must be opened again: {self.reason}")

    @contextmanager
    def guard(self, doing: str, path: str) -> Iterator[None]:
        """An OSError inside is the end of this spool."""
        try:
            yield
        except OSError as error:
            raise self.found(doing, path, error) from error

    def found(self, doing: str, path: str, error: OSError) -> SpoolError:
        """Remembers the error; the caller raises what this returns."""
        text = f"{doing} {path}: {error.strerror or error}"
        self.reason = self.reason or text
        return SpoolError(text)


def full(doing: str, path: str, error: OSError) -> SpoolFull | None:
    """The gentler error for a disk without room, None for every other."""
    return SpoolFull(f"{doing} {path}: {error.strerror}") if error.errno in FULL else None
