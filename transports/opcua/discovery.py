"""What a server offers, asked before logging in: its certificate, which is checked, and the security that it does."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from asyncua import ua
from asyncua.client.client import Client
from cryptography import x509

from transports.clock import MachineClock
from transports.errors import LinkDown
from transports.opcua.certificates import chain_of, fingerprint, load_certificate
from transports.opcua.reasons import told
from transports.opcua.security import FINGERPRINT, MODES, POLICIES, digits
from transports.opcua.settings import Settings
from transports.opcua.trust import Trusted, objection, out_of_date, trusted_in

log = logging.getLogger("holdfast.opcua")


async def server_certificate(settings: Settings, client: Client) -> x509.Certificate:
    """The certificate of the endpoint that does the wanted security, believed. Raises LinkDown, LinkTimeout."""
    where = settings.where
    endpoints = await _endpoints(settings, client)
    mode, uri = MODES[settings.security], POLICIES[settings.policy].URI
    fitting = [each for each in endpoints if each.SecurityMode == mode and each.SecurityPolicyUri == uri]
    if not fitting:
        wanted = f"security = {settings.security!r} with policy = {settings.policy!r}"
        raise LinkDown(f"{where} does not do {wanted}; it offers {_words(endpoints)}")
    try:
        chain = chain_of(fitting[0].ServerCertificate or b"")
    except ValueError as wrong:
        raise LinkDown(f"{where}: its certificate cannot be read ({wrong})") from wrong
    if not chain:
        raise LinkDown(f"{where} shows no certificate; without one it cannot do security = {settings.security!r}")
    _believe(settings, chain, fitting[0].Server.ApplicationUri or "", now())
    return chain[0]


def now() -> datetime:
    """The time by which certificates are judged."""
    return datetime.fromtimestamp(MachineClock().utc_ns() / 1e9, UTC)


async def offered(settings: Settings, client: Client) -> str:
    """The security that a server offers, in words. Raises LinkDown, LinkTimeout."""
    return _words(await _endpoints(settings, client))


async def _endpoints(settings: Settings, client: Client) -> Sequence[ua.EndpointDescription]:
    with told(settings.where, "when connecting; is it switched on, on this network, and an OPC UA server?"):
        return await client.connect_and_get_server_endpoints()


def _words(endpoints: Sequence[ua.EndpointDescription]) -> str:
    modes = {mode: name for name, mode in MODES.items()}
    policies = {policy.URI: name for name, policy in POLICIES.items()}
    offers = {
        f"{modes.get(each.SecurityMode, 'another')} ({policies[each.SecurityPolicyUri]})"
        if each.SecurityPolicyUri in policies
        else modes.get(each.SecurityMode, "another")
        for each in endpoints
    }
    return ", ".join(sorted(offers)) or "nothing"


def _believe(settings: Settings, chain: Sequence[x509.Certificate], uri: str, at: datetime) -> None:
    """Raises LinkDown where the server is not to be believed."""
    where, shown = settings.where, fingerprint(chain[0])
    if not settings.verify:
        log.warning("%s is believed without a check (verify = false); its certificate is %s", where, shown)
        return
    try:
        problem = _pin_broken(settings, chain[0], at)
        if problem is None:
            problem = objection(chain, trusted_in(settings.trusted) if settings.trusted else Trusted(), at, uri)
    except (OSError, ValueError) as wrong:
        raise LinkDown(f"{where}: what to believe cannot be read ({wrong})") from wrong
    if problem:
        cure = (
            "if that is right, renew it there"
            if "expired" in problem
            else f"it shows {shown}: if that is right, write it as server_certificate, or put its file in trusted"
        )
        raise LinkDown(f"{where}: its certificate is not believed: {problem}; {cure}")


def _pin_broken(settings: Settings, shown: x509.Certificate, at: datetime) -> str | None:
    """Why it is not the pinned one, "" if it is; None where none is pinned."""
    pin = settings.server_certificate
    if not pin:
        return None
    if pin.startswith(FINGERPRINT):
        same = fingerprint(shown) == FINGERPRINT + digits(pin)
    else:
        same = load_certificate(Path(pin).read_bytes()) == shown
    return out_of_date(shown, at) if same else "it is another one than server_certificate"
