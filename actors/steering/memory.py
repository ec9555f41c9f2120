"""The requests that were seen, on the disk: each is written before anything is done about it.

STATE_DIR/requests has a line each (transports/requests/nonces.py). A torn line at the end is one whose request was not
begun. For a line that is damaged, every request that may stand in it is refused until it must have expired.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from actors.commanding.entry_file import EntryFile
from transports.errors import HoldfastError, NotUnderstood
from transports.requests.nonces import Nonces, Seen, line

log = logging.getLogger("holdfast.requests")
FILE = "requests"
COMPACT_BYTES = 1024 * 1024
LONGEST_NS = 3660 * 10**9  # after it was written, a request has expired


class Memory:
    """The memory of one uplink, in its own directory. `principals` are those that may ask now."""

    def __init__(self, directory: Path, principals: Iterable[str]) -> None:
        self._path = directory / FILE
        self._file = EntryFile(self._path, durable=True)
        self._principals = [*principals]
        self._nonces: Nonces | None = None
        self._compact_at = COMPACT_BYTES

    def nonces(self, now_ns: int) -> Nonces:
        """What is known. Raises HoldfastError while the disk does not tell."""
        if self._nonces is None:
            try:
                self._nonces = self._loaded()
            except OSError as refused:
                raise HoldfastError(f"{self._path} cannot be read ({refused.strerror}); see to the disk") from refused
        self._nonces.passed(now_ns)
        return self._nonces

    def remember(self, seen: Seen, now_ns: int, durably: bool = True) -> None:
        """It is known, from now on; durably: when this returns, also after a power cut. Raises HoldfastError when the
        disk refuses: then nothing must be done about it, and it is known as long as this process lives."""
        nonces = self.nonces(now_ns)
        nonces.add(seen)
        try:
            self._file.append(line(seen), sync=durably)
            if self._file.size_bytes > self._compact_at:
                self._file.replace(b"".join(nonces.lines()))
                self._compact_at = COMPACT_BYTES + 2 * sum(map(len, nonces.lines()))
        except OSError as refused:
            raise HoldfastError(f"{self._path} cannot be written ({refused.strerror}); see to the disk") from refused

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

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
        return nonces
