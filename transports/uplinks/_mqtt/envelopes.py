"""What is written around a payload: its topic, and on MQTT 5 its properties, and a number in place of the topic.

The numbers (topic aliases, MQTT 5 section 3.3.2.3.4) go to the topics that come first, as many as server and
configuration allow; the topics after those are written out each time.
"""

import hashlib
from urllib.parse import quote

from transports.errors import UplinkRefused
from transports.samples import Gap
from transports.uplinks import Identity, Outgoing, _topics
from transports.uplinks._mqtt import properties
from transports.uplinks._mqtt.entrance import Offers, Said
from transports.uplinks._mqtt.properties import Packed
from transports.uplinks._mqtt.settings import Settings

_TOPICS_MOST = 1024


class Envelopes:
    """Of one connection. `aliased` must be asked once for each message, and that one be sent."""

    def __init__(self, settings: Settings, identity: Identity, offers: Offers) -> None:
        self._settings = settings
        self._fields = settings.fields(identity)
        self._is_5 = settings.protocol == "5"
        self._confirm = settings.confirm == "application"
        self._confirm_topic = _topics.filled(settings.confirm_topic, self._fields)
        self._most_aliases = min(settings.topic_aliases, offers.alias_maximum)
        self._aliases: dict[str, int] = {}
        self._topics: dict[tuple[str, ...], str] = {}  # by what fills them
        self._qos, self._retain, self._most_bytes = settings.qos, settings.retain, settings.most_bytes
        self._properties: dict[tuple[str, str], Packed] = {}

    @property
    def numbers(self) -> bool:
        """Whether topics may get numbers."""
        return self._most_aliases > 0

    def around(self, message: Outgoing) -> Said:
        """What is published of it. Raises UplinkRefused for what this server, or MQTT, can never carry."""
        address = tuple(message.fields.values())
        topic = self._topics.get(address)
        if topic is None:
            topic = self._topics[address] = self._topic(message)
            if len(self._topics) > _TOPICS_MOST:
                self._topics.clear()
        if len(message.payload) > self._most_bytes:
            raise UplinkRefused(f"a message of {len(message.payload)} bytes; this uplink carries {self._most_bytes}")
        return Said(topic, message.payload, self._qos, self._retain, self._properties_of(message))

    def aliased(self, said: Said) -> Said:
        """The same with a number for its topic, if there is one."""
        if not self._most_aliases:
            return said
        number = self._aliases.get(said.topic)
        if number is None:
            if len(self._aliases) == self._most_aliases:
                return said
            number = self._aliases[said.topic] = len(self._aliases) + 1
            return self._numbered(said, said.topic, number)
        return self._numbered(said, "", number)

    def _numbered(self, said: Said, topic: str, number: int) -> Said:
        plain = said.properties.octets if isinstance(said.properties, Packed) else b""
        return said._replace(topic=topic, properties=Packed(properties.alias(number) + plain))

    def _topic(self, message: Outgoing) -> str:
        fields = self._fields | message.fields
        if self._settings.limits.encodes_fields:
            fields = {name: quote(_topics.level(value), safe="") for name, value in fields.items()}
        topic, most = _topics.filled(self._settings.topic_template, fields), self._settings.limits.topic_bytes
        if (topic_bytes := len(topic.encode())) > most:
            raise UplinkRefused(f"a topic of {topic_bytes} bytes; this uplink carries {most}")
        return topic

    def _properties_of(self, message: Outgoing) -> Packed | None:
        if not self._is_5:
            return None
        form = message.content_type, message.content_encoding
        known = self._properties.get(form)
        if known is None:
            known = self._properties[form] = Packed(self._octets(*form))
        return known

    def _octets(self, content_type: str, content_encoding: str) -> bytes:
        settings = self._settings
        pairs = [*settings.user_properties.items()]
        if content_encoding:
            pairs.append(("content-encoding", content_encoding))
        octets = properties.expiry(settings.expiry) if settings.expiry is not None else b""
        octets += properties.content_type(content_type) if content_type else b""
        octets += properties.response_topic(self._confirm_topic) if self._confirm else b""
        return octets + properties.user_properties(pairs)


def digest_of(said: Said, message: Outgoing) -> bytes:
    """What a message is known by when it comes again, be it late by then: where it goes and which records it has; that
    which comes in place of one of them is another."""
    records = ((each.topic, each.epoch, each.seq, isinstance(each.item, Gap)) for each in message.records)
    what = repr(list(records)).encode() if message.records else message.payload
    return hashlib.sha256(said.topic.encode() + b"\n" + what).digest()
