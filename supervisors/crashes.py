"""Crash reports: one JSON file a death, in `DATA_DIR/crashes`, a bounded number of them.

{"name", "time" (UTC, ISO 8601), "pid", "how", "traceback", "log": [last lines], "beat_age_s", "restart", "next_in_s",
 "quarantined", "state": what the actor last told of itself}
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KEEP = 200  # reports in all
LOG_TAIL_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Crash:
    """What is known of a death."""

    name: str
    pid: int
    how: str
    traceback: str
    log: tuple[str, ...]
    beat_age_s: float | None
    restart: int
    next_in_s: float
    quarantined: bool
    state: Mapping[str, Any]


def write(directory: Path, crash: Crash, utc_ns: int) -> Path | None:
    """Put a report on the disk and drop the oldest over the limit; None when the disk refuses it."""
    moment = datetime.fromtimestamp(utc_ns / 1e9, UTC)
    path = directory / f"{moment:%Y%m%dT%H%M%S.%f}-{crash.name}.json"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"time": moment.isoformat(), **asdict(crash)}, indent=1, default=str))
        for old in sorted(directory.glob("*.json"))[:-KEEP]:
            old.unlink(missing_ok=True)
    except OSError:
        return None
    return path


def last_lines(path: Path) -> tuple[str, ...]:
    """The end of a log file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            return tuple(file.read().decode("utf-8", "replace").splitlines()[-50:])
    except OSError:
        return ()


def collected(path: Path) -> str:
    """The traceback that a child left, taken away so that the next death does not find it."""
    text = ""
    with contextlib.suppress(OSError):
        text = path.read_text("utf-8", "replace")
        path.unlink()
    return text
