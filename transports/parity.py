"""The parity bit of serial ports: its names in a configuration, and the letters of pyserial and pymodbus for them."""

from collections.abc import Mapping
from typing import Final

PARITIES: Final[Mapping[str, str]] = {"none": "N", "even": "E", "odd": "O", "mark": "M", "space": "S"}
MODBUS_PARITIES: Final = ("none", "even", "odd")  # Modbus over Serial Line V1.02, section 2.5.1
