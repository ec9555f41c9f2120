"""TLS as a client: what an operator can say of it, checked before the first connection needs it.

    tls = { ca = "/etc/holdfast/ca.pem", certificate = "/etc/holdfast/gw.pem", key = "/etc/holdfast/gw.key" }

TLS 1.2 at least; the far end's certificate and name are verified unless `verify = false` is written.
"""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transports.errors import Problem, SettingsError
from transports.settings import Secret, setting


@dataclass(frozen=True)
class Tls:
    """The table `tls` of an uplink; an empty one is enough where the far end's certificate is publicly signed."""

    ca: Path | None = setting(None, help="certificates (PEM) that may have signed the far end's; else the system's")
    certificate: Path | None = setting(None, help="the gateway's own certificate chain (PEM), for a far end that asks")
    key: Path | None = setting(None, help="the private key of `certificate` (PEM)")
    key_password: Secret | None = setting(None, help="the phrase that opens `key`, if it is encrypted")
    server_name: str = setting(
        "", help="the name to find in the far end's certificate, if not the host that is dialled"
    )
    verify: bool = setting(True, help="false accepts whoever answers: for trials only")

    def problems(self, path: str) -> Iterator[Problem]:
        """Files that cannot be read or are not what they should be, and halves of a pair."""
        if self.certificate and not self.key:
            yield Problem(f"{path}.key", "", "is missing; a certificate is of no use without its private key")
        if self.key and not self.certificate:
            yield Problem(f"{path}.certificate", "", "is missing; it belongs to the private key in `key`")
        unread = list(self._unreadable(path))
        yield from unread or self._unusable(path)

    def _unreadable(self, path: str) -> Iterator[Problem]:
        for name, file in (("ca", self.ca), ("certificate", self.certificate), ("key", self.key)):
            if file is None:
                continue
            try:
                file.read_bytes()
            except OSError as wrong:
                cure = f"must be a file that the user of holdfast can read ({wrong.strerror})"
                yield Problem(f"{path}.{name}", repr(str(file)), cure)

    def _unusable(self, path: str) -> Iterator[Problem]:
        if self.ca:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.ca)
            except ssl.SSLError:
                yield Problem(f"{path}.ca", repr(str(self.ca)), "must contain certificates in PEM form")
        if self.certificate and self.key:
            try:
                _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self)
            except (ssl.SSLError, ValueError) as wrong:
                cure = f"must be a PEM certificate and `key` its private key, opened by `key_password` ({_why(wrong)})"
                yield Problem(f"{path}.certificate", repr(str(self.certificate)), cure)
            except SettingsError as missing:
                yield from missing.problems


class _NamedContext(ssl.SSLContext):
    """A context that asks for the certificate of `name`, whatever host is dialled: paho passes on only the host."""

    name = ""

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:  # type: ignore[override]
        return super().wrap_socket(sock, **options | ({"server_hostname": self.name} if self.name else {}))


def client_context(tls: Tls) -> ssl.SSLContext:
    """What a connection is secured with. Raises OSError or SettingsError when a file has become unusable since."""
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = tls.server_name
    context.check_hostname = tls.verify
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    if tls.ca:
        context.load_verify_locations(tls.ca)
    else:
        context.load_default_certs()
    if tls.certificate and tls.key:
        _load_pair(context, tls)
    return context


def _load_pair(context: ssl.SSLContext, tls: Tls) -> None:
    # An empty phrase, not None: OpenSSL would ask for the phrase of an encrypted key at the terminal.
    phrase = tls.key_password.reveal() if tls.key_password else ""
    context.load_cert_chain(str(tls.certificate), tls.key, phrase)


def _why(wrong: Exception) -> str:
    if isinstance(wrong, ssl.SSLError) and wrong.reason:
        return wrong.reason.lower().replace("_", " ")
    return str(wrong)
