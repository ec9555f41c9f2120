"""Making durable what was written: a piece of work that can be done in another thread."""

from collections.abc import Mapping
from dataclasses import dataclass

from transports.spool.fault import Fault
from transports.spool.files import File
from transports.spool.segment import Segment
from transports.spool.state import Cursor, CursorKey
from transports.spool.terms import Position


@dataclass(frozen=True, slots=True)
class Written:
    """The end of a topic at one moment: the file, how far it was written, and its last record."""

    topic: str
    segment: Segment
    file: File
    offset: int
    position: Position


@dataclass(frozen=True, slots=True)
class SyncJob:
    """Syncs the files that were written, in an order that never makes a commit durable before what it commits.

    False when there is nothing to do. The owner hands it to `Spool.synced` when `run` has returned.
    """

    written: tuple[Written, ...]
    cursors: Mapping[CursorKey, Cursor]
    fault: Fault

    def __bool__(self) -> bool:
        return bool(self.written)

    def run(self) -> None:
        """Returns when everything written before the job was made would survive a power cut.

        Raises SpoolError when the disk refuses; from then on the spool itself refuses everything, too.
        """
        self.fault.check()
        for written in self.written:
            with self.fault.guard("sync", written.segment.path):
                written.file.fdatasync()
