"""A request from above, member by member: what each verb takes, and of which kind and size it must be. Pure.

    write                   device, tag, value; ttl, read_back
    restart, stop, start    name
    status, crashes         name (optional); crashes also last
    ledger
    reload                  config (the text of the new file); confirm_within, dry_run

All: id, verb; principal, why, gateway, uplink, expires, nonce. A member that nobody knows is a mistake, never passed
over: whoever writes `readback` must not believe that it is read back.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

from transports.errors import NotUnderstood
from transports.requests.words import is_text
from transports.samples import Value
from transports.settings import nearest

ID = re.compile(r"[\x21-\x7e]{1,64}")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}", re.ASCII)  # as in the configuration: never a path
GATEWAY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
WHY_MOST, TAG_MOST, VALUE_MOST = 200, 200, 4096
_WHOLE = range(-(2**63), 2**64)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_S = 10**11  # seconds since 1970: some 3000 years


class Verb(StrEnum):
    """What can be asked for."""

    WRITE = "write"
    RESTART = "restart"
    STOP = "stop"
    START = "start"
    STATUS = "status"
    LEDGER = "ledger"
    CRASHES = "crashes"
    RELOAD = "reload"


READING = frozenset({Verb.STATUS, Verb.LEDGER, Verb.CRASHES})


@dataclass(frozen=True, slots=True)
class Request:
    """One request, of the right form throughout. "" and 0 where a member was not given; `expires_ns` is UTC."""

    id: str
    verb: Verb
    principal: str = ""
    device: str = ""
    tag: str = ""
    value: Value | None = None
    ttl_s: float = 5.0
    read_back: bool | None = None
    name: str = ""
    last: int = 5
    config: str = ""
    confirm_within_s: float = 60.0
    dry_run: bool = False
    why: str = ""
    gateway: str = ""
    uplink: str = ""
    expires_ns: int = 0
    nonce: str = ""

    @property
    def target(self) -> str:
        """Whom it is about, in words for the audit."""
        if self.verb is Verb.WRITE:
            tag = self.tag if self.tag.isprintable() else repr(self.tag)  # a line in a log is one line
            return f"{self.device}.{tag} = {self.value!r:.80}"
        return self.name


def request_of(said: Mapping[str, Any]) -> Request:
    """The request that an object is. Raises NotUnderstood with the member and what it must be."""
    verb = _verb(said)
    must, may = _MEMBERS[verb]
    for member in said:
        if member not in must and member not in may and member not in _COMMON:
            raise NotUnderstood(f"{member!a:.60}: unknown member of {verb}; {nearest(member[:60], [*must, *may])}")
    for member in ("id", *must):
        if member not in said:
            raise NotUnderstood(f"{member}: is missing")
    return Request(**{_FIELDS.get(member, member): _READERS[member](member, value) for member, value in said.items()})


def id_of(said: Mapping[str, Any]) -> str:
    """The id of what may be no request, "" when it has none that could be repeated in an answer."""
    given = said.get("id")
    return given if isinstance(given, str) and ID.fullmatch(given) else ""


def _verb(said: Mapping[str, Any]) -> Verb:
    given = said.get("verb")
    if not isinstance(given, str):
        raise NotUnderstood("verb: is missing, or no text")
    try:
        return Verb(given)
    except ValueError:
        raise NotUnderstood(f"verb: unknown, {given!a:.40}; {nearest(given[:40], [*Verb])}") from None


# --- one member each -------------------------------------------------------------------------------------------------

_Reader = Callable[[str, Any], Any]


def _matching(pattern: re.Pattern[str], rule: str) -> _Reader:
    def read(member: str, given: Any) -> str:
        if not isinstance(given, str) or not pattern.fullmatch(given):
            raise NotUnderstood(f"{member}: must be {rule}")
        return given

    return read


def _text(most: int, least: int = 0) -> _Reader:
    def read(member: str, given: Any) -> str:
        if not is_text(given, most, least):
            raise NotUnderstood(f"{member}: must be a text of {least} to {most} characters")
        text: str = given
        return text

    return read


def _number(low: float, high: float) -> _Reader:
    def read(member: str, given: Any) -> float:
        if type(given) not in (int, float) or not low <= given <= high:
            raise NotUnderstood(f"{member}: must be a number from {low:g} to {high:g}")
        return float(given)

    return read


def _whole(low: int, high: int) -> _Reader:
    def read(member: str, given: Any) -> int:
        if type(given) is not int or not low <= given <= high:
            raise NotUnderstood(f"{member}: must be a whole number from {low} to {high}")
        return given

    return read


def _flag(member: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise NotUnderstood(f"{member}: must be true or false")
    return given


def _value(member: str, given: Any) -> Value:
    if isinstance(given, dict):
        return _bytes(member, given)
    if isinstance(given, list):
        if len(given) > VALUE_MOST or not all(_is_number(item) for item in given):
            raise NotUnderstood(f"{member}: a list has at most {VALUE_MOST} items, all numbers of at most 64 bits")
        return tuple(given)
    if isinstance(given, bool) or _is_number(given) or is_text(given, VALUE_MOST):
        value: Value = given
        return value
    raise NotUnderstood(
        f"{member}: must be true, false, a number of at most 64 bits, a text of at most {VALUE_MOST} characters, "
        f'a list of numbers, or {{"base64": "..."}}'
    )


def _bytes(member: str, given: Mapping[str, Any]) -> bytes:
    coded = given.get("base64")
    if len(given) == 1 and isinstance(coded, str) and len(coded) <= 2 * VALUE_MOST:
        try:
            value = base64.b64decode(coded, validate=True)
        except (binascii.Error, ValueError):
            value = bytes(VALUE_MOST + 1)
        if len(value) <= VALUE_MOST:
            return value
    raise NotUnderstood(f'{member}: bytes are written {{"base64": "..."}}, at most {VALUE_MOST} of them')


def _is_number(given: Any) -> bool:
    return isinstance(given, float) or (type(given) is int and given in _WHOLE)


def _moment(member: str, given: Any) -> int:
    """Nanoseconds, exact to the microsecond; never 0, which means that none was given."""
    if type(given) in (int, float) and 0 <= given <= _FAR_S:
        return max(1, int(Fraction(given) * 10**9))
    if isinstance(given, str) and len(given) <= 40:
        try:
            when = datetime.fromisoformat(given)
            if when.tzinfo is not None:
                return max(1, (when - _EPOCH) // timedelta(microseconds=1) * 1000)
        except (ValueError, OverflowError):
            pass
    raise NotUnderstood(f"{member}: must be seconds since 1970, or a time such as 2026-03-01T12:00:00Z")


_name = _matching(NAME, "a name as in the configuration")
_READERS: Mapping[str, _Reader] = {
    "id": _matching(ID, "1 to 64 letters, digits and signs of ASCII"),
    "nonce": _matching(ID, "1 to 64 letters, digits and signs of ASCII"),
    "verb": lambda _, given: Verb(given),
    "principal": _name,
    "device": _name,
    "name": _name,
    "uplink": _name,
    "gateway": _matching(GATEWAY, "the name of a gateway"),
    "tag": _text(TAG_MOST, 1),
    "value": _value,
    "ttl": _number(0.1, 60),
    "read_back": _flag,
    "last": _whole(1, 20),
    "config": _text(64 * 1024, 1),
    "confirm_within": _number(1, 86_400),
    "dry_run": _flag,
    "why": _text(WHY_MOST),
    "expires": _moment,
}
_FIELDS = {"ttl": "ttl_s", "confirm_within": "confirm_within_s", "expires": "expires_ns"}
_COMMON = frozenset({"id", "verb", "principal", "why", "gateway", "uplink", "expires", "nonce"})
_OF_A_CHILD = (("name",), ())
_MEMBERS: Mapping[Verb, tuple[tuple[str, ...], tuple[str, ...]]] = {  # what it must have, what it may have
    Verb.WRITE: (("device", "tag", "value"), ("ttl", "read_back")),
    Verb.RESTART: _OF_A_CHILD,
    Verb.STOP: _OF_A_CHILD,
    Verb.START: _OF_A_CHILD,
    Verb.STATUS: ((), ("name",)),
    Verb.LEDGER: ((), ()),
    Verb.CRASHES: ((), ("name", "last")),
    Verb.RELOAD: (("config",), ("confirm_within", "dry_run")),
}
