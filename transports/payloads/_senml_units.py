"""The units that SenML registers (RFC 8428, section 12.1), and what else people write for them.

Values are never converted, so kN, mm or l have no symbol: only what means the same, to the factor 1. Left out are the
symbols that new senders should not use, among them "%", which there is a ratio of 1, and two that in a plant mostly
mean something else: "C" (coulomb) and "F" (farad).
"""

_SYMBOLS = frozenset(
    {"m", "kg", "s", "A", "K", "cd", "mol", "Hz", "rad", "sr", "N", "Pa", "J", "W", "V", "Ohm", "S", "Wb", "T", "H"}
    | {"Cel", "lm", "lx", "Bq", "Gy", "Sv", "kat", "m2", "m3", "m/s", "m/s2", "m3/s", "W/m2", "cd/m2", "bit", "bit/s"}
    | {"lat", "lon", "pH", "dB", "dBW", "count", "/", "%RH", "%EL", "EL", "1/s", "S/m"}
)
_SPELLINGS = {
    "°C": "Cel",
    "degC": "Cel",
    "Ω": "Ohm",  # Greek omega
    "\u2126": "Ohm",  # the ohm sign
    "ohm": "Ohm",
    "m²": "m2",
    "m³": "m3",
    "m/s²": "m/s2",
    "m³/s": "m3/s",
    "W/m²": "W/m2",
    "cd/m²": "cd/m2",
}


def registered(unit: str) -> str:
    """SenML's symbol for a unit, "" where it has none."""
    return unit if unit in _SYMBOLS else _SPELLINGS.get(unit, "")
