"""The segment being written: transactions at its end, and the mark up to which it is durable."""

from transports.errors import SpoolError, SpoolFull
from transports.spool.fault import Fault, full
from transports.spool.files import File
from transports.spool.record import pack, pack_mark
from transports.spool.segment import Segment
from transports.spool.terms import Kind


class Active:
    """`written` is the offset after the last transaction, `durable` the one that a sync has reached."""

    def __init__(self, segment: Segment, file: File, seed: int, fault: Fault) -> None:
        self.segment, self.file, self.seed, self._fault = segment, file, seed, fault
        self.begun = self.written = self.durable = segment.size  # where the first transaction begins

    def is_full(self, more_bytes: int, segment_bytes: int) -> bool:
        """Whether this much more belongs into a new segment; the snapshot at the head does not count."""
        records = self.segment.size - self.begun
        return records > 0 and records + more_bytes > segment_bytes

    def append(self, transaction: bytes) -> None:
        """Raises SpoolFull when the disk has no room, SpoolError when it failed: nothing of it is there then."""
        self._write(transaction)
        self.written = self.segment.size

    def synced(self, offset: int, last_seq: int, time_ns: int) -> None:
        """A sync has reached `offset`: say so in the file, for whoever opens it after a crash."""
        if offset <= self.durable:
            return
        self.durable = offset
        try:
            self._write(b"".join(pack(self.seed, Kind.MARK, pack_mark(offset), last_seq, time_ns)))
        except SpoolFull:
            return  # without the mark the tail is judged more severely after a crash, no more than that

    def seal(self) -> None:
        """Nothing more is written here: make the last mark durable as well, if it is behind all transactions."""
        if self.written < self.segment.size:
            with self._fault.guard("sync", self.segment.path):
                self.file.fdatasync()

    def _write(self, data: bytes) -> None:
        try:
            self.file.pwrite(data, self.segment.size)
        except OSError as error:
            raise self._undone(error) from error
        self.segment.size += len(data)

    def _undone(self, error: OSError) -> SpoolError:
        path = self.segment.path
        gentle = full("append to", path, error)
        if gentle is None:
            return self._fault.found("append to", path, error)
        try:
            self.file.truncate(self.segment.size)
        except OSError as worse:
            return self._fault.found("cut back", path, worse)
        return gentle
