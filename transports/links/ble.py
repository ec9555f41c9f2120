"""Bluetooth LE through BlueZ: sensors that advertise (BTHome, Ruuvi, iBeacon), and what is connected (GATT).

One device is one adapter, with as many peripherals as it hears:

    [device.floor]
    driver = "ble"
    adapter = "hci0"

    [device.floor.peripherals.kitchen]          # floor's tags kitchen.rssi, kitchen.temperature, ...
    address = "54:48:E6:8F:80:A5"
    format = "bthome"                            # or "ruuvi" (data format 5), "ibeacon"
    measures = ["temperature", "humidity"]       # else whatever it says, learned as it is heard
    bindkey = { file = "/etc/holdfast/kitchen.key" }

    [device.floor.peripherals.press]
    address = "C0:FF:EE:00:00:01"
    connect = true
    [device.floor.peripherals.press.characteristics]
    force    = { uuid = "fff1", type = "int16", scale = 0.1, unit = "kN", period = "1s" }
    cycles   = { uuid = "fff2", type = "uint48", notify = true }
    setpoint = { uuid = "fff3", type = "float32", writable = true, min = 0, max = 120, read_back = true }

The link listens: the device's `period` plays no part, a characteristic has its own. A peripheral that is not heard for
`silent_after`, or is not connected, has Bad tags; the others go on. Each connects again by itself, with a back-off: a
lost peripheral must not cost the others their connections. Only the loss of the adapter, of BlueZ or of D-Bus is the
loss of the link. When nothing at all was heard for five minutes, the search is begun anew.

Encrypted BTHome is believed only when it opens with the bindkey, and its counter does not go back; after `silent_after`
any counter is taken, since a new battery begins at 0. A random address that changes cannot be followed. A peripheral
that wants a bond is bonded once by hand, with `bluetoothctl`.

`bus` names another D-Bus than the system's, such as that of `holdfast simulate ble`. bleak takes it from the process's
environment only, so devices of one process share it.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from transports.ble.peripherals import CharacteristicSettings, PeripheralSettings, long_uuid
from transports.ble.session import FAILURES
from transports.ble.station import Station
from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout, Problem
from transports.loop_thread import Inbox, LoopThread
from transports.samples import Scan, Value
from transports.settings import duration, setting
from transports.writing import Limits

EXTRA = "ble"
log = logging.getLogger("holdfast.ble")
logging.getLogger("bleak").setLevel(logging.CRITICAL)  # each of its complaints is an error raised here, too
logging.getLogger("dbus_fast").setLevel(logging.CRITICAL)

_MOST_WAITING = 10_000  # scans that nobody has fetched yet
_CLOSE_WITHIN_S = 1.5
_ENVIRONMENT = "DBUS_SYSTEM_BUS_ADDRESS"


@dataclass(frozen=True)
class Settings:
    """One adapter, and whom to hear by it."""

    peripherals: Mapping[str, PeripheralSettings] = setting(
        help="whom to hear: a table for each, its name the key",
        example='{ kitchen = { address = "AA:BB:CC:DD:EE:FF", format = "bthome" } }',
    )
    adapter: str = setting("hci0", help="name of the adapter", example="hci1")
    bus: str = setting("", help="address of another D-Bus than the system's", example="unix:path=/run/sim/bus")
    timeout_s: float = duration("10s", help="how long connecting, or one answer, may take")

    def problems(self, path: str) -> Iterable[Problem]:
        """At least one peripheral, none twice, and a bus that can be one."""
        if not self.peripherals:
            yield Problem(f"{path}.peripherals", "{}", "must name at least one peripheral")
        seen: dict[str, str] = {}
        for name, one in self.peripherals.items():
            other = seen.setdefault(one.address.upper(), name)
            if other != name:
                yield Problem(f"{path}.peripherals.{name}.address", repr(one.address), f"is that of {other}, too")
        if self.bus and "=" not in self.bus.partition(":")[2]:
            yield Problem(f"{path}.bus", repr(self.bus), "must be an address such as unix:path=/run/sim/bus")
        if not self.adapter.isalnum() or not self.adapter.isascii():
            yield Problem(f"{path}.adapter", repr(self.adapter), "must be a name such as hci0")


def connect(settings: Settings) -> "BleLink":
    """The adapter, if it is there and on, and searching. Raises LinkDown, saying what to look at."""
    if settings.bus:
        os.environ[_ENVIRONMENT] = settings.bus
    link = BleLink(settings, MachineClock())
    try:
        link.open()
    except LinkDown:
        link.close()
        raise
    return link


class BleLink:
    """An adapter that listens. What happens, happens in the loop's thread; this side fetches it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._timeout_s, self._adapter = settings.timeout_s, settings.adapter
        self._inbox: Inbox[Scan | None] = Inbox(_MOST_WAITING)  # None: look at what ended
        self._ended: BaseException | None = None
        self._crowded = False
        self._station = Station(
            settings.adapter, settings.bus, settings.timeout_s, settings.peripherals, self._put, self._on_end, clock
        )
        self.tags = self._station.tags
        self._spots = _spots(settings.peripherals)
        limits = {tag: spot.limits for tag, (_, spot) in self._spots.items()}
        self.writable: Mapping[str, Limits] = {tag: known for tag, known in limits.items() if known is not None}
        self._loop = LoopThread("ble")

    def open(self) -> None:
        """Find the adapter and begin to listen. Raises LinkDown with the cure."""
        within_s = 2 * self._timeout_s
        try:
            self._loop.run(self._station.open(), within_s)
        except TimeoutError as late:
            raise LinkDown(f"{self._adapter}: BlueZ did not answer within {within_s:g} s; is it hanging?") from late

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._inbox.fileno()

    def read(self) -> Sequence[Scan]:
        """What was heard since, oldest first. Never waits. Raises LinkDown once the adapter is lost."""
        scans = [scan for scan in self._inbox.take() if scan is not None]
        if self._ended is None:
            return scans
        if not scans:
            raise self._ended
        self._inbox.put(None)  # first what was heard, then why there is no more
        return scans

    def write(self, tag: str, value: Value) -> None:
        """Write one characteristic. Raises LinkRefused, LinkTimeout (its peripheral is not connected), LinkDown."""
        if tag not in self.writable:
            why = "is read only; declare it writable = true" if tag in self._spots else "is no tag of this device"
            raise LinkRefused(f"{tag} {why}")
        if self._ended is not None:
            raise LinkDown(str(self._ended)) from self._ended
        name, spot = self._spots[tag]
        try:
            data = spot.form.data(value)
        except LinkRefused as wrong:
            raise LinkRefused(f"{tag} = {wrong}") from wrong
        service = long_uuid(spot.service) if spot.service else None
        written = self._station.sessions[name].write(long_uuid(spot.uuid), service, data, spot.response)
        try:
            self._loop.run(written, self._timeout_s)
        except TimeoutError as late:
            raise LinkTimeout(f"{tag}: no answer within {self._timeout_s:g} s") from late

    def close(self) -> None:
        """Let go of the peripherals and the adapter. May be called twice."""
        if not self._loop.loop.is_closed():
            with suppress(*FAILURES):
                self._loop.run(self._station.close(), _CLOSE_WITHIN_S)
        self._loop.close()
        self._inbox.close()

    def _put(self, scan: Scan) -> None:
        fits = self._inbox.put(scan)
        if not fits and not self._crowded:
            log.error("%s: nobody fetches what is heard; scans are lost", self._adapter)
        self._crowded = not fits

    def _on_end(self, why: BaseException) -> None:
        self._ended = why
        self._inbox.put(None)


def _spots(peripherals: Mapping[str, PeripheralSettings]) -> Mapping[str, tuple[str, CharacteristicSettings]]:
    """For each tag of a characteristic, whose it is and what."""
    return {
        f"{name}.{key}": (name, spot) for name, one in peripherals.items() for key, spot in one.characteristics.items()
    }
