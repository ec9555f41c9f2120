"""What messages of a broker mean: topic patterns and JSON paths to tags, and who is online.

zigbee2mqtt/plug  {"state": "ON", "power": 4.2}  ──MessageSettings──>  Scan(plug.state = True, plug.power = 4.2)
tele/plug/LWT     Offline                        ──Availability─────>  Scan(all tags of plug Bad)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from transports.errors import NotUnderstood, Problem
from transports.json_paths import MISSING, JsonPath, document, path_cure, shown
from transports.json_tags import JsonTag, JsonTags
from transports.json_times import TimeSettings
from transports.mqtt.session import Received
from transports.samples import Quality, Scan
from transports.settings import setting
from transports.things import Things
from transports.topic_patterns import TopicPattern, filled, pattern_problems, unknown_names

_TOPICS_MOST = 2048  # for which the way to their tags is remembered


@dataclass(frozen=True)
class Availability:
    """Where a thing, or the broker in its name, says whether it is there."""

    topic: str = setting(help="topic with the same named levels", example="tele/{thing}/LWT")
    online: str = setting("online", help="what is said when it is there")
    offline: str = setting("offline", help="what is said when it is not: its tags are then Bad")
    path: str | None = setting(None, help="JSONPath of these words; without it, the payload is the word or $.state")


@dataclass(frozen=True)
class MessageSettings:
    """One kind of message."""

    topic: str = setting(help="topic pattern: {name}, + and # stand for whole levels", example="tele/{thing}/SENSOR")
    tags: dict[str, JsonTag] = setting(help="tags by name", example='{ power = { path = "$.ENERGY.Power" } }')
    format: str = setting("json", choices=("json", "text"), help='text: the payload itself is the value, path = "$"')
    time: TimeSettings | None = setting(None, help="where the message says when it was taken")
    prefix: str | None = setting(
        None, help='what precedes the tags\' names; by default the named levels, such as "{thing}."', example="{thing}."
    )
    things: tuple[str, ...] = setting((), help="things that are there for certain: known before they are first heard")
    retained: str = setting(
        "uncertain",
        choices=("uncertain", "ignore", "trust"),
        help="what a message is worth that the broker had kept, of unknown age, unless it says its own time",
    )
    qos: int = setting(1, choices=(0, 1), help="1: acknowledged when durable; 0: may be lost on the way")
    availability: Availability | None = setting(None, help="where a thing says that it is online")

    @property
    def pattern(self) -> TopicPattern:
        return TopicPattern(self.topic)

    @property
    def name_template(self) -> str:
        """What precedes the names of the tags, named levels still in braces."""
        if self.prefix is not None:
            return self.prefix
        return "".join(f"{{{name}}}." for name in self.pattern.names)

    def problems(self, path: str) -> Iterable[Problem]:
        if not self.tags:
            yield Problem(f"{path}.tags", "{}", "must name at least one tag")
        mistakes = list(pattern_problems(f"{path}.topic", self.topic))
        yield from mistakes or self._problems_of_names(path)
        for name, tag in self.tags.items():
            if self.format == "text" and tag.path != "$":
                yield Problem(f"{path}.tags.{name}.path", repr(tag.path), 'must be "$": with format = "text"')

    def _problems_of_names(self, path: str) -> Iterator[Problem]:
        names = self.pattern.names
        yield from unknown_names(f"{path}.prefix", self.name_template, names)
        if self.things and len(names) != 1:
            cure = f"need a topic with one named level, such as {{thing}}; {self.topic!r} has {len(names)}"
            yield Problem(f"{path}.things", repr(list(self.things)), cure)
        if self.availability:
            where = f"{path}.availability"
            yield from pattern_problems(f"{where}.topic", self.availability.topic)
            if set(TopicPattern(self.availability.topic).names) != set(names):
                cure = f"must have the same named levels as {self.topic!r}"
                yield Problem(f"{where}.topic", repr(self.availability.topic), cure)
            if self.availability.path is not None and (wrong := path_cure(self.availability.path)):
                yield Problem(f"{where}.path", repr(self.availability.path), wrong)


@dataclass(slots=True)
class Counts:
    """What was passed over: messages not understood or too long, of no pattern; and the text of the last."""

    rejected: int = 0
    unmatched: int = 0
    last_rejected: str = ""


class _Kind:
    """One kind of message, ready to be read."""

    def __init__(self, name: str, settings: MessageSettings) -> None:
        self.name, self.settings, self.pattern = name, settings, settings.pattern
        self.template = settings.name_template
        text = settings.format == "text"
        tags = {key: _as_text(tag) if text else tag for key, tag in settings.tags.items()}
        self.source = JsonTags(tags, settings.time)
        self.availability = settings.availability
        self.online = TopicPattern(settings.availability.topic) if settings.availability else None
        path = settings.availability.path if settings.availability else None
        self.word = JsonPath(path) if path else None


class MessageReader:
    """Scans of messages; it learns the things that there are, at most `things`. `levels` has those of each prefix."""

    def __init__(self, kinds: Mapping[str, MessageSettings], most_things: int, max_bytes: int) -> None:
        self._kinds = [_Kind(name, settings) for name, settings in kinds.items()]
        self._max_bytes = max_bytes
        self._ways = lru_cache(maxsize=_TOPICS_MOST)(self._find)
        self.things, self.counts = Things(most_things), Counts()
        self.levels: dict[str, Mapping[str, str]] = {}
        for kind in self._kinds:
            names = kind.pattern.names
            for known in [{names[0]: thing} for thing in kind.settings.things] if names else [{}]:
                self._admitted(kind, known)

    def subscriptions(self) -> list[tuple[str, int]]:
        """Topic filters with their QoS, each once."""
        wanted: dict[str, int] = {}
        for kind in self._kinds:
            for pattern in (kind.pattern, kind.online):
                if pattern is not None:
                    wanted[pattern.subscription] = max(kind.settings.qos, wanted.get(pattern.subscription, 0))
        return list(wanted.items())

    def scans(self, message: Received) -> list[Scan]:
        """What a message says; nothing when it is none of ours, which is counted."""
        ways = self._ways(message.topic)
        if not ways:
            self.counts.unmatched += 1
            return []
        if not message.payload:
            return []  # how a retained message is taken back
        scans = (self._scan(kind, levels, says_whether, message) for kind, levels, says_whether in ways)
        return [scan for scan in scans if scan is not None]

    def _scan(self, kind: _Kind, levels: Mapping[str, str], says_whether: bool, message: Received) -> Scan | None:
        stale = message.retained and kind.settings.retained == "uncertain"
        if message.retained and kind.settings.retained == "ignore" and not says_whether:
            return None
        try:
            said = self._understood(kind, message, says_whether)
        except NotUnderstood:
            self.counts.rejected += 1
            self.counts.last_rejected = f"{message.topic[:80]}: {shown(message.payload)}"
            return None
        if says_whether:
            return self._whether(kind, levels, said, message.time_ns)
        prefix = filled(kind.template, levels)
        scan = kind.source.scan(said, message.time_ns, prefix, stale)
        return scan if scan is not None and self._admitted(kind, levels) else None

    def _understood(self, kind: _Kind, message: Received, says_whether: bool) -> Any:
        """The payload as a document. Raises NotUnderstood."""
        if len(message.payload) > self._max_bytes:
            raise NotUnderstood(f"a message of {len(message.payload)} bytes; max_message is {self._max_bytes}")
        if says_whether:
            return _word(kind, message.payload)
        return _text(message.payload) if kind.settings.format == "text" else document(message.payload)

    def _whether(self, kind: _Kind, levels: Mapping[str, str], word: str, now_ns: int) -> Scan | None:
        """Bad for all of a thing that is offline; nothing for one that is online, as it will speak itself."""
        availability = kind.availability
        if availability is None or word == availability.online:
            return None
        if word != availability.offline:
            self.counts.rejected += 1
            self.counts.last_rejected = f"{availability.topic}: {word[:80]!r} is neither online nor offline"
            return None
        if not self._admitted(kind, levels):
            return None
        return kind.source.bad(now_ns, filled(kind.template, levels), Quality.BAD_NO_COMMUNICATION)

    def _admitted(self, kind: _Kind, levels: Mapping[str, str]) -> bool:
        prefix = filled(kind.template, levels)
        if not self.things.admit(kind.name, kind.source, prefix):
            return False
        self.levels.setdefault(prefix, levels)
        return True

    def _find(self, topic: str) -> Sequence[tuple[_Kind, Mapping[str, str], bool]]:
        """The kinds of message that come under a topic, the levels it names, and whether it is an availability."""
        found: list[tuple[_Kind, Mapping[str, str], bool]] = []
        for kind in self._kinds:
            for pattern, says_whether in ((kind.pattern, False), (kind.online, True)):
                levels = pattern.match(topic) if pattern is not None else None
                if levels is not None:
                    found.append((kind, levels, says_whether))
        return found


def _as_text(tag: JsonTag) -> JsonTag:
    return JsonTag(tag.path, tag.type, tag.unit, tag.scale, tag.offset, True, tag.map)


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as wrong:
        raise NotUnderstood(f"this is no UTF-8 text: {wrong}") from None


def _word(kind: _Kind, payload: bytes) -> str:
    """What is said of being online: the word at the path, at `$.state` of an object, or the whole payload."""
    if kind.word is None and not payload.lstrip().startswith(b"{"):
        return _text(payload).strip()
    said = (kind.word or JsonPath("$.state")).first(document(payload))
    if said is MISSING or isinstance(said, (dict, list)):
        raise NotUnderstood("no word for online or offline")
    return said if isinstance(said, str) else {True: "true", False: "false"}.get(said, str(said))
