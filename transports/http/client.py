"""Asking an HTTP server, one question at a time, each with one deadline for everything: name, TLS, headers, body.

A server that sends a byte now and then, an answer that never ends, one that unpacks to a gigabyte, cookies without
number: none of it holds us longer than `timeout` or costs more than `max_answer`.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import httpx

from transports.connecting import why_not
from transports.errors import LinkDown, LinkRefused, LinkTimeout, Problem, SettingsError
from transports.loop_thread import LoopThread
from transports.settings import Secret, duration, setting, size
from transports.tls import Tls, client_context

_CLOSE_S = 1.0
_CURES = {
    400: "it cannot read the request; look at path, headers and body",
    401: "it wants to know who we are; look at auth, and at the user's password or token",
    403: "this user may not; give it the right on the server, or look at auth",
    404: "there is nothing under that path; look at url and path",
    405: "it does not take this method there; look at method",
    407: "a proxy in between wants to know who we are",
    413: "the body is too large for it",
    415: 'it does not take this form; say what the body is, such as headers = { Content-Type = "application/json" }',
}
_NEEDED = {
    "basic": ("user", "password"),
    "digest": ("user", "password"),
    "bearer": ("token",),
    "header": ("token", "header"),
}
_LATER = (408, 425, 429)  # not now, but the same again may work


def url_cure(text: str) -> str | None:
    """What is wrong with a URL, as a sentence; None when it is fine."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as wrong:
        return f'must be a URL such as "http://192.168.1.7/api": {wrong}'
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.fragment:
        return 'must be a URL such as "http://192.168.1.7/api"; a user and a password belong to auth'
    return None


@dataclass(frozen=True)
class Auth:
    """Who we are to the server."""

    type: str = setting(choices=("basic", "digest", "bearer", "header"), help="how it is told")
    user: str = setting("", help="user name (basic, digest)")
    password: Secret | None = setting(None, help="the user's password (basic, digest)")
    token: Secret | None = setting(None, help="the token (bearer, header)")
    header: str = setting("", help="name of the header that holds the token (header)", example="X-API-Key")

    def problems(self, path: str) -> Iterator[Problem]:
        needed = _NEEDED[self.type]
        for key in ("user", "password", "token", "header"):
            given = bool(getattr(self, key))
            if key in needed and not given:
                yield Problem(f"{path}.{key}", "", f'is missing; type = "{self.type}" needs it')
            if given and key not in needed:
                yield Problem(f"{path}.{key}", "", f'does not belong to type = "{self.type}"')

    def ready(self) -> httpx.Auth:
        """What signs the requests. Raises SettingsError when a secret cannot be read."""
        if self.token:
            token = self.token.reveal()
            return _Header(self.header, token) if self.header else _Header("Authorization", f"Bearer {token}")
        password = self.password.reveal() if self.password else ""
        return httpx.DigestAuth(self.user, password) if self.type == "digest" else httpx.BasicAuth(self.user, password)


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """The server and how it is asked."""

    url: str = setting(help="where it is; each request adds its path", example="http://192.168.1.7", check=url_cure)
    timeout_s: float = duration("5s", le=60, help="how long one reading (all its requests), or one write, may take")
    max_answer_bytes: int = size("256KiB", le=2**24, help="a longer answer is refused")
    auth: Auth | None = setting(None, help="who we are", example='{ type = "bearer", token = { env = "TOKEN" } }')
    tls: Tls | None = setting(None, help="whom to believe, and our certificate; for https only")
    follow_redirects: bool = setting(False, help="whether to go where the server says instead")

    def server_problems(self, path: str) -> Iterator[Problem]:
        """TLS where there is none."""
        if self.tls and not self.url.startswith("https:"):
            yield Problem(f"{path}.tls", "", f'needs a url that begins with "https:", not {self.url!r}')


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: 2xx, or 304 where it was asked whether something has changed."""

    status: int
    body: bytes
    etag: str


class HttpClient:
    """A kept connection to one server."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings, self._base = settings, httpx.URL(settings.url)
        self._auth: httpx.Auth | None = None
        self._thread = LoopThread("http")
        tls = settings.tls or Tls()
        self._extensions = {"sni_hostname": tls.server_name} if tls.server_name else {}
        try:
            secured = client_context(tls) if self._base.scheme == "https" else False
            self._client = httpx.AsyncClient(
                transport=_Bounded(
                    httpx.AsyncHTTPTransport(verify=secured, trust_env=False), settings.max_answer_bytes
                ),
                timeout=None,  # there is one for all
                follow_redirects=settings.follow_redirects,
                headers={"Accept-Encoding": "identity", "User-Agent": "holdfast"},
            )
        except (OSError, SettingsError) as wrong:
            self._thread.close()
            raise LinkDown(f"{settings.url}: what the connection needs cannot be read: {wrong}") from wrong

    def knock(self) -> None:
        """Whether somebody listens. Raises LinkDown."""
        port = self._base.port or (443 if self._base.scheme == "https" else 80)
        try:
            self._thread.run(_knock(self._base.host, port), self._settings.timeout_s)
        except (OSError, TimeoutError) as wrong:
            raise LinkDown(why_not(wrong, self._settings.url)) from wrong

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, left_s: float) -> Answer:
        """One request and its answer. Raises LinkRefused, LinkTimeout, LinkDown, each with its cure."""
        where = f"{method} {self._settings.url.rstrip('/')}{path}"
        if left_s <= 0:
            raise LinkTimeout(f"{where}: no time left of {self._settings.timeout_s:g} s")
        try:
            answer = self._thread.run(self._asked(method, path, headers, body), left_s)
        except httpx.TransportError as wrong:
            raise LinkDown(why_not(wrong, where)) from wrong
        except TimeoutError as late:
            raise LinkTimeout(f"{where}: no whole answer within {self._settings.timeout_s:g} s") from late
        except SettingsError as missing:
            raise LinkRefused(f"{where}: {missing}") from missing
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, RuntimeError) as wrong:
            raise LinkTimeout(f"{where}: the answer cannot be understood ({type(wrong).__name__}: {wrong})") from wrong
        return self._judged(answer, where)

    def close(self) -> None:
        """Give the connection back. May be called twice; never raises."""
        if not self._thread.loop.is_closed():
            with suppress(TimeoutError, OSError, RuntimeError):
                self._thread.run(self._client.aclose(), _CLOSE_S)
        self._thread.close()

    async def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> httpx.Response:
        if self._settings.auth and self._auth is None:
            self._auth = self._settings.auth.ready()
        self._client.cookies.clear()
        url = f"{self._settings.url.rstrip('/')}{path}"
        return await self._client.request(
            method, url, headers=dict(headers), content=body, auth=self._auth, extensions=self._extensions
        )

    def _judged(self, answer: httpx.Response, where: str) -> Answer:
        status = answer.status_code
        if 200 <= status < 300 or status == 304:
            return Answer(status, answer.content, answer.headers.get("ETag", ""))
        if status == 401:
            self._auth = None  # a password that was changed is read again
        if 300 <= status < 400:
            to = answer.headers.get("Location", "")[:200]
            raise LinkRefused(f"{where}: it sends us to {to!r}; write that url, or follow_redirects = true")
        if status in _LATER or status >= 500 or status < 200:
            raise LinkTimeout(f"{where}: it answers {status} {answer.reason_phrase[:60]}")
        raise LinkRefused(f"{where}: it answers {status}: {_CURES.get(status, 'it refuses this request')}")


class _Header(httpx.Auth):
    """A header that says who we are."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = self._value
        yield request


class _Bounded(httpx.AsyncBaseTransport):
    """A transport whose answers have a largest size, as they are on the wire."""

    def __init__(self, inner: httpx.AsyncBaseTransport, most_bytes: int) -> None:
        self._inner, self._most = inner, most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            await answer.aclose()
            raise LinkRefused(f"{request.url}: it compresses, though not asked to; switch that off on the server")
        stream = _BoundedStream(answer.stream, self._most, str(request.url))
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream, extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: object, most_bytes: int, where: str) -> None:
        assert isinstance(inner, httpx.AsyncByteStream)
        self._inner, self._most, self._where = inner, most_bytes, where

    async def __aiter__(self) -> AsyncIterator[bytes]:
        came = 0
        async for part in self._inner:
            came += len(part)
            if came > self._most:
                raise LinkRefused(f"{self._where}: an answer of more than {self._most} bytes; see max_answer")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _knock(host: str, port: int) -> None:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
