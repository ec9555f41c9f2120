"""Devices that publish to an MQTT broker: Zigbee2MQTT, Tasmota, Shelly and whatever else sends JSON or plain values.

    [device.hall]
    driver = "mqtt"
    host = "192.168.1.5"
    client_id = "holdfast-hall"

    [device.hall.messages.zigbee]
    topic = "zigbee2mqtt/{thing}"
    availability = { topic = "zigbee2mqtt/{thing}/availability" }
    [device.hall.messages.zigbee.tags]
    temperature = { path = "$.temperature", unit = "Cel" }
    state = { path = "$.state", type = "bool", map = { ON = true, OFF = false } }

    [device.hall.writes."{thing}.state"]
    topic = "zigbee2mqtt/{thing}/set"
    payload = '{"state": "{value}"}'

`{thing}` is any name at that level of the topic: its tags are `lamp.temperature`, `lamp.state`. At most `max_things`
are taken in. Where the payload itself is the value, write `format = "text"` and `path = "$"`.

Nothing that was published with QoS 1 is lost: the session outlives the connection, and a message is acknowledged to the
broker only when its readings are durable in the spool. What was not acknowledged comes again after a loss, so a reading
can arrive twice (at least once). Messages of QoS 0 have no such promise, and are dropped beyond `waiting`.

A message that the broker had retained is of unknown age: its values are Uncertain (last usable) unless it says its own
time. A payload that is no JSON is passed over and counted. With protocol 3.1.1 neither `in_flight` nor `max_message`
can be told to the broker: set `max_inflight_messages` and `message_size_limit` there.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from transports.errors import Problem
from transports.json_tags import JsonField, JsonTag, clashes
from transports.mqtt.broker import BrokerSettings
from transports.mqtt.messages import MessageReader, MessageSettings
from transports.mqtt.session import Session
from transports.samples import Scan, Tag, Value
from transports.settings import setting
from transports.topic_patterns import filled as with_levels
from transports.topic_patterns import pattern_problems, unknown_names
from transports.write_templates import Written, filled, refuse_unknown, said, template_problems
from transports.writing import Limits

EXTRA = "mqtt"
_LEVEL = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, kw_only=True)
class WriteSettings(Written):
    """What is published to set a tag."""

    topic: str = setting(help="where to; named levels of the tag's name in braces", example="zigbee2mqtt/{thing}/set")
    payload: str = setting("{value}", help="what; {value} is the value as text, {json} as JSON")
    qos: int = setting(1, choices=(0, 1), help="1: done when the broker has acknowledged it")
    retain: bool = setting(False, help="the broker keeps it for a device that comes later")


@dataclass(frozen=True, kw_only=True)
class Settings(BrokerSettings):
    """A broker, and the messages on it that matter."""

    messages: dict[str, MessageSettings] = setting(
        help="the kinds of messages", example='{ sensor = { topic = "a", tags = { t = { path = "$.t" } } } }'
    )
    writes: dict[str, WriteSettings] = setting({}, help="what sets a tag, by the tag's name")
    max_things: int = setting(500, ge=1, le=10_000, help="different things that are taken in; more are passed over")

    @property
    def notes(self) -> dict[str, JsonTag]:
        """All tags by their names, named levels still in braces."""
        kinds = self.messages.values()
        return {f"{kind.name_template}{name}": tag for kind in kinds for name, tag in kind.tags.items()}

    def problems(self, path: str) -> Iterable[Problem]:
        yield from self.broker_problems(path)
        if not self.messages:
            yield Problem(f"{path}.messages", "{}", "must have at least one kind of message")
        named = {f"{path}.messages.{key}.tags": kind for key, kind in self.messages.items()}
        yield from clashes(
            (where, {f"{kind.name_template}{name}": tag for name, tag in kind.tags.items()})
            for where, kind in named.items()
        )
        for name, write in self.writes.items():
            yield from self._write_problems(f"{path}.writes.{name}", name, write)

    def _write_problems(self, path: str, name: str, write: WriteSettings) -> Iterator[Problem]:
        yield from write.written_problems(path, name, _among(self.notes, name))
        yield from template_problems(f"{path}.payload", write.payload)
        levels = tuple(_LEVEL.findall(name))
        mistakes = list(unknown_names(f"{path}.topic", write.topic, levels))
        yield from mistakes or pattern_problems(f"{path}.topic", write.topic)
        if "+" in write.topic or "#" in write.topic:
            yield Problem(f"{path}.topic", repr(write.topic), "must name one topic: no + and no #")


def connect(settings: Settings) -> "MqttLink":
    """Connects and subscribes. Raises LinkDown."""
    reader = MessageReader(settings.messages, settings.max_things, settings.max_message_bytes)
    session = Session(settings)
    session.open(reader.subscriptions())
    return MqttLink(settings, session, reader)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a tag is written."""

    field: JsonField
    topic: str
    write: WriteSettings


class MqttLink:
    """An open session: messages become scans, commands are published, and what is durable is acknowledged."""

    def __init__(self, settings: Settings, session: Session, reader: MessageReader) -> None:
        self._settings, self._session, self._reader = settings, session, reader
        self._who = f"{settings.host}:{settings.tcp_port}"
        self._reads = self._kept = self._levels_seen = 0
        self._unkept: deque[tuple[int, bool, list[int]]] = deque()  # read, whether it said anything, its packet ids
        self._ways: dict[str, _Way] = {}
        self._descriptor = session.inbox.fileno()
        self._learn()

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags of all things heard so far."""
        return self._reader.things.tags

    @property
    def writable(self) -> Mapping[str, Limits]:
        """The tags that commands may set: those of `writes`, for each thing that is known."""
        return {name: limits for name, way in self._ways.items() if (limits := way.write.limits) is not None}

    @property
    def rejected(self) -> int:
        """Messages passed over since the connection: not understood, too long, from too many things, or flooding."""
        return self._reader.counts.rejected + self._reader.things.strangers + self._session.flooded

    @property
    def last_rejected(self) -> str:
        """Topic and beginning of the last message that was not understood."""
        return self._reader.counts.last_rejected

    def fileno(self) -> int:
        """Readable while a message waits, or when the connection is lost."""
        return self._descriptor

    def read(self) -> Sequence[Scan]:
        """The readings of what has come, oldest first. Never waits. Raises LinkDown."""
        self._reads += 1
        messages = self._session.take()
        scans = [scan for message in messages for scan in self._reader.scans(message)]
        mids = [message.mid for message in messages if message.qos]
        if mids or scans:
            self._unkept.append((self._reads, bool(scans), mids))
            self._acknowledge()
        self._learn()
        return scans

    def kept(self, reads: int) -> None:
        """What the first `reads` reads handed out is durable: the broker may forget it."""
        self._kept = max(self._kept, reads)
        self._acknowledge()

    def write(self, tag: str, value: Value) -> None:
        """Publishes the tag's command and waits for its acknowledgement. Raises LinkRefused, LinkTimeout, LinkDown."""
        refuse_unknown(tag, self.writable, self._who)
        way = self._ways[tag]
        payload = filled(way.write.payload, said(way.field, value, self._who), self._who)
        self._session.publish(way.topic, payload.encode(), way.write.qos, way.write.retain)

    def close(self) -> None:
        self._session.close()

    def _acknowledge(self) -> None:
        """In the order in which they came (MQTT 4.6). A read that said nothing has nothing to wait for."""
        while self._unkept and (self._unkept[0][0] <= self._kept or not self._unkept[0][1]):
            self._session.acknowledge(self._unkept.popleft()[2])

    def _learn(self) -> None:
        """The commands of things that were not known before."""
        known = list(self._reader.levels.values())
        fresh, self._levels_seen = known[self._levels_seen :], len(known)
        for template, write in self._settings.writes.items():
            wanted = set(_LEVEL.findall(template))
            for levels in fresh if wanted else ([{}] if template not in self._ways else []):
                if wanted <= set(levels):
                    self._add_way(template, write, levels)

    def _add_way(self, template: str, write: WriteSettings, levels: Mapping[str, str]) -> None:
        field = write.field(template, _among(self._settings.notes, template))
        if field is None or any(set(text) & set("+#/") for text in levels.values()):
            return  # a name that would make another topic of it
        self._ways[with_levels(template, levels)] = _Way(field, with_levels(write.topic, levels), write)


def _among(notes: Mapping[str, JsonTag], name: str) -> Mapping[str, JsonTag]:
    """The tag of that name, also where it is one thing's own of a pattern: plug.state of {thing}.state."""
    if name in notes:
        return {name: notes[name]}
    forms = ((re.sub(r"\\\{\w+\\\}", "[^{}]+", re.escape(template)), tag) for template, tag in notes.items())
    tag = next((tag for form, tag in forms if re.fullmatch(form, name)), None)
    return {name: tag} if tag is not None else {}
