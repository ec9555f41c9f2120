"""A message as the stream gets it: subject, headers, and the id by which it is known when it comes again: a decider.

Nats-Msg-Id            plant/out/3/1842            one record: gateway, topic, epoch, seq
                       plant/out/3/1842-1846       several, the first and the last of them
                       plant/sha256/...            of a payload whose records nobody told
Nats-Expected-Stream   the stream
Content-Type, Content-Encoding, Holdfast-Gateway, Holdfast-Device; Holdfast-Historical: true
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from transports.payloads import OutRecord
from transports.uplinks import Identity, Outgoing
from transports.uplinks._jetstream.subjects import filled

MSG_ID = "Nats-Msg-Id"
_PLAIN = " !#$&'()*+,/:;=?@[]^`{|}~\"<>\\"  # what may stand in a header beside letters and digits; % is the escape
Place = tuple[str, int, int]


@dataclass(frozen=True)
class Parcel:
    """`places` are (topic, epoch, seq) of its records; where nobody told, its id stands for them."""

    ticket: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    places: frozenset[Place]

    @property
    def msg_id(self) -> str:
        """What the stream knows it by."""
        return self.headers[MSG_ID]

    @cached_property
    def digest(self) -> bytes:
        """What tells its payload from others under the same id."""
        return hashlib.sha256(self.payload).digest()

    @property
    def total_bytes(self) -> int:
        """What the server compares with its max_payload: headers and payload."""
        lines = sum(len(name) + len(value) + 4 for name, value in self.headers.items())
        return len("NATS/1.0\r\n") + lines + len("\r\n") + len(self.payload)


def parcel(message: Outgoing, template: str, stream: str, identity: Identity) -> Parcel:
    """Raises KeyError for a field that nobody brought."""
    fields = {"gateway": identity.gateway, "uplink": identity.uplink, **message.fields}
    records = message.records
    headers = {
        MSG_ID: f"{_plain(identity.gateway)}/{_what(records, message.payload)}",
        "Nats-Expected-Stream": stream,
        "Holdfast-Gateway": _plain(identity.gateway),
        "Holdfast-Device": _plain(fields["device"]),
    }
    if message.content_type:
        headers["Content-Type"] = message.content_type
    if message.content_encoding:
        headers["Content-Encoding"] = message.content_encoding
    if records and records[0].historical:
        headers["Holdfast-Historical"] = "true"
    places = frozenset((record.topic, record.epoch, record.seq) for record in records) or {(headers[MSG_ID], 0, 0)}
    return Parcel(message.ticket, filled(template, fields), headers, message.payload, frozenset(places))


def _what(records: Sequence[OutRecord], payload: bytes) -> str:
    if not records:
        return f"sha256/{hashlib.sha256(payload).hexdigest()}"
    first, last = records[0], records[-1]
    begin = f"{first.topic}/{first.epoch}/{first.seq}"
    if len(records) == 1:
        return begin
    return f"{begin}-{last.seq}" if last.epoch == first.epoch else f"{begin}-{last.epoch}/{last.seq}"


def _plain(text: str) -> str:
    """A name in a header: printable ASCII, the rest percent-encoded."""
    return quote(text, safe=_PLAIN, errors="replace")
