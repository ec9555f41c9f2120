"""D-Bus objects with properties, as BlueZ shows its own: an object manager at "/", and signals for each change."""

from collections.abc import Iterable, Mapping

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

MANAGER, PROPERTIES = "org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties"
Interfaces = dict[str, dict[str, Variant]]
_UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"
_INVALID = "org.freedesktop.DBus.Error.InvalidArgs"


class Objects:
    """What there is, by path; each change of it is told on the bus."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._there: dict[str, Interfaces] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._there

    def below(self, path: str) -> list[str]:
        """Everything in an object's tree without itself, the innermost first."""
        return sorted((each for each in self._there if each.startswith(f"{path}/")), reverse=True)

    def get(self, path: str, interface: str, name: str) -> object:
        """A property's value, None where there is none."""
        found = self._there.get(path, {}).get(interface, {}).get(name)
        return None if found is None else found.value

    def add(self, path: str, interfaces: Interfaces) -> None:
        """A new object."""
        self._there[path] = interfaces
        self._tell("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces])

    def remove(self, path: str) -> None:
        """An object and all below it go."""
        for each in [*self.below(path), path]:
            interfaces = self._there.pop(each, None)
            if interfaces is not None:
                self._tell("/", MANAGER, "InterfacesRemoved", "oas", [each, list(interfaces)])

    def change(
        self, path: str, interface: str, changed: Mapping[str, Variant], invalidated: Iterable[str] = ()
    ) -> None:
        """Properties get other values, or none any more. Nothing where the object has gone."""
        properties = self._there.get(path, {}).get(interface)
        if properties is None:
            return
        properties.update(changed)
        for name in invalidated:
            properties.pop(name, None)
        self._tell(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, dict(changed), list(invalidated)])

    def answer(self, message: Message) -> Message | None:
        """The reply to a question about objects and properties; None for one that is about something else."""
        match message.interface, message.member:
            case str(manager), "GetManagedObjects" if manager == MANAGER:
                return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._there])
            case str(properties), "GetAll" if properties == PROPERTIES:
                return self._all(message)
        return None

    def _all(self, message: Message) -> Message:
        interfaces = self._there.get(message.path or "")
        if interfaces is None:
            return Message.new_error(message, _UNKNOWN_OBJECT, f"no object {message.path}")
        if message.body[0] not in interfaces:
            return Message.new_error(message, _INVALID, f"no interface {message.body[0]}")
        return Message.new_method_return(message, "a{sv}", [interfaces[message.body[0]]])

    def _tell(self, path: str, interface: str, member: str, signature: str, body: list[object]) -> None:
        self._bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )
