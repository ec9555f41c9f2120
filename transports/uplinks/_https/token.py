"""OAuth2 client credentials (RFC 6749, section 4.4): a token is asked for when there is none, and before it expires.

no token, or due ──POST grant_type=client_credentials──> 200 ──> token, renewed a little before `expires_in`
                                                          └── 400, 401, 429, 5xx ──> Held, with the cure
"""

import asyncio
from typing import cast
from urllib.parse import urlencode

import httpx
import orjson

from transports.clock import Clock
from transports.json_paths import shown
from transports.uplinks._https.answers import Answer, Held, pause
from transports.uplinks._https.auth import Auth, client_words
from transports.uplinks._https.past import Past, Token
from transports.uplinks._https.wire import Wire, place

EARLY_SHARE, EARLY_MOST_S = 0.1, 60.0  # a token is renewed so long before it expires, the less of both
DEFAULT_S = 300.0  # of a token that does not say when it expires
_LONGEST_S = 30 * 86400.0
# RFC 6749, section 5.2
_CURES = {
    "invalid_client": "it does not know this client; look at auth.client_id and auth.client_secret",
    "unauthorized_client": "this client may not ask for such tokens; allow client credentials for it",
    "invalid_scope": "it does not give this scope; look at auth.scope",
    "unsupported_grant_type": "it does not know client credentials; look at auth.token_url",
    "invalid_request": "it cannot read the question; look at auth.client_in, auth.scope and auth.audience",
}


class Tokens:
    """The token in force, kept in `past` from one connection to the next."""

    def __init__(self, auth: Auth, past: Past, wire: Wire, clock: Clock, most_pause_s: float) -> None:
        self._auth, self._past, self._wire, self._clock = auth, past, wire, clock
        self._most_pause_s = most_pause_s
        self._url = httpx.URL(auth.token_url)
        self._asking = asyncio.Lock()

    async def current(self) -> Token:
        """The token; asks for one when it must. Raises Held, and SettingsError when the secret cannot be read."""
        async with self._asking:
            token = self._past.token
            if token is None or self._clock.now() >= token.renew_at:
                token = self._past.token = await self._asked()
            return token

    def rejected(self, token: Token) -> None:
        """The server does not take it, though it has not expired: it is not used again."""
        if self._past.token is token:
            self._past.token = None

    async def _asked(self) -> Token:
        headers, form = client_words(self._auth)
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = await self._wire.exchange("POST", self._url, headers, urlencode(form).encode())
        if answer.status != 200:
            raise self._refusal(answer)
        return token_in(answer.text, self._clock.now(), place(self._url))

    def _refusal(self, answer: Answer) -> Held:
        document = _document(answer.text)
        cure = next((cure for error, cure in _CURES.items() if document.get("error") == error), "")
        said = cure or f"look at auth; it says {shown(answer.text)!r}"
        pause_s = pause(answer.retry_after, self._clock.utc_ns(), self._most_pause_s)
        return Held(f"{place(self._url)}: it gives no token ({answer.status}): {said}", pause_s)


def token_in(text: bytes, now: float, where: str) -> Token:
    """The token of an answer (RFC 6749, section 5.1). Raises Held for an answer that is none."""
    document = _document(text)
    token, kind = document.get("access_token"), document.get("token_type", "Bearer")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise Held(f"{where}: its answer has no access_token; look at auth.token_url")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Held(f"{where}: it gives tokens of a type other than Bearer; look at auth.token_url")
    lasts = document.get("expires_in")
    is_number = isinstance(lasts, (int, float)) and not isinstance(lasts, bool)
    lasts_s = min(max(0.0, float(cast(float, lasts))), _LONGEST_S) if is_number else DEFAULT_S
    return Token(token, now + lasts_s - min(lasts_s * EARLY_SHARE, EARLY_MOST_S))


def _document(text: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
