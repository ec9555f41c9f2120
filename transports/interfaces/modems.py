"""The modems of this machine as ModemManager shows them on D-Bus: signal, operator, technology, registration.

One question (GetManagedObjects) brings all of them; ModemManager is not started by it, and where there is none, or no
D-Bus, or no dbus-fast (the extra `ble`), there are no modems. Numbers are those of ModemManager's API: MMModemState,
MMModemAccessTechnology, MMModem3gppRegistrationState, MMModemPortType.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from transports.loop_thread import Inbox, LoopThread

ASK_WITHIN_S = 5.0
_SERVICE, _PATH = "org.freedesktop.ModemManager1", "/org/freedesktop/ModemManager1"
_MODEM, _3GPP = f"{_SERVICE}.Modem", f"{_SERVICE}.Modem.Modem3gpp"
_NET_PORT = 2
_STATES = {
    -1: "failed",
    0: "unknown",
    1: "initializing",
    2: "locked",
    3: "disabled",
    4: "disabling",
    5: "enabling",
    6: "enabled",
    7: "searching",
    8: "registered",
    9: "disconnecting",
    10: "connecting",
    11: "connected",
}
_REGISTRATIONS = (
    "idle",
    "home",
    "searching",
    "denied",
    "unknown",
    "roaming",
    "home, SMS only",
    "roaming, SMS only",
    "emergency calls only",
    "home, no CSFB",
    "roaming, no CSFB",
    "emergency calls only",
)
_TECHNOLOGIES = (  # by bit
    "POTS",
    "GSM",
    "GSM",
    "GPRS",
    "EDGE",
    "UMTS",
    "HSDPA",
    "HSUPA",
    "HSPA",
    "HSPA+",
    "1xRTT",
    "EV-DO",
    "EV-DO A",
    "EV-DO B",
    "LTE",
    "5G",
    "LTE-M",
    "NB-IoT",
)


@dataclass(frozen=True, slots=True)
class Modem:
    """One modem; `interfaces` are its network interfaces (none for one that is dialled with ppp), `signal_percent` is
    ModemManager's own estimate, None where it has none."""

    model: str
    state: str
    registration: str
    operator: str
    technology: str
    signal_percent: int | None
    interfaces: tuple[str, ...]


class Modems:
    """Asks when it is told to; what was found waits in the inbox. `bus` is an address, "" for the system's own."""

    def __init__(self, bus: str = "") -> None:
        self._bus = bus
        self._thread: LoopThread | None = None
        self._inbox: Inbox[tuple[Modem, ...]] = Inbox(most=4)

    def fileno(self) -> int:
        """Readable when an answer is there."""
        return self._inbox.fileno()

    def ask(self) -> None:
        """Begin a question. What is not answered in time is no modem."""
        if self._thread is None:
            self._thread = LoopThread("modems")
        self._thread.spawn(self._asked())

    def answers(self) -> Sequence[tuple[Modem, ...]]:
        """The answers since the last call, oldest first."""
        return self._inbox.take()

    def close(self) -> None:
        """Ask no more. May be called twice."""
        if self._thread is not None:
            self._thread.close()
        self._inbox.close()

    async def _asked(self) -> None:
        self._inbox.put(await modems(self._bus))


async def modems(bus_address: str = "") -> tuple[Modem, ...]:
    """All modems that ModemManager knows now; none where it cannot be asked. Never raises for want of one."""
    try:
        from dbus_fast import BusType, Message, MessageFlag, MessageType
        from dbus_fast.aio import MessageBus
        from dbus_fast.errors import DBusFastError
    except ImportError:
        return ()
    question = Message(
        destination=_SERVICE,
        path=_PATH,
        interface="org.freedesktop.DBus.ObjectManager",
        member="GetManagedObjects",
        flags=MessageFlag.NO_AUTOSTART,
    )
    bus = None
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            bus = await MessageBus(bus_address or None, bus_type=BusType.SYSTEM).connect()
            answer = await bus.call(question)
    except (DBusFastError, OSError, EOFError, TimeoutError, ValueError):
        return ()
    finally:
        if bus is not None:
            with suppress(OSError, EOFError):
                bus.disconnect()
    if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
        return ()
    return read(answer.body[0])


def read(objects: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> tuple[Modem, ...]:
    """The modems among managed objects (path -> interface -> property -> Variant), by path."""
    return tuple(
        _modem(_values(interfaces[_MODEM]), _values(interfaces.get(_3GPP, {})))
        for _, interfaces in sorted(objects.items())
        if _MODEM in interfaces
    )


def _modem(modem: Mapping[str, Any], network: Mapping[str, Any]) -> Modem:
    quality = modem.get("SignalQuality")
    ports = modem.get("Ports") or ()
    return Modem(
        model=str(modem.get("Model", "")),
        state=_STATES.get(modem.get("State", 0), "unknown"),
        registration=_registration(network.get("RegistrationState")),
        operator=str(network.get("OperatorName", "") or network.get("OperatorCode", "")),
        technology=_technology(modem.get("AccessTechnologies", 0)),
        signal_percent=int(quality[0]) if quality else None,
        interfaces=tuple(str(name) for name, kind in ports if kind == _NET_PORT),
    )


def _registration(number: object) -> str:
    return _REGISTRATIONS[number] if isinstance(number, int) and 0 <= number < len(_REGISTRATIONS) else "unknown"


def _technology(bits: int) -> str:
    """The newest of those in use; "" for none."""
    return next((name for at, name in reversed([*enumerate(_TECHNOLOGIES)]) if bits >> at & 1), "")


def _values(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each.value for name, each in properties.items()}
