"""Framing settings: how a stream is cut into frames, how each shows that it is whole, how what is sent is framed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from transports.checksums import NAMES, Checksum, Form, checksum_of
from transports.errors import Problem
from transports.framing import (
    Datagrams,
    Delimited,
    Enclosed,
    FixedSize,
    Framer,
    Header,
    LengthPrefixed,
    Paused,
    Stuffed,
    slip,
    stuff,
    stuff_slip,
)
from transports.settings import duration, setting, size


def wire(text: str) -> bytes:
    """The bytes that a setting names: each character up to U+00FF is the byte of that number."""
    return text.encode("latin-1")


def on_wire(text: str) -> str | None:
    """What is wrong with text that has to be bytes."""
    if text and max(text) <= "\xff":
        return None
    return 'must be one or more bytes, written such as "\\n", "\\u0002" or "\\u00ff"'


@dataclass(frozen=True)
class LengthSettings:
    """Where a frame says how long it is."""

    length_bytes: int = setting(2, key="bytes", choices=(1, 2, 4), help="bytes of the number")
    order: str = setting("big", choices=("big", "little"), help="which byte of the number comes first")
    at: int = setting(0, ge=0, le=255, help="how many bytes of the frame lie before the number")
    add: int = setting(0, ge=-65536, le=65536, help="bytes that follow the number = number + add")
    skip: int | None = setting(
        None, ge=0, le=65536, help="bytes cut off at the frame's beginning; all up to the number's end where not given"
    )

    def header(self) -> Header:
        """The same, as the framer takes it."""
        order: Literal["big", "little"] = "big" if self.order == "big" else "little"
        return Header(self.length_bytes, order, self.at, self.add, self.skip)


@dataclass(frozen=True, kw_only=True)
class FramingSettings:
    """One way of framing out of six, and a checksum at the frame's end."""

    delimiter: str | None = setting(
        None, help='what ends a frame; "\\n" for text without other framing', example="\\r\\n", check=on_wire
    )
    start: str | None = setting(
        None, help="what begins a frame, with end, or with length", example="\\u0002", check=on_wire
    )
    end: str | None = setting(None, help="what ends a frame that start began", example="\\u0003", check=on_wire)
    escape: str | None = setting(
        None, help="byte that makes ordinary what follows it, within start and end", example="\\u0010", check=on_wire
    )
    frame_bytes: int | None = setting(None, key="frame_bytes", ge=1, le=65536, help="size of every frame in bytes")
    length: LengthSettings | None = setting(
        None, help="where a frame says its size: { bytes, order, at, add, skip }", example="{ bytes = 2 }"
    )
    slip: bool = setting(False, help="frames as SLIP has them (RFC 1055)")
    gap_s: float | None = duration(None, ge=0.001, le=60, help="a pause this long ends a frame")
    max_frame_bytes: int = size(
        "4KiB", key="max_frame_bytes", le=2**20, help="a longer frame is thrown away up to the next and counted"
    )
    checksum: str | None = setting(
        None, choices=NAMES, help="what ends each frame; one that is wrong is thrown away and counted"
    )
    checksum_form: str | None = setting(
        None, choices=("big", "little", "hex"), help="byte order of the checksum, or hexadecimal digits"
    )
    checksum_sent: bool = setting(False, help="whether what is sent gets the checksum, too")
    frame_sent: bool = setting(False, help="whether what is sent is made a frame; else it is sent as it is written")

    @property
    def sum_of_frames(self) -> Checksum | None:
        """What each frame ends with, if anything."""
        return checksum_of(self.checksum or "none", self._form)

    @property
    def _form(self) -> Form | None:
        forms: dict[str | None, Form] = {"big": "big", "little": "little", "hex": "hex"}
        return forms.get(self.checksum_form)

    def framer(self) -> Framer:
        """A framer for a new connection."""
        most = self.max_frame_bytes
        if self.length is not None:
            return LengthPrefixed(self.length.header(), most, wire(self.start or ""))
        if self.start is not None and self.end is not None:
            if self.escape is not None:
                return Stuffed(wire(self.start), wire(self.end), wire(self.escape), most)
            return Enclosed(wire(self.start), wire(self.end), most)
        if self.slip:
            return slip(most)
        if self.gap_s is not None:
            return Paused(self.gap_s, most)
        if self.frame_bytes is not None:
            return FixedSize(self.frame_bytes)
        return self._unframed() if self.delimiter is None else Delimited(wire(self.delimiter), most)

    def outgoing(self, payload: bytes) -> bytes:
        """What is sent for it. ValueError, OverflowError: no frame of this framing can hold it."""
        checksum = self.sum_of_frames
        if self.checksum_sent and checksum is not None:
            payload = checksum.appended(payload)
        return self._framed(payload) if self.frame_sent else payload

    def _unframed(self) -> Framer:
        """What cuts frames where the settings name no way."""
        return Delimited(b"\n", self.max_frame_bytes)

    def _framed(self, payload: bytes) -> bytes:
        if self.length is not None:
            return self.length.header().of(payload) + payload
        if self.slip:
            return stuff_slip(payload)
        if self.start is not None and self.end is not None:
            start, end = wire(self.start), wire(self.end)
            return start + payload + end if self.escape is None else stuff(payload, start, end, wire(self.escape))
        if self.delimiter is not None:
            return payload + wire(self.delimiter)
        return payload + (b"" if self._by_themselves else self._usual_end)

    @property
    def _usual_end(self) -> bytes:
        """What ends a text frame where the settings do not say it."""
        return b"\n"

    @property
    def _by_themselves(self) -> bool:
        """Whether frames have no marks: their size, a pause or the datagram makes them."""
        unmarked = self.frame_bytes is not None or self.gap_s is not None
        return unmarked or isinstance(self.framer(), (FixedSize, Datagrams))

    # --- what is wrong -----------------------------------------------------------------------------------------------

    def framing_problems(self, path: str) -> Iterable[Problem]:
        """Marks that lack their other half, two ways at once, and a checksum that nobody can make."""
        wrong = [*self._mark_problems(path), *self._way_problems(path)]
        yield from wrong or self._making_problems(path)
        yield from self._checksum_problems(path)

    def _mark_problems(self, path: str) -> Iterable[Problem]:
        lone = self.start is None or self.length is None
        if (self.start is None) != (self.end is None) and (lone or self.end is not None):
            missing, given = ("start", self.end) if self.start is None else ("end", self.start)
            yield Problem(f"{path}.{missing}", "", f"is missing beside {given!r}: start and end go together")
        if self.escape is not None and self.end is None:
            yield Problem(f"{path}.escape", repr(self.escape), "needs start and end: it escapes them within a frame")

    def _way_problems(self, path: str) -> Iterable[Problem]:
        chosen = {
            "delimiter": self.delimiter,
            "start": None if self.length is not None and self.end is None else self.start,
            "frame_bytes": self.frame_bytes,
            "length": self.length,
            "slip": self.slip or None,
            "gap": self.gap_s,
        }
        given = [name for name, value in chosen.items() if value is not None]
        if len(given) > 1:
            value = "" if given[-1] == "length" else repr(chosen[given[-1]])
            cure = f"only one way of framing can be used; {' and '.join(given)} are given"
            yield Problem(f"{path}.{given[-1]}", value, cure)

    def _making_problems(self, path: str) -> Iterable[Problem]:
        """Marks that no framer takes."""
        if self.start is not None and self.end is not None and self.escape is None:
            if self.start in self.end or self.end in self.start:
                cure = "start and end must differ and neither may contain the other; delimiter frames by one mark"
                yield Problem(f"{path}.end", repr(self.end), cure)
            return
        try:
            self.framer()
        except ValueError as wrong:
            key = "escape" if self.escape is not None else "length.at"
            yield Problem(f"{path}.{key}", repr(self.escape or getattr(self.length, "at", "")), f"{wrong}")

    def _checksum_problems(self, path: str) -> Iterable[Problem]:
        checksum = self.sum_of_frames
        if checksum is None and (self.checksum_sent or self.checksum_form):
            key, value = ("form", self.checksum_form) if self.checksum_form else ("sent", True)
            yield Problem(f"{path}.checksum_{key}", repr(value), "needs checksum, which says how it is counted")
        if checksum is not None and checksum.name == "nmea" and self.checksum_form:
            cure = 'must be left out: checksum = "nmea" is always two hexadecimal digits'
            yield Problem(f"{path}.checksum_form", repr(self.checksum_form), cure)
        length = self.length
        if self.frame_sent and length is not None and (length.at or length.skip not in (None, length.length_bytes)):
            cure = "can only frame what is sent where the header is the number alone; write the whole frame in request"
            yield Problem(f"{path}.frame_sent", "True", cure)
