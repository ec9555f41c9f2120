"""NMEA 0183: what a sentence of a receiver or an instrument says, as tags, whoever talks ("GP", "GN", "II").

    $GPRMC,123519.00,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W   ->   rmc_latitude = 48.1173, ...

A sentence is a row of the tables in nmea_sentences.py: what each of its fields is, by its place. An empty field is Bad
("no data"), one that is no value of its kind Bad ("decoding"), and everything that a sentence says which declares
itself void (status "V", a fix of quality 0) is Bad ("sensor failure").
"""

import re
from collections.abc import Mapping, Sequence

from transports.fields import Field, FieldSettings, fields_of, tags_of
from transports.nmea_sentences import NO_DATA, SENTENCES, Part, Sentence
from transports.nmea_sentences import tags_of as tags_of_parts
from transports.samples import Quality, Scan, Tag, Value
from transports.tag_names import word

DEFAULT = ("GGA", "RMC", "VTG")  # what a receiver says by itself
_ADDRESS = re.compile(r"[$!](?:P[A-Z0-9]{1,12}|[A-Z0-9]{2}([A-Z0-9]{3}))")  # a maker's own, or a talker and a sentence
_WORDS = 4  # an XDR sentence repeats kind, value, unit and name


class Nmea:
    """Sentences whose checksum is verified and cut off already: a scan of the tags of each that is asked for.

    `layouts` names the fields of other sentences, by their places: "" for one that is not wanted. `transducers` are
    the names of an XDR sentence.
    """

    def __init__(
        self,
        sentences: Sequence[str],
        layouts: Mapping[str, Sequence[str]],
        transducers: Sequence[str],
        notes: Mapping[str, FieldSettings],
    ) -> None:
        self._sentences = {name: SENTENCES[name] for name in sentences}
        own = fields_of([name for names in layouts.values() for name in names if name], notes)
        self._own = {field.tag.name: field for field in own}
        self._layouts = layouts
        named = fields_of([transducer_tag(name) for name in transducers], notes)
        self._transducers = dict(zip(transducers, named, strict=True))
        built_in = [Field(tag) for sentence in self._sentences.values() for tag in sentence.tags]
        self.fields = (*built_in, *own, *named)

    def ignores(self, frame: bytes) -> bool:
        """A sentence that nobody asked for is no loss."""
        name = _name(frame.decode("ascii", errors="replace").partition(",")[0])
        wanted = name in self._sentences or name in self._layouts or (name == "XDR" and bool(self._transducers))
        return name is not None and not wanted

    def scan(self, frame: bytes, time_ns: int) -> Scan | None:
        """What the sentence says, or None when it is not one of those that are asked for."""
        address, *parts = frame.decode("ascii", errors="replace").strip("\r\n").split(",")
        name = _name(address) or ""
        if name == "XDR" and self._transducers:
            return self._measured(parts, time_ns)
        if name in self._layouts:
            return self._laid_out(self._layouts[name], parts, time_ns)
        if name in self._sentences:
            return _said(self._sentences[name], parts, time_ns)
        return None

    def _laid_out(self, names: Sequence[str], parts: Sequence[str], time_ns: int) -> Scan:
        """A sentence whose fields the settings name; one that is shorter has no data for the rest."""
        wanted = [(self._own[name], _at(parts, place)) for place, name in enumerate(names) if name]
        return _of_fields(wanted, time_ns)

    def _measured(self, parts: Sequence[str], time_ns: int) -> Scan | None:
        """The transducers that are asked for, among those of an XDR sentence; each once, the last one said."""
        groups = (parts[at : at + _WORDS] for at in range(0, len(parts) - _WORDS + 1, _WORDS))
        said = {name: text for _, text, _, name in groups}
        heard = [(field, said[name]) for name, field in self._transducers.items() if name in said]
        return _of_fields(heard, time_ns) if heard else None


def transducer_tag(name: str) -> str:
    """The tag of an XDR transducer, such as xdr_ptch for PTCH."""
    return f"xdr_{word(name)}"


def _name(address: str) -> str | None:
    """RMC of $GPRMC, PGRMZ of $PGRMZ; None of what is no address."""
    match = _ADDRESS.fullmatch(address)
    return None if match is None else match[1] or address[1:]


def _at(parts: Sequence[str], place: int) -> str:
    return parts[place] if place < len(parts) else ""


def _of_fields(said: Sequence[tuple[Field, str]], time_ns: int) -> Scan:
    read = [field.value(text, "ascii") if text else (None, NO_DATA) for field, text in said]
    return _scan(tags_of(tuple(field for field, _ in said)), read, time_ns)


def _said(sentence: Sentence, parts: Sequence[str], time_ns: int) -> Scan | None:
    form, void = sentence.form(parts), sentence.is_void(parts)
    return _scan(tags_of_parts(form), [_value(part, parts, void) for part in form], time_ns) if form else None


def _value(part: Part, parts: Sequence[str], void: bool) -> tuple[Value | None, int]:
    texts = [_at(parts, place) for place in part.places]
    if not all(texts):
        return None, NO_DATA
    try:
        value = part.read(*texts)
    except ValueError:
        return None, Quality.BAD_DECODING
    return (None, Quality.BAD_SENSOR_FAILURE) if void and not part.always else (value, Quality.GOOD)


def _scan(tags: tuple[Tag, ...], read: Sequence[tuple[Value | None, int]], time_ns: int) -> Scan:
    codes = [code for _, code in read]
    return Scan(time_ns, tags, [value for value, _ in read], codes if any(codes) else Quality.GOOD)
