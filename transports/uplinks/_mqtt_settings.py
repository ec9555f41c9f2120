"""What can be said of the MQTT uplink in a configuration."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from transports.errors import Problem
from transports.settings import Secret, duration, setting, size
from transports.tls import Tls
from transports.uplinks import _topics

PACKET_MAX_BYTES = 268_435_455  # the largest "remaining length", MQTT 3.1.1 section 2.2.3


def _is_host(host: str) -> str | None:
    if host and not any(character.isspace() or character == "/" for character in host):
        return None
    return 'must be a name or an address, such as "broker.example.com"'


@dataclass(frozen=True)
class Settings:
    """Where the broker is, who we are to it, and under which topics it gets our messages."""

    host: str = setting(help="name or address of the broker", example="broker.example.com", check=_is_host)
    port: int | None = setting(None, ge=1, le=65535, help="its TCP port; if left out 1883, with tls 8883")
    client_id: str = setting("{gateway}-{uplink}", help="who we are to the broker; no two clients may be the same")
    user: str = setting("", help="user name, if the broker asks for one")
    password: Secret | None = setting(None, help="the user's password")
    keepalive_s: float = duration("30s", ge=1, le=65535, help="a broker that is silent for 1.5 times this is given up")
    connect_timeout_s: float = duration("10s", help="how long name, TCP, TLS and greeting may take together")
    ack_timeout_s: float = duration(
        "20s", help="a broker that lives but leaves our oldest message waiting so long is given up"
    )
    topic: str = setting("holdfast/{gateway}/{device}", help="where messages go: {gateway}, {uplink}, {device}")
    status_topic: str = setting("holdfast/{gateway}/status", help="where online and offline are retained")
    qos: int = setting(1, choices=(1,), help="1: the spool forgets only what the broker has acknowledged")
    retain: bool = setting(False, help="the broker keeps the last message of each topic for new readers")
    max_message_bytes: int = size(PACKET_MAX_BYTES, le=PACKET_MAX_BYTES, help="larger ones are set aside, never sent")
    tls: Tls | None = setting(None, help="encrypt; an empty table is enough where the certificate is publicly signed")

    @property
    def tcp_port(self) -> int:
        """The port that is dialled."""
        return self.port or (8883 if self.tls else 1883)

    @property
    def keepalive(self) -> int:
        """Whole seconds, as CONNECT carries them."""
        return math.ceil(self.keepalive_s)

    def problems(self, path: str) -> Iterator[Problem]:
        """Templates that make no topics, and a password of nobody."""
        yield from _topics.problems(f"{path}.topic", self.topic, ("gateway", "uplink", "device"))
        yield from _topics.problems(f"{path}.status_topic", self.status_topic, ("gateway", "uplink"))
        yield from _topics.problems(f"{path}.client_id", self.client_id, ("gateway", "uplink"))
        if self.password and not self.user:
            yield Problem(f"{path}.user", "", "is missing; MQTT sends no password without a user name")
