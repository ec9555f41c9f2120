"""The peripherals that are not there: what each says at a moment, and what its characteristics hold.

kitchen  BTHome          temperature, humidity, battery, a count
vault    BTHome, sealed  a door and its temperature; its bindkey is KEY
sauna    Ruuvi format 5
badge    iBeacon
press    GATT            fff1 force, int16, 0.1 kN        fff2 cycles, uint48, notifies      fff3 setpoint, float32
                         fff4 name, text                  fff5 scratch, any bytes            fff6 secret, unreadable
"""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TypeAlias

from transports.ble import bthome, ibeacon, ruuvi

KEY = "231d39c1d7cc1ab1aee224cd096db932"  # the one of bthome.io's own example
_VAULT = "A4:C1:38:56:53:84"
Companies: TypeAlias = Mapping[int, bytes]
Services: TypeAlias = Mapping[str, bytes]


@dataclass
class Held:
    """A characteristic: its flags, and what it holds now."""

    flags: tuple[str, ...]
    value: bytes = b""


@dataclass
class Peripheral:
    """One that advertises by `says(seconds, tick)`; with characteristics it can be connected."""

    name: str
    address: str
    says: Callable[[float, int], tuple[Companies, Services]]
    characteristics: dict[str, Held] = field(default_factory=dict)
    is_still: bool = False

    def rssi(self, tick: int) -> int:
        """How strong it is received, in dBm."""
        return -60 if self.is_still else -60 - tick % 8


def wave(seconds: float, period_s: float) -> float:
    """Between -1 and 1, by the wall clock."""
    return math.sin(2 * math.pi * seconds / period_s)


def _kitchen(seconds: float, tick: int) -> tuple[Companies, Services]:
    temperature, humidity = round(2150 + 300 * wave(seconds, 60)), round(4500 + 900 * wave(seconds, 90))
    objects = struct.pack("<BBBBBhBHBI", 0, tick % 256, 0x01, 97, 0x02, temperature, 0x03, humidity, 0x3E, tick % 2**32)
    return {}, {bthome.SERVICE: b"\x40" + objects}


def _vault(seconds: float, tick: int) -> tuple[Companies, Services]:
    if find_spec("cryptography") is None:
        return {}, {}
    from transports.ble.bthome_cipher import Cipher  # here, as only this one needs that library

    objects = struct.pack("<BhBB", 0x02, round(400 + 100 * wave(seconds, 60)), 0x1A, seconds % 20 > 15)
    return {}, {bthome.SERVICE: Cipher(KEY, _VAULT).seal(0x41, objects, tick % 2**32)}


def _sauna(seconds: float, tick: int) -> tuple[Companies, Services]:
    temperature, humidity = round(16_000 + 600 * wave(seconds, 120)), round(6_000 + 2_000 * wave(seconds, 45))
    power = (2977 - 1600) << 5 | 22
    data = struct.pack(
        ">BhHHhhhHBH6s",
        5,
        temperature,
        humidity,
        50_044,
        4,
        -4,
        1036,
        power,
        tick % 255,
        tick % 65_535,
        b"\xcb\xb8\x33\x4c\x88\x4f",
    )
    return {ruuvi.COMPANY: data}, {}


def _badge(seconds: float, tick: int) -> tuple[Companies, Services]:
    return {ibeacon.COMPANY: bytes.fromhex("0215e2c56db5dffb48d2b060d0f5a71096e0000a000cc5")}, {}


def _press(seconds: float, tick: int) -> tuple[Companies, Services]:
    return {}, {}


def peripherals() -> tuple[Peripheral, ...]:
    """All of them, with what they hold when they are switched on."""
    held = {
        "fff1": Held(("read",)),
        "fff2": Held(("read", "notify"), (0).to_bytes(6, "little")),
        "fff3": Held(("read", "write"), struct.pack("<f", 20.0)),
        "fff4": Held(("read", "write"), "Presse Süd".encode()),
        "fff5": Held(("read", "write", "write-without-response"), bytes(8)),
        "fff6": Held(("write",)),
    }
    return (
        Peripheral("kitchen", "54:48:E6:8F:80:A5", _kitchen),
        Peripheral("vault", _VAULT, _vault),
        Peripheral("sauna", "CB:B8:33:4C:88:4F", _sauna),
        Peripheral("badge", "D0:00:00:00:00:07", _badge, is_still=True),
        Peripheral("press", "C0:FF:EE:00:00:01", _press, held),
    )


def run(press: dict[str, Held], seconds: float, tick: int) -> None:
    """What goes on in the press by itself."""
    press["fff1"].value = struct.pack("<h", round(500 + 450 * wave(seconds, 10)))
    press["fff2"].value = (2**47 + tick).to_bytes(6, "little")
