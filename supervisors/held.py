"""The names of the children that an operator stopped, kept on the disk: held survives a restart of the gateway."""

import json
from pathlib import Path

from transports.durable import replace_file


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
        replace_file(self._path, json.dumps(sorted(self._names)).encode())


def _read(path: Path) -> set[str]:
    """A file that is damaged or not there holds nobody: better a device that runs than a gateway that does not."""
    try:
        names = json.loads(path.read_text())
        return {str(name) for name in names} if isinstance(names, list) else set()
    except (OSError, ValueError):
        return set()
