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
    "HANDSHAKE_FAILURE": "the far end accepts none of our ciphers, or wants another tls.certificate",
    "ALERT_PROTOCOL_VERSION": "the far end speaks only another version of TLS; see tls.min_version",
    "UNSUPPORTED_PROTOCOL": "the far end speaks only an older version of TLS than tls.min_version",
    "NO_APPLICATION_PROTOCOL": "the far end does not serve the protocols in tls.alpn",
    "WRONG_VERSION_NUMBER": "that port does not speak TLS",
    "RECORD_LAYER_FAILURE": "that port does not speak TLS",
    "UNEXPECTED_EOF": "the far end hung up in the handshake; does that port speak TLS?",
}
# X509_V_ERR_... of OpenSSL
_BY_VERIFICATION = {
    9: "it is valid only from a later time on; is this machine's clock right?",
    10: "it has expired: renew it there; is this machine's clock right?",
    18: "it has signed itself: name it, or its authority, in tls.ca",
    19: "nobody in tls.ca has signed it; is that the right authority?",
    20: "nobody in tls.ca has signed it; is that the right authority?",
    21: "nobody in tls.ca has signed it; is that the right authority?",
    23: "it has been revoked",
    62: "it is for another name: see host and tls.server_name",
    64: "it is for another address: see host and tls.server_name",
}


def connecting(error: Exception, server: str) -> str:
    """Why a connection to `server` could not be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        cure = _BY_VERIFICATION.get(error.verify_code, "see tls.ca and tls.server_name")
        return f"{server}: its certificate is not accepted: {error.verify_message}; {cure}"
    if isinstance(error, ssl.SSLError):
        return f"{server}: TLS failed: {alert(str(error)) or error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"{server}: the name cannot be resolved ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"{server}: no answer in time; is the host up, and no firewall in between?"
    if isinstance(error, OSError) and error.errno in _BY_ERRNO:
        return f"{server}: {_BY_ERRNO[error.errno]}"
    if isinstance(error, OSError) and error.strerror and not error.filename:
        return f"{server}: {error.strerror}"
    return f"{server}: {error or type(error).__name__}"


def alert(text: str) -> str:
    """What a TLS alert in an error's text means; "" for none that is known."""
    return next((words for name, words in _BY_ALERT.items() if name in text), "")
