"""A stranger's driver in a bad mood: what the file named in MOODY says goes wrong, at import, connect or read."""

import ctypes
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from transports.errors import LinkDown
from transports.samples import Scan, Tag
from transports.settings import setting


def mood() -> str:
    """One of: well, import-raise, import-segfault, connect-raise, connect-down, read-raise, garbage, hang, segfault."""
    return Path(os.environ["MOODY"]).read_text().strip()


if mood() == "import-raise":
    raise RuntimeError("this driver does not want to be imported")
if mood() == "import-segfault":
    ctypes.string_at(0)


@dataclass(frozen=True)
class Settings:
    """Nothing to choose."""

    unused: int = setting(0, help="nothing")


class Moody:
    """One tag that counts."""

    tags = (Tag("n"),)

    def __init__(self) -> None:
        self._count = 0.0

    def read(self) -> list[Scan]:
        match mood():
            case "read-raise":
                raise ZeroDivisionError("a driver's bug")
            case "garbage":
                return [Scan(time.time_ns(), self.tags, ["not a number"])]
            case "hang":
                threading.Event().wait()
            case "segfault":
                ctypes.string_at(0)
        self._count += 1
        return [Scan(time.time_ns(), self.tags, [self._count])]

    def write(self, tag: str, value: object) -> None:
        raise NotImplementedError

    def close(self) -> None:
        return


def connect(settings: Settings) -> Moody:
    """A device, unless the mood is against it."""
    if mood() == "connect-raise":
        raise ValueError("a driver's bug while connecting")
    if mood() == "connect-down":
        raise LinkDown("nobody answers")
    return Moody()
