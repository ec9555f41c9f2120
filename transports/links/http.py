"""Devices that answer over HTTP: JSON by paths, or text by a pattern, polled; tags written by requests.

    [device.heatpump]
    driver = "http"
    url = "http://192.168.1.7"
    auth = { type = "digest", user = "admin", password = { file = "/etc/holdfast/heatpump" } }
    period = "5s"

    [device.heatpump.requests.status]
    path = "/rpc/Shelly.GetStatus"
    [device.heatpump.requests.status.tags]
    power = { path = "$['switch:0'].apower", unit = "W" }
    on = { path = "$['switch:0'].output", type = "bool" }

    [device.heatpump.requests.page]
    path = "/index.txt"
    pattern = '(?s).*flow: (?P<flow>\\S+).*'

    [device.heatpump.writes.on]
    path = "/rpc/Switch.Set?id=0&on={value}"

Several requests are made in turn, on one kept connection, all within `timeout`. When only some of them fail, their tags
alone are Bad. A server that says no (401, 403, 404) is refusing, one that says 5xx or nothing in time is late, one that
cannot be reached is down. With `changed_only` the server is asked whether something has changed since (ETag); when it
has not, the values of before are read again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout, NotUnderstood, Problem
from transports.fields import FieldSettings, Pattern, pattern_problems, tags_of
from transports.http.client import Answer, HttpClient, ServerSettings
from transports.json_paths import document, shown
from transports.json_tags import JsonTag, JsonTags
from transports.json_times import TimeSettings
from transports.samples import Quality, Scan, Tag, Value
from transports.settings import setting
from transports.write_templates import Written, filled, limits_of, refuse_unknown, said

EXTRA = "http"
_REQUESTS_MOST = 32


def _is_path(path: str) -> str | None:
    if (not path or path.startswith(("/", "?"))) and path.isprintable() and " " not in path:
        return None
    return 'must begin with "/" (or "?") and have no spaces, such as "/api/status?id=0"'


@dataclass(frozen=True)
class RequestSettings:
    """One request and what its answer means."""

    path: str = setting("", help="what to ask for, below url", example="/api/status", check=_is_path)
    method: str = setting("GET", choices=("GET", "POST"), help="HTTP method")
    headers: dict[str, str] = setting({}, help="headers to send besides", example='{ Accept = "application/json" }')
    body: str | None = setting(None, help="what to send with POST", example='{"method": "status"}')
    tags: dict[str, JsonTag] = setting({}, help="tags by name, of an answer in JSON")
    time: TimeSettings | None = setting(None, help="where the JSON says when it was taken")
    pattern: str | None = setting(None, help="regular expression for a whole answer of text; named groups are tags")
    fields: dict[str, FieldSettings] = setting({}, help="type, unit, scale and offset of the pattern's tags")
    changed_only: bool = setting(False, help="ask for what has changed only (ETag)")

    @property
    def notes(self) -> dict[str, JsonTag]:
        """How the values of its tags are said in a write."""
        if self.pattern is None:
            return self.tags
        plain = {name: self.fields.get(name, FieldSettings()) for name in re.compile(self.pattern).groupindex}
        return {
            name: JsonTag("$", note.type or "float64", note.unit, note.scale, note.offset)
            for name, note in plain.items()
            if note.type != "bytes"
        }

    @property
    def names(self) -> list[str]:
        """The names of its tags."""
        return list(self.tags) if self.pattern is None else list(re.compile(self.pattern).groupindex)

    def problems(self, path: str) -> Iterable[Problem]:
        if bool(self.tags) == (self.pattern is not None):
            yield Problem(f"{path}.tags", "", "write either tags (paths into JSON) or pattern (for text)")
        if self.body is not None and self.method == "GET":
            yield Problem(f"{path}.body", repr(self.body)[:60], 'needs method = "POST"')
        if self.pattern is not None:
            yield from pattern_problems(path, self.pattern, self.fields)


@dataclass(frozen=True, kw_only=True)
class WriteSettings(Written):
    """The request that sets a tag."""

    path: str = setting(help="where to; {value} is the value, made safe for a URL", check=_is_path)
    method: str = setting("GET", choices=("GET", "POST", "PUT", "PATCH"), help="HTTP method")
    headers: dict[str, str] = setting({}, help="headers to send besides")
    body: str | None = setting(None, help="what to send; {value} is the value as text, {json} as JSON")


@dataclass(frozen=True, kw_only=True)
class Settings(ServerSettings):
    """A server, what it is asked, and what may be written."""

    requests: dict[str, RequestSettings] = setting(help="what to ask, in turn", example='{ status = { path = "/s" } }')
    writes: dict[str, WriteSettings] = setting({}, help="the request that sets a tag, by the tag's name")

    @property
    def notes(self) -> dict[str, JsonTag]:
        """How the values of all tags are said in a write."""
        return {name: tag for request in self.requests.values() for name, tag in request.notes.items()}

    def problems(self, path: str) -> Iterable[Problem]:
        yield from self.server_problems(path)
        if not 0 < len(self.requests) <= _REQUESTS_MOST:
            yield Problem(f"{path}.requests", "", f"must be 1 to {_REQUESTS_MOST}")
        seen: dict[str, str] = {}
        try:
            for key, request in self.requests.items():
                for name in request.names:
                    if seen.setdefault(name, key) != key:
                        yield Problem(f"{path}.requests.{key}", "", f"has a tag {name}, as requests.{seen[name]} has")
            notes = self.notes
        except re.error:
            return  # said by the request
        for name, write in self.writes.items():
            where = f"{path}.writes.{name}"
            yield from write.written_problems(where, name, notes)
            if not any(place in f"{write.path}{write.body}" for place in ("{value}", "{json}")):
                yield Problem(f"{where}.path", repr(write.path), "must have {value} in it, or body {value} or {json}")


def connect(settings: Settings) -> "HttpLink":
    """Whether somebody listens there. Raises LinkDown."""
    client = HttpClient(settings)
    try:
        client.knock()
    except LinkDown:
        client.close()
        raise
    return HttpLink(settings, client, MachineClock())


class _Asked:
    """One request, the reader of its answers, and the answer of before."""

    def __init__(self, settings: RequestSettings) -> None:
        self.settings = settings
        self._paths = JsonTags(settings.tags, settings.time) if settings.pattern is None else None
        self._pattern = Pattern(settings.pattern, settings.fields, "utf-8") if settings.pattern is not None else None
        self.tags = self._paths.tags() if self._paths else tags_of(self._pattern.fields) if self._pattern else ()
        self.body = None if settings.body is None else settings.body.encode()
        self.last: Answer | None = None

    def headers(self) -> Mapping[str, str]:
        known = self.last.etag if self.settings.changed_only and self.last else ""
        return {**self.settings.headers, **({"If-None-Match": known} if known else {})}

    def scan(self, body: bytes, now_ns: int) -> Scan:
        """What an answer says. Raises NotUnderstood for one of another form."""
        scan = self._pattern.scan(body, now_ns) if self._pattern else None
        if self._paths:
            scan = self._paths.scan(document(body), now_ns)
        if scan is None:
            raise NotUnderstood(
                "it does not fit the pattern" if self._pattern else "it has nothing at any of the paths"
            )
        return scan


class HttpLink:
    """A server that is asked."""

    def __init__(self, settings: Settings, client: HttpClient, clock: Clock) -> None:
        self._settings, self._client, self._clock = settings, client, clock
        self._requests = [_Asked(request) for request in settings.requests.values()]
        self._notes = settings.notes
        self.tags: tuple[Tag, ...] = tuple(tag for request in self._requests for tag in request.tags)
        self.writable = limits_of(settings.writes)
        self.rejected, self.last_rejected = 0, ""

    def read(self) -> Sequence[Scan]:
        """Asks each request once. Raises what the first said when all fail, and LinkDown at once."""
        deadline = self._clock.now() + self._settings.timeout_s
        scans: list[Scan] = []
        failures: list[LinkTimeout | LinkRefused] = []
        for request in self._requests:
            try:
                scans.append(self._read(request, deadline))
            except (LinkTimeout, LinkRefused) as failed:
                failures.append(failed)
                scans.append(self._bad(request, failed))
        if len(failures) == len(self._requests):
            raise failures[0]
        return scans

    def write(self, tag: str, value: Value) -> None:
        """Makes the tag's request. Raises LinkRefused, LinkTimeout, LinkDown."""
        refuse_unknown(tag, self.writable, self._settings.url)
        write = self._settings.writes[tag]
        field = write.field(tag, self._notes)
        assert field is not None, "problems() has seen to that"
        raw = said(field, value, self._settings.url)
        path = filled(write.path, raw, self._settings.url, quote=lambda text: quote(text, safe=""))
        body = None if write.body is None else filled(write.body, raw, self._settings.url).encode()
        self._client.ask(write.method, path, write.headers, body, self._settings.timeout_s)

    def close(self) -> None:
        self._client.close()

    def _read(self, request: _Asked, deadline: float) -> Scan:
        settings = request.settings
        left_s = deadline - self._clock.now()
        answer = self._client.ask(settings.method, settings.path, request.headers(), request.body, left_s)
        if answer.status == 304 and request.last is not None:
            answer = request.last
        try:
            scan = request.scan(answer.body, self._clock.utc_ns())
        except NotUnderstood as wrong:
            self.rejected += 1
            self.last_rejected = shown(answer.body)
            raise LinkTimeout(f"{self._settings.url}{settings.path}: {wrong}: {self.last_rejected!r}") from wrong
        if settings.changed_only:
            request.last = answer
        return scan

    def _bad(self, request: _Asked, failed: LinkTimeout | LinkRefused) -> Scan:
        code = Quality.BAD_TIMEOUT if isinstance(failed, LinkTimeout) else Quality.BAD_NOT_READABLE
        return Scan(self._clock.utc_ns(), request.tags, [None] * len(request.tags), code)
