"""What we publish: its packet, what the server still owes for it, and what its Receive Maximum holds back: a decider.

    QoS 1    left ──PUBACK──> answered          QoS 2    left ──PUBREC──> received ──PUBCOMP──> answered
                                                               └── a refusal ──> answered

An answer that is not due answers nothing.
"""

from collections.abc import Iterator
from struct import pack

from transports.uplinks._mqtt.entrance import Said
from transports.uplinks._mqtt.properties import length_of

PUBLISH, PUBACK, PUBREC, PUBCOMP = 0x30, 0x40, 0x50, 0x70
_DUE = {1: PUBACK, 2: PUBREC}
_NO_PROPERTIES = b"\x00"


def packet_of(said: Said, mid: int, is_5: bool) -> bytes:
    """A PUBLISH (MQTT 5, section 3.3)."""
    topic, payload, qos, retain, properties = said
    name = topic.encode()
    head = pack("!H", len(name)) + name
    if qos:
        head += pack("!H", mid)
    if is_5:
        head += properties.pack() if properties is not None else _NO_PROPERTIES
    return b"".join((bytes((PUBLISH | qos << 1 | retain,)), length_of(len(head) + len(payload)), head, payload))


class Unanswered:
    """Of one connection. At most `most` are on their way at a time, 0 for any number."""

    def __init__(self) -> None:
        self.most = 0
        self._due: dict[int, int] = {}  # the answer that is due, by id
        self._held: dict[int, tuple[int, bytes]] = {}  # QoS and packet, by id, oldest first

    def __len__(self) -> int:
        return len(self._due) + len(self._held)

    def __contains__(self, mid: int) -> bool:
        return mid in self._due or mid in self._held

    def leaves(self, mid: int, qos: int, packet: bytes) -> bool:
        """Whether this packet, of QoS 1 or 2, may leave at once; else it is held back."""
        if self.most and len(self._due) >= self.most:
            self._held[mid] = qos, packet
            return False
        self._due[mid] = _DUE[qos]
        return True

    def received(self, mid: int) -> bool:
        """A PUBREC without a refusal has come. Whether a PUBREL must follow."""
        if self._due.get(mid) not in (PUBREC, PUBCOMP):
            return False
        self._due[mid] = PUBCOMP
        return True

    def answered(self, kind: int, mid: int) -> bool:
        """A PUBACK, a PUBCOMP, or a PUBREC that refuses, has come. Whether one was due."""
        if self._due.get(mid) != kind:
            return False
        del self._due[mid]
        return True

    def released(self) -> Iterator[tuple[int, bytes]]:
        """What was held back and may leave now, with its id."""
        while self._held and len(self._due) < self.most:
            mid = next(iter(self._held))
            qos, packet = self._held.pop(mid)
            self._due[mid] = _DUE[qos]
            yield mid, packet
