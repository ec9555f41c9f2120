"""What well-known MQTT servers allow: tables, and what a configuration must keep to because of them.

aws-iot         AWS IoT Core, "message broker and protocol limits and quotas" of the AWS General Reference
azure-iot-hub   Azure IoT Hub, "communicate with an IoT hub using MQTT", and its quotas
mosquitto       Mosquitto as it comes, mosquitto.conf(5)

Rates are for `max_messages_per_s` and `max_bytes_per_s` of the uplink.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transports.errors import Problem

PACKET_MAX_BYTES = 268_435_455
TOPIC = "holdfast/{gateway}/{device}"
STATUS_TOPIC = "holdfast/{gateway}/status"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server allows; a rate of 0 is none. `topic`, `status_topic`, `user` and `alpn_443` are used where nothing
    else is written. `encodes_fields`: what fills the topic must be as in a URL. `in_flight_twice`: messages of QoS 2
    on their way at a time, on 3.1.1."""

    message_bytes: int = PACKET_MAX_BYTES
    topic_bytes: int = 65_535
    topic_slashes: int = 65_535
    keepalive_s: tuple[int, int] = (1, 65_535)
    max_qos: int = 2
    retains: bool = True
    versions: tuple[str, ...] = ("3.1.1", "5")
    needs_tls: bool = False
    expire_most_s: int = 2**32 - 1
    in_flight: int = 65_535
    in_flight_twice: int = 20
    messages_per_s: float = 0.0
    bytes_per_s: float = 0.0
    topic: str = TOPIC
    status_topic: str = STATUS_TOPIC
    user: str = ""
    alpn_443: tuple[str, ...] = ()
    encodes_fields: bool = False


PRESETS: Mapping[str, Limits] = {
    "": Limits(),
    "aws-iot": Limits(
        message_bytes=128 * 1024,
        topic_bytes=256,
        topic_slashes=7,
        keepalive_s=(30, 1200),
        max_qos=1,
        needs_tls=True,
        expire_most_s=7 * 86_400,
        in_flight=100,
        messages_per_s=100.0,
        bytes_per_s=512 * 1024.0,
        alpn_443=("x-amzn-mqtt-ca",),
    ),
    "azure-iot-hub": Limits(
        message_bytes=256 * 1024,
        keepalive_s=(1, 1177),
        max_qos=1,
        retains=False,
        versions=("3.1.1",),
        needs_tls=True,
        topic="devices/{client_id}/messages/events/",
        status_topic="",
        user="{host}/{client_id}/?api-version=2021-04-12",
        encodes_fields=True,
    ),
    "mosquitto": Limits(topic_slashes=200),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a configuration asks for, as far as a server may have limits for it."""

    protocol: str
    keepalive_s: float
    qos: int
    retain: bool
    has_tls: bool
    topic: str
    max_message_bytes: int
    expire_after_s: float | None


def problems(path: str, preset: str, asked: Asked) -> Iterator[Problem]:
    """What the server would refuse."""
    limits, name = PRESETS[preset], f"with preset {preset!r}"
    low, high = limits.keepalive_s
    if asked.protocol not in limits.versions:
        yield Problem(f"{path}.protocol", repr(asked.protocol), f"must be {' or '.join(limits.versions)} {name}")
    if not low <= asked.keepalive_s <= high:
        yield Problem(f"{path}.keepalive", f"{asked.keepalive_s:g}s", f"must be {low}s to {high}s {name}")
    if asked.qos > limits.max_qos:
        yield Problem(f"{path}.qos", str(asked.qos), f"must be at most {limits.max_qos} {name}")
    if asked.retain and not limits.retains:
        yield Problem(f"{path}.retain", "True", f"must be false {name}: it keeps no retained messages")
    if limits.needs_tls and not asked.has_tls:
        yield Problem(f"{path}.tls", "", f"is missing; {name} connections are encrypted: write tls = {{}}")
    if asked.topic.count("/") > limits.topic_slashes:
        yield Problem(f"{path}.topic", repr(asked.topic), f"must have at most {limits.topic_slashes} / {name}")
    if len(asked.topic.encode()) > limits.topic_bytes:
        yield Problem(f"{path}.topic", repr(asked.topic), f"must have at most {limits.topic_bytes} bytes {name}")
    if limits.message_bytes < asked.max_message_bytes < PACKET_MAX_BYTES:
        cure = f"must be at most {limits.message_bytes} bytes {name}"
        yield Problem(f"{path}.max_message", str(asked.max_message_bytes), cure)
    if asked.expire_after_s is not None and asked.expire_after_s > limits.expire_most_s:
        yield Problem(f"{path}.expire_after", f"{asked.expire_after_s:g}s", f"must be at most {limits.expire_most_s}s")
