"""The three qualities that Sparkplug knows, from the status codes of OPC UA (chapter 6, Quality Codes)."""

from enum import IntEnum

from transports.quality import is_bad

_UNCERTAIN = 0x4000_0000  # the lowest status code that is no longer Good


class SparkplugQuality(IntEnum):
    """tck-id-payloads-propertyset-quality-value-value: these and no others."""

    BAD = 0
    GOOD = 192
    STALE = 500


def sparkplug_quality(status: int) -> SparkplugQuality:
    """Uncertain becomes STALE: there is no third word, and what is doubtful must not pass for GOOD."""
    if is_bad(status):
        return SparkplugQuality.BAD
    return SparkplugQuality.GOOD if status < _UNCERTAIN else SparkplugQuality.STALE
