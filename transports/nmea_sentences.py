"""The sentences of NMEA 0183 and what each field of them is, by its place behind the address.

A new sentence is a row in SENTENCES.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from transports.samples import DataType, Tag, Value

NO_DATA = 0x809B_0000  # Bad_NoData (OPC 10000-6, Annex A.2): the field is there and empty
_NUMBER = re.compile(r"[-+]?(\d{1,18}\.?\d{0,18}|\.\d{1,18})", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(\.\d{1,9})?", re.ASCII)  # hhmmss.sss; 60 is a leap second
_ANGLE = re.compile(r"(\d{1,3})([0-5]\d(?:\.\d{0,15})?)", re.ASCII)  # dddmm.mmmm
_PER_S = {"K": 1 / 3.6, "M": 1.0, "N": 1852 / 3600, "S": 1609.344 / 3600}  # km/h, m/s, knots, statute miles an hour


def number(text: str) -> float:
    """A number as NMEA writes it: digits and a point. Raises ValueError for anything else."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise ValueError(text)
    return int(text)


def _turned(positive: str, negative: str, most: float) -> Callable[[str, str], float]:
    """Degrees and minutes with a hemisphere as signed degrees."""

    def angle(text: str, hemisphere: str) -> float:
        match = _ANGLE.fullmatch(text)
        if match is None or hemisphere not in (positive, negative):
            raise ValueError(text)
        degrees = int(match[1]) + float(match[2]) / 60
        if degrees > most:
            raise ValueError(text)
        return degrees if hemisphere == positive else -degrees

    return angle


_latitude, _longitude = _turned("N", "S", 90.0), _turned("E", "W", 180.0)


def _variation(text: str, side: str) -> float:
    """Magnetic variation: east is positive."""
    if side not in ("E", "W"):
        raise ValueError(side)
    return number(text) if side == "E" else -number(text)


def _metres_per_s(text: str, unit: str) -> float:
    if unit not in _PER_S:
        raise ValueError(unit)
    return number(text) * _PER_S[unit]


def _clock(text: str) -> str:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return f"{match[1]}:{match[2]}:{match[3]}{match[4] or ''}"


def _moment(text: str, day: str, month: str, year: str) -> str:
    return f"{date(_whole(year), _whole(month), _whole(day)).isoformat()}T{_clock(text)}Z"


def _moment_of_six(text: str, ddmmyy: str) -> str:
    """Two digits of a year: GPS began in 1980."""
    if len(ddmmyy) != 6:
        raise ValueError(ddmmyy)
    year = _whole(ddmmyy[4:])
    return _moment(text, ddmmyy[:2], ddmmyy[2:4], str(year + (1900 if year >= 80 else 2000)))


@dataclass(frozen=True, slots=True)
class Part:
    """One tag of a sentence: what is read from the fields at these places.

    `always`: also said when the sentence declares itself void. `only`: a place and the text that must stand there, or
    the sentence is of another form, without this tag.
    """

    tag: Tag
    read: Callable[..., Value]
    places: tuple[int, ...]
    always: bool = False
    only: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a sentence says; void where the field at that place has that text."""

    parts: tuple[Part, ...]
    void: tuple[int, str] | None = None

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Everything that it can say."""
        return tags_of(self.parts)

    def form(self, fields: Sequence[str]) -> tuple[Part, ...]:
        """What it says this time."""
        return tuple(part for part in self.parts if part.only is None or _is(fields, part.only))

    def is_void(self, fields: Sequence[str]) -> bool:
        """Whether it says of itself that it is not valid."""
        return self.void is not None and _is(fields, self.void)


@lru_cache(maxsize=64)  # one tuple for all scans of the same form: readers recognise it by identity
def tags_of(parts: tuple[Part, ...]) -> tuple[Tag, ...]:
    """The tags of some parts, in their order."""
    return tuple(part.tag for part in parts)


def _is(fields: Sequence[str], wanted: tuple[int, str]) -> bool:
    place, text = wanted
    return place < len(fields) and fields[place] == text


def _float(name: str, unit: str, place: int, only: tuple[int, str] | None = None) -> Part:
    return Part(Tag(name, unit=unit), number, (place,), only=only)


def _text(name: str, place: int) -> Part:
    return Part(Tag(name, DataType.STRING), str, (place,), always=True)


def _count(name: str, place: int) -> Part:
    return Part(Tag(name, DataType.INT64), _whole, (place,), always=True)


def _time(name: str, read: Callable[..., str], *places: int) -> Part:
    return Part(Tag(name, DataType.STRING), read, places, always=True)


def _position(sentence: str, place: int) -> tuple[Part, Part]:
    """Latitude, N or S, longitude, E or W, from that place on; signed degrees, south and west negative."""
    return (
        Part(Tag(f"{sentence}_latitude", unit="deg"), _latitude, (place, place + 1)),
        Part(Tag(f"{sentence}_longitude", unit="deg"), _longitude, (place + 2, place + 3)),
    )


def _wind(name: str, reference: str) -> tuple[Part, Part]:
    speed = Part(Tag(f"mwv_{name}_speed", unit="m/s"), _metres_per_s, (2, 3), only=(1, reference))
    return _float(f"mwv_{name}_angle", "deg", 0, (1, reference)), speed


SENTENCES: Mapping[str, Sentence] = {
    "GGA": Sentence(  # fix of a receiver
        (
            _time("gga_time", _clock, 0),
            *_position("gga", 1),
            _count("gga_quality", 5),
            _count("gga_satellites", 6),
            _float("gga_hdop", "", 7),
            _float("gga_altitude", "m", 8),
            _float("gga_geoid", "m", 10),
        ),
        void=(5, "0"),
    ),
    "RMC": Sentence(  # the least that navigation needs
        (
            _time("rmc_time", _moment_of_six, 0, 8),
            _text("rmc_status", 1),
            *_position("rmc", 2),
            _float("rmc_speed", "[kn_i]", 6),
            _float("rmc_course", "deg", 7),
            Part(Tag("rmc_variation", unit="deg"), _variation, (9, 10)),
        ),
        void=(1, "V"),
    ),
    "VTG": Sentence(  # course and speed over ground
        (
            _float("vtg_course", "deg", 0),
            _float("vtg_course_magnetic", "deg", 2),
            _float("vtg_speed", "[kn_i]", 4),
            _float("vtg_speed_kmh", "km/h", 6),
        ),
        void=(8, "N"),
    ),
    "GLL": Sentence((*_position("gll", 0), _time("gll_time", _clock, 4), _text("gll_status", 5)), void=(5, "V")),
    "ZDA": Sentence((_time("zda_time", _moment, 0, 1, 2, 3),)),
    "HDT": Sentence((_float("hdt_heading", "deg", 0),)),
    "HDM": Sentence((_float("hdm_heading", "deg", 0),)),
    "ROT": Sentence((_float("rot_rate", "deg/min", 0),), void=(1, "V")),
    "MWV": Sentence((*_wind("apparent", "R"), *_wind("true", "T"), _text("mwv_status", 4)), void=(4, "V")),
    "DBT": Sentence((_float("dbt_depth", "m", 2),)),
    "DPT": Sentence((_float("dpt_depth", "m", 0), _float("dpt_offset", "m", 1))),
    "MTW": Sentence((_float("mtw_temperature", "Cel", 0),)),
}
