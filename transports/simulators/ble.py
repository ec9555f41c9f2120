"""Bluetooth LE without an adapter: BlueZ's interface on a private D-Bus, sensors that advertise, one to connect.

    holdfast simulate ble                     # says where its bus is: unix:path=/tmp/holdfast-bus-.../bus,guid=...

    [device.floor]
    driver = "ble"
    bus = "unix:path=/tmp/holdfast-bus-.../bus"
    [device.floor.peripherals]
    kitchen = { address = "54:48:E6:8F:80:A5", format = "bthome" }
    vault   = { address = "A4:C1:38:56:53:84", format = "bthome", bindkey = { env = "VAULT_KEY" } }
    sauna   = { address = "CB:B8:33:4C:88:4F", format = "ruuvi" }
    badge   = { address = "D0:00:00:00:00:07", format = "ibeacon" }
    [device.floor.peripherals.press]
    address = "C0:FF:EE:00:00:01"
    connect = true
    [device.floor.peripherals.press.characteristics]
    force    = { uuid = "fff1", type = "int16", scale = 0.1, unit = "kN", period = "1s" }
    cycles   = { uuid = "fff2", type = "uint48", notify = true }
    setpoint = { uuid = "fff3", type = "float32", writable = true }
    name     = { uuid = "fff4", type = "string" }
    scratch  = { uuid = "fff5", type = "bytes", writable = true }

The vault's key is 231d39c1d7cc1ab1aee224cd096db932. The lines of the file named by `faults` make it misbehave:

    unplugged        the adapter is pulled out
    off              the adapter is switched off
    gone kitchen     that peripheral is out of range
    garbage kitchen  its advertisements are nonsense
    hang press       its characteristics are never answered
"""

import asyncio
import signal
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from dbus_fast import Message, NameFlag, RequestNameReply
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from transports.clock import MachineClock
from transports.errors import LinkDown
from transports.settings import duration, setting
from transports.simulators import Announce
from transports.simulators._bluez import BlueZ
from transports.simulators._bluez_bus import private_bus

_FAILURES = (OSError, EOFError, DBusFastError)


@dataclass(frozen=True)
class Settings:
    """One adapter with everything that is in its range."""

    adapter: str = setting("hci0", help="name of the adapter")
    bus: str = setting("", help="address of a D-Bus to be on; default: one of its own", example="unix:path=/tmp/bus")
    interval_s: float = duration("1s", help="how often everything advertises, and faults are looked for")
    faults: str = setting("", help="path of a file whose lines say how to misbehave", example="/tmp/faults")


def serve(settings: Settings, announce: Announce) -> None:
    """Announces the address of its bus, and serves until SIGTERM or Ctrl-C. Raises LinkDown where it cannot."""
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        address = settings.bus or stack.enter_context(private_bus())
        asyncio.run(_serve(settings, address, announce))


async def _serve(settings: Settings, address: str, announce: Announce) -> None:
    stopped = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    bus = await _joined(address)
    try:
        bluez = BlueZ(bus, settings.adapter)
        await _named(bus, address)
        announce(f"listening on {address}")
        await _tick(bluez, bus, settings, stopped)
    finally:
        bus.disconnect()


async def _tick(bluez: BlueZ, bus: MessageBus, settings: Settings, stopped: asyncio.Event) -> None:
    clock = MachineClock()
    while not stopped.is_set():
        if not bus.connected:
            raise LinkDown(f"{settings.bus or 'the private bus'} hung up")
        bluez.tick(clock.utc_ns() / 1e9, _faults(settings.faults))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), settings.interval_s)


async def _joined(address: str) -> MessageBus:
    bus = MessageBus(bus_address=address)
    try:
        return await bus.connect()
    except _FAILURES as wrong:
        raise LinkDown(f"{address} cannot be reached ({wrong}); is a dbus-daemon listening there?") from wrong


async def _named(bus: MessageBus, address: str) -> None:
    """Be BlueZ on this bus, and hear who leaves it."""
    rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
    daemon, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"
    await bus.call(
        Message(destination=daemon, path=path, interface=daemon, member="AddMatch", signature="s", body=[rule])
    )
    try:
        reply = await bus.request_name("org.bluez", NameFlag.DO_NOT_QUEUE)
    except _FAILURES as wrong:
        raise LinkDown(f"{address} lets nobody be org.bluez ({wrong}); use a private bus") from wrong
    if reply is not RequestNameReply.PRIMARY_OWNER:
        raise LinkDown(f"{address} has a BlueZ already; stop that one, or use a private bus")


def _faults(file: str) -> frozenset[str]:
    try:
        return frozenset(Path(file).read_text().split("\n")) if file else frozenset()
    except FileNotFoundError:
        return frozenset()
