"""What an operator can say of security: of the channel, of who the gateway is, and of whom it believes.

security = "sign-and-encrypt"                                 # or "sign", or "none"
policy = "Basic256Sha256"
certificate = "/etc/holdfast/opcua/gateway.pem"               # the gateway's own, and its key
key = "/etc/holdfast/opcua/gateway.key"
server_certificate = "/etc/holdfast/opcua/line.der"           # or its fingerprint, or `trusted = "/a/folder"`
user = "holdfast"
password = { env = "LINE_PASSWORD" }
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from asyncua import ua
from asyncua.crypto import security_policies as policies
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from transports.errors import Problem, SettingsError
from transports.opcua.certificates import application_uri, load_certificate, load_key
from transports.opcua.trust import trusted_in
from transports.settings import Secret, setting

POLICIES: Mapping[str, type[policies.SecurityPolicy]] = {
    "Basic256Sha256": policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": policies.SecurityPolicyAes256Sha256RsaPss,
}
MODES: Mapping[str, ua.MessageSecurityMode] = {
    "none": ua.MessageSecurityMode.None_,
    "sign": ua.MessageSecurityMode.Sign,
    "sign-and-encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
FINGERPRINT = "sha256:"
_BELIEVE = "server_certificate (its file, or its fingerprint), trusted (a folder) or, for a trial, verify = false"


def _pin(value: str) -> str | None:
    fits = not value.startswith(FINGERPRINT) or re.fullmatch(r"[0-9a-f]{64}", digits(value))
    return None if fits else "must be a path, or sha256: and 64 hexadecimal digits"


def digits(pin: str) -> str:
    """The digits of a fingerprint, however they were grouped."""
    return pin.removeprefix(FINGERPRINT).replace(":", "").replace(" ", "").lower()


@dataclass(frozen=True)
class Identity:
    """Who the gateway is, on a secured channel."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


@dataclass(frozen=True, kw_only=True)
class SecuritySettings:
    """The keys of a device that secure its connection."""

    security: str = setting("none", choices=tuple(MODES), help="whether messages are signed, and encrypted")
    policy: str = setting("Basic256Sha256", choices=tuple(POLICIES), help="how they are; not used without security")
    certificate: Path | None = setting(None, help="the gateway's own certificate (PEM or DER), RSA")
    key: Path | None = setting(None, help="the private key of `certificate` (PEM or DER)")
    key_password: Secret | None = setting(None, help="the phrase that opens `key`, if it is encrypted")
    server_certificate: str | None = setting(
        None, check=_pin, help="the only certificate to believe: its file (PEM or DER), or sha256: and its fingerprint"
    )
    trusted: Path | None = setting(None, help="folder with certificates of servers or authorities to believe")
    verify: bool = setting(True, help="false believes whoever answers, and says so in the log: for trials only")
    user: str = setting("", help="user name; without it the gateway is anonymous")
    password: Secret | None = setting(None, help="the password of `user`")

    @property
    def secured(self) -> bool:
        """Whether messages are signed at least."""
        return self.security != "none"

    def identity(self) -> Identity:
        """The gateway's own certificate and key. Raises OSError, SettingsError, ValueError, TypeError."""
        certificate = load_certificate(_read(self.certificate))
        phrase = self.key_password.reveal() if self.key_password else ""
        return Identity(certificate, load_key(_read(self.key), phrase))

    def security_problems(self, path: str) -> Iterator[Problem]:
        """Halves, what is of no use, and files that are not what they should be."""
        if self.password and not self.user:
            yield Problem(f"{path}.user", "", "is missing; a password is of no use without it")
        if not self.secured:
            yield from self._of_no_use(path)
            return
        halves = list(self._missing(path))
        yield from halves or self._unusable(path)

    def _of_no_use(self, path: str) -> Iterator[Problem]:
        given = {
            "certificate": self.certificate,
            "key": self.key,
            "server_certificate": self.server_certificate,
            "trusted": self.trusted,
        }
        for name, value in given.items():
            if value is not None:
                yield Problem(f"{path}.{name}", repr(str(value)), 'needs security = "sign-and-encrypt" (or "sign")')

    def _missing(self, path: str) -> Iterator[Problem]:
        for name, file in (("certificate", self.certificate), ("key", self.key)):
            if file is None:
                yield Problem(f"{path}.{name}", "", f"is missing; security = {self.security!r} needs it")
        if self.verify and not self.server_certificate and not self.trusted:
            yield Problem(
                f"{path}.server_certificate", "", f"is missing: whom should the gateway believe? Give {_BELIEVE}"
            )

    def _unusable(self, path: str) -> Iterator[Problem]:
        try:
            mine = self.identity()
        except OSError as wrong:
            yield Problem(f"{path}.certificate", repr(str(wrong.filename)), f"cannot be read ({wrong.strerror})")
        except SettingsError as missing:
            yield from missing.problems
        except (ValueError, TypeError) as wrong:
            cure = f"must be a certificate and `key` its RSA key, opened by `key_password` ({wrong})"
            yield Problem(f"{path}.certificate", repr(str(self.certificate)), cure)
        else:
            yield from self._misfits(path, mine)
        yield from self._believed(path)

    def _misfits(self, path: str, mine: Identity) -> Iterator[Problem]:
        if mine.certificate.public_key() != mine.key.public_key():
            yield Problem(f"{path}.key", repr(str(self.key)), "is not the key of `certificate`")
        if not application_uri(mine.certificate):
            cure = "must name the gateway by a URI in its subjectAltName: servers refuse it otherwise"
            yield Problem(f"{path}.certificate", repr(str(self.certificate)), cure)

    def _believed(self, path: str) -> Iterator[Problem]:
        pin = self.server_certificate
        try:
            if pin and not pin.startswith(FINGERPRINT):
                load_certificate(_read(Path(pin)))
        except (OSError, ValueError) as wrong:
            yield Problem(f"{path}.server_certificate", repr(pin), f"must be a certificate that can be read ({wrong})")
        try:
            if self.trusted is not None:
                trusted_in(self.trusted)
        except OSError as wrong:
            cure = f"must be a folder that the user of holdfast can read ({wrong.strerror})"
            yield Problem(f"{path}.trusted", repr(str(self.trusted)), cure)


def _read(file: Path | None) -> bytes:
    return file.read_bytes() if file is not None else b""
