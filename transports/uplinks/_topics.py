"""Topics from templates: `holdfast/{gateway}/{device}` and the fields that fill it.

What the MQTT specification (3.1.1, sections 1.5.3 and 4.7) does not allow in a topic, a template may not contain. In a
field's value (a device called "line/3", or "50 % + x") it becomes "_", so that a name makes exactly one level; the
record itself carries the true name.
"""

import re
import string
from collections.abc import Iterator, Mapping

from transports.errors import Problem
from transports.settings import nearest

TOPIC_MAX_BYTES = 65_535
# Control characters, surrogates and non-characters: a broker may close the connection that sends them.
_FORBIDDEN = "\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_IN_TEMPLATE = re.compile(f"[+#{_FORBIDDEN}]")
_IN_VALUE = re.compile(f"[/+#{_FORBIDDEN}]")


def problems(path: str, template: str, fields: tuple[str, ...]) -> Iterator[Problem]:
    """What keeps a template from making topics, given the fields that may stand in it."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        yield Problem(path, repr(template), "must have each { closed by a }; write {{ for a brace itself")
        return
    for literal, name, form, conversion in parts:
        if name is not None and (name not in fields or form or conversion):
            allowed = ", ".join(f"{{{field}}}" for field in fields)
            yield Problem(path, repr(template), f"{{{name}}} is unknown; {nearest(name, fields)} (there is {allowed})")
        if _IN_TEMPLATE.search(literal):
            yield Problem(path, repr(template), "must not contain the wildcards + and #, nor control characters")
    if not all(re.sub(r"\{\{|\}\}", "x", template).split("/")):
        yield Problem(path, repr(template), "must not have an empty level: no / at either end, no // inside")


def uses(template: str, field: str) -> bool:
    """Whether topics differ by this field."""
    return any(name == field for _, name, _, _ in string.Formatter().parse(template))


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The topic. Raises KeyError for a field that nobody brought."""
    return template.format_map({name: level(value) for name, value in fields.items()})


def level(value: str) -> str:
    """A value as one level of a topic."""
    return _IN_VALUE.sub("_", value) or "_"
