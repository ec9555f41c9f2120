"""What can be said of the Kafka uplink in a configuration, and what librdkafka is told of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transports.errors import Problem
from transports.settings import Secret, duration, setting, size
from transports.sockets import address_of
from transports.tls import Tls
from transports.uplinks import Identity
from transports.uplinks._kafka.past import Past
from transports.uplinks._templates import field_problems, literals

FIELDS = ("gateway", "uplink")
_NOT_IN_TOPICS = re.compile(r"[^A-Za-z0-9._-]")
_HERE = ("127.0.0.1", "localhost", "::1")
_FILES = {"ca": "ssl.ca.location", "certificate": "ssl.certificate.location", "key": "ssl.key.location"}
_MOST_BYTES = 1_000_000_000  # librdkafka's most for message.max.bytes
# Librdkafka calls again after half of it: once a second, and less often as time goes by
_RECONNECT_MS = (2000, 10_000)


def servers_cure(servers: tuple[str, ...]) -> str | None:
    """What is wrong with a list of brokers; None when it is fine."""
    for server in servers:
        try:
            address_of(server)
        except ValueError:
            return f'must be hosts with ports, such as "kafka-1.example.com:9092"; {server!r:.60} is none'
        if "," in server or any(character.isspace() for character in server):
            return "must be hosts with ports, each in quotes of its own"
    return None if servers else "must name one broker at least"


@dataclass(frozen=True)
class Settings:
    """Which brokers, which topic, and who we are there."""

    servers: tuple[str, ...] = setting(
        help="brokers to begin with; the others of the cluster are learnt from them",
        example='["kafka-1.example.com:9093", "kafka-2.example.com:9093"]',
        check=servers_cure,
    )
    topic: str = setting(
        "holdfast", help="where messages go: {gateway}, {uplink}; it must exist. The key is the device"
    )
    user: str = setting("", help="user name, if the brokers ask for one")
    password: Secret | None = setting(None, help="the user's password")
    mechanism: str = setting(
        "SCRAM-SHA-512", choices=("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"), help="how the password is proven (SASL)"
    )
    tls: Tls | None = setting(None, help="encrypt; an empty table is enough where the certificates are publicly signed")
    max_message_bytes: int = size(1_000_000, le=_MOST_BYTES, help="larger ones are set aside; as the brokers have it")
    batch_compression: str = setting(
        "none", choices=("none", "gzip", "snappy", "lz4", "zstd"), help="how messages are packed together on their way"
    )
    linger_s: float = duration("5ms", ge=0, le=1, help="how long a message may wait for others to travel with")
    connect_timeout_s: float = duration("10s", ge=1, le=300, help="how long the first answer of a broker may take")
    ack_timeout_s: float = duration("30s", ge=3, le=600, help="how long a message may be without an acknowledgement")

    @cached_property
    def past(self) -> Past:
        """What one producer leaves to the next; `connect` is handed nothing else that outlives it."""
        return Past()

    def problems(self, path: str) -> Iterator[Problem]:
        """A template that makes no topic, halves of a pair, and what librdkafka cannot do."""
        yield from _template_problems(f"{path}.topic", self.topic)
        if bool(self.user) != bool(self.password):
            missing = "password" if self.user else "user"
            yield Problem(f"{path}.{missing}", "", "is missing; a user and a password belong together")
        away = [server for server in self.servers if server.rpartition(":")[0].strip("[]") not in _HERE]
        if self.user and self.mechanism == "PLAIN" and not self.tls and away:
            cure = "must be SCRAM-SHA-512 or SCRAM-SHA-256, or write tls: PLAIN shows the password to the network"
            yield Problem(f"{path}.mechanism", "'PLAIN'", cure)
        yield from _tls_problems(f"{path}.tls", self.tls or Tls())


def _tls_problems(path: str, tls: Tls) -> Iterator[Problem]:
    if tls.server_name:
        cure = "must be left out: each broker is expected to have the name that it is dialled by"
        yield Problem(f"{path}.server_name", repr(tls.server_name), cure)
    if tls.min_version != Tls().min_version:
        yield Problem(f"{path}.min_version", repr(tls.min_version), "must be left out: librdkafka has no way to say it")
    if tls.alpn:
        yield Problem(f"{path}.alpn", repr(tls.alpn), "must be left out: Kafka has no protocols to choose from")


def topic_of(settings: Settings, identity: Identity) -> str:
    """The topic: what may not stand in one becomes "_" in a field's value."""
    fields = {"gateway": identity.gateway, "uplink": identity.uplink}
    return settings.topic.format_map({name: _NOT_IN_TOPICS.sub("_", value) for name, value in fields.items()})


def configuration(settings: Settings, identity: Identity) -> dict[str, Any]:
    """What librdkafka is told (its CONFIGURATION.md). Raises SettingsError when a secret cannot be read."""
    tls, user = settings.tls, settings.user
    told: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.servers),
        "client.id": f"{identity.gateway}-{identity.uplink}",
        "security.protocol": ("SASL_" if user else "") + ("SSL" if tls else "PLAINTEXT"),
        # Acknowledged by all replicas in sync; sent again by librdkafka itself in order and without a duplicate.
        "acks": "all",
        "enable.idempotence": True,
        "message.timeout.ms": round(settings.ack_timeout_s * 1000),
        "request.timeout.ms": round(min(settings.ack_timeout_s, 30.0) * 1000),
        "socket.connection.setup.timeout.ms": round(settings.connect_timeout_s * 1000),
        "socket.keepalive.enable": True,
        "socket.nagle.disable": True,
        "reconnect.backoff.ms": _RECONNECT_MS[0],
        "reconnect.backoff.max.ms": _RECONNECT_MS[1],
        "linger.ms": settings.linger_s * 1000,
        "message.max.bytes": settings.max_message_bytes,
        "compression.type": settings.batch_compression,
        "partitioner": "murmur2_random",  # a key's partition as the Java clients choose it
        "log_level": 0,  # it would write to stderr on its own; what matters comes as an error
    }
    if user and settings.password:
        told |= {
            "sasl.mechanism": settings.mechanism,
            "sasl.username": user,
            "sasl.password": settings.password.reveal(),
        }
    if tls:
        told |= _secured(tls)
    return told


def _secured(tls: Tls) -> dict[str, Any]:
    told: dict[str, Any] = {
        "enable.ssl.certificate.verification": tls.verify,
        "ssl.endpoint.identification.algorithm": "https" if tls.verify else "none",
    }
    told |= {_FILES[name]: str(file) for name, file in tls.files()}
    if tls.key_password:
        told["ssl.key.password"] = tls.key_password.reveal()
    return told


def _template_problems(path: str, template: str) -> Iterator[Problem]:
    yield from field_problems(path, template, FIELDS)
    texts = literals(template)
    if texts is None:
        return
    for literal in texts:
        if _NOT_IN_TOPICS.search(literal):
            yield Problem(path, repr(template), "must consist of letters, digits, dots, - and _")
    if template in ("", ".", "..") or len(template) > 200:
        yield Problem(path, repr(template), "must be the name of a topic")
