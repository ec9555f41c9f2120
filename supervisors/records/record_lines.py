"""One record, one line: JSON that any reader takes, and text that stays on its line and moves no cursor."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

MAX_LETTERS = 4000  # of one text in a record; the whole of a longer one is in the child's log


def dumped(record: Mapping[str, Any], letters: int = MAX_LETTERS) -> str:
    """The record as one line of ASCII, its texts cut to that many letters each. Strict JSON has no NaN and no
    infinity: they are written as null."""
    return json.dumps(_tame(record, letters), separators=(",", ":"), default=str, allow_nan=False)


def parsed(line: str) -> dict[str, Any] | None:
    """The record of a line; None for one that is torn or is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def stamp(utc_ns: int) -> str:
    """ISO 8601 in UTC, milliseconds, cut and not rounded."""
    seconds, rest_ns = divmod(utc_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000)
    return moment.isoformat(timespec="milliseconds")


def local_stamp(utc_ns: int) -> str:
    """As the module logging writes it: local time, milliseconds after a comma."""
    moment = datetime.fromtimestamp(utc_ns // 1_000_000_000)
    return f"{moment:%Y-%m-%d %H:%M:%S},{utc_ns // 1_000_000 % 1000:03}"


def seconds_of(record: Mapping[str, Any]) -> float:
    """When a record was written, seconds since 1970 UTC; 0.0 when it does not say."""
    try:
        return datetime.fromisoformat(record["time"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0


def harmless(line: str) -> str:
    """A stranger's line as it may be shown: what a terminal would obey is escaped, its indentation stays."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in line.expandtabs())


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _tame(value: Any, letters: int) -> Any:
    match value:
        case float():
            return value if isfinite(value) else None
        case str():
            return value if len(value) <= letters else f"{value[:letters]}..."
        case Mapping():
            return {str(key): _tame(item, letters) for key, item in value.items()}
        case bytes():
            return value.hex()
        case Sequence():
            return [_tame(item, letters) for item in value]
    return value
