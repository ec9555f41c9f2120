"""The requests that were seen, on the disk: each is written before anything is done about it.

STATE_DIR/requests has a line each (transports/requests/nonces.py). A torn line at the end is one whose request was not
begun. For a line that is damaged, every signed request that may stand in it is refused until it must have expired.
"""

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from actors.commanding.entry_file import EntryFile
from actors.steering.beside import Disk, Then
from transports.errors import HoldfastError, NotUnderstood
from transports.requests.nonces import Nonces, Now, Seen, line

log = logging.getLogger("holdfast.requests")
FILE = "requests"
COMPACT_BYTES = 1024 * 1024
LONGEST_NS = 3660 * 10**9  # after it was written, a request has expired


class Memory:
    """The memory of one uplink, in its own directory. `principals` are those that may ask now. What is written is
    written by `disk`, and the file is read before that begins."""

    def __init__(self, directory: Path, principals: Iterable[str], disk: Disk) -> None:
        self._path, self._disk = directory / FILE, disk
        self._file = EntryFile(self._path, durable=True)
        self._principals = [*principals]
        self._nonces: Nonces | None = None
        self._compact_at = COMPACT_BYTES

    def nonces(self, now: Now) -> Nonces:
        """What is known. Raises HoldfastError while the disk does not tell."""
        if self._nonces is None:
            try:
                self._nonces = self._loaded()
            except OSError as refused:
                raise HoldfastError(f"{self._path} cannot be read ({refused.strerror}); see to the disk") from refused
        self._nonces.passed(now)
        return self._nonces

    def remember(self, seen: Seen, now: Now, then: Then, durably: bool = True) -> None:
        """It is known, from now on; durably: when `then` is called with "", also after a power cut. When it is called
        with a reason nothing must be done about it, and it is known as long as this process lives. Raises HoldfastError
        as `nonces` does."""
        self.nonces(now).add(seen)
        self._disk.do(partial(self._file.append, line(seen), sync=durably), partial(self._written, then))

    def close(self) -> None:
        """Give the file back."""
        self._disk.do(self._file.close, lambda _: None)
        self._disk.end()

    def _written(self, then: Then, why: str) -> None:
        then(f"{self._path} cannot be written ({why}); see to the disk" if why else "")
        if self._nonces is not None and self._file.size_bytes > self._compact_at:
            lines = b"".join(self._nonces.lines())
            self._compact_at = COMPACT_BYTES + 2 * len(lines)
            self._disk.do(partial(self._file.replace, lines), self._compacted)

    def _compacted(self, why: str) -> None:
        """Where it cannot be written anew, it holds all the same what came."""
        if why:
            self._compact_at += self._file.size_bytes
            log.warning("%s cannot be written anew (%s); it grows", self._path, why)

    def _loaded(self) -> Nonces:
        nonces, damaged = Nonces(), 0
        *whole, _ = self._file.read().split(b"\n")
        for text in whole:
            try:
                nonces.read(text)
            except NotUnderstood:
                damaged += 1
        if damaged:
            until_ns = self._path.stat().st_mtime_ns + LONGEST_NS
            log.error("%d lines of %s are damaged: signed requests are refused for an hour after it", damaged, FILE)
            for principal in self._principals:
                nonces.raise_floor(principal, until_ns)
            self._compact_at = 0  # without that line, or each start would keep requests out for an hour
        return nonces
