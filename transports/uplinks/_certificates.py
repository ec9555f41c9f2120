"""When certificates end, and what is said of it and when: a decider; and how they are read.

A notice from 30 days ahead, again at 7 days, at 1 day, and when it is over; a warning all that time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

DAY_S = 86_400.0
_STAGES_DAYS = (30.0, 7.0, 1.0, 0.0)
_BUNDLE = 20  # of so many authorities no one can be meant


@dataclass(frozen=True, slots=True)
class Dated:
    """One certificate: whose it is in words, what tells it from its successor, and until when it is valid (s UTC)."""

    whose: str
    serial: str
    not_after_s: float


def stage(certificate: Dated, now_s: float) -> int:
    """How far it has come: 0 while nothing need be said, then 1 to 4."""
    left_days = (certificate.not_after_s - now_s) / DAY_S
    return sum(left_days <= days for days in _STAGES_DAYS)


def warnings(certificates: Iterable[Dated], now_s: float) -> list[str]:
    """What must be said of those that end soon."""
    return [_words(each, now_s) for each in certificates if stage(each, now_s)]


def notices(
    certificates: Sequence[Dated], told: Mapping[str, int], now_s: float
) -> tuple[list[str], Mapping[str, int]]:
    """What must be said once, now; `told` is what was said before, by serial, and is given back as it is then."""
    stages = {each.serial: stage(each, now_s) for each in certificates}
    new = [each for each in certificates if stages[each.serial] > told.get(each.serial, 0)]
    said = {serial: max(reached, told.get(serial, 0)) for serial, reached in stages.items() if reached}
    return [_words(each, now_s) for each in new], said


def of_chain(file: Path) -> Iterator[Dated]:
    """Our own certificate: the first in the file. Raises OSError and ValueError."""
    for certificate in x509.load_pem_x509_certificates(file.read_bytes())[:1]:
        yield _dated(f"our certificate {file}", certificate)


def of_authorities(file: Path, peer: bytes) -> Iterator[Dated]:
    """Those in the file that may have signed `peer` (DER): of equal names the one that is valid longest, since an
    authority is renewed by adding its next one. Raises OSError and ValueError."""
    latest: dict[bytes, x509.Certificate] = {}
    for certificate in x509.load_pem_x509_certificates(file.read_bytes()):
        name = certificate.subject.public_bytes()
        if name not in latest or certificate.not_valid_after_utc > latest[name].not_valid_after_utc:
            latest[name] = certificate
    issuer = x509.load_der_x509_certificate(peer).issuer.public_bytes() if peer else b""
    if issuer in latest:
        yield _dated(f"the authority in {file}", latest[issuer])
    elif len(latest) < _BUNDLE:
        yield from (_dated(f"an authority in {file}", certificate) for certificate in latest.values())


def of_peer(peer: bytes, place: str) -> Iterator[Dated]:
    """The server's own (DER; b"" for none). Raises ValueError."""
    if peer:
        yield _dated(f"the certificate of {place}", x509.load_der_x509_certificate(peer))


def _dated(whose: str, certificate: x509.Certificate) -> Dated:
    serial = f"{certificate.issuer.rfc4514_string()} {certificate.serial_number:x}"
    return Dated(whose, serial, certificate.not_valid_after_utc.timestamp())


def _words(certificate: Dated, now_s: float) -> str:
    left_s = certificate.not_after_s - now_s
    end = datetime.fromtimestamp(certificate.not_after_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if left_s <= 0:
        return f"{certificate.whose} has expired ({end}): renew it"
    days = int(left_s // DAY_S)
    span = f"{days} day{'s' * (days != 1)}" if days else f"{max(1, int(left_s // 3600))} h"
    return f"{certificate.whose} expires in {span} ({end}): renew it"
