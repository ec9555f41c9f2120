"""What became of each command: a file of lines (entries.py), so that a key is never executed twice, whatever dies.

`begin` writes the line before it returns. A torn line at the end is one that was being written: its command had not
begun. What cannot be written is known at least as long as this process lives, and written as soon as that is possible.
The newest keys are kept, however old they are.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.commanding.entries import BEGUN, Entry, packed, unpacked, worth_keeping
from actors.commanding.entry_file import EntryFile
from transports.errors import HoldfastError

log = logging.getLogger("holdfast.commands")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many keys are kept, how large the file may become, and whether it is made to survive a power cut."""

    keys: int
    file_bytes: int
    durable: bool


LASTING = Bounds(5_000, 4 * 1024 * 1024, durable=True)
PASSING = Bounds(1_000, 512 * 1024, durable=False)


class Journal:
    """The journal at `path`. It knows what is in the file once `load` has returned; until then nothing may begin."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._file, self._bounds = EntryFile(path, bounds.durable), bounds
        self._known: dict[str, Entry] = {}  # the newest last
        self._owed: dict[str, Entry] = {}  # those of them that could not be written yet
        self._trouble = ""
        self.loaded = False

    @property
    def trouble(self) -> str:
        """Why it cannot be read or written, as far as that was tried; "" when it can."""
        return self._trouble

    def load(self) -> list[Entry]:
        """Read what is there: all that had begun when the process before this one died, nobody knows what came of it.

        Nothing, and `loaded` stays False, when it cannot be read.
        """
        try:
            data = self._file.read()
        except OSError as refused:
            self._in_trouble("read", refused)
            return []
        said, self._known = self._known, {}
        for entry in _entries(data, self._file.path):
            self._put(entry)
        self._owed = {key: entry for key, entry in said.items() if key not in self._known}
        for entry in self._owed.values():
            self._put(entry)
        self.loaded = True
        self._well()
        return [entry for entry in self._known.values() if entry.outcome == BEGUN]

    def find(self, key: str) -> Entry | None:
        """What is known of a key, None if it was never begun."""
        return self._known.get(key)

    def begin(self, entry: Entry) -> None:
        """It is about to be executed. Raises HoldfastError when that cannot be written: then it must not be."""
        if not self.loaded:
            raise HoldfastError(self._trouble)
        try:
            self._write(entry, sync=True)
        except OSError as refused:
            self._in_trouble("written", refused)
            raise HoldfastError(self._trouble) from refused
        self._put(entry)

    def end(self, entry: Entry) -> None:
        """What became of it. When that cannot be written, it is unknown after a crash, and known until then."""
        self._put(entry)
        self._owed[entry.key] = entry
        if self.loaded:
            try:
                self._write(None, sync=False)
            except OSError as refused:
                self._in_trouble("written", refused)

    def close(self) -> None:
        """Give the file back; it is opened again for whatever is still to be written."""
        self._file.close()

    def _write(self, entry: Entry | None, sync: bool) -> None:
        """What is owed, and the entry."""
        line = packed(entry) if entry is not None else b""
        owed = b"".join(map(packed, self._owed.values()))
        if self._file.size_bytes + len(owed) + len(line) > self._bounds.file_bytes:
            self._compact()
            owed = b""
        self._file.append(owed + line, sync)
        self._owed.clear()
        self._well()

    def _compact(self) -> None:
        """Write the file anew, with what is known and of use."""
        kept = worth_keeping(list(self._known.values()), self._bounds.file_bytes // 2)
        self._file.replace(b"".join(map(packed, kept)))
        self._known = {entry.key: entry for entry in kept}

    def _put(self, entry: Entry) -> None:
        """The newest; the oldest that has an outcome makes room for it."""
        self._known.pop(entry.key, None)
        self._known[entry.key] = entry
        if len(self._known) > self._bounds.keys:
            oldest = next((key for key, each in self._known.items() if each.outcome != BEGUN), "")
            self._known.pop(oldest, None)
            self._owed.pop(oldest, None)

    def _in_trouble(self, what: str, refused: OSError) -> None:
        why = f"{self._file.path} cannot be {what} ({refused.strerror}); see to the disk"
        if why != self._trouble:
            log.error("%s", why)
        self._trouble = why

    def _well(self) -> None:
        if self._trouble:
            log.warning("%s can be used again", self._file.path)
        self._trouble = ""


def _entries(data: bytes, path: Path) -> Iterator[Entry]:
    """Every whole line, oldest first; one that cannot be read is passed over, and said."""
    *whole, torn = data.split(b"\n")
    for text in whole:
        try:
            yield unpacked(text)
        except ValueError:
            log.error("a line of %s is damaged and is passed over: %.80r", path, text)
    if torn:
        log.warning(
            "the last line of %s was torn by a crash: that command had not begun, or its outcome is unknown", path
        )
