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


def mood(file: str = "") -> str:
    """One of: well, import-raise, import-segfault, connect-raise, connect-down, read-raise, garbage, hang, hang-c (in a
    C call that keeps the interpreter's lock), eat (memory), segfault."""
    named = file or os.environ.get("MOODY", "")
    return Path(named).read_text().strip() if named else "well"


if mood() == "import-raise":
    raise RuntimeError("this driver does not want to be imported")
if mood() == "import-segfault":
    ctypes.string_at(0)


@dataclass(frozen=True)
class Settings:
    """Where its mood stands."""

    mood_file: str = setting("", help="the file with the mood; by default the one named in MOODY")


class Moody:
    """One tag that counts."""

    tags = (Tag("n"),)

    def __init__(self, file: str) -> None:
        self._count, self._file, self._eaten = 0.0, file, list[bytearray]()

    def read(self) -> list[Scan]:
        match mood(self._file):
            case "read-raise":
                raise ZeroDivisionError("a driver's bug")
            case "garbage":
                return [Scan(time.time_ns(), self.tags, ["not a number"])]
            case "hang":
                threading.Event().wait()
            case "hang-c":
                ctypes.PyDLL(None).sleep(100_000)
            case "eat":
                self._eaten.append(bytearray(os.urandom(40 * 2**20)))
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
    if mood(settings.mood_file) == "connect-raise":
        raise ValueError("a driver's bug while connecting")
    if mood(settings.mood_file) == "connect-down":
        raise LinkDown("nobody answers")
    return Moody(settings.mood_file)
