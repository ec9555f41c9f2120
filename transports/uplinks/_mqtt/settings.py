"""What can be said of the MQTT uplink in a configuration."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from transports.errors import Problem
from transports.settings import duration, setting, size
from transports.uplinks import Identity, _topics
from transports.uplinks._mqtt import presets
from transports.uplinks._mqtt.client import identity_fields
from transports.uplinks._mqtt.connection import Connection
from transports.uplinks._mqtt.entrance import PACKET_MAX_BYTES, Entrance
from transports.uplinks._mqtt.presets import PRESETS, STATUS_TOPIC, TOPIC, Limits

IN_TOPIC = ("gateway", "uplink", "client_id", "device")
IN_OURS = ("gateway", "uplink", "client_id")


@dataclass(frozen=True)
class Settings(Connection):
    """Where the broker is, who we are to it, and under which topics it gets our messages."""

    preset: str = setting("", choices=tuple(PRESETS), help="keep to the limits of a well-known server")
    topic: str = setting(TOPIC, help="where messages go: {gateway}, {uplink}, {client_id}, {device}")
    status_topic: str = setting(STATUS_TOPIC, help='where online and offline are said; "" for nowhere')
    status_retain: bool = setting(True, help="the broker keeps online and offline for new readers")
    qos: int = setting(1, choices=(0, 1, 2), help="1: until the broker has acknowledged; 2: exactly once to the broker")
    retain: bool = setting(False, help="the broker keeps the last message of each topic for new readers")
    max_message_bytes: int = size(PACKET_MAX_BYTES, le=PACKET_MAX_BYTES, help="larger ones are set aside, never sent")
    expire_after_s: float | None = duration(
        None, ge=1, le=2**32 - 1, help="MQTT 5: what the broker could not hand on for so long, it forgets"
    )
    user_properties: dict[str, str] = setting(
        {}, help="MQTT 5: properties of every message", example='{ site = "north" }'
    )
    topic_aliases: int = setting(64, ge=0, le=65535, help="MQTT 5: topics that are sent as a number, at most")
    confirm: str = setting(
        "puback", choices=("puback", "application"), help="who must have a message before the spool may forget it"
    )
    confirm_topic: str = setting(
        "holdfast/{gateway}/{uplink}/confirm", help="where the application says what it has stored"
    )
    confirm_timeout_s: float = duration("60s", help="an application that is silent for so long gets everything again")
    request_topic: str = setting("", help='where commands come from; "" for nowhere', example="holdfast/plant/request")
    response_topic: str = setting(
        "holdfast/{gateway}/{uplink}/response", help="where answers go, if a request does not say"
    )

    @property
    def messages_per_s(self) -> float:
        """What the server takes in a second; 0: no limit is known."""
        return self.limits.messages_per_s

    @property
    def bytes_per_s(self) -> float:
        """The same of bytes."""
        return self.limits.bytes_per_s

    @property
    def limits(self) -> Limits:
        """What the server allows."""
        return PRESETS[self.preset]

    @property
    def most_bytes(self) -> int:
        """The largest payload."""
        return min(self.max_message_bytes, self.limits.message_bytes)

    @property
    def topic_template(self) -> str:
        """Where messages go."""
        return self.limits.topic if self.topic == TOPIC else self.topic

    @property
    def status_template(self) -> str:
        """Where online and offline are said; "" for nowhere."""
        return self.limits.status_topic if self.status_topic == STATUS_TOPIC else self.status_topic

    @property
    def expiry(self) -> int | None:
        """Whole seconds, as a message carries them."""
        return None if self.expire_after_s is None else math.ceil(self.expire_after_s)

    def fields(self, identity: Identity) -> dict[str, str]:
        """What fills a template that has no device in it."""
        known = identity_fields(identity)
        return known | {"client_id": _topics.filled(self.client_id, known)}

    def entrance(self, identity: Identity) -> Entrance:
        """Who we are and how we speak."""
        plain, limits = super().entrance(identity), self.limits
        user = plain.user or limits.user.format(host=self.host, client_id=plain.client_id)
        tls = plain.tls
        if tls and not tls.alpn and limits.alpn_443 and self.tcp_port == 443 and self.transport == "tcp":
            tls = replace(tls, alpn=limits.alpn_443)
        twice = limits.in_flight_twice if self.qos == 2 and self.protocol != "5" else limits.in_flight
        return replace(plain, user=user, tls=tls, in_flight=min(twice, limits.in_flight))

    def problems(self, path: str) -> Iterator[Problem]:
        """Templates that make no topics, what a server would refuse, and what needs MQTT 5."""
        unnamed = super().problems(path)
        yield from (each for each in unnamed if not (self.limits.user and each.path == f"{path}.user"))
        whole = self.topic.removesuffix("/") if self.limits.encodes_fields else self.topic
        yield from _topics.problems(f"{path}.topic", whole, IN_TOPIC)
        for key in ("status_topic", "confirm_topic", "request_topic", "response_topic"):
            template = getattr(self, key)
            if template or key not in ("status_topic", "request_topic"):
                yield from _topics.problems(f"{path}.{key}", template, IN_OURS)
        yield from presets.problems(path, self.preset, self._asked())
        for key, value in (("expire_after", self.expire_after_s), ("user_properties", self.user_properties)):
            if value and self.protocol != "5":
                yield Problem(f"{path}.{key}", repr(value), 'needs protocol = "5"')
        if any(len(text.encode()) > 65_535 for pair in self.user_properties.items() for text in pair):
            yield Problem(f"{path}.user_properties", "", "must have names and values of at most 65535 bytes")

    def _asked(self) -> presets.Asked:
        return presets.Asked(
            self.protocol,
            self.keepalive_s,
            self.qos,
            self.retain,
            self.tls is not None,
            self.topic_template,
            self.max_message_bytes,
            self.expire_after_s,
        )
