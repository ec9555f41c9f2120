"""What can be said of the JetStream uplink in a configuration."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from transports.errors import Problem
from transports.settings import Secret, duration, setting, size
from transports.tls import Tls
from transports.uplinks._jetstream import subjects
from transports.uplinks._jetstream.past import Past

FIELDS = ("gateway", "uplink", "device")
_NAME = re.compile(r"[^\s.*>/\\\x00-\x1f\x7f]+")


def servers_cure(servers: tuple[str, ...]) -> str | None:
    """What is wrong with a list of servers; None when it is fine."""
    if not servers:
        return "must name one server at least"
    for server in servers:
        if not _is_server(server):
            return f'must be URLs such as "tls://nats-1.example.com:4222", without a password; {server!r:.60} is none'
    return None


def _is_server(server: str) -> bool:
    try:
        parts = urlsplit(server)
        parts.port  # noqa: B018  (raises for a port that is none)
    except ValueError:
        return False
    return parts.scheme in ("nats", "tls") and bool(parts.hostname) and not _has_more(parts)


def _has_more(parts: SplitResult) -> bool:
    return "@" in parts.netloc or bool(parts.path.strip("/") or parts.query or parts.fragment)


def name_cure(name: str) -> str | None:
    """What is wrong with a stream's name; None when it is fine."""
    return None if _NAME.fullmatch(name) else "must be a name without spaces, dots, slashes, * and >"


@dataclass(frozen=True)
class Create:
    """The table `create_stream`: how the stream is made when there is none. An existing one is never changed."""

    subjects: tuple[str, ...] = setting((), help="what it takes; if left out whatever `subject` makes, of all gateways")
    replicas: int = setting(1, ge=1, le=5, help="how many servers of the cluster keep it; 3 survives the loss of one")
    max_bytes: int = size(0, ge=0, help="the most it may store; 0: no limit")
    max_age_s: float = duration(0.0, ge=0, help="how long it keeps a message; 0: for ever")
    discard: str = setting("old", choices=("old", "new"), help="when it is full: drop the oldest, or take no new ones")
    duplicate_window_s: float = duration("10m", ge=0.1, help="how long it recognises a message that comes again")


@dataclass(frozen=True)
class Settings:
    """Which servers, which stream, under which subjects, and who we are there."""

    servers: tuple[str, ...] = setting(
        help="the cluster's servers, tried in turn; tls:// insists on TLS, nats:// takes what the server wants",
        example='["tls://nats-1.example.com:4222", "tls://nats-2.example.com:4222"]',
        check=servers_cure,
    )
    stream: str = setting(help="the stream that must take the messages", example="HOLDFAST", check=name_cure)
    subject: str = setting("holdfast.{gateway}.{device}", help="where messages go: {gateway}, {uplink}, {device}")
    ordered: bool = setting(True, help="of a subject one message at a time; false: faster, out of order at a failover")
    create_stream: Create | None = setting(None, help="create the stream if there is none", example="{ replicas = 3 }")
    user: str = setting("", help="user name, if the servers ask for one")
    password: Secret | None = setting(None, help="the user's password")
    token: Secret | None = setting(None, help="a token instead of a user")
    nkey: Secret | None = setting(None, help="the seed of an nkey (it begins with SU) instead of a user")
    creds: Secret | None = setting(None, help="a credentials file (JWT and seed, from nsc) instead of a user")
    tls: Tls | None = setting(None, help="whom to believe, and our own certificate; it makes TLS a must")
    domain: str = setting("", help="JetStream's domain, for a server that is a leaf node of another")
    inbox_prefix: str = setting(
        "_INBOX", help="where the servers' answers come; this user must be allowed to subscribe"
    )
    request_subject: str = setting("", help="where commands come: {gateway}, {uplink}; if left out none are taken")
    connect_timeout_s: float = duration("5s", le=300, help="how long TCP, TLS and greeting of one server may take")
    ack_timeout_s: float = duration("10s", le=600, help="how long the stream may take to acknowledge a message")
    keepalive_s: float = duration("15s", ge=1, le=3600, help="a server that leaves two pings so far apart unanswered")

    @cached_property
    def past(self) -> Past:
        """What one connection leaves to the next; `connect` is handed nothing else that outlives it."""
        return Past()

    def problems(self, path: str) -> Iterator[Problem]:
        """Templates that make no subjects, and more or less than one way to say who we are."""
        yield from subjects.problems(f"{path}.subject", self.subject, FIELDS)
        if self.request_subject:
            yield from subjects.problems(f"{path}.request_subject", self.request_subject, FIELDS[:2])
        yield from subjects.problems(f"{path}.inbox_prefix", self.inbox_prefix, ())
        if self.domain and name_cure(self.domain):
            yield Problem(f"{path}.domain", repr(self.domain), name_cure(self.domain) or "")
        if bool(self.user) != bool(self.password):
            missing = "password" if self.user else "user"
            yield Problem(f"{path}.{missing}", "", "is missing; a user and a password belong together")
        ways = [name for name in ("user", "token", "nkey", "creds") if getattr(self, name)]
        if len(ways) > 1:
            yield Problem(f"{path}.{ways[1]}", "", f"must be left out beside {ways[0]}: one way to say who we are")
