"""What can be said of the HTTPS uplink in a configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from transports.errors import Problem
from transports.settings import duration, setting, size
from transports.tls import Tls
from transports.uplinks._https.auth import Auth
from transports.uplinks._https.past import Past
from transports.uplinks._https.urls import header_name_cure, header_problems, https_cure, template_problems


@dataclass(frozen=True)
class Settings:
    """Where the messages go, in what form, who we are there, and how long we are patient."""

    url: str = setting(
        help="where messages go; {gateway}, {uplink} and {device} may stand in its path",
        example="https://cloud.example.com/ingest",
        check=https_cure,
    )
    method: str = setting("POST", choices=("POST", "PUT"), help="HTTP method")
    headers: dict[str, str] = setting({}, help="headers to send besides", example='{ X-Site = "7" }')
    content_type: str = setting("", help="what the body is; if left out, what the payload format is")
    idempotency_header: str = setting(
        "Idempotency-Key", help="header by which a message that comes again is known", check=header_name_cure
    )
    ordered: bool = setting(True, help="a device's messages one after the other; false: in any order, and faster")
    connections: int = setting(4, ge=1, le=32, help="how many requests may be on their way at a time")
    greeting: str = setting(
        "HEAD", choices=("HEAD", "OPTIONS", "GET", "none"), help="request that shows that the server is there"
    )
    connect_timeout_s: float = duration("10s", le=300, help="how long TCP and TLS may each take")
    timeout_s: float = duration("30s", le=600, help="how long one message and its whole answer may take")
    keepalive_s: float = duration("15s", le=3600, help="how long an idle connection is kept")
    max_answer_bytes: int = size("64KiB", le=2**24, help="of a longer answer only the beginning is read")
    max_retry_after_s: float = duration("5m", le=86400, help="a server that asks for a longer pause is not heeded")
    auth: Auth | None = setting(None, help="who we are", example='{ type = "bearer", token = { env = "TOKEN" } }')
    tls: Tls | None = setting(None, help="whom to believe, and our own certificate")

    @cached_property
    def past(self) -> Past:
        """What one connection leaves to the next; `connect` is handed nothing else that outlives it."""
        return Past()

    def problems(self, path: str) -> Iterator[Problem]:
        """Templates that make no URL, headers that cannot be sent, and trust in everybody."""
        yield from template_problems(f"{path}.url", self.url)
        yield from header_problems(f"{path}.headers", self.headers)
        if not self.content_type.isascii() or not self.content_type.isprintable():
            yield Problem(f"{path}.content_type", repr(self.content_type), 'must be one such as "application/json"')
        if self.tls and not self.url.lower().startswith("https:"):
            yield Problem(f"{path}.tls", "", f'needs a url that begins with "https:", not {self.url!r}')
        if self.tls and not self.tls.verify:
            cure = "must be left out; if the server's certificate is its own, name that file as ca"
            yield Problem(f"{path}.tls.verify", "False", cure)
