"""Certificates of OPC UA applications: read from files, and made for a gateway that has none.

An application's certificate is RSA, and names the application by a URI in its subjectAltName (OPC 10000-6, 6.2.2).
Files are PEM or DER, whatever they are called.
"""

import ipaddress
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = b"-----BEGIN"
KEY_BITS = 2048  # allowed by every policy that is in use (OPC 10000-7, 6.6)
_DAYS = 3650


def load_certificate(data: bytes) -> x509.Certificate:
    """The first certificate in PEM or DER. Raises ValueError."""
    if PEM in data:
        return x509.load_pem_x509_certificate(data)
    return x509.load_der_x509_certificate(first_of_chain(data))


def load_key(data: bytes, phrase: str = "") -> rsa.RSAPrivateKey:
    """A private RSA key in PEM or DER. Raises ValueError, TypeError where a phrase is missing or one too many."""
    load = serialization.load_pem_private_key if PEM in data else serialization.load_der_private_key
    key = load(data, phrase.encode() or None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("must be an RSA key")
    return key


def der(certificate: x509.Certificate) -> bytes:
    """A certificate as OPC UA sends it."""
    return certificate.public_bytes(serialization.Encoding.DER)


def first_of_chain(data: bytes) -> bytes:
    """The first of certificates that follow one another (DER: 30 82, two bytes of length)."""
    return data[: 4 + int.from_bytes(data[2:4], "big")] if data[:2] == b"\x30\x82" else data


def chain_of(data: bytes) -> list[x509.Certificate]:
    """Every certificate of a chain in DER, at most eight. Raises ValueError."""
    chain: list[x509.Certificate] = []
    while data and len(chain) < 8:
        one = first_of_chain(data)
        chain.append(x509.load_der_x509_certificate(one))
        data = data[len(one) :]
    return chain


def fingerprint(certificate: x509.Certificate) -> str:
    """What a certificate is known by: `sha256:` and 64 digits."""
    return f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"


def application_uri(certificate: x509.Certificate) -> str:
    """The URI that names the application, "" where there is none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")


def make_certificate(
    certificate: Path,
    key: Path,
    uri: str,
    name: str = "Holdfast",
    hosts: tuple[str, ...] = (),
    days: int = _DAYS,
    begin: datetime | None = None,
) -> None:
    """Write a self-signed certificate (PEM) and its private key, which only its owner may read.

    `hosts` are names and addresses of this machine (its host name where there are none); valid for `days` from `begin`,
    by default yesterday, so that a server whose clock is behind takes it. Raises OSError.
    """
    secret = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    since = begin or datetime.now(UTC) - timedelta(days=1)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=days))
    )
    signed = _extended(builder, secret.public_key(), uri, hosts or (socket.gethostname(),)).sign(
        secret, hashes.SHA256()
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    _write(key, secret.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain), 0o600)
    _write(certificate, signed.public_bytes(pem), 0o644)


def _extended(
    builder: x509.CertificateBuilder, public: rsa.RSAPublicKey, uri: str, hosts: tuple[str, ...]
) -> x509.CertificateBuilder:
    """With what OPC 10000-6, 6.2.2, table 43 asks of an application's own certificate, which signs itself."""
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    names = [x509.UniformResourceIdentifier(uri), *map(_general_name, hosts)]
    return (
        builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(file: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(descriptor, mode)
        stream.write(data)
