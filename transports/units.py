"""Spans of time and amounts of memory as people write them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_SECONDS: Mapping[str, Decimal] = {
    "us": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_BYTES: Mapping[str, int] = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)", re.ASCII)


def parse_duration(given: Any) -> float:
    """Seconds from "250ms", "1h30m" or a plain number of seconds. Raises ValueError or TypeError."""
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return float(given)
    return float(sum(number * _SECONDS[unit] for number, unit in _parts(given, _SECONDS)))


def parse_size(given: Any) -> int:
    """Bytes from "64 KiB", "1.5GB" or a whole number of bytes. Raises ValueError or TypeError."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    return round(sum(number * _BYTES[unit] for number, unit in _parts(given, _BYTES)))


def _parts(given: Any, units: Mapping[str, Decimal] | Mapping[str, int]) -> list[tuple[Decimal, str]]:
    if not isinstance(given, str):
        raise TypeError(given)
    text = given.strip().lower()
    parts = [(Decimal(number), unit) for number, unit in _PART.findall(text)]
    if not parts or _PART.sub("", text).strip() or any(unit not in units for _, unit in parts):
        raise ValueError(given)
    return parts
