"""Frame settings: what any driver of a stream can be told about its frames, and the parts that follow from it.

The drivers of serial ports and of TCP share this: how frames are cut out (transports/framing), how they become tags
(transports/fields), what is sent to ask for one or to write one.
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from transports.errors import Problem
from transports.fields import Field, FieldSettings, Packed, Pattern, fields_of
from transports.framing import Delimited, Enclosed, FixedSize, Framer
from transports.samples import PLACEHOLDER, Value
from transports.settings import duration, nearest, setting, size


def wire(text: str) -> bytes:
    """The bytes that a setting names: each character up to U+00FF is the byte of that number."""
    return text.encode("latin-1")


def _on_wire(text: str) -> str | None:
    if text and max(text) <= "\xff":
        return None
    return 'must be one or more bytes, written such as "\\n", "\\u0002" or "\\u00ff"'


def _known_encoding(name: str) -> str | None:
    try:
        "0".encode(name)
    except (LookupError, UnicodeError):
        return 'must be a text encoding that Python knows, such as "utf-8", "ascii" or "latin-1"'
    return None


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """How a stream becomes tags. Without framing, text ends at a line's end and a struct has its own size."""

    pattern: str | None = setting(
        None, help="regular expression for a whole frame; each named group is a tag", example=r"T=(?P<temp>\S+)"
    )
    struct: str | None = setting(
        None, help="struct format of a binary frame, its byte order first (Python's struct module)", example="<Hf"
    )
    fields: tuple[str, ...] = setting((), help="names of the struct's values, in order; each is a tag")
    tags: dict[str, FieldSettings] = setting({}, help="type, unit, scale and offset of tags; float64 where not given")
    encoding: str = setting("utf-8", help="encoding of text in frames and in writes", check=_known_encoding)
    delimiter: str | None = setting(
        None, help='what ends a frame; "\\n" for a pattern without other framing', example="\\r\\n", check=_on_wire
    )
    start: str | None = setting(None, help="what begins a frame, with end", example="\\u0002", check=_on_wire)
    end: str | None = setting(None, help="what ends a frame that start began", example="\\u0003", check=_on_wire)
    frame_bytes: int | None = setting(None, key="frame_bytes", ge=1, le=65536, help="size of every frame in bytes")
    max_frame_bytes: int = size(
        "4KiB", key="max_frame_bytes", le=2**20, help="a longer frame is thrown away up to the next and counted"
    )
    request: str | None = setting(
        None, help="what to send before each reading; without it, listen", example="MEAS?\\n", check=_on_wire
    )
    timeout_s: float = duration("1s", le=60, help="how long an answer to request, or a write, may take")
    writes: dict[str, str] = setting({}, help="command that sets a tag, by tag; {value} is its value")

    def framer(self) -> Framer:
        """A framer for a new connection."""
        if self.start is not None and self.end is not None:
            return Enclosed(wire(self.start), wire(self.end), self.max_frame_bytes)
        if self.frame_bytes is not None:
            return FixedSize(self.frame_bytes)
        if self.delimiter is None and self.struct is not None:
            return FixedSize(struct.calcsize(self.struct))
        return Delimited(wire("\n" if self.delimiter is None else self.delimiter), self.max_frame_bytes)

    def reader(self) -> Pattern | Packed:
        """What makes scans of frames."""
        if self.pattern is not None:
            return Pattern(self.pattern, self.tags, self.encoding)
        return Packed(self.struct or "", self.fields, self.tags, self.encoding)

    def command(self, field: Field, value: Value) -> bytes:
        """What to send in order to set a tag. Raises ValueError for a value that cannot be written."""
        return self.writes[field.tag.name].format(value=field.operand(value)).encode(self.encoding)

    def problems(self, path: str) -> Iterable[Problem]:
        yield from self._framing_problems(path)
        if (self.pattern is None) == (self.struct is None):
            value = "" if self.struct is None else repr(self.struct)
            yield Problem(f"{path}.struct", value, "write either pattern (for text) or struct (for binary frames)")
            return
        mistakes = list(self._pattern_problems(path) if self.pattern is not None else self._struct_problems(path))
        yield from mistakes or self._tag_problems(path)

    def _framing_problems(self, path: str) -> Iterable[Problem]:
        if (self.start is None) != (self.end is None):
            missing, given = ("start", self.end) if self.start is None else ("end", self.start)
            yield Problem(f"{path}.{missing}", "", f"is missing beside {given!r}: start and end go together")
        chosen = {"delimiter": self.delimiter, "start": self.start, "frame_bytes": self.frame_bytes}
        given_ways = [name for name, value in chosen.items() if value is not None]
        if len(given_ways) > 1:
            where = given_ways[-1]
            cure = f"only one way of framing can be used; {' and '.join(given_ways)} are given"
            yield Problem(f"{path}.{where}", repr(chosen[where]), cure)
        if self.start is not None and self.end is not None and (self.start in self.end or self.end in self.start):
            cure = "start and end must differ and neither may contain the other; delimiter frames by one mark"
            yield Problem(f"{path}.end", repr(self.end), cure)

    def _pattern_problems(self, path: str) -> Iterable[Problem]:
        pattern = self.pattern or ""
        try:
            groups = re.compile(pattern).groupindex
        except re.error as wrong:
            yield Problem(f"{path}.pattern", repr(pattern), f"must be a regular expression: {wrong}")
            return
        if not groups:
            cure = r"must have a named group for each tag, such as (?P<temp>\S+)"
            yield Problem(f"{path}.pattern", repr(pattern), cure)
        if self.fields:
            yield Problem(f"{path}.fields", repr(list(self.fields)), "belong to struct; a pattern names its own groups")

    def _struct_problems(self, path: str) -> Iterable[Problem]:
        form = self.struct or ""
        try:
            bytes_needed = struct.calcsize(form)
            if bytes_needed > 65536:
                raise struct.error("a frame has at most 65536 bytes")
            values = len(struct.unpack(form, bytes(bytes_needed)))
        except struct.error as wrong:
            yield Problem(f"{path}.struct", repr(form), f"must be a format of Python's struct module: {wrong}")
            return
        if form[:1] not in ("<", ">", "!", "="):
            yield Problem(f"{path}.struct", repr(form), 'must begin with its byte order: "<" (little) or ">" (big)')
        if values == 0 or len(self.fields) != values or len(set(self.fields)) != values:
            cure = f"must be {values} different names, one for each value of {form!r}"
            yield Problem(f"{path}.fields", repr(list(self.fields)), cure)
        if self.frame_bytes not in (None, bytes_needed):
            cure = f"must be {bytes_needed}, the size of {form!r}; frame_bytes can be left out"
            yield Problem(f"{path}.frame_bytes", repr(self.frame_bytes), cure)

    def _tag_problems(self, path: str) -> Iterable[Problem]:
        names = list(re.compile(self.pattern).groupindex) if self.pattern is not None else list(self.fields)
        for table, known in (("tags", self.tags), ("writes", self.writes)):
            for name in known:
                if name not in names:
                    yield Problem(f"{path}.{table}.{name}", "", f"no field of that name; {nearest(name, names)}")
        for field in fields_of(names, self.tags):
            template = self.writes.get(field.tag.name)
            cure = None if template is None else _template_cure(template, field, self.encoding)
            if cure:
                yield Problem(f"{path}.writes.{field.tag.name}", repr(template), cure)


def _template_cure(template: str, field: Field, encoding: str) -> str | None:
    try:
        template.format(value=field.operand(PLACEHOLDER[field.tag.type])).encode(encoding)
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as wrong:
        return f'must be text with {{value}} in it, such as "SET {{value}}\\n": {wrong}'
    return None
