"""Which tags of which devices are meant: patterns like `press-1.temp*`, `*.vibration` or just `press-1`."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def takes(patterns: Sequence[str], device: str, tag: str) -> bool:
    """Whether one of the patterns means this tag of this device.

    What stands before a pattern's first dot is for the device, the rest for the tag; without a dot it means every
    tag of the device. `*`, `?` and `[...]` are wildcards as in file names, and letters' case counts.
    """
    return any(_takes(pattern, device, tag) for pattern in patterns)


def takes_from(patterns: Sequence[str], device: str) -> bool:
    """Whether one of the patterns may mean a tag of this device."""
    return any(fnmatchcase(device, pattern.partition(".")[0]) for pattern in patterns)


def _takes(pattern: str, device: str, tag: str) -> bool:
    whose, dot, which = pattern.partition(".")
    return fnmatchcase(device, whose) and (not dot or fnmatchcase(tag, which))
