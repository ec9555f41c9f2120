"""What hosts ask of us: NCMD and DCMD as writes to devices, a rebirth, or refusals with their reasons.

A metric is found by its alias, or by its name; the type is what we announced. An application must be resilient to
names that were in no birth (tck-id-operational-behavior-data-commands-dcmd-metric-name): they are refused, one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from transports.errors import NotUnderstood
from transports.sparkplug.datatypes import value_of
from transports.sparkplug.devices import Device, Point
from transports.sparkplug.orders import Refusal, Write
from transports.sparkplug.payload import Metric, Payload, decode
from transports.sparkplug.topics import Verb
from transports.sparkplug.voice import REBIRTH


@dataclass(frozen=True, slots=True)
class Asked:
    """What one message asks: writes and refusals in its order, and whether for a rebirth."""

    answers: tuple[Write | Refusal, ...] = ()
    rebirth: bool = False


def asked(
    verb: Verb, device: Device | None, by_alias: Mapping[int, tuple[Device, Point]], topic: str, payload: bytes
) -> Asked:
    """What the payload of a command to the node (NCMD), or to a device (DCMD; None: unknown), asks for."""
    try:
        told = decode(payload)
    except NotUnderstood as wrong:
        return Asked((Refusal(topic, "", f"not a Sparkplug B payload: {wrong}"),))
    if verb is Verb.NCMD:
        return _of_node(topic, told)
    if device is None:
        return Asked((Refusal(topic, "", "there is no such device"),))
    return Asked(tuple(_write(device, by_alias, topic, metric, told.timestamp_ms) for metric in told.metrics))


def _of_node(topic: str, told: Payload) -> Asked:
    refusals = tuple(
        Refusal(topic, _shown(metric), "of the node itself only Node Control/Rebirth can be written, with true")
        for metric in told.metrics
        if not _is_rebirth(metric)
    )
    return Asked(refusals, rebirth=any(map(_is_rebirth, told.metrics)))


def _is_rebirth(metric: Metric) -> bool:
    # tck-id-operational-behavior-data-commands-ncmd-rebirth-name, -value
    return metric.name == REBIRTH and metric.value is not None and metric.value.content is True


def _write(
    device: Device, by_alias: Mapping[int, tuple[Device, Point]], topic: str, metric: Metric, sent_ms: int | None
) -> Write | Refusal:
    point = _point(device, by_alias, metric)
    if point is None:
        return Refusal(topic, _shown(metric), f"{device.name} has no such metric")
    if not point.is_own:
        return Refusal(topic, point.name, "an aggregate makes it; it cannot be written")
    if metric.value is None:
        return Refusal(topic, point.name, "null cannot be written")
    try:
        value = value_of(point.tag.type, metric.datatype, metric.value)
    except NotUnderstood as wrong:
        return Refusal(topic, point.name, str(wrong))
    return Write(device.name, point.tag.name, value, sent_ms if metric.timestamp_ms is None else metric.timestamp_ms)


def _point(device: Device, by_alias: Mapping[int, tuple[Device, Point]], metric: Metric) -> Point | None:
    """The metric that is meant. One that is named twice, by an alias and another name, is none."""
    named = device.points.get(metric.name) if metric.name else None
    if metric.alias is None:
        return named
    owner, point = by_alias.get(metric.alias, (None, None))
    if owner is not device or (metric.name and named is not point):
        return None
    return point


def _shown(metric: Metric) -> str:
    return metric.name if metric.name else f"alias {metric.alias}"
