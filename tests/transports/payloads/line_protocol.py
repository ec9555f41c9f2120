"""A strict reader of InfluxDB's line protocol, written from its reference: what that does not allow fails."""

import re
from dataclasses import dataclass

ESCAPED_IN_KEYS = ",= "
TIME_MOST = 9223372036854775806
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
INTEGER = re.compile(r"-?\d+[iu]")


@dataclass(frozen=True)
class Point:
    measurement: str
    tags: dict
    fields: dict
    time_ns: int


@dataclass
class Reader:
    """Characters of one line; `at` is the next one."""

    text: str
    at: int = 0

    def peek(self):
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self, wanted):
        assert self.peek() == wanted, f"{wanted!r} at {self.at} of {self.text!r}"
        self.at += 1

    def name(self, escaped, ends):
        """A name up to one of `ends`; a backslash before one of `escaped` takes it in, any other is itself."""
        told = ""
        while (char := self.peek()) and char not in ends:
            self.at += 1
            if char == "\\" and self.peek() and self.peek() in escaped:
                char = self.peek()
                self.at += 1
            assert char == " " or char.isprintable() or ord(char) >= 0x80, f"control character in {self.text!r}"
            told += char
        assert told, f"an empty name at {self.at} of {self.text!r}"
        assert not told.endswith("\\"), "it would escape what follows"
        return told

    def string(self):
        self.take('"')
        told = ""
        while (char := self.peek()) != '"':
            assert char, "the string does not end"
            self.at += 1
            if char == "\\" and self.peek() in ('"', "\\"):
                char = self.peek()
                self.at += 1
            told += char
        self.take('"')
        return told

    def value(self):
        if self.peek() == '"':
            return self.string()
        word = re.compile(r"[^, ]*").match(self.text, self.at)[0]
        self.at += len(word)
        return scalar(word)


def scalar(word):
    if word in ("true", "false"):
        return word == "true"
    if INTEGER.fullmatch(word):
        number = int(word[:-1])
        low, high = (-(2**63), 2**63) if word[-1] == "i" else (0, 2**64)
        assert low <= number < high, word
        return number
    assert NUMBER.fullmatch(word), f"{word!r} is no field value"
    return float(word)


def point(line):
    """One line. Raises AssertionError for what the reference does not allow."""
    assert line, "an empty line"
    assert not line.startswith("#"), "a comment"
    reader = Reader(line)
    measurement = reader.name(", ", ", ")
    tags, fields = {}, {}
    while reader.peek() == ",":
        reader.take(",")
        key = reader.name(ESCAPED_IN_KEYS, ESCAPED_IN_KEYS)
        reader.take("=")
        tags[key] = reader.name(ESCAPED_IN_KEYS, ESCAPED_IN_KEYS)
    assert list(tags) == sorted(tags)
    separator = " "
    while reader.peek() == separator:
        reader.take(separator)
        key = reader.name(ESCAPED_IN_KEYS, ESCAPED_IN_KEYS)
        assert key not in fields, f"{key!r} twice"
        reader.take("=")
        fields[key] = reader.value()
        separator = ","
    assert fields, "a point has at least one field"
    reader.take(" ")
    assert re.fullmatch(r"-?\d+", line[reader.at :]), "no timestamp"
    time_ns = int(line[reader.at :])
    assert abs(time_ns) <= TIME_MOST
    assert not [name for name in (measurement, *tags, *fields) if name.startswith("_")], "InfluxDB's own namespace"
    assert "time" not in fields
    return Point(measurement, tags, fields, time_ns)


def points(payload):
    """All lines of a payload."""
    return [point(line) for line in payload.decode().split("\n")] if payload else []
