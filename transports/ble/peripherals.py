"""Peripherals as they are written in the configuration: what is heard of them, and what is read when connected."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from transports.ble import ibeacon, ruuvi
from transports.ble.bthome import tag_of
from transports.ble.bthome_objects import MEASURES
from transports.ble.forms import KINDS, ORDERS, UNSCALED, Form
from transports.ble.said import RSSI
from transports.errors import Problem
from transports.samples import Tag
from transports.settings import Secret, duration, nearest, setting
from transports.writing import Writing

FORMATS = ("bthome", "ruuvi", "ibeacon")
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_SHORT_UUID = re.compile(r"[0-9A-Fa-f]{4}|[0-9A-Fa-f]{8}")
_LONG_UUID = re.compile(r"[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")


def long_uuid(uuid: str) -> str:
    """All 128 bits of a UUID; one of 16 or 32 is short for one in the Bluetooth base (Core, Vol 3, Part B, 2.5)."""
    return f"{uuid:0>8}-0000-1000-8000-00805f9b34fb".lower() if _SHORT_UUID.fullmatch(uuid) else uuid.lower()


def _uuid(text: str) -> str | None:
    fits = _SHORT_UUID.fullmatch(text) or _LONG_UUID.fullmatch(text)
    return None if fits else "must be a UUID such as 2a19 or 0000fff1-0000-1000-8000-00805f9b34fb"


def _address(text: str) -> str | None:
    return None if _ADDRESS.fullmatch(text.upper()) else "must be six bytes such as AA:BB:CC:DD:EE:FF"


def _factor(value: float) -> str | None:
    return "must not be 0: every value would be the same" if value == 0 else None


@dataclass(frozen=True, kw_only=True)
class CharacteristicSettings(Writing):
    """One entry of the table `characteristics`: a tag."""

    uuid: str = setting(check=_uuid, help="UUID of the characteristic, short or long", example="2a19")
    service: str | None = setting(None, check=_uuid, help="UUID of its service, where two have one of this UUID")
    kind: str = setting(key="type", choices=KINDS, help="what its bytes are", example="int16")
    order: str = setting("little", choices=ORDERS, help="order of the bytes of a number")
    at: int | None = setting(None, ge=0, le=511, help="where the value begins, in bytes; default: it is all there is")
    scale: float = setting(1.0, check=_factor, help="value = number in the device x scale + offset")
    offset: float = setting(0.0, help="added after scaling")
    unit: str = setting("", help="engineering unit, such as degC")
    notify: bool = setting(False, help="whether the peripheral tells when it changes; else it is read each period")
    period_s: float | None = duration(None, help="how often it is read; default: 10s")
    response: bool = setting(True, help="whether a write waits for the peripheral's answer")

    @property
    def form(self) -> Form:
        """How the value lies in the characteristic."""
        return Form(self.kind, self.order, self.scale, self.offset, self.at)

    def problems(self, path: str) -> Iterable[Problem]:
        """What only shows when the settings of one tag are seen together."""
        yield from self.writing_problems(path)
        if self.kind in UNSCALED and (self.scale, self.offset) != (1.0, 0.0):
            yield Problem(
                f"{path}.scale", f"{self.scale:g}", f"a {self.kind} is not scaled; leave scale and offset out"
            )
        if self.notify and self.period_s is not None:
            yield Problem(f"{path}.period", f"{self.period_s:g}", "one that notifies is not read; leave the period out")
        if self.writable and self.at is not None:
            yield Problem(f"{path}.at", str(self.at), "a part cannot be written without overwriting the rest")


@dataclass(frozen=True, kw_only=True)
class PeripheralSettings:
    """One entry of the table `peripherals`."""

    address: str = setting(check=_address, help="its address", example="AA:BB:CC:DD:EE:FF")
    format: str | None = setting(None, choices=FORMATS, help="what its advertisements are", example="bthome")
    measures: tuple[str, ...] = setting((), help="the BTHome measures to take; default: all that are heard")
    bindkey: Secret | None = setting(None, help="key of encrypted BTHome, 32 hexadecimal digits")
    silent_after_s: float = duration("5m", help="unheard for so long its tags are Bad")
    connect: bool = setting(False, help="whether to connect to it, for its characteristics")
    characteristics: Mapping[str, CharacteristicSettings] = setting(
        {}, help="what to read when connected: a table for each tag", example='{ battery = { uuid = "2a19" } }'
    )

    def announced(self) -> tuple[Tag, ...]:
        """The measures that its advertisements are known to bring, without RSSI."""
        fixed = {"ruuvi": ruuvi.TAGS, "ibeacon": ibeacon.TAGS}
        wanted = (tag_of(measure) for measure in self.measures)
        return fixed.get(self.format or "", tuple(tag for tag in wanted if tag is not None))

    def problems(self, path: str) -> Iterable[Problem]:
        """What only shows when the settings of one peripheral are seen together."""
        if self.format is None and not self.connect:
            yield Problem(f"{path}.format", "", f"is missing; write one of {', '.join(FORMATS)}, or connect = true")
        if self.connect and not self.characteristics:
            yield Problem(f"{path}.characteristics", "{}", "must name at least one tag, or leave connect out")
        if self.characteristics and not self.connect:
            yield Problem(f"{path}.connect", "False", "characteristics need connect = true")
        yield from self._bthome_problems(path)
        yield from self._name_problems(path)

    def _bthome_problems(self, path: str) -> Iterator[Problem]:
        if self.measures and self.format != "bthome":
            yield Problem(f"{path}.measures", repr(list(self.measures)), 'only format = "bthome" has measures')
        for measure in self.measures:
            if tag_of(measure) is None:
                cure = f"no measure of BTHome; {nearest(measure, list(MEASURES))}"
                yield Problem(f"{path}.measures", repr(measure), cure)
        if self.bindkey is not None and self.format != "bthome":
            yield Problem(f"{path}.bindkey", "***", 'only format = "bthome" has a bindkey')
        elif self.bindkey is not None and find_spec("cryptography") is None:
            yield Problem(f"{path}.bindkey", "***", "needs a library that is not installed: pip install cryptography")

    def _name_problems(self, path: str) -> Iterator[Problem]:
        heard = {RSSI.name, *(tag.name for tag in self.announced())} if self.format else set[str]()
        twice = {name for name in self.measures if self.measures.count(name) > 1}
        for name in sorted(twice):
            yield Problem(f"{path}.measures", repr(name), "stands there twice")
        for name in self.characteristics:
            if name in heard or (self.format == "bthome" and not self.measures and tag_of(name)):
                yield Problem(
                    f"{path}.characteristics.{name}", "", "its advertisements have a tag of this name; rename it"
                )
