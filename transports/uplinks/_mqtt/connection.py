"""What can be said in a configuration of a connection to an MQTT server, the same for whatever is said over it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from transports.errors import Problem
from transports.settings import Secret, duration, setting
from transports.tls import Tls
from transports.uplinks import Identity, _topics
from transports.uplinks._mqtt.client import identity_fields
from transports.uplinks._mqtt.entrance import Entrance, Server
from transports.uplinks._mqtt.past import Past


def is_host(host: str) -> str | None:
    """The cure for what is no host."""
    if host and not any(character.isspace() or character == "/" for character in host):
        return None
    return 'must be a name or an address, such as "broker.example.com"'


@dataclass(frozen=True)
class Backup:
    """Another server that will do when the first cannot be reached."""

    host: str = setting(help="name or address", check=is_host)
    port: int | None = setting(None, ge=1, le=65535, help="its TCP port, if not the first one's")


@dataclass(frozen=True)
class Connection:
    """Where the servers are, who we are to them, and how long we are patient."""

    host: str = setting(help="name or address of the broker", example="broker.example.com", check=is_host)
    port: int | None = setting(None, ge=1, le=65535, help="its TCP port; if left out 1883, with tls 8883")
    backup: tuple[Backup, ...] = setting(
        (), help="servers to try in turn when the first cannot be reached", example='[{ host = "b.example.com" }]'
    )
    fail_back_after_s: float = duration("5m", help="on a backup: how often the first is tried again, to go back to it")
    protocol: str = setting(
        "3.1.1", choices=("3.1.1", "5"), help="version of MQTT; 5 wherever the server speaks it: it says why it refuses"
    )
    transport: str = setting("tcp", choices=("tcp", "websockets"), help="websockets: through what lets only HTTP pass")
    path: str = setting("/mqtt", help="of WebSockets: where the server has MQTT")
    headers: dict[str, str] = setting({}, help="of WebSockets: headers besides", example='{ X-Site = "7" }')
    client_id: str = setting("{gateway}-{uplink}", help="who we are to the broker; no two clients may be the same")
    user: str = setting("", help="user name, if the broker asks for one")
    password: Secret | None = setting(None, help="the user's password")
    keepalive_s: float = duration("30s", ge=1, le=65535, help="a broker that is silent for 1.5 times this is given up")
    connect_timeout_s: float = duration("10s", help="how long name, TCP, TLS and greeting may take together")
    ack_timeout_s: float = duration(
        "20s", help="a broker that lives but leaves our oldest message waiting so long is given up"
    )
    tls: Tls | None = setting(None, help="encrypt; an empty table is enough where the certificate is publicly signed")

    @property
    def tcp_port(self) -> int:
        """The port that is dialled."""
        plain, secured = (80, 443) if self.transport == "websockets" else (1883, 8883)
        return self.port or (secured if self.tls else plain)

    @property
    def keepalive(self) -> int:
        """Whole seconds, as CONNECT carries them."""
        return math.ceil(self.keepalive_s)

    @cached_property
    def servers(self) -> tuple[Server, ...]:
        """The first, and its backups."""
        return Server(self.host, self.tcp_port), *(Server(b.host, b.port or self.tcp_port) for b in self.backup)

    @cached_property
    def past(self) -> Past:
        """What one connection leaves to the next; `connect` is handed nothing else that outlives it."""
        return Past()

    def entrance(self, identity: Identity) -> Entrance:
        """Who we are and how we speak."""
        return Entrance(
            _topics.filled(self.client_id, identity_fields(identity)),
            user=self.user,
            password=self.password,
            keepalive=self.keepalive,
            connect_timeout_s=self.connect_timeout_s,
            version=self.protocol,
            tls=self.tls,
            transport=self.transport,
            path=self.path,
            headers=self.headers,
            interface=identity.interface,
        )

    def problems(self, path: str) -> Iterator[Problem]:
        """Templates that make no names, a password of nobody, and what only WebSockets have."""
        if self.client_id or self.protocol != "5":  # a server of MQTT 5 may choose one for us
            yield from _topics.problems(f"{path}.client_id", self.client_id, ("gateway", "uplink"))
        if self.password and not self.user:
            yield Problem(f"{path}.user", "", "is missing; MQTT sends no password without a user name")
        if self.transport == "websockets":
            yield from _web_problems(path, self.path, self.headers)
        elif self.headers:
            yield Problem(f"{path}.headers", repr(self.headers), 'needs transport = "websockets"')


def _web_problems(path: str, place: str, headers: dict[str, str]) -> Iterator[Problem]:
    if not place.startswith("/") or not place.isascii() or not place.isprintable() or " " in place:
        yield Problem(f"{path}.path", repr(place), 'must begin with "/" and have neither blanks nor other than ASCII')
    for name, value in headers.items():
        if not (name + value).isascii() or not (name + value).isprintable() or ":" in name or " " in name or not name:
            yield Problem(f"{path}.headers", repr({name: value}), "must be a name and a text of printable ASCII")
