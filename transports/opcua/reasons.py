"""Why something failed at an OPC UA server, in words, with the cure; and which of the house's errors that is."""

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from asyncua.crypto.uacrypto import InvalidSignature  # type: ignore[attr-defined]
from asyncua.ua.status_codes import get_name_and_doc
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.exceptions import InvalidSignature as WrongSignature

from transports.errors import HoldfastError, LinkDown, LinkRefused, LinkTimeout, NotUnderstood

# What asyncua and what lies below it raise over bytes that make no sense; a server must not end the process by them.
STRANGE = (
    UaError,
    NotUnderstood,
    InvalidSignature,
    WrongSignature,
    OSError,  # among them ConnectionError
    struct.error,
    LookupError,
    ValueError,  # among them UnicodeError, of a host name that DNS cannot carry
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    MemoryError,
)
_WRONG_USER = "is `user` right, and its `password`? Without them: does the server let anonymous clients in?"
_DISTRUSTED = (
    "the server does not trust the gateway's certificate: accept it there (look for a folder of rejected ones)"
)
_CURES: Mapping[str, str] = {
    "BadIdentityTokenRejected": _WRONG_USER,
    "BadIdentityTokenInvalid": _WRONG_USER,
    "BadUserAccessDenied": _WRONG_USER,
    "BadUserSignatureInvalid": _WRONG_USER,
    "BadSecurityChecksFailed": _DISTRUSTED,
    "BadCertificateUntrusted": _DISTRUSTED,
    "BadCertificateInvalid": _DISTRUSTED,
    "BadCertificateTimeInvalid": "the server finds the gateway's certificate expired: make another, or set the clocks",
    "BadCertificateUriInvalid": "the gateway's certificate must name its application URI (subjectAltName)",
    "BadCertificateUseNotAllowed": "the gateway's certificate must allow signing and encryption (key usage)",
    "BadSecurityPolicyRejected": "the server does not do this `policy`",
    "BadSecurityModeRejected": "the server does not do this `security`",
    "BadTooManySessions": "the server has no session left; close another client, or wait until its lost ones expire",
    "BadMaxConnectionsReached": "the server takes no more connections; close another client",
    "BadTcpEndpointUrlInvalid": "the server does not know this `url`; is the part after the port right?",
    "BadTcpServerTooBusy": "the server is too busy; it is asked again",
    "BadOutOfMemory": "the server has no memory left for more; watch fewer variables",
    "BadTooManyMonitoredItems": "the server cannot watch as many variables; poll some of them",
    "BadTooManySubscriptions": "the server has no subscription left; close another client",
}
_REFUSALS = ("BadTooManyOperations", "BadNothingToDo", "BadServiceUnsupported", "BadNotImplemented")


def named(code: int) -> str:
    """A status code as people call it: its name without the bits of information, and its number where it has none."""
    name = get_name_and_doc(code & 0xFFFF_0000)[0]
    return name if name not in ("Good", "Bad", "Uncertain") or code == 0 else f"{name} {code:#010x}"


def cure_of(code: int) -> str:
    """What to do about a status code, as the end of a sentence; "" where nothing is known."""
    return _CURES.get(named(code), "")


def code_of(raised: BaseException) -> int | None:
    """The status code that an error of asyncua carries."""
    code = raised.code if isinstance(raised, UaStatusCodeError) else None
    return code if isinstance(code, int) else None


def error_of(where: str, doing: str, raised: BaseException) -> HoldfastError:
    """The house's error for what was raised while `doing` something with the server."""
    if isinstance(raised, HoldfastError) and not isinstance(raised, NotUnderstood):
        return raised
    if isinstance(raised, TimeoutError):
        return LinkTimeout(f"{where}: no answer {doing}")
    code = code_of(raised)
    if code is not None:
        cure = cure_of(code)
        error = LinkRefused if named(code) in _REFUSALS else LinkDown
        return error(f"{where}: {named(code)} {doing}" + (f"; {cure}" if cure else ""))
    if isinstance(raised, (ConnectionError, EOFError)):
        return LinkDown(f"{where}: the connection was closed {doing}")
    if isinstance(raised, OSError):
        return LinkDown(f"{where}: {raised} {doing}")
    return LinkDown(f"{where}: what came {doing} is no OPC UA ({type(raised).__name__}: {str(raised)[:200]})")


@contextmanager
def told(where: str, doing: str) -> Iterator[None]:
    """Whatever fails within becomes the house's error."""
    try:
        yield
    except (*STRANGE, TimeoutError, HoldfastError) as raised:
        raise error_of(where, doing, raised) from raised
