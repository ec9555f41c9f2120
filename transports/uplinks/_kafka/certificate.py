"""What is wrong with a broker's certificate, or with ours: librdkafka tells neither, so a handshake of our own is made.

One more connection, after which nothing is asked; its result is words for an operator, never more.
"""

import re
import socket
import ssl

from transports.errors import SettingsError
from transports.sockets import address_of
from transports.tls import Tls, client_context
from transports.uplinks._opening import Opening
from transports.uplinks._reasons import alert, connecting

_LISTEN_S = 2.0  # with TLS 1.3 the alert about our certificate comes after the handshake, within a round trip
_BROKER = re.compile(r"ssl://(\S+)/")
_NOT_ACCEPTED = "certificate verify failed"
_HUNG_UP = ("disconnected", "connection reset", "broken pipe")
# X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_OTHER_NAME = (62, 64)


class Examination:
    """Of one broker, under way. `otherwise` is what to say when it finds nothing."""

    def __init__(self, broker: str, context: ssl.SSLContext, timeout_s: float, otherwise: str) -> None:
        self._broker, self._otherwise = broker, otherwise
        self._opening = Opening("kafka certificate", lambda: _examined(broker, context, timeout_s), lambda _: None)
        self.fileno, self.done, self.abandon = self._opening.fileno, self._opening.done, self._opening.abandon

    def finding(self) -> str:
        """Once it is done: why there is no connection, in words."""
        try:
            self._opening.result()
        except (OSError, ValueError) as wrong:
            return objection(wrong, self._broker) or self._otherwise
        return self._otherwise


def examination(text: str, tls: Tls | None, timeout_s: float, otherwise: str) -> Examination | None:
    """What the last error `text` calls for; None for one that has nothing to do with certificates."""
    broker = doubtful(text, tls)
    if not broker or tls is None:
        return None
    try:
        return Examination(broker, client_context(tls), timeout_s, otherwise)
    except (OSError, SettingsError):
        return None


def doubtful(text: str, tls: Tls | None) -> str:
    """The broker whose error `text` may have to do with a certificate; "" where a handshake would tell nothing new."""
    small, broker = text.lower(), _BROKER.search(text)
    if tls is None or broker is None:
        return ""
    if _NOT_ACCEPTED in small:
        return broker[1]
    # An alert about our certificate is lost when our first request meets the closed connection.
    return broker[1] if tls.certificate and any(words in small for words in _HUNG_UP) else ""


def _examined(broker: str, context: ssl.SSLContext, timeout_s: float) -> bool:
    """Make a handshake and listen; blocks. Raises OSError (of ssl, too) for what is wrong."""
    host, port = address_of(broker)
    plain = socket.create_connection((host, port), timeout_s)
    with plain, context.wrap_socket(plain, server_hostname=host) as line:
        line.settimeout(min(timeout_s, _LISTEN_S))
        try:
            line.recv(1)
        except TimeoutError:
            return True
    return True


def objection(wrong: Exception, broker: str) -> str:
    """What an examination has found, in words; "" when it has nothing to do with certificates."""
    if isinstance(wrong, ssl.SSLCertVerificationError) and wrong.verify_code in _OTHER_NAME:
        cure = "write in servers, and advertise, a name that is in it"
        return f"{broker}: its certificate is not accepted: {wrong.verify_message}; {cure}"
    if isinstance(wrong, ssl.SSLCertVerificationError):
        return connecting(wrong, broker)
    told = alert(str(wrong)) if isinstance(wrong, ssl.SSLError) else ""
    return f"{broker}: {told}" if told else ""
