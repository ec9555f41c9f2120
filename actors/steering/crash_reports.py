"""The crash reports of the gateway, as those above may see them: a file a death, which the root has written."""

import json
from pathlib import Path
from typing import Any

from actors.steering.policy import is_among
from transports.errors import HoldfastError

FILE_MOST = 256 * 1024  # bytes; the root's own bounds are far below
TRACE_LETTERS = 2_000  # the end of a traceback says what it was
_SHOWN = ("time", "name", "pid", "how", "restart", "next_in_s", "quarantined", "comes_back", "folded")


def crash_reports(directory: Path, name: str, devices: tuple[str, ...], last: int) -> list[dict[str, Any]]:
    """The newest of them, newest first: of the children that may be seen, or of one. Raises HoldfastError."""
    try:
        files = sorted(directory.glob("*.json"), reverse=True)
        meant = [path for path in files if _is_meant(path.name, name, devices)]
        return [report for path in meant[:last] if (report := _read(path))]
    except OSError as refused:
        raise HoldfastError(f"the crash reports cannot be read ({refused.strerror})") from refused


def _is_meant(file_name: str, name: str, devices: tuple[str, ...]) -> bool:
    """A report is called TIME-CHILD.json."""
    child = file_name.partition("-")[2].removesuffix(".json")
    return is_among(child, devices) and name in ("", child)


def _read(path: Path) -> dict[str, Any]:
    """Nothing of one that is gone meanwhile, or damaged."""
    try:
        with path.open("rb") as file:
            report = json.loads(file.read(FILE_MOST))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(report, dict):
        return {}
    trace = str(report.get("traceback") or "")[-TRACE_LETTERS:]
    return {**{key: report[key] for key in _SHOWN if key in report}, "traceback": trace}
