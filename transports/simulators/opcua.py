"""An OPC UA server with a plant that moves and set points of every type.

    [device.line]
    driver = "opcua"
    url = "opc.tcp://127.0.0.1:4840"
    [device.line.tags]
    temperature = { node = "nsu=urn:holdfast:simulator;s=Plant.Temperature", unit = "degC" }
    speed       = { node = "nsu=urn:holdfast:simulator;s=Set.Double", writable = true, min = 0, max = 3000 }

Plant.Temperature (Double), Plant.Pressure (Float), Plant.Count (UInt64), Plant.Running (Boolean), Plant.Clock
(DateTime) and Plant.Wave (Double[]) follow the wall clock, every `period`. Set.<Type> can be written, one of each
built-in type, and Set.<Type>Array of those that have arrays; Fixed.Serial cannot. Plant.Anything has neither type nor
value. With `security` the server does Basic256Sha256 and the two newer policies, signed and encrypted, and nothing
else; its certificate is made in `directory`, and every client's is taken. With `user` nobody else is let in.

The text of the file named by `faults` makes it misbehave: "silence" stops the plant, "garbage" makes it Bad
(BadSensorFailure), "slow:2s" has the whole server stand still that long each period, "hang" for ever.
"""

import asyncio
import logging
import math
import socket
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server

from transports.clock import MachineClock
from transports.errors import LinkDown
from transports.faults import GARBAGE, SILENCE, fault_in, suffer_reading
from transports.opcua.certificates import make_certificate
from transports.settings import Secret, duration, setting
from transports.simulators import Announce

URI = "urn:holdfast:simulator"
_SENSOR_FAILURE = 0x808C_0000
_POLICIES = [
    kind for name, kind in ua.SecurityPolicyType.__members__.items() if name.startswith(("Basic256Sha256_", "Aes"))
]
_EMPTY: Mapping[str, Any] = {
    "Boolean": False,
    **dict.fromkeys(("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"), 0),
    **dict.fromkeys(("Float", "Double"), 0.0),
    "String": "",
    "ByteString": b"",
    "DateTime": datetime(2024, 1, 1, tzinfo=UTC),
    "Guid": uuid.UUID(int=0),
    "LocalizedText": ua.LocalizedText(""),
    "StatusCode": ua.StatusCode(),
}
_ARRAYS = ("Boolean", "Byte", "Int16", "UInt32", "Int64", "UInt64", "Float", "Double", "DateTime")


@dataclass(frozen=True)
class Settings:
    """The simulated server."""

    host: str = setting("127.0.0.1", help="address to listen at")
    port: int = setting(4840, ge=0, le=65535, help="port to listen at; 0 takes a free one")
    period_s: float = duration("200ms", help="how often the plant moves", ge=0.01)
    security: bool = setting(False, help="whether messages must be signed and encrypted")
    directory: Path | None = setting(None, help="where certificate and key are made; default: a temporary folder")
    user: str = setting("", help="the only user who is let in; default: anybody")
    password: Secret | None = setting(None, help="the password of `user`")
    faults: Path | None = setting(None, help="path of a file whose text says how to misbehave")


def serve(settings: Settings, announce: Announce) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises LinkDown when it cannot listen."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        directory = settings.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asyncio.run(_serve(settings, directory, announce))


async def _serve(settings: Settings, directory: Path, announce: Announce) -> None:
    port = settings.port or _free_port(settings.host)
    server = Server(user_manager=_Doorkeeper(settings))  # type: ignore[arg-type]
    await server.init()
    server.set_endpoint(f"opc.tcp://{settings.host}:{port}")
    server.set_server_name("Holdfast simulator")
    await server.set_application_uri(f"{URI}:server")
    if settings.user:
        server.set_identity_tokens([ua.UserNameIdentityToken])
    await _secure(server, settings, directory)
    plant = await _build(server)
    try:
        await server.start()
    except OSError as taken:
        raise LinkDown(f"cannot listen at {settings.host}:{port} ({taken}); give another port") from taken
    announce(f"listening on {settings.host}:{port}")
    try:
        await _move(plant, settings)
    finally:
        await server.stop()


class _Doorkeeper:
    """Lets in one user, or everybody; asyncua asks it."""

    def __init__(self, settings: Settings) -> None:
        self._user = settings.user
        self._password = settings.password.reveal() if settings.password else ""

    def get_user(self, _: Any, username: str = "", password: str = "", certificate: Any = None) -> User | None:
        """The user, if it may come in."""
        known = not self._user or (username, password or "") == (self._user, self._password)
        return User(role=UserRole.User, name=username or "anonymous") if known else None


async def _secure(server: Server, settings: Settings, directory: Path) -> None:
    if not settings.security:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        return
    certificate, key = directory / "server.pem", directory / "server.key"
    if not certificate.exists() or not key.exists():
        make_certificate(certificate, key, f"{URI}:server", "Holdfast simulator", (settings.host, "localhost"))
    await server.load_certificate(certificate)
    await server.load_private_key(key, format="pem")
    server.set_security_policy(_POLICIES)


async def _build(server: Server) -> Mapping[str, Node]:
    """The address space; the variables that move, by name."""
    space = await server.register_namespace(URI)
    objects = server.nodes.objects
    plant, points, fixed = [await objects.add_object(space, name) for name in ("Plant", "Set", "Fixed")]
    moving = {}
    for name, kind in _MOVING.items():
        moving[name] = await _add(plant, space, f"Plant.{name}", _plant(0)[name], kind)
    for name, empty in _EMPTY.items():
        node = await _add(points, space, f"Set.{name}", empty, ua.VariantType[name])
        await node.set_writable()
    for name in _ARRAYS:
        node = await _add(points, space, f"Set.{name}Array", [_EMPTY[name]] * 2, ua.VariantType[name])
        await node.set_writable()
    await _add(fixed, space, "Fixed.Serial", "HF-0001", ua.VariantType.String)
    anything = ua.Variant(None, ua.VariantType.Null)
    await plant.add_variable(f"ns={space};s=Plant.Anything", f"{space}:Anything", anything, datatype=_ANYTHING)
    return moving


_ANYTHING = ua.NodeId(24)  # type: ignore[arg-type]  # BaseDataType
_MOVING = {
    "Temperature": ua.VariantType.Double,
    "Pressure": ua.VariantType.Float,
    "Count": ua.VariantType.UInt64,
    "Running": ua.VariantType.Boolean,
    "Clock": ua.VariantType.DateTime,
    "Wave": ua.VariantType.Double,
}


async def _add(folder: Node, space: int, name: str, value: Any, kind: ua.VariantType) -> Node:
    short = name.partition(".")[2]
    return await folder.add_variable(f"ns={space};s={name}", f"{space}:{short}", value, kind)


def _plant(now_ns: int) -> Mapping[str, Any]:
    """What everything is at that time: a minute's swing, and a count of tenths of a second."""
    now = now_ns / 1e9
    turn = math.sin(now * math.tau / 60)
    return {
        "Temperature": 60 + 20 * turn,
        "Pressure": 1.5 + 0.25 * turn,
        "Count": now_ns // 100_000_000,
        "Running": turn > 0,
        "Clock": datetime.fromtimestamp(now, UTC),
        "Wave": [math.sin(now + step / 10) for step in range(16)],
    }


async def _move(plant: Mapping[str, Node], settings: Settings) -> None:
    clock = MachineClock()
    while True:
        trouble = suffer_reading(fault_in(settings.faults))
        now_ns = clock.utc_ns()
        status = ua.StatusCode(_SENSOR_FAILURE if trouble == GARBAGE else 0)  # type: ignore[arg-type]
        if trouble != SILENCE:
            for name, value in _plant(now_ns).items():
                variant = ua.Variant(value, _MOVING[name])
                at: Any = datetime.fromtimestamp(now_ns / 1e9, UTC)
                await plant[name].write_value(ua.DataValue(variant, status, at))
        await asyncio.sleep(settings.period_s)


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])
