"""Kept connections to one server, all secured alike, and what an operator is told when one cannot be made or is lost.

No cookies, no redirects, no proxies of the environment, nothing that is unpacked. Whatever goes wrong is Held.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import h11
import httpx

from transports.clock import Clock
from transports.connecting import why_not
from transports.interfaces.dialing import dialled
from transports.tls import Tls, client_context
from transports.uplinks._https.answers import Answer, Held
from transports.uplinks._https.line import Line
from transports.uplinks._reasons import alert, connecting

_LISTEN_S = 2.0  # the alert of a server that refuses a certificate comes within a round trip
_NEXT_ADDRESS_S = 0.25  # RFC 8305, section 5: so long the first address of a name is tried alone


@dataclass(frozen=True, slots=True)
class Limits:
    """How long idle connections are kept, how long one may take to be made, how much of an answer is read."""

    keepalive_s: float
    connect_timeout_s: float
    max_answer_bytes: int


class Wire:
    """To the server of `url`, through `interface` ("": any). Raises OSError or SettingsError when a file of `tls`
    cannot be read."""

    def __init__(self, url: httpx.URL, tls: Tls | None, limits: Limits, clock: Clock, interface: str = "") -> None:
        self._limits, self._clock = limits, clock
        self._host, secured = url.host, url.scheme == "https"
        self._port = url.port or (443 if secured else 80)
        self._context: ssl.SSLContext | None = client_context(tls or Tls()) if secured else None
        self._name = (tls.server_name if tls else "") or url.host
        self._interface = interface
        self._has_answered = False
        self._idle: list[Line] = []
        self._lines: set[Line] = set()

    async def exchange(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer as it came, of a long one the beginning. Raises Held when there is none."""
        try:
            line = self._kept() or await self._opened()
        except (OSError, TimeoutError) as wrong:
            raise Held(_unreached(wrong, place(url))) from wrong
        every = [("Host", url.netloc.decode("ascii")), *headers.items()]
        every += [("Content-Length", str(len(body)))] if body or method in ("POST", "PUT") else []
        try:
            answer = await line.ask(method, url.raw_path, every, body)
            self._has_answered = True
            return answer
        except (OSError, h11.ProtocolError) as wrong:
            objection = "" if self._has_answered else await self._objection()
            raise Held(f"{place(url)}: {objection}" if objection else _lost(wrong, place(url))) from wrong
        finally:
            self._given_back(line)

    def close(self) -> None:
        """Close all connections. May be called twice."""
        for line in self._lines:
            line.abort()
        self._lines.clear()
        self._idle.clear()

    def _kept(self) -> Line | None:
        fresh = self._clock.now() - self._limits.keepalive_s
        while self._idle:
            line = self._idle.pop()
            if line.is_open and line.idle_since >= fresh:
                return line
            self._dropped(line)
        return None

    async def _opened(self) -> Line:
        patience_s, loop = self._limits.connect_timeout_s, asyncio.get_running_loop()
        make, name = partial(Line, self._limits.max_answer_bytes), self._name if self._context else None
        async with asyncio.timeout(patience_s):
            if self._interface:
                made = await dialled(self._host, self._port, patience_s, self._interface)
                _, line = await loop.create_connection(make, sock=made, ssl=self._context, server_hostname=name)
            else:
                _, line = await loop.create_connection(
                    make,
                    self._host,
                    self._port,
                    ssl=self._context,
                    server_hostname=name,
                    happy_eyeballs_delay=_NEXT_ADDRESS_S,
                )
        self._lines.add(line)
        return line

    async def _objection(self) -> str:
        """What the server has against our certificate, in words; "" when it says nothing.

        With TLS 1.3 its alert comes after the handshake (RFC 8446, section 4.4.2.4), and is lost when our request meets
        the closed connection and is answered by a reset. So here nothing is asked: we only listen.
        """
        if self._context is None:
            return ""
        line: Line | None = None
        try:
            async with asyncio.timeout(_LISTEN_S):
                line = await self._opened()
                await line.listen()
        except (OSError, TimeoutError, h11.ProtocolError) as wrong:
            return alert(str(wrong))
        finally:
            if line is not None:
                self._dropped(line)
        return ""

    def _given_back(self, line: Line) -> None:
        if line.is_open:
            line.idle_since = self._clock.now()
            self._idle.append(line)
        else:
            self._dropped(line)

    def _dropped(self, line: Line) -> None:
        line.abort()
        self._lines.discard(line)


def place(url: httpx.URL) -> str:
    """A URL for a message, without what a query may keep secret."""
    return str(url.copy_with(query=None))


def _unreached(wrong: Exception, where: str) -> str:
    if isinstance(wrong, ssl.SSLCertVerificationError):
        return connecting(wrong, where)  # each with a cure of its own: renew it, set the clock, name the authority
    told = alert(str(wrong))
    return f"{where}: {told}" if told else why_not(wrong, where)


def _lost(wrong: Exception, where: str) -> str:
    if isinstance(wrong, h11.ProtocolError):
        return f"{where}: what it answers is not HTTP/1.1 ({str(wrong)[:100]})"
    told = alert(str(wrong))
    if told or isinstance(wrong, ssl.SSLError):
        return f"{where}: TLS failed: {told or wrong}"
    return f"{where}: it hung up instead of an answer; was it stopped, or does that port speak TLS?"
