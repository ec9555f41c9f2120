"""The log files of the children: what each process printed, bounded for years."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

LOG_BYTES = 512 * 1024  # of a child's log file; the part before it is kept beside it


def log_path(data_dir: Path, name: str) -> Path:
    """The file with everything a child said."""
    return data_dir / "logs" / f"{name}.log"


def copy_path(path: Path) -> Path:
    """Where the part before it is."""
    return path.with_name(f"{path.name}.1")


def bound(path: Path, max_bytes: int) -> None:
    """Put a file that has grown too large aside as `NAME.log.1`, and begin it anew.

    The writer keeps its descriptor, which appends, so the file is copied and cut rather than renamed. What is written
    between the two is lost: a few lines of a log, never a reading. A full disk has no room for the copy; then it is
    cut all the same, at twice the size: a log must not keep a disk full.
    """
    with suppress(OSError):
        size = path.stat().st_size
        if size > max_bytes and (_copied(path) or size > 2 * max_bytes):
            os.truncate(path, 0)


def _copied(path: Path) -> bool:
    fresh = path.with_name(f"{path.name}.new")
    try:
        shutil.copyfile(path, fresh)
        fresh.replace(copy_path(path))
    except OSError:
        fresh.unlink(missing_ok=True)
        return False
    return True
