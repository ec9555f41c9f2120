"""One connection to one NATS server: bound to an interface, secured where it must be, let in.

What nats-py 2.16 would do on its own and may not do here: connect again, try a server twice, read a file of credentials
for ever that is none, and go on without TLS where the greeting, which anybody could have changed, does not ask for it.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any
from urllib.parse import ParseResult, urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.transport import TcpTransport

from transports.connecting import why_not
from transports.errors import NotUnderstood, Problem, SettingsError, UplinkDown
from transports.interfaces.dialing import dialled
from transports.nkeys import UserKey, user_key
from transports.tls import Tls, client_context
from transports.uplinks import Identity
from transports.uplinks._jetstream.settings import Settings
from transports.uplinks._jetstream.words import of_connection
from transports.uplinks._reasons import connecting

ErrorCallback = Callable[[Exception], Awaitable[None]]
# Alerts about a client's certificate (RFC 8446, section 6); servers in Go say "bad certificate" of one that is missing
_ABOUT_OURS = ("BAD_CERTIFICATE", "CERTIFICATE_REQUIRED", "UNKNOWN_CA", "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED")
_CREDS_MARKS = ("BEGIN NATS USER JWT", "BEGIN USER NKEY SEED")


class Line(TcpTransport):
    """The transport of one connection. Its `bool` is true from the beginning, so that nats-py uses it."""

    def __init__(self, interface: str, must_be_secured: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._interface, self._must_be_secured, self._secured = interface, must_be_secured, False

    def __bool__(self) -> bool:
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: float) -> None:
        """TCP, through the interface."""
        sock = await dialled(str(uri.hostname), uri.port or 4222, connect_timeout, self._interface)
        self._io_reader, self._io_writer = await asyncio.open_connection(sock=sock, limit=buffer_size)
        self._bare_io_reader, self._bare_io_writer = self._io_reader, self._io_writer

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: float
    ) -> None:
        """TLS over it. (nats-py's own way makes asyncio log a warning whenever the server hangs up.)"""
        assert self._io_writer is not None
        host = uri if isinstance(uri, str) else uri.hostname
        await self._io_writer.start_tls(ssl_context, server_hostname=host, ssl_handshake_timeout=connect_timeout)
        self._secured = True

    def write(self, payload: bytes) -> None:
        """The first word we write says who we are: never in the clear where TLS was demanded."""
        if self._must_be_secured and not self._secured:
            raise ConnectionAbortedError("it does not speak TLS; set tls in its configuration, or write nats:// there")
        super().write(payload)  # type: ignore[no-untyped-call]

    def abort(self) -> None:
        """Close it at once. May be called twice."""
        if self._io_writer is not None:
            self._io_writer.transport.abort()


class _Client(Client):
    """nats-py's client, with a key for the nonce of a server: it takes keys through a package that has no wheel."""

    def __init__(self, key: UserKey | None) -> None:
        super().__init__()
        self._key = key

    def _connect_command(self) -> bytes:
        if self._key is not None:
            self._auth_configured, self._public_nkey = True, self._key.public
        return super()._connect_command()


class Access:
    """What a connection needs beside a server. Raises OSError or SettingsError when a file or secret cannot be read."""

    def __init__(self, settings: Settings, identity: Identity) -> None:
        self._settings, self._identity = settings, identity
        self._context: ssl.SSLContext = client_context(settings.tls or Tls())
        self._words: dict[str, Any] = {}
        self._key: UserKey | None = None
        if settings.user and settings.password:
            self._words = {"user": settings.user, "password": settings.password.reveal()}
        elif settings.token:
            self._words = {"token": settings.token.reveal()}
        elif settings.nkey:
            self._key = _key(settings.nkey.reveal(), "nkey")
            self._words = {"signature_cb": self._key.signature}
        elif settings.creds:
            jwt, self._key = _creds(settings.creds.reveal())
            self._words = {"signature_cb": self._key.signature, "user_jwt_cb": jwt.encode}

    async def enter(self, server: str, on_error: ErrorCallback, on_end: Callable[[], Awaitable[None]]) -> Client:
        """A client that is let in, within connect_timeout. Raises UplinkDown."""
        settings, client = self._settings, _Client(self._key)
        line = Line(self._identity.interface, bool(settings.tls) or urlsplit(server).scheme == "tls")
        client._transport = line
        greeted = False

        async def failed(error: Exception) -> None:
            if not greeted:
                raise error  # nats-py would try again by itself
            await on_error(error)

        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await client.connect(
                    [server],
                    error_cb=failed,
                    closed_cb=on_end,
                    name=f"{self._identity.gateway}-{self._identity.uplink}",
                    allow_reconnect=False,
                    connect_timeout=settings.connect_timeout_s,  # type: ignore[arg-type]
                    ping_interval=settings.keepalive_s,  # type: ignore[arg-type]
                    max_outstanding_pings=2,
                    no_echo=True,
                    tls=self._context,
                    tls_hostname=settings.tls.server_name or None if settings.tls else None,
                    inbox_prefix=settings.inbox_prefix,
                    **self._words,
                )
            if not client.is_connected:  # it takes a connection that ends instead of a greeting for one that stands
                raise ConnectionResetError("it hung up in the greeting; does it want TLS or a client certificate?")
            greeted = True
            return client
        except (OSError, ValueError, nats.errors.Error) as wrong:
            objection = self._objection(wrong, bool(client._server_info.get("tls_verify")))
            raise UplinkDown(f"{server}: {objection}" if objection else in_words(wrong, server)) from wrong
        finally:
            if not greeted:  # or cancelled
                line.abort()

    def _objection(self, wrong: Exception, asked: bool) -> str:
        """What the server has against our certificate; "" where it is something else. `asked`: it wants one."""
        told = isinstance(wrong, ssl.SSLError) and any(name in str(wrong) for name in _ABOUT_OURS)
        # With TLS 1.3 the alert comes after the handshake, and is often lost: our words meet a closed connection.
        if not told and not (asked and isinstance(wrong, ConnectionError)):
            return ""
        if not (self._settings.tls and self._settings.tls.certificate):
            return "it asks for a client certificate: set tls.certificate and tls.key"
        return (
            "it does not accept the client certificate in tls.certificate: who signed it, and until when is it valid?"
        )


def hang_up(client: Client) -> None:
    """Close its socket at once."""
    if isinstance(client._transport, Line):
        client._transport.abort()


def _creds(text: str) -> tuple[str, UserKey]:
    """The JWT and the key in a credentials file: each stands in the line after its mark."""
    after = dict(pairwise(line.strip() for line in text.splitlines()))
    jwt, seed = (next((after[line] for line in after if mark in line), "") for mark in _CREDS_MARKS)
    if not jwt or not seed:
        raise SettingsError(Problem("creds", "", "must be a credentials file of NATS: a user JWT, and an nkey seed"))
    return jwt, _key(seed, "creds")


def _key(seed: str, name: str) -> UserKey:
    try:
        return user_key(seed)
    except NotUnderstood as wrong:
        raise SettingsError(Problem(name, "", f"has no seed that can be used: {wrong}")) from wrong


def in_words(wrong: Exception, server: str) -> str:
    """Why a connection was not made, or has ended."""
    if isinstance(wrong, nats.errors.Error) and not isinstance(wrong, TimeoutError):
        return of_connection(str(wrong), server)
    if isinstance(wrong, (ConnectionAbortedError, ConnectionResetError)) and wrong.errno is None:
        return f"{server}: {wrong}"
    if isinstance(wrong, ssl.SSLCertVerificationError):
        return connecting(wrong, server)  # each with a cure of its own: renew it, set the clock, name the authority
    return why_not(wrong, server)
