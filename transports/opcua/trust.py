"""Whether a server is the one it should be: its certificate is pinned, or signed by somebody who is trusted.

A pinned certificate is compared whole. A folder of trusted ones (PEM or DER) holds certificates of servers, which are
compared whole, and of authorities, whose signature is followed over at most four steps, through what the server sent
along. Revocation lists (CRL) that lie in the folder are obeyed. Expired is expired, for each of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from transports.opcua.certificates import PEM, application_uri, load_certificate

_STEPS = 4
_MISFIT = (ValueError, TypeError, InvalidSignature)


@dataclass(frozen=True, slots=True)
class Trusted:
    """What is trusted: certificates of servers and authorities, and lists of those that are no longer."""

    certificates: tuple[x509.Certificate, ...] = ()
    revoked: tuple[x509.CertificateRevocationList, ...] = ()


def trusted_in(folder: Path) -> Trusted:
    """Everything in the folder that is a certificate or a revocation list. Raises OSError."""
    certificates: list[x509.Certificate] = []
    revoked: list[x509.CertificateRevocationList] = []
    for file in sorted(folder.iterdir()):
        data = file.read_bytes() if file.is_file() else b""
        try:
            certificates += x509.load_pem_x509_certificates(data) if PEM in data else [load_certificate(data)]
        except ValueError:
            revoked += _lists(data)
    return Trusted(tuple(certificates), tuple(revoked))


def objection(chain: Sequence[x509.Certificate], trusted: Trusted, now: datetime, uri: str) -> str:
    """Why the server with this chain (its own certificate first) is not to be believed, "" if it is.

    `uri` is what the server calls itself, which its certificate must name, too.
    """
    server = chain[0]
    problem = out_of_date(server, now) or _not_named(server, uri)
    if problem:
        return problem
    if server in trusted.certificates:
        return ""
    current, seen = server, [*chain[1:], *trusted.certificates]
    for _ in range(_STEPS):
        issuer = next((each for each in seen if _signed(current, each)), None)
        if issuer is None or issuer == current:
            break
        problem = out_of_date(issuer, now) or _revoked(current, issuer, trusted.revoked)
        if problem:
            return problem
        if issuer in trusted.certificates:
            return ""
        current = issuer
    return "nobody who is trusted has signed it"


def out_of_date(certificate: x509.Certificate, now: datetime) -> str:
    """Why a certificate is not valid at that time, "" if it is."""
    name = certificate.subject.rfc4514_string() or "without a name"
    if now > certificate.not_valid_after_utc:
        return (
            f"it expired ({name}, {certificate.not_valid_after_utc:%Y-%m-%d}; the gateway's clock says {now:%Y-%m-%d})"
        )
    if now < certificate.not_valid_before_utc:
        since = certificate.not_valid_before_utc
        return f"it is not valid yet ({name}, {since:%Y-%m-%d}; the gateway's clock says {now:%Y-%m-%d})"
    return ""


def _not_named(server: x509.Certificate, uri: str) -> str:
    named = application_uri(server)
    return f"it is made out to {named!r:.80}, and the server calls itself {uri!r:.80}" if named != uri else ""


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (*_MISFIT, x509.ExtensionNotFound):
        return False


def _revoked(
    certificate: x509.Certificate, issuer: x509.Certificate, lists: Iterable[x509.CertificateRevocationList]
) -> str:
    for each in lists:
        listed = each.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
        if listed and each.issuer == issuer.subject and _signed_list(each, issuer):
            return f"it was revoked ({certificate.subject.rfc4514_string()})"
    return ""


def _signed_list(each: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return each.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except _MISFIT:
        return False


def _lists(data: bytes) -> list[x509.CertificateRevocationList]:
    load = x509.load_pem_x509_crl if PEM in data else x509.load_der_x509_crl
    try:
        return [load(data)]
    except ValueError:
        return []
