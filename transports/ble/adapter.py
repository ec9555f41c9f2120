"""BlueZ's adapter: is it there, is it on, and since when is it not any more.

The scanner of bleak falls silent when its adapter is pulled out or bluetoothd dies. So a connection to D-Bus of our own
watches the adapter's object, and asks for it now and then in case that BlueZ hangs.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from transports.errors import LinkDown

BLUEZ, ADAPTER = "org.bluez", "org.bluez.Adapter1"
PROPERTIES = "org.freedesktop.DBus.Properties"
BUS_FAILURES = (
    OSError,
    EOFError,
    DBusFastError,
)  # dbus-fast: EOFError where the bus hangs up; TimeoutError is an OSError
_NOT_RUNNING = "BlueZ is not running; start it (systemctl start bluetooth), or install it (apt install bluez)"
_NO_ADAPTER = "no such adapter; is it plugged in? `bluetoothctl list` and `hciconfig` show which there are"
_OFF = "the adapter is switched off; `bluetoothctl power on`, or `rfkill unblock bluetooth`"
_CURES: Mapping[str, str] = {
    "org.freedesktop.DBus.Error.ServiceUnknown": _NOT_RUNNING,
    "org.freedesktop.DBus.Error.NameHasNoOwner": _NOT_RUNNING,
    "org.freedesktop.DBus.Error.NoReply": "BlueZ hung up in the middle of an answer",
    "org.freedesktop.DBus.Error.UnknownObject": _NO_ADAPTER,
    "org.freedesktop.DBus.Error.UnknownMethod": _NO_ADAPTER,
    "org.freedesktop.DBus.Error.UnknownInterface": _NO_ADAPTER,
    "org.freedesktop.DBus.Error.InvalidArgs": _NO_ADAPTER,
    "org.freedesktop.DBus.Error.AccessDenied": "not allowed; add the user that runs holdfast to the group bluetooth",
}


class Adapter:
    """An adapter that was there and on when it was opened."""

    def __init__(self, name: str, bus: MessageBus) -> None:
        self.name, self.path, self._bus = name, f"/org/bluez/{name}", bus
        self._loss: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._hung_up = asyncio.create_task(self._until_hung_up())
        bus.add_message_handler(self._on_message)

    async def lost(self, within_s: float) -> str:
        """Why it is lost; "" where it is not within that time."""
        await asyncio.wait({self._loss}, timeout=within_s)
        return self._loss.result() if self._loss.done() else ""

    async def check(self) -> None:
        """Ask for it. Raises LinkDown with its cure where it is not there, or not on."""
        reply = await self._call(BLUEZ, self.path, PROPERTIES, "GetAll", "s", [ADAPTER])
        if reply.message_type is MessageType.ERROR:
            cure = _CURES.get(reply.error_name or "", f"BlueZ says {reply.error_name}: {reply.body!r:.80}")
            raise LinkDown(f"{self.name}: {cure}")
        powered = reply.body[0].get("Powered")
        if powered is None or not powered.value:
            raise LinkDown(f"{self.name}: {_OFF if powered is not None else _NO_ADAPTER}")

    async def watch(self) -> None:
        """Have D-Bus tell what happens to it."""
        rules = (
            "sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'",
            f"sender='org.bluez',member='InterfacesRemoved',arg0path='{self.path}'",
            f"sender='org.bluez',member='PropertiesChanged',path='{self.path}',arg0='{ADAPTER}'",
        )
        for rule in rules:
            body = [f"type='signal',{rule}"]
            await self._call(
                "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", body
            )

    def close(self) -> None:
        """Give the connection to D-Bus back. May be called twice."""
        self._hung_up.cancel()
        with suppress(*BUS_FAILURES):
            self._bus.disconnect()

    async def _call(self, to: str, path: str, interface: str, member: str, signature: str, body: list[Any]) -> Message:
        message = Message(destination=to, path=path, interface=interface, member=member, signature=signature, body=body)
        try:
            return await self._bus.call(message)
        except BUS_FAILURES as gone:
            raise LinkDown(f"{self.name}: the connection to D-Bus is lost ({gone})") from gone

    def _on_message(self, message: Message) -> None:
        why = loss_in(message, self.path)
        if why:
            self._lose(why)

    async def _until_hung_up(self) -> None:
        with suppress(*BUS_FAILURES):
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        self._lose("the connection to D-Bus is lost; is the bus running?")

    def _lose(self, why: str) -> None:
        if not self._loss.done():
            self._loss.set_result(f"{self.name}: {why}")


async def opened(name: str, bus_address: str) -> Adapter:
    """The adapter, if it is there and on; `bus_address` "" is the system's bus. Raises LinkDown with the cure."""
    bus = MessageBus(bus_address=bus_address or None, bus_type=BusType.SYSTEM)
    try:
        await bus.connect()
    except BUS_FAILURES as wrong:
        with suppress(*BUS_FAILURES):
            bus.disconnect()
        where = bus_address or "the system's D-Bus"
        raise LinkDown(
            f"{name}: {where} cannot be reached ({wrong}); is D-Bus running, and its socket here?"
        ) from wrong
    adapter = Adapter(name, bus)
    async with AsyncExitStack() as unless_it_works:  # a cancellation, too, must not leave a connection behind
        unless_it_works.callback(adapter.close)
        await adapter.watch()
        await adapter.check()
        unless_it_works.pop_all()
    return adapter


def loss_in(message: Message, path: str) -> str:
    """Why a signal means that the adapter at `path` is lost; "" where it does not."""
    match message.member, message.body:
        case "NameOwnerChanged", ["org.bluez", str(old), _] if old:
            return "bluetoothd has ended; `systemctl status bluetooth` says why"
        case "InterfacesRemoved", [removed, interfaces] if removed == path and ADAPTER in interfaces:
            return "the adapter was removed; is it plugged in?"
        case "PropertiesChanged", [interface, changed, _] if interface == ADAPTER and message.path == path:
            powered = changed.get("Powered")
            return _OFF if powered is not None and not powered.value else ""
    return ""
