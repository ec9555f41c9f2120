"""A device that writes down what it is commanded: each write a line of a file, with the time at which it came."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from transports.samples import DataType, Scan, Tag, Value
from transports.settings import setting
from transports.writing import Limits


@dataclass(frozen=True)
class Settings:
    """Where it writes."""

    file: str = setting(help="a line for each write: tag, value, monotonic time (ns)")


class Witness:
    """Tags that keep what is written to them, and tell it."""

    tags = (Tag("command", DataType.INT64), Tag("follow", DataType.INT64))

    def __init__(self, file: str) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.writable = {"command": Limits(read_back=True), "follow": Limits()}
        self._values = {tag.name: -1 for tag in self.tags}

    def read(self) -> Sequence[Scan]:
        return [Scan(time.time_ns(), self.tags, list(self._values.values()))]

    def write(self, tag: str, value: Value) -> None:
        assert isinstance(value, int)
        os.write(self._descriptor, f"{tag} {value} {time.monotonic_ns()}\n".encode())
        self._values[tag] = value

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def connect(settings: Settings) -> Witness:
    return Witness(settings.file)
