"""Why there is no connection, in words that tell an operator where to look."""

import errno
import socket
import ssl

_BY_ERRNO = {
    errno.ECONNREFUSED: "nobody listens there (connection refused)",
    errno.ECONNRESET: "the far end reset the connection at the first words; does that port speak TLS?",
    errno.EHOSTUNREACH: "there is no route to that host; look at cables, addresses, gateway",
    errno.ENETUNREACH: "there is no route to that network; look at the machine's own connection",
}
# Parts of OpenSSL's names for alerts and errors
_BY_ALERT = {
    "CERTIFICATE_REQUIRED": "the far end asks for a client certificate: set tls.certificate and tls.key",
    "UNKNOWN_CA": "the far end does not know who signed the client certificate in tls.certificate",
    "CERTIFICATE_EXPIRED": "the client certificate in tls.certificate has expired",
    "BAD_CERTIFICATE": "the far end does not accept the client certificate in tls.certificate",
    "CERTIFICATE_REVOKED": "the client certificate in tls.certificate has been revoked",
    "WRONG_VERSION_NUMBER": "that port does not speak TLS",
    "UNEXPECTED_EOF": "the far end hung up in the handshake; does that port speak TLS?",
}
# CONNACK return codes (MQTT 3.1.1, table 3.1) by the names that paho gives them
_REFUSALS = {
    "Bad user name or password": "it refuses the user name or the password",
    "Not authorized": "it refuses the user name or the password, or this client id may not connect (not authorized)",
    "Client identifier not valid": "it refuses the client id",
    "Server unavailable": "it says that it is unavailable",
    "Unsupported protocol version": "it does not speak MQTT 3.1.1",
}


def connecting(error: Exception, server: str) -> str:
    """Why a connection to `server` could not be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{server}: its certificate is not accepted: {error.verify_message}; see tls.ca and tls.server_name"
    if isinstance(error, ssl.SSLError):
        return f"{server}: TLS failed: {alert(str(error)) or error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"{server}: the name cannot be resolved ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"{server}: no answer in time; is the host up, and no firewall in between?"
    if isinstance(error, OSError) and error.errno in _BY_ERRNO:
        return f"{server}: {_BY_ERRNO[error.errno]}"
    return f"{server}: {error or type(error).__name__}"


def alert(text: str) -> str:
    """What a TLS alert in an error's text means; "" for none that is known."""
    return next((words for name, words in _BY_ALERT.items() if name in text), "")


def refused(reason: str) -> str:
    """Why the broker does not let us in, from its answer to our greeting."""
    return _REFUSALS.get(reason, f"it refuses us: {reason}")
