"""Why a device's far end cannot be reached, in words that tell an operator where to look."""

import errno
import socket
import ssl

_BY_ERRNO = {
    errno.ECONNREFUSED: "nobody listens there (connection refused); is the service running, and the port right?",
    errno.ECONNRESET: "it reset the connection; does one side speak TLS and the other not?",
    errno.EHOSTUNREACH: "there is no route to that host; look at cables, addresses and the gateway's network",
    errno.ENETUNREACH: "there is no route to that network; look at the gateway's own connection",
}
# Parts of OpenSSL's names for alerts and errors
_BY_ALERT = {
    "CERTIFICATE_REQUIRED": "it asks for a client certificate: set tls.certificate and tls.key",
    "UNKNOWN_CA": "it does not know who signed the client certificate in tls.certificate",
    "CERTIFICATE_EXPIRED": "the client certificate in tls.certificate has expired",
    "WRONG_VERSION_NUMBER": "that port does not speak TLS",
    "RECORD_LAYER_FAILURE": "that port does not speak TLS",
    "UNEXPECTED_EOF": "it hung up in the TLS handshake; does that port speak TLS?",
}


def why_not(error: BaseException, server: str) -> str:
    """Why a connection to `server` failed; looks through what the error was caused by."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"{server}: its certificate is not accepted: {cause.verify_message}; see tls.ca and tls.server_name"
        if isinstance(cause, ssl.SSLError):
            known = next((words for name, words in _BY_ALERT.items() if name in str(cause)), "")
            return f"{server}: TLS failed: {known or cause.reason or cause}"
        if isinstance(cause, socket.gaierror):
            return f"{server}: the name cannot be resolved ({cause.strerror}); look at host and at the gateway's DNS"
        if isinstance(cause, OSError) and cause.errno in _BY_ERRNO:
            return f"{server}: {_BY_ERRNO[cause.errno]}"
    if any(isinstance(cause, TimeoutError) for cause in chain):
        return f"{server}: no answer in time; is it up, and no firewall in between?"
    return f"{server}: {error or type(error).__name__}"


def _causes(error: BaseException) -> "list[BaseException]":
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is not None and cause not in found:
            found.append(cause)
            waiting += [cause.__cause__, cause.__context__, *getattr(cause, "exceptions", ())]
    return found
