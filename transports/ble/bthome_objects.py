"""The objects of BTHome v2: for each id its measure, how many bytes it takes and how they become a value.

The source is bthome.io, "BTHome Data format". Where two objects share a name there (the power of a load and whether it
is on), the one that is true or false has a name of its own here, so that each name has one type and one unit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transports.samples import DataType, Tag, Value

PACKET_ID = 0x00
TO_THE_LENGTH = 0  # the object's first byte is how many follow


@dataclass(frozen=True, slots=True)
class Object:
    """One id: its measures, its size in bytes, and its values from those bytes (None: it has none this time)."""

    tags: tuple[Tag, ...]
    size: int
    values: Callable[[bytes], tuple[Value | None, ...]]


def _number(size: int, signed: bool, over: int, times: int = 1) -> Callable[[bytes], tuple[Value | None, ...]]:
    """raw x times / over; a quotient of two whole numbers is the nearest float there is, a product with 0.01 is not."""
    if over == 1:
        return lambda data: (int.from_bytes(data, "little", signed=signed),)
    return lambda data: (int.from_bytes(data, "little", signed=signed) * times / over,)


def _text(data: bytes) -> tuple[Value | None, ...]:
    try:
        return (data.decode(),)
    except UnicodeDecodeError:
        return (None,)


_BUTTON = ("press", "double_press", "triple_press", "long_press", "long_double_press", "long_triple_press")
_BUTTON_EVENTS = dict(enumerate(_BUTTON, start=1)) | {0x80: "hold_press"}
_DIMMER_EVENTS = {1: "rotate_left", 2: "rotate_right"}


def _event(code: int, names: Mapping[int, str]) -> str:
    """Its name, and for one that was added to the format since, its number."""
    return names.get(code, f"0x{code:02x}")


def _button(data: bytes) -> tuple[Value | None, ...]:
    return (_event(data[0], _BUTTON_EVENTS),) if data[0] else ()


def _dimmer(data: bytes) -> tuple[Value | None, ...]:
    return (_event(data[0], _DIMMER_EVENTS), data[1]) if data[0] else ()


def _version(data: bytes) -> tuple[Value | None, ...]:
    return (".".join(str(part) for part in reversed(data)),)


# id: name, bytes, signed, value = raw / this, unit
_NUMBERS: Mapping[int, tuple[str, int, bool, int, str]] = {
    0x01: ("battery", 1, False, 1, "%"),
    0x02: ("temperature", 2, True, 100, "degC"),
    0x03: ("humidity", 2, False, 100, "%"),
    0x04: ("pressure", 3, False, 100, "hPa"),
    0x05: ("illuminance", 3, False, 100, "lx"),
    0x06: ("mass", 2, False, 100, "kg"),
    0x07: ("mass_lb", 2, False, 100, "lb"),
    0x08: ("dewpoint", 2, True, 100, "degC"),
    0x09: ("count", 1, False, 1, ""),
    0x0A: ("energy", 3, False, 1000, "kWh"),
    0x0B: ("power", 3, False, 100, "W"),
    0x0C: ("voltage", 2, False, 1000, "V"),
    0x0D: ("pm2_5", 2, False, 1, "ug/m3"),
    0x0E: ("pm10", 2, False, 1, "ug/m3"),
    0x12: ("co2", 2, False, 1, "ppm"),
    0x13: ("tvoc", 2, False, 1, "ug/m3"),
    0x14: ("moisture", 2, False, 100, "%"),
    0x2E: ("humidity", 1, False, 1, "%"),
    0x2F: ("moisture", 1, False, 1, "%"),
    0x3D: ("count", 2, False, 1, ""),
    0x3E: ("count", 4, False, 1, ""),
    0x3F: ("rotation", 2, True, 10, "deg"),
    0x40: ("distance_mm", 2, False, 1, "mm"),
    0x41: ("distance", 2, False, 10, "m"),
    0x42: ("duration", 3, False, 1000, "s"),
    0x43: ("current", 2, False, 1000, "A"),
    0x44: ("speed", 2, False, 100, "m/s"),
    0x45: ("temperature", 2, True, 10, "degC"),
    0x46: ("uv_index", 1, False, 10, ""),
    0x47: ("volume", 2, False, 10, "l"),
    0x48: ("volume_ml", 2, False, 1, "ml"),
    0x49: ("volume_flow_rate", 2, False, 1000, "m3/h"),
    0x4A: ("voltage", 2, False, 10, "V"),
    0x4B: ("gas", 3, False, 1000, "m3"),
    0x4C: ("gas", 4, False, 1000, "m3"),
    0x4D: ("energy", 4, False, 1000, "kWh"),
    0x4E: ("volume", 4, False, 1000, "l"),
    0x4F: ("water", 4, False, 1000, "l"),
    0x50: ("timestamp", 4, False, 1, "s"),
    0x51: ("acceleration", 2, False, 1000, "m/s2"),
    0x52: ("gyroscope", 2, False, 1000, "deg/s"),
    0x55: ("volume_storage", 4, False, 1000, "l"),
    0x56: ("conductivity", 2, False, 1, "uS/cm"),
    0x57: ("temperature", 1, True, 1, "degC"),
    0x58: ("temperature", 1, True, 100, "degC"),  # in steps of 0.35
    0x59: ("count", 1, True, 1, ""),
    0x5A: ("count", 2, True, 1, ""),
    0x5B: ("count", 4, True, 1, ""),
    0x5C: ("power", 4, True, 100, "W"),
    0x5D: ("current", 2, True, 1000, "A"),
    0x5E: ("direction", 2, False, 100, "deg"),
    0x5F: ("precipitation", 2, False, 10, "mm"),
    0x60: ("channel", 1, False, 1, ""),
    0x61: ("rotational_speed", 2, False, 1, "rpm"),
    0x62: ("speed", 4, True, 1_000_000, "m/s"),
    0x63: ("acceleration", 4, True, 1_000_000, "m/s2"),
    0x64: ("light_level", 1, False, 1, ""),
    0xF0: ("device_type", 2, False, 1, ""),
}
_TIMES: Mapping[int, int] = {0x58: 35}

# id: name; 1 is the state that the name says, and unlocked for `lock`
_STATES: Mapping[int, str] = {
    0x0F: "generic",
    0x10: "power_on",
    0x11: "opening",
    0x15: "battery_low",
    0x16: "battery_charging",
    0x17: "carbon_monoxide",
    0x18: "cold",
    0x19: "connectivity",
    0x1A: "door",
    0x1B: "garage_door",
    0x1C: "gas_detected",
    0x1D: "heat",
    0x1E: "light",
    0x1F: "lock",
    0x20: "moisture_detected",
    0x21: "motion",
    0x22: "moving",
    0x23: "occupancy",
    0x24: "plug",
    0x25: "presence",
    0x26: "problem",
    0x27: "running",
    0x28: "safety",
    0x29: "smoke",
    0x2A: "sound",
    0x2B: "tamper",
    0x2C: "vibration",
    0x2D: "window",
}
_OTHERS: Mapping[int, Object] = {
    PACKET_ID: Object((), 1, lambda data: ()),
    0x3A: Object((Tag("button", DataType.STRING),), 1, _button),
    0x3C: Object((Tag("dimmer", DataType.STRING), Tag("dimmer_steps", DataType.INT64)), 2, _dimmer),
    0x53: Object((Tag("text", DataType.STRING),), TO_THE_LENGTH, _text),
    0x54: Object((Tag("raw", DataType.BYTES),), TO_THE_LENGTH, lambda data: (data,)),
    0xF1: Object((Tag("firmware", DataType.STRING),), 4, _version),
    0xF2: Object((Tag("firmware", DataType.STRING),), 3, _version),
}


def _all() -> Mapping[int, Object]:
    fractions = {name for name, _, _, over, _ in _NUMBERS.values() if over != 1}
    objects: dict[int, Object] = {**_OTHERS}
    for code, (name, size, signed, over, unit) in _NUMBERS.items():
        is_fraction = name in fractions  # a name has one type, whichever of its objects a device sends
        made = _number(size, signed, over, _TIMES.get(code, 1))
        tag = Tag(name, DataType.FLOAT64 if is_fraction else DataType.INT64, unit)
        objects[code] = Object((tag,), size, _as_float(made) if is_fraction and over == 1 else made)
    for code, name in _STATES.items():
        objects[code] = Object((Tag(name, DataType.BOOL),), 1, lambda data: (data != b"\0",))
    return objects


def _as_float(made: Callable[[bytes], tuple[Value | None, ...]]) -> Callable[[bytes], tuple[Value | None, ...]]:
    return lambda data: tuple(float(value) for value in made(data) if isinstance(value, int))


OBJECTS: Mapping[int, Object] = _all()
MEASURES: Mapping[str, Tag] = {tag.name: tag for one in OBJECTS.values() for tag in one.tags}
