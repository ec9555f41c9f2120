"""Patterns of topics and paths whose levels have names: `tele/{thing}/SENSOR` finds the things there are.

    tele/{thing}/SENSOR   subscribes to tele/+/SENSOR    tele/plug/SENSOR -> {"thing": "plug"}
    +/{thing}/#           any first level, any depth     a/b/c/d -> {"thing": "b"}

`{name}`, `+` and `#` each stand for whole levels. Topics come from strangers: a level that makes a name may be of any
text, but is cut off at 64 characters' length by refusal, and control characters become "_".
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from transports.errors import Problem

NAME_MOST = 64
_TOPIC_MOST_BYTES = 65_535
_NAMED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def pattern_problems(path: str, pattern: str) -> Iterator[Problem]:
    """What keeps a text from being a pattern."""
    levels = pattern.split("/")
    names = _NAMED.findall(pattern)
    if not pattern.strip("/") or len(pattern.encode()) > _TOPIC_MOST_BYTES or _CONTROL.search(pattern):
        yield Problem(path, repr(pattern), "must be a topic, without control characters")
    elif any(re.search(r"[{}+#]", level) and not _NAMED.fullmatch(level) and level not in "+#" for level in levels):
        cure = 'must have {name}, + and # as whole levels only, such as "tele/{thing}/SENSOR"'
        yield Problem(path, repr(pattern), cure)
    elif "#" in levels[:-1]:
        yield Problem(path, repr(pattern), "must have # as its last level only")
    elif len(set(names)) < len(names):
        yield Problem(path, repr(pattern), "must not give two levels the same name")


class TopicPattern:
    """A pattern that `pattern_problems` has nothing against."""

    def __init__(self, pattern: str) -> None:
        self._levels = pattern.split("/")
        self.names: tuple[str, ...] = tuple(_NAMED.findall(pattern))

    @cached_property
    def subscription(self) -> str:
        """The pattern as MQTT has it."""
        return "/".join("+" if _NAMED.fullmatch(level) else level for level in self._levels)

    def match(self, topic: str) -> dict[str, str] | None:
        """The named levels of a topic, None for one of another form or with a name that is empty or too long."""
        given, wanted = topic.split("/"), self._levels
        if wanted[-1] == "#":
            wanted = wanted[:-1]
            given = given[: len(wanted)]
        if len(given) != len(wanted):
            return None
        found: dict[str, str] = {}
        for level, want in zip(given, wanted, strict=True):
            if (named := _NAMED.fullmatch(want)) is not None:
                if not 0 < len(level) <= NAME_MOST:
                    return None
                found[named[1]] = _CONTROL.sub("_", level)
            elif want not in (level, "+"):
                return None
        return found


def unknown_names(path: str, template: str, names: tuple[str, ...]) -> Iterator[Problem]:
    """What keeps a template such as `{thing}.` from being filled with the named levels of a pattern."""
    rest = _NAMED.sub("", template)
    if "{" in rest or "}" in rest:
        yield Problem(path, repr(template), "must have each { closed by a } around the name of a level")
    for name in _NAMED.findall(template):
        if name not in names:
            known = ", ".join(f"{{{each}}}" for each in names) or "none"
            yield Problem(path, repr(template), f"{{{name}}} is no level of the topic; its named levels are: {known}")


def filled(template: str, levels: Mapping[str, str]) -> str:
    """A template with the levels in their places."""
    return _NAMED.sub(lambda found: levels[found[1]], template)
