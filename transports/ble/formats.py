"""The formats of advertisements by their names: where in one their bytes lie, and who reads them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from transports.ble import bthome, ibeacon, ruuvi
from transports.ble.ear import Ear
from transports.ble.peripherals import PeripheralSettings
from transports.ble.said import Decode, Said
from transports.errors import NotUnderstood, SettingsError

Pick = Callable[[Mapping[int, bytes], Mapping[str, bytes]], bytes | None]


@dataclass(frozen=True, slots=True)
class Listener:
    """An ear, and the bytes that are for it: picked from manufacturer data (by company) and service data (by UUID)."""

    ear: Ear
    pick: Pick


_PICK: Mapping[str, Pick] = {
    "bthome": lambda companies, services: services.get(bthome.SERVICE),
    "ruuvi": lambda companies, services: companies.get(ruuvi.COMPANY),
    "ibeacon": lambda companies, services: companies.get(ibeacon.COMPANY),
}


def listener(name: str, one: PeripheralSettings) -> Listener:
    """Who hears a peripheral that has a format."""
    learns = one.format == "bthome" and not one.measures
    ear = Ear(name, _decode(one), one.announced(), learns, one.silent_after_s)
    return Listener(ear, _PICK[one.format or ""])


def _decode(one: PeripheralSettings) -> Decode:
    if one.format == "bthome":
        return bthome.decode if one.bindkey is None else _opening(one)
    return ruuvi.decode if one.format == "ruuvi" else ibeacon.decode


def _opening(one: PeripheralSettings) -> Decode:
    """With its key. One that cannot be used costs this peripheral alone: it is heard and not understood."""
    from transports.ble.bthome_cipher import Cipher  # here, as only a key needs that library

    try:
        key = one.bindkey.reveal() if one.bindkey else ""
        return partial(bthome.decode, opener=Cipher(key, one.address))
    except (SettingsError, ValueError) as wrong:
        return partial(_not_understood, f"its bindkey cannot be used: {wrong}")


def _not_understood(why: str, data: bytes) -> Said:
    raise NotUnderstood(why)
