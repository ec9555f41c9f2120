"""How good a sample is: the status codes of OPC UA that the house itself gives."""

from enum import IntEnum


class Quality(IntEnum):
    """OPC UA status codes (OPC 10000-6, Annex A.2) that the house itself gives; drivers may pass on any other.

    The two highest bits are the severity (0 good, 1 uncertain, 2 bad), so the worst of many is the largest.
    """

    GOOD = 0x0000_0000
    UNCERTAIN_LAST_USABLE = 0x4090_0000
    UNCERTAIN_SUB_NORMAL = 0x4095_0000
    BAD_UNEXPECTED = 0x8001_0000
    BAD_COMMUNICATION = 0x8005_0000
    BAD_DECODING = 0x8007_0000
    BAD_TIMEOUT = 0x800A_0000
    BAD_NO_COMMUNICATION = 0x8031_0000
    BAD_NOT_READABLE = 0x803A_0000
    BAD_OUT_OF_RANGE = 0x803C_0000
    BAD_NOT_CONNECTED = 0x808A_0000
    BAD_DEVICE_FAILURE = 0x808B_0000
    BAD_SENSOR_FAILURE = 0x808C_0000
    BAD_OUT_OF_SERVICE = 0x808D_0000


def is_bad(quality: int) -> bool:
    """Whether a status code means that there is no value (severity "bad" or the reserved fourth)."""
    return quality >= 0x8000_0000
