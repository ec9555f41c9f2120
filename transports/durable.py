"""Files and names that a power cut does not take back.

A new name, or another file under an old one, is durable when the directory is (fsync(2), "Notes").
"""

import os
from contextlib import suppress
from pathlib import Path


def sync_directory(directory: Path | str) -> None:
    """Make its names durable. Raises OSError; some file systems of USB sticks cannot."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes, like: os.stat_result | None = None) -> None:
    """Put a file there, whole and durable, in place of what is there; `like` has the owner and the mode that it gets,
    by default it is for this user alone. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _dress(file.fileno(), like)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    sync_directory(path.parent)


def _dress(descriptor: int, like: os.stat_result | None) -> None:
    os.fchmod(descriptor, 0o600)
    if like is not None:
        with suppress(PermissionError):  # only root may give a file away
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, like.st_mode & 0o777)
