"""TLS as a client: what an operator can say of it, checked before the first connection needs it.

    tls = { ca = "/etc/holdfast/ca.pem", certificate = "/etc/holdfast/gw.pem", key = "/etc/holdfast/gw.key" }
    tls = { certificate = "/etc/holdfast/gw.pem", key = { credential = "gw.key" }, min_version = "1.3" }

TLS 1.2 at least; the far end's certificate and name are verified unless `verify = false` is written. A credential is a
file that systemd hands to this service alone (LoadCredential=, LoadCredentialEncrypted=).
"""

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transports.errors import Problem, SettingsError
from transports.settings import Secret, setting

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def _credential_cure(name: str) -> str | None:
    return None if name and "/" not in name and not name.startswith(".") else "must be the name of a credential"


@dataclass(frozen=True)
class Credential:
    """A file that systemd hands over: `{ credential = "gw.key" }`."""

    credential: str = setting(help="its name in LoadCredential=", example="gw.key", check=_credential_cure)

    @property
    def is_known(self) -> bool:
        """Whether systemd has started us with any. A check of the configuration at a terminal is not."""
        return "CREDENTIALS_DIRECTORY" in os.environ

    @property
    def path(self) -> Path:
        """Where it is. Raises SettingsError when systemd has handed over none."""
        if not self.is_known:
            cure = f"systemd hands it over: write LoadCredential={self.credential}:/path into the unit of holdfast"
            raise SettingsError(Problem(f"credential {self.credential}", "", cure))
        return Path(os.environ["CREDENTIALS_DIRECTORY"]) / self.credential


Source = Path | Credential


@dataclass(frozen=True)
class Tls:
    """The table `tls` of an uplink; an empty one is enough where the far end's certificate is publicly signed."""

    ca: Source | None = setting(None, help="certificates (PEM) that may have signed the far end's; else the system's")
    certificate: Source | None = setting(
        None, help="the gateway's own certificate chain (PEM), for a far end that asks"
    )
    key: Source | None = setting(
        None, help="the private key of `certificate` (PEM)", example='{ credential = "gw.key" }'
    )
    key_password: Secret | None = setting(None, help="the phrase that opens `key`, if it is encrypted")
    server_name: str = setting(
        "", help="the name to find in the far end's certificate, if not the host that is dialled"
    )
    verify: bool = setting(True, help="false accepts whoever answers: for trials only")
    min_version: str = setting("1.2", choices=tuple(_VERSIONS), help="the oldest version of TLS to speak")
    alpn: tuple[str, ...] = setting((), help="protocols to announce (ALPN), where one port serves several")

    def files(self) -> list[tuple[str, Path]]:
        """What is read of it, by key. Raises SettingsError for a credential that nobody has handed over."""
        named = (("ca", self.ca), ("certificate", self.certificate), ("key", self.key))
        return [(name, path_of(source)) for name, source in named if source]

    def problems(self, path: str) -> Iterator[Problem]:
        """Files that cannot be read or are not what they should be, and halves of a pair."""
        if self.certificate and not self.key:
            yield Problem(f"{path}.key", "", "is missing; a certificate is of no use without its private key")
        if self.key and not self.certificate:
            yield Problem(f"{path}.certificate", "", "is missing; it belongs to the private key in `key`")
        for name in self.alpn:
            if not name or len(name.encode()) > 255:
                yield Problem(f"{path}.alpn", repr(name), 'must be names of at most 255 bytes, such as "mqtt"')
        sources = (self.ca, self.certificate, self.key)
        if any(isinstance(source, Credential) and not source.is_known for source in sources):
            return
        unread = list(self._unreadable(path))
        yield from unread or self._unusable(path)

    def _unreadable(self, path: str) -> Iterator[Problem]:
        for name, file in self.files():
            try:
                file.read_bytes()
            except OSError as wrong:
                cure = f"must be a file that the user of holdfast can read ({wrong.strerror})"
                yield Problem(f"{path}.{name}", repr(str(file)), cure)

    def _unusable(self, path: str) -> Iterator[Problem]:
        if self.ca:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path_of(self.ca))
            except ssl.SSLError:
                yield Problem(f"{path}.ca", repr(str(path_of(self.ca))), "must contain certificates in PEM form")
        if self.certificate and self.key:
            try:
                _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.certificate, self.key, self.key_password)
            except (ssl.SSLError, ValueError) as wrong:
                cure = f"must be a PEM certificate and `key` its private key, opened by `key_password` ({_why(wrong)})"
                yield Problem(f"{path}.certificate", repr(str(path_of(self.certificate))), cure)
            except SettingsError as missing:
                yield from missing.problems


class _NamedContext(ssl.SSLContext):
    """A context that asks for the certificate of `name`, whatever host is dialled: paho passes on only the host."""

    name = ""

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:  # type: ignore[override]
        return super().wrap_socket(sock, **options | ({"server_hostname": self.name} if self.name else {}))


def path_of(source: Source) -> Path:
    """Where it is read from. Raises SettingsError for a credential that nobody has handed over."""
    return source.path if isinstance(source, Credential) else source


def client_context(tls: Tls) -> ssl.SSLContext:
    """What a connection is secured with. Raises OSError or SettingsError when a file has become unusable since."""
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = tls.server_name
    context.check_hostname = tls.verify
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    context.minimum_version = _VERSIONS[tls.min_version]
    if tls.alpn:
        context.set_alpn_protocols(list(tls.alpn))
    for _, file in tls.files():
        file.open("rb").close()  # an OSError that names the file, which those of OpenSSL do not
    if tls.ca:
        _load_ca(context, path_of(tls.ca))
    else:
        context.load_default_certs()
    if tls.certificate and tls.key:
        _load_pair_named(context, tls.certificate, tls.key, tls.key_password)
    return context


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as wrong:
        raise OSError(f"{ca} must contain certificates in PEM form ({_why(wrong)})") from wrong


def _load_pair_named(context: ssl.SSLContext, certificate: Source, key: Source, password: Secret | None) -> None:
    try:
        _load_pair(context, certificate, key, password)
    except (ssl.SSLError, ValueError) as wrong:
        pair = f"{path_of(certificate)} and {path_of(key)}"
        raise OSError(f"{pair} must be a PEM certificate and its private key ({_why(wrong)})") from wrong


def _load_pair(context: ssl.SSLContext, certificate: Source, key: Source, password: Secret | None) -> None:
    # An empty phrase, not None: OpenSSL would ask for the phrase of an encrypted key at the terminal.
    phrase = password.reveal() if password else ""
    context.load_cert_chain(path_of(certificate), path_of(key), phrase)


def _why(wrong: Exception) -> str:
    if isinstance(wrong, ssl.SSLError) and wrong.reason:
        return wrong.reason.lower().replace("_", " ")
    return str(wrong)
