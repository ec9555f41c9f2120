"""iBeacon: 23 bytes of manufacturer data 0x004C, numbers big-endian.

    0    1      2      18     20     22
    type length UUID   major  minor  measured power
    02   15     16     u16    u16    i8 (dBm at 1 m)

The source is Apple's "Proximity Beacon Specification". A beacon says the same all the time; what changes is `rssi`.
"""

import struct
from uuid import UUID

from transports.ble.said import Said
from transports.errors import NotUnderstood
from transports.samples import DataType, Tag, Value

COMPANY = 0x004C
_LAYOUT = struct.Struct(">BB16sHHb")

TAGS = (
    Tag("uuid", DataType.STRING),
    Tag("major", DataType.INT64),
    Tag("minor", DataType.INT64),
    Tag("tx_power", DataType.INT64, "dBm"),
)


def decode(data: bytes) -> Said:
    """What the manufacturer data (without the company's number) says. Raises NotUnderstood."""
    if len(data) != _LAYOUT.size or data[:2] != b"\x02\x15":
        raise NotUnderstood(f"{len(data)} bytes, {data[:4].hex(' ')} ...: an iBeacon has 23, the first of them 02 15")
    _, _, uuid, major, minor, tx_power = _LAYOUT.unpack(data)
    values: tuple[Value, ...] = (str(UUID(bytes=uuid)), major, minor, tx_power)
    return Said(tuple(zip(TAGS, values, strict=True)))
