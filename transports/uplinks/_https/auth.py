"""Who we are to an HTTPS server: what a configuration says of it, and the headers that say it.

    { type = "bearer", token = { file = "/etc/holdfast/token" } }
    { type = "basic", user = "gw", password = { env = "PASSWORD" } }
    { type = "oauth2", token_url = "https://id.example.com/token", client_id = "gw", client_secret = { ... } }
    { type = "hmac", secret = { file = "/etc/holdfast/hmac" }, key_id = "gw-7" }

Secrets are read for each request, so a rotated file is used from then on.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus

from transports.errors import Problem, SettingsError
from transports.settings import Secret, setting
from transports.tls import Tls
from transports.uplinks._https.signature import Words, signed
from transports.uplinks._https.urls import header_name_cure, https_cure

_NEEDED = {
    "bearer": ("token",),
    "basic": ("user", "password"),
    "oauth2": ("token_url", "client_id", "client_secret"),
    "hmac": ("secret",),
}
_ALSO = {"oauth2": ("scope", "audience", "tls"), "hmac": ("key_id",)}
_KEYS = ("token", "user", "password", "token_url", "client_id", "client_secret", "scope", "audience", "tls", "secret")


@dataclass(frozen=True)
class Auth:
    """The table `auth` of the uplink."""

    type: str = setting(choices=("bearer", "basic", "oauth2", "hmac"), help="how it is told")
    token: Secret | None = setting(None, help="the token (bearer)")
    user: str = setting("", help="user name (basic)")
    password: Secret | None = setting(None, help="the user's password (basic)")
    token_url: str = setting("", help="where tokens are given (oauth2)", check=lambda url: url and https_cure(url))
    client_id: str = setting("", help="who asks for a token (oauth2)")
    client_secret: Secret | None = setting(None, help="the client's secret (oauth2)")
    client_in: str = setting("header", choices=("header", "body"), help="where id and secret are told (oauth2)")
    scope: str = setting("", help="what the token is to allow (oauth2)")
    audience: str = setting("", help="whom the token is for, where the token server asks for it (oauth2)")
    tls: Tls | None = setting(None, help="whom to believe at token_url, if not the uplink's tls (oauth2)")
    secret: Secret | None = setting(None, help="the shared secret (hmac)")
    key_id: str = setting("", help="tells the server which secret it is (hmac)")
    encoding: str = setting("hex", choices=("hex", "base64"), help="how digest and signature are written (hmac)")
    date_header: str = setting("Date", help="header with the time (hmac)", check=header_name_cure)
    digest_header: str = setting(
        "X-Content-SHA256", help="header with the body's digest (hmac)", check=header_name_cure
    )
    signature_header: str = setting("X-Signature", help="header with the signature (hmac)", check=header_name_cure)
    key_id_header: str = setting("X-Key-Id", help="header with key_id (hmac)", check=header_name_cure)

    def problems(self, path: str) -> Iterator[Problem]:
        """What its type needs and is not there, and what belongs to another type."""
        needed = _NEEDED[self.type]
        known = needed + _ALSO.get(self.type, ())
        for key in (*_KEYS, "key_id"):
            given = bool(getattr(self, key))
            if key in needed and not given:
                yield Problem(f"{path}.{key}", "", f'is missing; type = "{self.type}" needs it')
            if given and key not in known:
                yield Problem(f"{path}.{key}", "", f'does not belong to type = "{self.type}"')
        if self.tls and not self.tls.verify:
            yield Problem(f"{path}.tls.verify", "False", "must be left out: whoever answered would get our secret")


def headers_of(auth: Auth, words: Words, token: str) -> Mapping[str, str]:
    """The headers that say who we are; `token` is the one in force for oauth2.

    Raises SettingsError when a secret cannot be read, or has what no header can carry.
    """
    if auth.type == "bearer":
        return {"Authorization": f"Bearer {_revealed(auth.token, 'auth.token')}"}
    if auth.type == "oauth2":
        return {"Authorization": f"Bearer {token}"}
    if auth.type == "basic":
        return basic(auth.user, auth.password.reveal() if auth.password else "")
    secret = auth.secret.reveal() if auth.secret else ""
    key_id = {auth.key_id_header: auth.key_id} if auth.key_id else {}
    digest, signature = signed(words, secret, auth.encoding)
    return {auth.date_header: words.date, auth.digest_header: digest, auth.signature_header: signature, **key_id}


def basic(user: str, password: str) -> Mapping[str, str]:
    """User and password as RFC 7617 has them."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def client_words(auth: Auth) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Headers and form fields that ask for a token (RFC 6749, sections 2.3.1 and 4.4.2). Raises SettingsError."""
    secret = auth.client_secret.reveal() if auth.client_secret else ""
    form = {"grant_type": "client_credentials", "scope": auth.scope, "audience": auth.audience}
    form = {name: value for name, value in form.items() if value}
    if auth.client_in == "body":
        return {}, form | {"client_id": auth.client_id, "client_secret": secret}
    return basic(quote_plus(auth.client_id), quote_plus(secret)), form


def _revealed(secret: Secret | None, path: str) -> str:
    text = secret.reveal() if secret else ""
    if not text or not text.isascii() or not text.isprintable():
        raise SettingsError(Problem(path, "", "must be one line of printable ASCII, and not empty"))
    return text
