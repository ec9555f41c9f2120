"""What an operator can say of an OPC UA server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlparse

from transports.errors import Problem
from transports.opcua.scans import CLOCKS
from transports.opcua.security import SecuritySettings
from transports.opcua.tags import MODES, POLL, SUBSCRIBE, TagSettings
from transports.settings import duration, setting

PORT = 4840  # OPC 10000-6, 7.1.3
_URL = 'must be such as "opc.tcp://192.168.1.10:4840"'


def _check_url(url: str) -> str | None:
    try:
        parts = urlparse(url)
        port = parts.port
    except ValueError:
        return _URL
    if parts.scheme != "opc.tcp" or not parts.hostname or port == 0:
        return _URL
    return "must not name a user: write user and password" if "@" in parts.netloc else None


@dataclass(frozen=True, kw_only=True)
class Settings(SecuritySettings):
    """One server, and which of its variables to read."""

    url: str = setting(check=_check_url, help="where the server is", example='"opc.tcp://192.168.1.10:4840"')
    tags: Mapping[str, TagSettings] = setting(
        help="what to read: a table for each tag, its name the key",
        example='{ speed = { node = "ns=2;s=Line.Speed" } }',
    )
    mode: str = setting(SUBSCRIBE, choices=MODES, help="whether the server tells changes, or is asked")
    timeout_s: float = duration("2s", ge=0.1, le=60, help="how long one answer may take; connecting: three times that")
    clock: str = setting("source", choices=CLOCKS, help="whose time a value has")
    publishing_s: float = duration(
        "500ms", key="publishing_interval", ge=0.01, le=3600, help="how often the server tells what has changed"
    )
    sampling_s: float | None = duration(
        None, key="sampling_interval", ge=0, le=3600, help="how often it looks; default: the publishing interval"
    )
    queue_size: int = setting(10, ge=1, le=10_000, help="values of one tag that it keeps between two notifications")
    deadband: float = setting(0.0, ge=0, help="the least change of a number that is told")
    poll_period_s: float = duration(
        "1s", key="poll_period", help="period of polled tags, where others are subscribed to; else `period` is it"
    )

    @property
    def where(self) -> str:
        """The server as messages name it."""
        return self.url.removeprefix("opc.tcp://").rstrip("/")

    @property
    def address(self) -> str:
        """The URL with a port."""
        parts = urlparse(self.url)
        return self.url if parts.port else parts._replace(netloc=f"{parts.netloc}:{PORT}").geturl()

    def mode_of(self, tag: TagSettings) -> str:
        """How a tag is read."""
        return tag.mode or self.mode

    @property
    def listens(self) -> bool:
        """Whether any tag is subscribed to."""
        return any(self.mode_of(tag) == SUBSCRIBE for tag in self.tags.values())

    def polled(self) -> Mapping[float | None, tuple[int, ...]]:
        """Numbers of the polled tags by their own period, None for the device's."""
        periods: dict[float | None, tuple[int, ...]] = {}
        for number, tag in enumerate(self.tags.values()):
            if self.mode_of(tag) == POLL:
                periods[tag.period_s] = (*periods.get(tag.period_s, ()), number)
        return periods

    def problems(self, path: str) -> Iterator[Problem]:
        """No tags at all, what plays no part, and what of security does not fit."""
        if not self.tags:
            cure = 'must name at least one tag; every server has now = { node = "i=2258" }, then see holdfast browse'
            yield Problem(f"{path}.tags", "{}", cure)
        for name, tag in self.tags.items():
            yield from tag.mode_problems(f"{path}.tags.{name}", self.mode_of(tag))
        yield from self.security_problems(path)
