"""Whether the files of TLS have been replaced since a connection was secured with them, and can be used.

A file that was touched but says the same is no other; files that do not fit together yet (the certificate is there, its
key is still being written) are looked at again, and said to be broken when they stay so.
"""

import hashlib

from transports.errors import SettingsError
from transports.tls import Tls, client_context

LOOK_EVERY_S = 4.0
_Stat = tuple[tuple[int, int, int], ...]


class Rotation:
    """Of the files of one `Tls`, as they are now."""

    def __init__(self, tls: Tls, now: float) -> None:
        self._tls = tls
        self._stat, self._digest = self._look()
        self._suspect: bytes | None = None  # what was found unusable at the last look
        self._said: bytes | None = None
        self.look_at = now + LOOK_EVERY_S

    def changed(self, now: float) -> bool:
        """Whether there are others now that can be used. Raises ValueError, once, for those that cannot."""
        self.look_at = now + LOOK_EVERY_S
        stat = self._stats()
        if stat == self._stat:
            return False
        before, (stat, digest) = self._digest, self._look()
        if digest == before:
            self._stat, self._suspect = stat, None
            return False
        try:
            client_context(self._tls)
        except (OSError, SettingsError, ValueError) as wrong:
            suspected, self._suspect = self._suspect, digest
            if suspected != digest or self._said == digest:
                return False
            self._said = digest
            raise ValueError(f"the new certificate cannot be used, the old one goes on: {wrong}") from wrong
        return True

    def _stats(self) -> _Stat:
        found = []
        for _, path in self._tls.files():
            try:
                known = path.stat()
                found.append((known.st_ino, known.st_mtime_ns, known.st_size))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)

    def _look(self) -> tuple[_Stat, bytes]:
        stat, digest = self._stats(), hashlib.sha256()
        for _, path in self._tls.files():
            try:
                digest.update(hashlib.sha256(path.read_bytes()).digest())
            except OSError:
                digest.update(b"-")
        return stat, digest.digest()
