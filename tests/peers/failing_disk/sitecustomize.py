"""A stand-in for a failing disk: the file operations that the file named by FAILING_DISK lists fail below a directory.

Its one line is "ERROR OPERATIONS DIRECTORY", such as "EIO write,sync /var/lib/x": each of the operations `write`
(pwrite), `sync` (fdatasync, fsync), `rename` and `open` (also of directories to be made) below the directory fails with
that error. The word HANG instead lets them wait until the line changes. Without the file, or with an empty one, the
disk is the machine's own. A test puts the file in its place by renaming it, so that nobody reads half a line.

For every process that finds this folder in PYTHONPATH. What it cannot stand in for: pages that a failed sync has lost.
"""

import errno
import os
import time
from collections.abc import Callable
from typing import Any

STEP_S = 0.005


def _line() -> list[str]:
    try:
        with open(os.environ["FAILING_DISK"]) as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def _meet(operation: str, path: str) -> None:
    """Fail, or wait, if that is what this operation does at the moment."""
    while line := _line():
        error, operations, directory = line
        if operation not in operations.split(",") or not path.startswith(directory):
            return
        if error != "HANG":
            number = getattr(errno, error)
            raise OSError(number, os.strerror(number), path)
        time.sleep(STEP_S)


def _of_descriptor(operation: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def called(descriptor: int, *rest: Any) -> Any:
        _meet(operation, os.readlink(f"/proc/self/fd/{descriptor}"))
        return real(descriptor, *rest)

    return called


def _of_path(operation: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def called(path: Any, *rest: Any, **options: Any) -> Any:
        if isinstance(path, str):
            _meet(operation, path)
        return real(path, *rest, **options)

    return called


if "FAILING_DISK" in os.environ:
    os.pwrite = _of_descriptor("write", os.pwrite)
    os.fdatasync = _of_descriptor("sync", os.fdatasync)
    os.fsync = _of_descriptor("sync", os.fsync)
    os.rename = _of_path("rename", os.rename)
    os.open = _of_path("open", os.open)
    os.mkdir = _of_path("open", os.mkdir)
