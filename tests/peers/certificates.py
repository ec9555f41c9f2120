"""Certificates for TLS tests: an authority of one's own, and what it signs, as PEM files."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority; `ca` is the file that those who trust it are given."""

    def __init__(
        self, directory: Path, name: str = "test authority", valid_days: tuple[float, float] = (-1, 1)
    ) -> None:
        self._directory, self._name = directory, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca = directory / f"{name.replace(' ', '-')}.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.ca.write_bytes(_pem(self._signed(name, self._key, constraints, valid_days)))

    def signs(
        self,
        name: str,
        addresses: tuple[str, ...] = ("127.0.0.1",),
        phrase: bytes = b"",
        valid_days: tuple[float, float] = (-1, 1),
    ) -> Pair:
        """A certificate for `name` as common and DNS name, and for the addresses; the key encrypted with `phrase`.
        Valid from and until so many days from now. The same name again makes a new one in the same files."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name), *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        pair.certificate.write_bytes(_pem(self._signed(name, key, x509.SubjectAlternativeName(names), valid_days)))
        secrecy = serialization.BestAvailableEncryption(phrase) if phrase else serialization.NoEncryption()
        pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secrecy))
        return pair

    def _signed(self, name, key, extension, valid_days) -> x509.Certificate:
        now = datetime.now(UTC)
        since, until = (timedelta(days=days) for days in valid_days)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
