"""Modems as ModemManager shows them, played at the port (its D-Bus interface) on a bus of the test's own."""

import asyncio
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("dbus_fast")
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from transports.interfaces.modems import Modem, Modems, modems, read
from transports.loop_thread import LoopThread
from transports.simulators._bluez_bus import executable, private_bus

SERVICE = "org.freedesktop.ModemManager1"
WITHIN_S = 10.0
LTE, GPRS = 1 << 14, 1 << 3
OBJECTS = {
    "/org/freedesktop/ModemManager1/Modem/0": {
        f"{SERVICE}.Modem": {
            "Model": Variant("s", "EC25"),
            "State": Variant("i", 11),
            "SignalQuality": Variant("(ub)", [61, True]),
            "AccessTechnologies": Variant("u", LTE | GPRS),
            "Ports": Variant("a(su)", [["ttyUSB2", 3], ["wwan0", 2], ["cdc-wdm0", 6]]),
        },
        f"{SERVICE}.Modem.Modem3gpp": {
            "RegistrationState": Variant("u", 5),
            "OperatorName": Variant("s", "Example Mobile"),
        },
    },
    "/org/freedesktop/ModemManager1/SIM/0": {f"{SERVICE}.Sim": {"Active": Variant("b", True)}},
}
THE_ONE = Modem("EC25", "connected", "roaming", "Example Mobile", "LTE", 61, ("wwan0",))
needs_bus = pytest.mark.skipif(executable() is None, reason="dbus-daemon is not installed")


@contextmanager
def manager(address: str, objects: dict[str, Any]) -> Iterator[None]:
    """In the place of ModemManager."""

    def answer(message: Message) -> Message | None:
        if message.member != "GetManagedObjects" or message.message_type is not MessageType.METHOD_CALL:
            return None
        return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])

    async def serve() -> MessageBus:
        bus = await MessageBus(address).connect()
        bus.add_message_handler(answer)
        await bus.request_name(SERVICE)
        return bus

    thread = LoopThread("modem manager")
    bus = thread.run(serve(), WITHIN_S)
    try:
        yield
    finally:
        thread.loop.call_soon_threadsafe(bus.disconnect)
        thread.close()


@needs_bus
def test_a_modem_tells_signal_operator_technology_and_registration() -> None:
    with private_bus() as address, manager(address, OBJECTS):
        asked = Modems(address)
        asked.ask()
        assert select.select([asked], [], [], WITHIN_S)[0]
        assert asked.answers() == [(THE_ONE,)]
        asked.close()
        asked.close()


@needs_bus
def test_without_a_modem_manager_there_are_no_modems() -> None:
    with private_bus() as address:
        assert asyncio.run(modems(address)) == ()


def test_without_a_bus_there_are_no_modems() -> None:
    assert asyncio.run(modems("unix:path=/nowhere/at/all")) == ()


def test_what_a_modem_does_not_say_is_not_invented() -> None:
    bare = read({"/0": {f"{SERVICE}.Modem": {}}})
    assert bare == (Modem("", "unknown", "unknown", "", "", None, ()),)
    odd = {"State": Variant("i", 99), "AccessTechnologies": Variant("u", 0xFFFFFFFF)}
    network = {"RegistrationState": Variant("u", 77), "OperatorCode": Variant("s", "26201")}
    (strange,) = read({"/0": {f"{SERVICE}.Modem": odd, f"{SERVICE}.Modem.Modem3gpp": network}})
    assert (strange.state, strange.registration, strange.operator) == ("unknown", "unknown", "26201")
