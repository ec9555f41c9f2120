"""What a Modbus device says instead of an answer: its exception codes, their names, and the quality they give tags.

The table is section 7 of the Modbus Application Protocol 1.1b3.
"""

from collections.abc import Mapping

from transports.samples import Quality

_EXCEPTIONS: Mapping[int, tuple[str, Quality]] = {
    1: ("illegal function", Quality.BAD_NOT_READABLE),
    2: ("illegal data address", Quality.BAD_NOT_READABLE),
    3: ("illegal data value", Quality.BAD_OUT_OF_RANGE),
    4: ("server device failure", Quality.BAD_DEVICE_FAILURE),
    5: ("acknowledge, still working on it", Quality.BAD_OUT_OF_SERVICE),
    6: ("server device busy", Quality.BAD_OUT_OF_SERVICE),
    8: ("memory parity error", Quality.BAD_DEVICE_FAILURE),
    10: ("gateway path unavailable", Quality.BAD_NO_COMMUNICATION),
    11: ("gateway target device failed to respond", Quality.BAD_TIMEOUT),
}
_UNKNOWN = ("not in the standard", Quality.BAD_UNEXPECTED)


def named(code: int) -> str:
    """The exception as a person reads it."""
    name, _ = _EXCEPTIONS.get(code, _UNKNOWN)
    return f"exception {code} ({name})"


def quality_of(code: int) -> Quality:
    """What it means for the tags that were asked for; always Bad."""
    _, bad = _EXCEPTIONS.get(code, _UNKNOWN)
    return bad
