"""Readings that devices POST to us as JSON, answered 200 only when they are durable.

    [device.loggers]
    driver = "http_receiver"
    port = 8480
    path = "/ingest/{thing}"
    token = { file = "/etc/holdfast/ingest-token" }
    time = { path = "$.ts", unit = "ms" }
    tags = { temperature = { path = "$.t", unit = "Cel" }, door = { path = "$.door", type = "bool" } }

    curl -H "Authorization: Bearer $TOKEN" --json '{"t": 21.5}' http://gateway:8480/ingest/cellar

The body is an object, an array of objects, or one object a line (`Content-Type: application/x-ndjson`). `{thing}` in
the path is any name, and goes before the tags': `cellar.temperature`; at most `max_things` are taken in.

200: kept, and nothing can lose it any more. 503 with Retry-After: not durable in time; send it again (then it can be
kept twice). A request with an `Idempotency-Key` that is known already is answered 200 and not kept again; the last
`keys` are remembered, as long as the device's process lives. 400, 401, 404, 405, 413, 415, 422 say in their body what
is wrong; sending the same again will not help.
"""

import asyncio
import errno
import ipaddress
import ssl
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkRefused, Problem, SettingsError
from transports.http.posts import Posted, Posts, PostSettings
from transports.http.server import Bounds, Handler, HttpServer
from transports.loop_thread import Inbox, LoopThread
from transports.samples import Scan, Tag, Value
from transports.settings import Secret, duration, setting

EXTRA = "http"
_OPEN_WITHIN_S = 5.0
_CURES = {
    errno.EADDRINUSE: "another program listens there already; choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address; write 0.0.0.0 for all that it has",
    errno.EACCES: "ports below 1024 need rights that the user of holdfast does not have; choose a higher one",
}


@dataclass(frozen=True)
class ServerTls:
    """Our certificate, as devices are shown it."""

    certificate: Path = setting(help="certificate chain (PEM)")
    key: Path = setting(help="its private key (PEM)")
    key_password: Secret | None = setting(None, help="the phrase that opens `key`, if it is encrypted")

    def problems(self, path: str) -> Iterator[Problem]:
        try:
            self.context()
        except (OSError, ValueError) as wrong:
            cure = f"must be a readable PEM certificate, and `key` its private key ({wrong})"
            yield Problem(f"{path}.certificate", repr(str(self.certificate)), cure)
        except SettingsError as missing:
            yield from missing.problems

    def context(self) -> ssl.SSLContext:
        """What connections are secured with. Raises OSError, SettingsError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        phrase = self.key_password.reveal() if self.key_password else ""  # None would ask at the terminal
        context.load_cert_chain(self.certificate, self.key, phrase)
        return context


@dataclass(frozen=True, kw_only=True)
class Settings(PostSettings):
    """Where we listen, who may post, and what the documents mean."""

    host: str = setting("0.0.0.0", help="address to listen on; 127.0.0.1 for this machine alone")
    port: int = setting(help="TCP port to listen on", ge=0, le=65535, example="8480")
    tls: ServerTls | None = setting(None, help="our certificate, for https")
    max_connections: int = setting(64, ge=1, le=4096, help="more at once are answered 503")
    read_within_s: float = duration("10s", help="how long a request may take to arrive; then 408", le=300)
    idle_s: float = duration("60s", help="how long a kept connection may be silent", le=3600)

    def problems(self, path: str) -> Iterable[Problem]:
        yield from self.post_problems(path)
        if self.token is None and not self.anybody and not _is_loopback(self.host):
            cure = "is missing: whoever reaches the port could invent readings; or write anybody = true"
            yield Problem(f"{path}.token", "", cure)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def connect(settings: Settings) -> "ReceiverLink":
    """Listens. Raises LinkDown."""
    return ReceiverLink(settings, MachineClock())


class ReceiverLink:
    """A listening server. Requests are understood in its loop, and handed out as scans by `read`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._inbox = Inbox[Posted](settings.waiting)
        self._posts = Posts(settings, self._inbox, clock)
        self._unkept: deque[tuple[int, list[Posted]]] = deque()
        self._reads, self._descriptor = 0, self._inbox.fileno()
        self._thread = LoopThread("http receiver")
        self.port = self._listening(settings)

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags of all things heard so far."""
        return self._posts.things.tags

    @property
    def rejected(self) -> int:
        """Requests that were not understood since we began to listen."""
        return self._posts.rejected + self._server.malformed

    @property
    def last_rejected(self) -> str:
        """The beginning of the last body that was not understood."""
        return self._posts.last_rejected

    def fileno(self) -> int:
        """Readable while a request waits."""
        return self._descriptor

    def read(self) -> Sequence[Scan]:
        """The readings that have been posted, oldest first. Never waits."""
        self._reads += 1
        posted = self._inbox.take()
        if posted:
            self._unkept.append((self._reads, posted))
        return [scan for each in posted for scan in each.scans]

    def kept(self, reads: int) -> None:
        """What the first `reads` reads handed out is durable: say so to those who posted it."""
        while self._unkept and self._unkept[0][0] <= reads:
            for posted in self._unkept.popleft()[1]:
                with suppress(RuntimeError):  # closed meanwhile
                    self._thread.loop.call_soon_threadsafe(_done, posted.durable)

    def write(self, tag: str, value: Value) -> None:
        raise LinkRefused(f"port {self.port}: {tag} cannot be written; devices post to us, and take no commands")

    def close(self) -> None:
        if not self._thread.loop.is_closed():
            with suppress(TimeoutError, OSError):
                self._thread.run(self._server.close(), 1.0)
        self._thread.close()
        self._inbox.close()

    def _listening(self, settings: Settings) -> int:
        bounds = Bounds(settings.max_connections, settings.max_body_bytes, settings.read_within_s, settings.idle_s)
        self._server = HttpServer(Handler(self._posts.refusal, self._posts.answer), bounds)
        try:
            secured = settings.tls.context() if settings.tls else None
            return self._thread.run(self._server.start(settings.host, settings.port, secured), _OPEN_WITHIN_S)
        except (OSError, TimeoutError, SettingsError) as wrong:
            self.close()
            cure = _CURES.get(getattr(wrong, "errno", None) or 0, str(wrong))
            raise LinkDown(f"{settings.host}:{settings.port}: cannot listen: {cure}") from wrong


def _done(durable: "asyncio.Future[None]") -> None:
    if not durable.done():
        durable.set_result(None)
