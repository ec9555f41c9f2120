"""Certificates for OPC UA tests: gateways and servers that sign themselves, and an authority with what it signs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from transports.opcua.certificates import make_certificate

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both as files."""

    certificate: Path
    key: Path


def own(
    directory: Path, name: str, uri: str = "urn:holdfast:test", begin: datetime | None = None, days: int = 2
) -> Pair:
    """A certificate that signs itself, valid from `begin` (yesterday) on."""
    directory.mkdir(parents=True, exist_ok=True)
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    make_certificate(pair.certificate, pair.key, uri, name, ("127.0.0.1", "localhost"), days, begin)
    return pair


@cache
def _key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Authority:
    """Signs certificates, and says which of them are no longer good."""

    def __init__(
        self, name: str, above: "Authority | None" = None, end: datetime | None = None, ca: bool = True
    ) -> None:
        self.name, self._above = name, above or self
        self.certificate = self._above.signs(name, "", end, ca, key=_key(name))

    def signs(
        self, name: str, uri: str, end: datetime | None = None, ca: bool = False, key: rsa.RSAPrivateKey | None = None
    ) -> x509.Certificate:
        """A certificate for that name and application."""
        until = end or datetime.now(UTC) + DAY
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self.name))
            .public_key((key or _key("leaf")).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - 10 * DAY)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if uri:
            names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(_key(self.name), hashes.SHA256())

    def pair(self, directory: Path, name: str, uri: str) -> Pair:
        """A signed certificate and its key as files."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
        pair.certificate.write_bytes(pem(self.signs(name, uri, key=key)))
        plain = serialization.NoEncryption()
        pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return pair

    def revokes(self, *certificates: x509.Certificate) -> x509.CertificateRevocationList:
        """The list of what is no longer good."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(_named(self.name))
        builder = builder.last_update(datetime.now(UTC) - DAY).next_update(datetime.now(UTC) + DAY)
        for each in certificates:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(each.serial_number)
                .revocation_date(datetime.now(UTC) - DAY)
                .build()
            )
        return builder.sign(_key(self.name), hashes.SHA256())


def pem(thing: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return thing.public_bytes(serialization.Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
