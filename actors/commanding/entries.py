"""What a journal knows of a command's key, as a line of text; and which of it is worth keeping. Pure.

{"key", "at" (UTC ns), "outcome", "detail", "what"}                                   it ended
{..., "outcome": "begun", "tag", "value", "origin", "who", "why"}                     the device may hear of it
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.commanding.checks import Ending
from transports.messages import Command

BEGUN = "begun"
DETAIL_MOST = 500  # characters
_OF_A_BEGINNING = ("tag", "value", "origin", "who", "why")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a key. `what` tells one command from another ("" matches any); the rest only a beginning has."""

    key: str
    at_ns: int
    outcome: str
    detail: str = ""
    what: str = ""
    tag: str = ""
    value: Any = None
    origin: str = ""
    who: str = ""
    why: str = ""

    def command(self, lasting: bool) -> Command:
        """The command that had begun, as far as it is known."""
        return Command(self.key, self.tag, self.value, 0.0, self.origin, self.who, self.why, lasting=lasting)


def begun(command: Command, at_ns: int) -> Entry:
    """The device is about to hear of it."""
    wish = {name: getattr(command, name) for name in _OF_A_BEGINNING}
    return Entry(command.key, at_ns, BEGUN, "", fingerprint(command), **wish)


def ended(command: Command, at_ns: int, ending: Ending, detail: str) -> Entry:
    """What came of it."""
    return Entry(command.key, at_ns, ending.value, detail[:DETAIL_MOST], fingerprint(command))


def fingerprint(command: Command) -> str:
    """The same for the same tag and value, 7 and 7.0 being the same; "" where it is not known what was commanded."""
    if not command.tag:
        return ""
    return f"{zlib.crc32(repr((command.tag, _plain(command.value))).encode('utf-8', 'backslashreplace')):08x}"


def packed(entry: Entry) -> bytes:
    """The line, with its end."""
    said = {"key": entry.key, "at": entry.at_ns, "outcome": entry.outcome, "detail": entry.detail, "what": entry.what}
    if entry.outcome == BEGUN:
        said |= {name: getattr(entry, name) for name in _OF_A_BEGINNING}
    return json.dumps(said, default=_hex).encode() + b"\n"


def unpacked(text: bytes) -> Entry:
    """An entry from its line. Raises ValueError for anything else."""
    try:
        said = json.loads(text)
        entry = Entry(str(said["key"]), int(said["at"]), str(said["outcome"]), str(said["detail"]))
        what = str(said["what"]) if "what" in said else ""  # not in a journal of before the first release with them
        wish = {name: said[name] for name in _OF_A_BEGINNING if name in said}
        return replace(entry, what=what, **{**wish, "value": _value(wish["value"])} if "value" in wish else {})
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as wrong:
        raise ValueError(f"no entry of a journal: {wrong!r:.80}") from wrong


def worth_keeping(known: Sequence[Entry], most_bytes: int) -> list[Entry]:
    """Of these (oldest first) the newest that have room; the older half of the room is for outcomes without details.

    How old they are by the clock does not matter: it may jump. What has begun and not ended is always kept.
    """
    return list(_kept(known, most_bytes))[::-1]


def _kept(known: Sequence[Entry], most_bytes: int) -> Iterator[Entry]:
    used = 0
    for entry in reversed(known):
        if entry.outcome != BEGUN and used > most_bytes // 2:
            entry = replace(entry, detail="")
        used += len(packed(entry))
        if entry.outcome == BEGUN or used <= most_bytes:
            yield entry


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _hex(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    raise TypeError(f"no value of a tag: {value!r:.80}")


def _value(said: Any) -> Any:
    if isinstance(said, dict):
        return bytes.fromhex(said["hex"])
    return tuple(said) if isinstance(said, list) else said
