"""What can be said of the broker that devices publish to: where it is, who we are to it, how much it may send ahead."""

from collections.abc import Iterator
from dataclasses import dataclass

from transports.errors import Problem
from transports.settings import Secret, duration, setting, size
from transports.tls import Tls


def _is_host(host: str) -> str | None:
    if host and not any(character.isspace() or character == "/" for character in host):
        return None
    return 'must be a name or an address, such as "192.168.1.5"'


def _is_client_id(text: str) -> str | None:
    if text and text.isprintable() and len(text.encode()) <= 256:
        return None
    return 'must be 1 to 256 characters, such as "holdfast-hall-2"'


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """The connection to the broker."""

    host: str = setting(help="name or address of the broker", example="192.168.1.5", check=_is_host)
    port: int | None = setting(None, ge=1, le=65535, help="its TCP port; if left out 1883, with tls 8883")
    client_id: str = setting(
        help="who we are to the broker, which keeps our messages under this name; no two clients may be the same",
        example="holdfast-hall-2",
        check=_is_client_id,
    )
    user: str = setting("", help="user name, if the broker asks for one")
    password: Secret | None = setting(None, help="the user's password")
    tls: Tls | None = setting(None, help="encrypt; an empty table is enough where the certificate is publicly signed")
    protocol: str = setting("5", choices=("5", "3.1.1"), help="version of MQTT")
    keepalive_s: float = duration("30s", ge=1, le=65535, help="a broker silent for twice this is given up")
    timeout_s: float = duration("5s", le=60, help="how long connecting, or the acknowledgement of a write, may take")
    session_expiry_s: float = duration(
        "7d", ge=0, le=2**32 - 2, help="how long the broker keeps messages while we are away (MQTT 5)"
    )
    in_flight: int = setting(
        200, ge=1, le=65535, help="messages that the broker may send before the first is durable (MQTT 5)"
    )
    waiting: int = setting(1000, ge=1, le=100_000, help="messages of QoS 0 that wait to be read; more are dropped")
    max_message_bytes: int = size("64KiB", le=2**24, help="a longer message is passed over and counted")

    @property
    def tcp_port(self) -> int:
        """The port that is dialled."""
        return self.port or (8883 if self.tls else 1883)

    def broker_problems(self, path: str) -> Iterator[Problem]:
        """A password of nobody."""
        if self.password and not self.user:
            yield Problem(f"{path}.user", "", "is missing; MQTT sends no password without a user name")
