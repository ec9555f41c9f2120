"""Ruuvi data format 5 ("RAWv2"): 24 bytes of manufacturer data 0x0499, all numbers big-endian.

    0      1     3     5     7       9   11  13   15     17   18        20        24
    format temp  humid press accel x y   z  power moves sequence  MAC
    05     i16   u16   u16   i16 i16 i16  u16  u8   u16       6 bytes

The source is docs.ruuvi.com, "Data format 5 (RAWv2)". Each field has one pattern that means "not available".
"""

import struct

from transports.ble.said import Numbering, Said
from transports.errors import NotUnderstood
from transports.samples import DataType, Tag, Value

COMPANY = 0x0499
_LAYOUT = struct.Struct(">BhHHhhhHBH6s")
_NO_I16, _NO_U16, _NO_U8, _NO_MAC = -0x8000, 0xFFFF, 0xFF, b"\xff" * 6
_NO_VOLTAGE, _NO_TX_POWER = 0x7FF, 0x1F  # power: 11 bits of mV above 1.6 V, then 5 bits of 2 dBm above -40 dBm

TAGS = (
    Tag("temperature", DataType.FLOAT64, "degC"),
    Tag("humidity", DataType.FLOAT64, "%"),
    Tag("pressure", DataType.INT64, "Pa"),
    Tag("acceleration_x", DataType.FLOAT64, "g"),
    Tag("acceleration_y", DataType.FLOAT64, "g"),
    Tag("acceleration_z", DataType.FLOAT64, "g"),
    Tag("voltage", DataType.FLOAT64, "V"),
    Tag("tx_power", DataType.INT64, "dBm"),
    Tag("movements", DataType.INT64),
    Tag("sequence", DataType.INT64),
    Tag("mac", DataType.STRING),
)


def decode(data: bytes) -> Said:
    """What the manufacturer data (without the company's number) says. Raises NotUnderstood."""
    if len(data) != _LAYOUT.size or data[0] != 5:
        raise NotUnderstood(
            f"{len(data)} bytes, {data[:4].hex(' ')} ...: Ruuvi's format 5 has 24, the first of them 05"
        )
    _, temperature, humidity, pressure, x, y, z, power, moves, sequence, mac = _LAYOUT.unpack(data)
    millivolts, tx_power = power >> 5, power & 0x1F
    values: tuple[Value | None, ...] = (
        None if temperature == _NO_I16 else temperature / 200,
        None if humidity == _NO_U16 else humidity / 400,
        None if pressure == _NO_U16 else pressure + 50_000,
        *(None if axis == _NO_I16 else axis / 1000 for axis in (x, y, z)),
        None if millivolts == _NO_VOLTAGE else (millivolts + 1600) / 1000,
        None if tx_power == _NO_TX_POWER else 2 * tx_power - 40,
        None if moves == _NO_U8 else moves,
        None if sequence == _NO_U16 else sequence,
        None if mac == _NO_MAC else mac.hex(":").upper(),
    )
    numbering = Numbering.NONE if sequence == _NO_U16 else Numbering.SEQUENCE
    return Said(tuple(zip(TAGS, values, strict=True)), numbering, sequence)
