"""The log files of the children: what each process printed, bounded for years."""

import shutil
from contextlib import suppress
from pathlib import Path

LOG_BYTES = 512 * 1024  # of a child's log file; the part before it is kept beside it


def log_path(data_dir: Path, name: str) -> Path:
    """The file with everything a child said."""
    return data_dir / "logs" / f"{name}.log"


def bound(path: Path, max_bytes: int) -> None:
    """Put a file that has grown too large aside as `NAME.log.1`, and begin it anew.

    The writer keeps its descriptor, which appends, so the file is copied and cut rather than renamed. What is written
    between the two is lost: a few lines of a log, never a reading.
    """
    with suppress(OSError):
        if path.stat().st_size > max_bytes:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            with path.open("r+b") as file:
                file.truncate(0)
