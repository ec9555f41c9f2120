"""The names of the children that an operator stopped, kept on the disk: held survives a restart of the gateway."""

import json
import os
from pathlib import Path


class Held:
    """A set of names in one small file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = _read(path)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._names))

    def add(self, *names: str) -> None:
        if not self._names.issuperset(names):
            self._names.update(names)
            self._write()

    def remove(self, *names: str) -> None:
        if not self._names.isdisjoint(names):
            self._names.difference_update(names)
            self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(sorted(self._names), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)


def _read(path: Path) -> set[str]:
    """A file that is damaged or not there holds nobody: better a device that runs than a gateway that does not."""
    try:
        names = json.loads(path.read_text())
        return {str(name) for name in names} if isinstance(names, list) else set()
    except (OSError, ValueError):
        return set()
