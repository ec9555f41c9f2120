"""BlueZ on a bus: one adapter, its search, and peripherals that advertise, connect, hold values, and misbehave.

Only what a central needs: Adapter1, Device1, GattService1, GattCharacteristic1 and the object manager (doc/ of BlueZ).
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from transports.ble.peripherals import long_uuid
from transports.simulators._bluez_objects import Objects
from transports.simulators._bluez_peripherals import Held, Peripheral, peripherals, run

ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
SERVICE, CHARACTERISTIC = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
_ERROR = "org.bluez.Error."
_SERVICE_PATH = "service0001"


class BlueZ:
    """One adapter of that name on the bus. `tick` moves it on; `suffer` says what is wrong with it now."""

    def __init__(self, bus: MessageBus, adapter: str) -> None:
        self._objects, self._bus = Objects(bus), bus
        self._path = f"/org/bluez/{adapter}"
        self._peripherals = {self._device(one): one for one in peripherals()}
        self._searching: set[str] = set()  # who on the bus wants the search
        self._tells_all = False
        self._notifying: set[str] = set()
        self._faults: frozenset[str] = frozenset()
        self._tick = 0
        self._random = random.Random(0)
        self._methods: Mapping[tuple[str | None, str | None], Callable[[Message], Message | None]] = {
            (ADAPTER, "SetDiscoveryFilter"): self._filter,
            (ADAPTER, "StartDiscovery"): self._search,
            (ADAPTER, "StopDiscovery"): self._stop_search,
            (DEVICE, "Connect"): self._connect,
            (DEVICE, "Disconnect"): self._disconnect,
            (CHARACTERISTIC, "ReadValue"): self._read,
            (CHARACTERISTIC, "WriteValue"): self._write,
            (CHARACTERISTIC, "StartNotify"): self._notify,
            (CHARACTERISTIC, "StopNotify"): self._stop_notify,
        }
        bus.add_message_handler(self._on_message)
        self._plug_in()

    def tick(self, seconds: float, faults: frozenset[str]) -> None:
        """One interval later: everybody says what it says at that wall-clock time, as far as the faults let it."""
        self._suffer(faults)
        self._tick += 1
        for path, one in self._peripherals.items():
            if one.characteristics:
                run(one.characteristics, seconds, self._tick)
            if self._in_range(one) and self._path in self._objects:
                self._say(path, one, seconds)

    # --- faults ------------------------------------------------------------------------------------------------------

    def _suffer(self, faults: frozenset[str]) -> None:
        before, self._faults = self._faults, faults
        if "unplugged" in faults and self._path in self._objects:
            self._searching.clear()
            self._objects.remove(self._path)
        if "unplugged" not in faults and self._path not in self._objects:
            self._plug_in()
        if ("off" in faults) != ("off" in before):
            self._searching.clear()
            self._objects.change(self._path, ADAPTER, {"Powered": Variant("b", "off" not in faults)})
        for path, one in self._peripherals.items():
            if not self._in_range(one):
                self._leave(path)
                self._objects.remove(path)

    def _in_range(self, one: Peripheral) -> bool:
        return f"gone {one.name}" not in self._faults

    def _suffers(self, fault: str, path: str | None) -> bool:
        return any(f"{fault} {one.name}" in self._faults for at, one in self._peripherals.items() if at in (path or ""))

    # --- the search --------------------------------------------------------------------------------------------------

    def _plug_in(self) -> None:
        name, on = self._path.rpartition("/")[2], "off" not in self._faults
        properties = {
            "Address": Variant("s", "00:1A:7D:DA:71:13"),
            "Name": Variant("s", name),
            "Powered": Variant("b", on),
            "Discovering": Variant("b", False),
            "Roles": Variant("as", ["central"]),
        }
        self._objects.add(self._path, {ADAPTER: properties})

    def _say(self, path: str, one: Peripheral, seconds: float) -> None:
        """An advertisement, told to whoever searches; what is connected does not advertise."""
        if self._objects.get(path, DEVICE, "Connected"):
            self._tell_notifications(path, one)
            return
        if not self._searching:
            return
        companies, services = one.says(seconds, self._tick)
        if f"garbage {one.name}" in self._faults:
            nonsense = self._random.randbytes(self._random.randrange(30))
            companies, services = dict.fromkeys(companies, nonsense), dict.fromkeys(services, nonsense)
        said = {
            "RSSI": Variant("n", one.rssi(self._tick)),
            "ManufacturerData": Variant("a{qv}", {key: Variant("ay", data) for key, data in companies.items()}),
            "ServiceData": Variant("a{sv}", {key: Variant("ay", data) for key, data in services.items()}),
        }
        if path not in self._objects:
            self._objects.add(path, {DEVICE: {**self._properties(one), **said}})
            return
        news = {
            key: value
            for key, value in said.items()
            if (self._tells_all and key != "RSSI") or self._objects.get(path, DEVICE, key) != value.value
        }
        if news:
            self._objects.change(path, DEVICE, news)

    def _properties(self, one: Peripheral) -> dict[str, Variant]:
        states = dict.fromkeys(("Connected", "ServicesResolved", "Paired", "Bonded", "Trusted"), Variant("b", False))
        texts = {"Address": one.address, "AddressType": "random", "Alias": one.name, "Name": one.name}
        return {
            **{key: Variant("s", text) for key, text in texts.items()},
            **states,
            "Adapter": Variant("o", self._path),
            "UUIDs": Variant("as", [long_uuid("fff0")] if one.characteristics else []),
        }

    def _filter(self, message: Message) -> Message:
        wanted = message.body[0].get("DuplicateData")
        self._tells_all = wanted is not None and bool(wanted.value)
        return Message.new_method_return(message)

    def _search(self, message: Message) -> Message:
        if not self._objects.get(self._path, ADAPTER, "Powered"):
            return Message.new_error(message, f"{_ERROR}NotReady", "Resource Not Ready")
        if message.sender in self._searching:
            return Message.new_error(message, f"{_ERROR}InProgress", "Operation already in progress")
        self._searching.add(message.sender or "")
        return Message.new_method_return(message)

    def _stop_search(self, message: Message) -> Message:
        if message.sender not in self._searching:
            return Message.new_error(message, f"{_ERROR}Failed", "No discovery started")
        self._searching.discard(message.sender)
        return Message.new_method_return(message)

    # --- connections -------------------------------------------------------------------------------------------------

    def _device(self, one: Peripheral) -> str:
        return f"{self._path}/dev_{one.address.replace(':', '_')}"

    def _connect(self, message: Message) -> Message:
        path = message.path or ""
        held = self._peripherals[path].characteristics
        if not held:
            return Message.new_error(message, f"{_ERROR}Failed", "le-connection-abort-by-local")
        service = f"{path}/{_SERVICE_PATH}"
        self._objects.change(path, DEVICE, {"Connected": Variant("b", True)})
        about = {"UUID": Variant("s", long_uuid("fff0")), "Device": Variant("o", path), "Primary": Variant("b", True)}
        self._objects.add(service, {SERVICE: about})
        for uuid, one in held.items():
            properties = {
                "UUID": Variant("s", long_uuid(uuid)),
                "Service": Variant("o", service),
                "Flags": Variant("as", list(one.flags)),
                "Value": Variant("ay", b""),
                "MTU": Variant("q", 247),
            }
            self._objects.add(f"{service}/char{uuid}", {CHARACTERISTIC: properties})
        self._objects.change(path, DEVICE, {"ServicesResolved": Variant("b", True)})
        return Message.new_method_return(message)

    def _disconnect(self, message: Message) -> Message:
        self._leave(message.path or "")
        return Message.new_method_return(message)

    def _leave(self, path: str) -> None:
        if not self._objects.get(path, DEVICE, "Connected"):
            return
        for each in self._objects.below(path):
            self._notifying.discard(each)
            self._objects.remove(each)
        apart = {"Connected": Variant("b", False), "ServicesResolved": Variant("b", False)}
        self._objects.change(path, DEVICE, apart)

    # --- characteristics ---------------------------------------------------------------------------------------------

    def _held(self, message: Message) -> Held:
        device, _, uuid = (message.path or "").partition(f"/{_SERVICE_PATH}/char")
        return self._peripherals[device].characteristics[uuid]

    def _read(self, message: Message) -> Message | None:
        held = self._held(message)
        if self._suffers("hang", message.path):
            return None
        if "read" not in held.flags:
            return Message.new_error(message, f"{_ERROR}NotPermitted", "Read not permitted")
        return Message.new_method_return(message, "ay", [held.value])

    def _write(self, message: Message) -> Message | None:
        held = self._held(message)
        wanted = (
            "write"
            if message.body[1].get("type", Variant("s", "request")).value == "request"
            else "write-without-response"
        )
        if self._suffers("hang", message.path):
            return None
        if wanted not in held.flags:
            return Message.new_error(message, f"{_ERROR}NotPermitted", "Write not permitted")
        held.value = bytes(message.body[0])
        return Message.new_method_return(message)

    def _notify(self, message: Message) -> Message:
        if "notify" not in self._held(message).flags:
            return Message.new_error(message, f"{_ERROR}NotSupported", "Operation is not supported")
        self._notifying.add(message.path or "")
        return Message.new_method_return(message)

    def _stop_notify(self, message: Message) -> Message:
        self._notifying.discard(message.path or "")
        return Message.new_method_return(message)

    def _tell_notifications(self, path: str, one: Peripheral) -> None:
        for uuid, held in one.characteristics.items():
            at = f"{path}/{_SERVICE_PATH}/char{uuid}"
            if at in self._notifying:
                self._objects.change(at, CHARACTERISTIC, {"Value": Variant("ay", held.value)})

    # --- the bus -----------------------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            self._gone(message.body)
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        answer = self._objects.answer(message)
        if answer is not None:
            return answer
        method = self._methods.get((message.interface, message.member))
        if method is None:
            return None
        if (message.path or "") not in self._objects:
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownObject", f"no object {message.path}")
        return method(message) or True  # True: it is never answered

    def _gone(self, body: list[Any]) -> None:
        """Who has left the bus searches no more."""
        name, _, owner = body
        if not owner:
            self._searching.discard(name)
