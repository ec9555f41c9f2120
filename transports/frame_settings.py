"""Frame settings: what any driver of a stream can be told about its frames, and the parts that follow from it.

The drivers of serial ports, TCP and UDP share this: how frames are cut out (transports/framing), how they become tags
(transports/fields, transports/nmea), what is sent to ask for one or to write one.
"""

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from transports.checksums import Checksum, checksum_of
from transports.errors import Problem
from transports.fields import Field, FieldSettings, Packed, Pattern, Reader, fields_of, types_of
from transports.framing import FixedSize, Framer
from transports.framing_settings import FramingSettings, on_wire, wire
from transports.nmea import Nmea
from transports.nmea_settings import SentenceSettings
from transports.samples import PLACEHOLDER, Value
from transports.settings import duration, nearest, setting
from transports.writing import Limits

_MOST_REQUESTS = 32


def _all_on_wire(texts: tuple[str, ...]) -> str | None:
    if len(texts) > _MOST_REQUESTS:
        return f"must be at most {_MOST_REQUESTS} requests"
    return next((cure for cure in map(on_wire, texts) if cure), None)


def _known_encoding(name: str) -> str | None:
    try:
        "0".encode(name)
    except (LookupError, UnicodeError):
        return 'must be a text encoding that Python knows, such as "utf-8", "ascii" or "latin-1"'
    return None


@dataclass(frozen=True, kw_only=True)
class FrameSettings(FramingSettings, SentenceSettings):
    """How a stream becomes tags. Without framing, text ends at a line's end and a struct has its own size."""

    pattern: str | None = setting(
        None, help="regular expression for a whole frame; each named group is a tag", example=r"T=(?P<temp>\S+)"
    )
    struct: str | None = setting(
        None, help="struct format of a binary frame, its byte order first (Python's struct module)", example="<Hf"
    )
    fields: tuple[str, ...] = setting((), help="names of the struct's values, in order; each is a tag")
    format: str | None = setting(None, choices=("nmea",), help="a form of frames that is known: NMEA 0183")
    tags: dict[str, FieldSettings] = setting({}, help="type, unit, scale and offset of tags, and what may be written")
    encoding: str = setting("utf-8", help="encoding of text in frames and in writes", check=_known_encoding)
    request: str | None = setting(
        None, help="what to send before each reading; without it, listen", example="MEAS?\\n", check=on_wire
    )
    requests: tuple[str, ...] = setting(
        (), help="several requests, sent one after the other in each reading", check=_all_on_wire
    )
    timeout_s: float = duration("1s", le=60, help="how long an answer to a request, or a write, may take")
    writes: dict[str, str] = setting({}, help="command that sets a tag, by tag; {value} is its value")

    @property
    def asked(self) -> tuple[bytes, ...]:
        """What is sent at each reading, ready for the wire; nothing where the device talks by itself."""
        texts = self.requests if self.request is None else (self.request,)
        return tuple(self.outgoing(wire(text)) for text in texts)

    @property
    def sum_of_frames(self) -> Checksum | None:
        """What each frame ends with, if anything; NMEA has its own."""
        return checksum_of(self.checksum or ("nmea" if self.format == "nmea" else "none"), self._form)

    @property
    def limits(self) -> Mapping[str, Limits]:
        """What may be written to each tag that has a command."""
        plain = FieldSettings()
        found = {name: replace(self.tags.get(name, plain), writable=True).limits for name in self.writes}
        return {name: limits for name, limits in found.items() if limits is not None}

    def _unframed(self) -> Framer:
        """A struct has a size of its own; text ends with the line."""
        if self.struct is not None:
            return FixedSize(self._struct_bytes)
        return super()._unframed()

    @property
    def _struct_bytes(self) -> int:
        checksum = self.sum_of_frames
        return struct.calcsize(self.struct or "") + (0 if checksum is None else checksum.length)

    @property
    def _usual_end(self) -> bytes:
        return b"\r\n" if self.format == "nmea" else b"\n"

    def reader(self) -> Reader:
        """What makes scans of frames."""
        if self.pattern is not None:
            return Pattern(self.pattern, self.tags, self.encoding)
        if self.format is not None:
            return Nmea(self.wanted, self.layouts, self.transducers, self.tags)
        return Packed(self.struct or "", self.fields, self.tags, self.encoding)

    def command(self, field: Field, value: Value) -> bytes:
        """What to send in order to set a tag. Raises ValueError, OverflowError for a value that cannot be written."""
        text = self.writes[field.tag.name].format(value=field.operand(value))
        return self.outgoing(text.encode(self.encoding))

    # --- what is wrong -----------------------------------------------------------------------------------------------

    def problems(self, path: str) -> Iterable[Problem]:
        forms = {"pattern": self.pattern, "struct": self.struct, "format": self.format}
        given = [name for name, value in forms.items() if value is not None]
        framing = list(self.framing_problems(path)) if self._struct_is_known else []
        yield from framing
        if len(given) != 1:
            value = "" if self.struct is None else repr(self.struct)
            cure = "write either pattern (for text) or struct (for binary frames) or format"
            yield Problem(f"{path}.struct", value, cure)
            return
        mistakes = list(self._form_problems(path))
        yield from mistakes or self._tag_problems(path)
        yield from () if framing else self._request_problems(path)

    @property
    def _struct_is_known(self) -> bool:
        try:
            return struct.calcsize(self.struct or "") <= 65536
        except struct.error:
            return False

    def _form_problems(self, path: str) -> Iterable[Problem]:
        if self.format is not None:
            yield from self.sentence_problems(path)
        elif self.sentences or self.layouts or self.transducers:
            key = "sentences" if self.sentences else "layouts" if self.layouts else "transducers"
            yield Problem(f"{path}.{key}", "", 'belongs to format = "nmea"')
        if self.pattern is not None:
            yield from self._pattern_problems(path)
        if self.struct is not None:
            yield from self._struct_problems(path)
        elif self.fields and self.pattern is None:
            yield Problem(f"{path}.fields", repr(list(self.fields)), "belong to struct")

    def _request_problems(self, path: str) -> Iterable[Problem]:
        if self.request is not None and self.requests:
            yield Problem(f"{path}.requests", "", "cannot stand beside request; write all of them in requests")
        try:
            _ = self.asked
        except (ValueError, OverflowError):
            yield Problem(f"{path}.request", repr(self.request), "is too long for the number in its header")

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
        if self.frame_bytes not in (None, self._struct_bytes):
            cure = f"must be {self._struct_bytes}, the size of {form!r}; frame_bytes can be left out"
            yield Problem(f"{path}.frame_bytes", repr(self.frame_bytes), cure)

    def _tag_problems(self, path: str) -> Iterable[Problem]:
        names, types = self._names, types_of(self.struct or "", self.fields)
        for table, known in (("tags", self.tags), ("writes", self.writes)):
            for name in known:
                if name not in names:
                    yield Problem(f"{path}.{table}.{name}", "", f"no field of that name; {nearest(name, names)}")
        for field in fields_of(names, self.tags, types):
            template = self.writes.get(field.tag.name)
            cure = None if template is None else _template_cure(template, field, self.encoding)
            if cure:
                yield Problem(f"{path}.writes.{field.tag.name}", repr(template), cure)
        for name, note in self.tags.items():
            yield from replace(note, writable=note.writable or name in self.writes).writing_problems(
                f"{path}.tags.{name}"
            )
            if note.writable and name not in self.writes:
                yield Problem(f"{path}.tags.{name}.writable", "True", f"needs its command in writes.{name}")

    @property
    def _names(self) -> list[str]:
        """The tags that have settings of their own."""
        if self.format is not None:
            return self.noted
        return list(self.fields) if self.pattern is None else list(re.compile(self.pattern).groupindex)


def _template_cure(template: str, field: Field, encoding: str) -> str | None:
    try:
        template.format(value=field.operand(PLACEHOLDER[field.tag.type])).encode(encoding)
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as wrong:
        return f'must be text with {{value}} in it, such as "SET {{value}}\\n": {wrong}'
    return None
