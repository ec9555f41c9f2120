"""What a NATS server or a stream says, and what follows from it: a decider.

taken                              delivered; a duplicate is one, too
message too large for the stream   this message can never be taken: UplinkRefused
full, no leader, not allowed, ...  it concerns all messages: Held, and no other is sent before this one has passed
anything else                      UplinkDown; whether it is this message, the uplink's actor finds out (poison.py)

Why Held: a stream answers a message that it has already even when it is full. To whom looks for a culprit that would
seem as if others passed, and a good message would be set aside for a full disk.

Codes: JetStream's `err_code`, as nats-server 2.9 to 2.11 uses them.
"""

from collections.abc import Mapping
from typing import Any

from transports.errors import HoldfastError, UplinkDown, UplinkRefused
from transports.json_paths import shown

STREAM_NOT_FOUND = 10059
NO_MESSAGE_FOUND = 10037
NAME_IN_USE = 10058
_TOO_LARGE = 10054
_NOT_ENABLED = "JetStream is not enabled there: set jetstream in the server's configuration, or look at domain"
_NOBODY = (
    "no stream takes this subject, or its leader is being elected; look at stream and subject, and at the"
    " subjects of the stream (nats stream info)"
)
_CURES = {
    10002: "the account has used what it may store; raise its limits, or delete what is not needed",
    10005: "there are not enough servers for so many replicas; look at create_stream.replicas and at the cluster",
    10008: "JetStream has no leader for now; are more than half of the servers running?",
    10023: "the server has no room for it; look at its disk and at max_file_store",
    10028: "the server has no memory left for it; look at max_memory_store",
    10039: "JetStream is not enabled for this account; enable it there, or look at user, creds and domain",
    10047: "the server has no disk left for it; look at max_file_store and at its disk",
    STREAM_NOT_FOUND: "there is no such stream; create it (nats stream add), write create_stream, or look at stream",
    10060: "the subject belongs to another stream; look at stream and subject",
    10065: "another stream takes these subjects already; look at subject and create_stream.subjects",
    10074: "replicas need a cluster; write create_stream.replicas = 1, or connect to a cluster",
    10076: _NOT_ENABLED,
    10077: "the stream is full; raise its limits or delete what has been read (nats stream edit, purge)",
    10109: "the stream is sealed, nothing can be added; look at stream",
    10118: "the stream is offline; are more than half of its servers running?",
}
# Parts of what a server says of a connection, with small letters
_BY_WORDS = {
    "authorization violation": "it refuses us; look at user and password, token, nkey or creds",
    "authorization failed": "it does not let us in any more; look at user and password, token, nkey or creds",
    "authentication expired": "the credentials have expired; put new ones into the file that creds names",
    "authentication revoked": "the credentials have been revoked; put new ones into the file that creds names",
    "authentication timeout": "it has waited too long for who we are; is it overloaded, or the line too slow?",
    "maximum connections": "it has as many connections as it may have; raise max_connections there",
    "maximum account active connections": "the account has as many connections as it may have; raise its limit",
    "tls required": "it wants TLS; write tls:// in servers",
    "maximum payload": "a message was larger than its max_payload; make batch_bytes smaller",
    "expecting info": "it does not greet as a NATS server; look at servers: host, port, and whether it wants TLS first",
    "json parse error": "it does not greet as a NATS server; look at servers",
    "unexpected eof": "it closed the connection; was it stopped?",
    "stale connection": "it does not answer any more; it hangs, or the line is dead",
}


class Held(UplinkDown):
    """It concerns all messages: before another is sent, this one must pass."""


def verdict(answer: Mapping[str, Any], where: str) -> HoldfastError | None:
    """What an answer with an `error` means; None for one that has none."""
    error = answer.get("error")
    if error is None:
        return None
    number, said = error.get("err_code", 0), shown(str(error.get("description", "")).encode())
    if number == _TOO_LARGE:
        return UplinkRefused(f"{where}: the message is larger than the stream takes; make batch_bytes smaller")
    if number in _CURES:
        return Held(f"{where}: {_CURES[number]}; it says {said!r}")
    if error.get("code") == 503:
        return Held(f"{where}: not available for now; it says {said!r}")
    return UplinkDown(f"{where}: it refuses ({number}): {said!r}")


def nobody(where: str, asks_api: bool) -> Held:
    """There is no one who would answer at that subject."""
    return Held(f"{where}: {_NOT_ENABLED if asks_api else _NOBODY}")


def late(where: str, within_s: float) -> Held:
    """An answer has not come."""
    return Held(
        f"{where}: no answer within {within_s:g} s; has the stream a leader, and may this user receive answers at"
        " inbox_prefix?"
    )


def denied(where: str, said: str) -> Held:
    """The server does not let us publish or subscribe; `said` names the subject."""
    return Held(f"{where}: it does not allow it; give this user the right: {said}")


def of_connection(said: str, where: str) -> str:
    """What a server says of a connection, or nats-py of it, in words."""
    small = said.lower()
    cure = next((cure for words, cure in _BY_WORDS.items() if words in small), "")
    return f"{where}: {cure or said.removeprefix('nats: ')}"
