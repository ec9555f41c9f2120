"""What can be written in a table `[principal.NAME]`: who may ask for what, over which uplinks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transports.errors import NotUnderstood, Problem
from transports.requests.request import Verb
from transports.settings import nearest, setting
from transports.writing import Limits

_WHERE = frozenset({Verb.WRITE, Verb.RESTART, Verb.STOP, Verb.START, Verb.STATUS, Verb.LEDGER, Verb.CRASHES})


@dataclass(frozen=True)
class Range:
    """What values of a tag a principal may write, within what the device itself allows."""

    lowest: float | None = setting(None, key="min", help="the least that it may write")
    highest: float | None = setting(None, key="max", help="the most that it may write")
    choices: tuple[bool | int | float | str, ...] = setting((), help="the only values that it may write")

    @property
    def limits(self) -> Limits:
        """As those of a tag."""
        return Limits(self.lowest, self.highest, self.choices)

    def problems(self, path: str) -> Iterator[Problem]:
        """Limits that nothing can keep."""
        if self.lowest is not None and self.highest is not None and self.lowest > self.highest:
            yield Problem(f"{path}.min", f"{self.lowest:g}", f"must be at most max ({self.highest:g})")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Who it is, by a key or by the word of the uplink; and what it may."""

    key: str = setting("", help="its Ed25519 public key, base64 or PEM: each request is signed")
    key_file: str = setting("", help="a file with that key, read at each request: it can be replaced")
    trust: str = setting(
        "", choices=("", "uplink"), help='"uplink": whoever can publish there is this principal, nothing is signed'
    )
    uplinks: tuple[str, ...] = setting(help="over which uplinks it may ask", example='["cloud"]')
    verbs: tuple[Verb, ...] = setting(
        help="of write, restart, stop, start, status, ledger, crashes, reload", example='["write", "status"]'
    )
    devices: tuple[str, ...] = setting(
        (), help="whom it may write to, operate and see, by name with * and ?", example='["press-*"]'
    )
    tags: tuple[str, ...] = setting((), help="which tags of these it may write, by name with * and ?")
    limits: Mapping[str, Range] = field(
        default_factory=dict,
        metadata=setting(help="by tag, with * and ?: what it may write, within what the device allows").metadata,
    )
    max_per_minute: int = setting(60, ge=1, le=600, help="requests in any minute at most")
    enabled: bool = setting(True, help="false: all that it asks for is refused")

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        given = [key for key in ("key", "key_file", "trust") if getattr(self, key)]
        if len(given) != 1:
            cure = "write one of key, key_file and trust: how it is known that a request is this principal's"
            yield Problem(f"{path}.{given[1]}" if given else f"{path}.key", "", cure)
        elif given != ["trust"]:
            yield from self._key_problems(path)
        for name, meant in (("uplinks", self.uplinks), ("verbs", self.verbs)):
            if not meant:
                yield Problem(f"{path}.{name}", "[]", "must name at least one; enabled = false keeps it out")
        if _WHERE.intersection(self.verbs) and not self.devices:
            yield Problem(f"{path}.devices", "", 'is missing: of whom may it; ["*"] means everybody')
        if Verb.WRITE in self.verbs and not self.tags:
            yield Problem(f"{path}.tags", "", 'is missing: which tags may it write; ["*"] means all that are writable')

    def _key_problems(self, path: str) -> Iterator[Problem]:
        from transports.requests.signing import public_key  # cryptography with it, which others do without

        try:
            if self.key:
                public_key(self.key)
        except NotUnderstood as wrong:
            yield Problem(f"{path}.key", f"{self.key[:20]!r}", str(wrong))


def problems_of(settings: Settings, path: str, uplinks: Sequence[str]) -> Iterator[Problem]:
    """What only shows when the names of all uplinks are seen."""
    for at, uplink in enumerate(settings.uplinks):
        if uplink not in uplinks:
            hint = nearest(uplink, list(uplinks)) if uplinks else "none is configured"
            yield Problem(f"{path}.uplinks[{at}]", repr(uplink), f"is no [uplink.NAME]; {hint}")


def cautions_of(principals: Mapping[str, Settings], uplinks: Mapping[str, Any]) -> Iterator[Problem]:
    """What is allowed and still worth a word. `uplinks` are the settings of each uplink's own protocol, by its name."""
    asked = {uplink for each in principals.values() if each.enabled for uplink in each.uplinks}
    for name, own in uplinks.items():
        topic = getattr(own, "request_topic", None)
        if topic and name not in asked:
            cure = "has no effect: no [principal.NAME] has this uplink, so every request over it is refused"
            yield Problem(f"uplink.{name}.request_topic", repr(topic), cure)
        elif topic == "" and name in asked:
            cure = "is not set: a principal has this uplink, but nothing can be asked over it"
            yield Problem(f"uplink.{name}.request_topic", "", cure)
    for name, each in principals.items():
        if each.key_file and not Path(each.key_file).expanduser().is_file():
            cure = "is not there: until it is, all that this principal asks for is refused"
            yield Problem(f"principal.{name}.key_file", repr(str(each.key_file)), cure)
        if Verb.RELOAD in each.verbs:
            cure = "lets it change everything, also who may ask for what"
            yield Problem(f"principal.{name}.verbs", "'reload'", cure)
