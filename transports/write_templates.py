"""Commands from templates: what is published, posted or printed to set a tag, with the value in its place.

    '{"state": "{value}"}'   the value as text: ON, 21.5, true
    '{"target": {json}}'     the value as JSON: 21.5, true, "a text, quoted and escaped"

No other braces count, so JSON is written as it is. A text that could end the template's own quotes is refused by
{value}; {json} takes any.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from transports.errors import LinkRefused, Problem
from transports.json_tags import JsonField, JsonTag, Kind, Word
from transports.samples import Value
from transports.settings import nearest, setting
from transports.writing import Limits, Writing

_PLACES = re.compile(r"\{(value|json)\}")


@dataclass(frozen=True, kw_only=True)
class Written(Writing):
    """The keys of every entry of a table `writes`: whoever declares the command declares the tag writable."""

    writable: bool = setting(True, help="false: no command may set it for the time being")
    type: Kind | None = setting(None, help="type of the value; left out, that of the tag which is read")

    def field(self, name: str, tags: Mapping[str, JsonTag]) -> JsonField | None:
        """How its values are said: as the tag of that name is read, or by `type`; None when there is neither."""
        if self.type is not None:
            return JsonField(name, JsonTag(path="$", type=self.type))
        return JsonField(name, tags[name]) if name in tags else None

    def written_problems(self, path: str, name: str, tags: Mapping[str, JsonTag]) -> Iterator[Problem]:
        """What is wrong with the limits, or with the type of the value."""
        yield from self.writing_problems(path)
        if self.type is None and name not in tags:
            hint = f" ({nearest(name, list(tags))})" if tags else ""
            yield Problem(f"{path}.type", "", f"is missing: no tag {name} is read whose type it could have{hint}")
        elif (self.type or tags[name].type).endswith("_array"):
            yield Problem(f"{path}.type", "", "must be the type of a single value; an array cannot be written")


def template_problems(path: str, template: str) -> Iterator[Problem]:
    """A template that has no place for the value, which would say the same whatever is commanded."""
    if not _PLACES.search(template):
        cure = "must have {value} (as text) or {json} in it, where the value belongs"
        yield Problem(path, repr(template), cure)


def said(field: JsonField, value: Value, who: str) -> Word:
    """What stands for the value in a command. Raises LinkRefused."""
    try:
        return field.raw(value)
    except (ValueError, OverflowError, ArithmeticError) as wrong:
        raise LinkRefused(f"{who}: {field.tag.name}: {wrong}") from wrong


def filled(template: str, raw: Word, who: str, quote: Callable[[str], str] | None = None) -> str:
    """The command. `quote` makes any text safe in its place (a URL's); without it, unsafe text is LinkRefused."""
    as_json = orjson.dumps(raw).decode()
    as_text = raw if isinstance(raw, str) else as_json
    if quote is None and "{value}" in template and (not as_text.isprintable() or '"' in as_text or "\\" in as_text):
        raise LinkRefused(f"{who}: {as_text!r:.60} could end the command; a template with {{json}} takes any text")
    texts = {"value": as_text, "json": as_json}
    return _PLACES.sub(lambda place: quote(texts[place[1]]) if quote else texts[place[1]], template)


def limits_of(writes: Mapping[str, Written]) -> dict[str, Limits]:
    """The tags that commands may set, and within which limits."""
    return {name: limits for name, entry in writes.items() if (limits := entry.limits) is not None}


def refuse_unknown(tag: str, writable: Iterable[str], who: str) -> None:
    """Raise LinkRefused for a tag that no command may set."""
    if tag not in writable:
        raise LinkRefused(f"{who}: {tag} cannot be written; give its command in writes.{tag}")
