"""The requests of the HTTPS uplink, in the loop: a greeting, and a message with all that must be said with it."""

from collections.abc import Mapping

import httpx

from transports.clock import Clock
from transports.settings import Secret
from transports.uplinks import Identity, Outgoing
from transports.uplinks._https.answers import Answer, judge
from transports.uplinks._https.auth import headers_of
from transports.uplinks._https.bodies import content_type
from transports.uplinks._https.past import Past, Token
from transports.uplinks._https.settings import Settings
from transports.uplinks._https.signature import Words, http_date
from transports.uplinks._https.token import Tokens
from transports.uplinks._https.urls import filled, uses_fields
from transports.uplinks._https.wire import Limits, Wire, place


class Client:
    """Of one connection. Raises OSError or SettingsError when a certificate or a secret cannot be read."""

    def __init__(self, settings: Settings, identity: Identity, past: Past, clock: Clock) -> None:
        self._settings, self._identity, self._clock = settings, identity, clock
        limits = Limits(settings.keepalive_s, settings.connect_timeout_s, settings.max_answer_bytes)
        self._url = None if uses_fields(settings.url) else httpx.URL(settings.url)
        self._home = self._url or httpx.URL(settings.url.partition("{")[0]).copy_with(path="/", query=None)
        self._wire = Wire(self._home, settings.tls, limits, clock, identity.interface)
        self._token_wire: Wire | None = None
        self._tokens: Tokens | None = None
        auth = settings.auth
        if auth is None:
            return
        for secret in (auth.token, auth.password, auth.client_secret, auth.secret):
            if isinstance(secret, Secret):
                secret.reveal()  # said now, and not with the first message
        if auth.type == "oauth2":
            tls = auth.tls or settings.tls
            self._token_wire = Wire(httpx.URL(auth.token_url), tls, limits, clock, identity.interface)
            self._tokens = Tokens(auth, past, self._token_wire, clock, settings.max_retry_after_s)

    async def greet(self) -> int:
        """The status that the server greets us with; whatever it is, somebody is there who speaks HTTP. Raises Held."""
        token = await self._tokens.current() if self._tokens else None
        method = self._settings.greeting
        if method == "none":
            return 0
        return (await self._ask(method, self._home, {}, b"", token)).status

    async def post(self, message: Outgoing, key: str) -> None:
        """Returns when the message is taken. Raises UplinkRefused, Held, and SettingsError."""
        settings = self._settings
        url = self._url or httpx.URL(filled(settings.url, self._fields(message)))
        headers = {
            "Content-Type": content_type(settings.content_type, message),
            settings.idempotency_header: key,
            **({"Content-Encoding": message.content_encoding} if message.content_encoding else {}),
        }
        token = await self._tokens.current() if self._tokens else None
        answer = await self._ask(settings.method, url, headers, message.payload, token)
        if answer.status == 401 and self._tokens and token:
            # Tokens are withdrawn, too. Once: a token that has just been given is refused for another reason.
            self._tokens.rejected(token)
            answer = await self._ask(settings.method, url, headers, message.payload, await self._tokens.current())
        if not 200 <= answer.status < 300:
            judge(answer, f"{settings.method} {place(url)}", self._clock.utc_ns(), settings.max_retry_after_s)

    async def aclose(self) -> None:
        """Close all connections."""
        self._wire.close()
        if self._token_wire:
            self._token_wire.close()

    def _fields(self, message: Outgoing) -> Mapping[str, str]:
        return {"gateway": self._identity.gateway, "uplink": self._identity.uplink, **message.fields}

    async def _ask(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes, token: Token | None
    ) -> Answer:
        settings = self._settings
        who: Mapping[str, str] = {}
        if settings.auth:
            words = Words(method, url.raw_path.decode("ascii"), http_date(self._clock.utc_ns()), body)
            who = headers_of(settings.auth, words, token.text if token else "")
        every = {"User-Agent": "holdfast", "Accept-Encoding": "identity", **settings.headers}
        return await self._wire.exchange(method, url, {**every, **headers, **who}, body)
