"""A broker that a test plays by hand, packet by packet, in its own thread: for what no real one does on demand."""

import select
import socket
import struct

from tests.transports.uplinks.driving import Turns

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0


class HandBroker:
    """Listens on `port`. `meet` lets one client in; then `heard` gives its packets and `says` answers."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.client = None
        self.last_flags = 0  # of the packet that was heard last

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.listener.close()
        if self.client:
            self.client.close()

    def accept(self):
        """Take the connection."""
        self.listener.settimeout(20)
        self.client, _ = self.listener.accept()
        self.client.settimeout(20)

    def meet(self, driver):
        """Let the driver's uplink in, and acknowledge its status message."""
        self.accept()
        driver.until(lambda: select.select([self.client], [], [], 0)[0])
        assert self.heard()[0] == CONNECT
        self.says(CONNACK, b"\x00\x00")
        driver.until_ready()
        self.acks(self.published()[0])

    def greets(self, line, words):
        """Let a Line in, with this body of a CONNACK."""
        self.accept()
        turns = Turns(line)
        turns.until(self.has_more)
        assert self.heard()[0] == CONNECT
        self.says(CONNACK, words)
        turns.until(lambda: line.ready)

    def refuses_the_subscription(self, driver):
        """Let an uplink of MQTT 5 in, and refuse what it subscribes to."""
        self.accept()
        driver.until(self.has_more)
        assert self.heard()[0] == CONNECT
        self.says(CONNACK, b"\x00\x00\x00")
        driver.until(self.has_more)
        kind, body = self.heard()
        assert kind == SUBSCRIBE
        self.says(SUBACK, body[:2] + b"\x00\x87")

    def has_more(self):
        """Whether something waits to be heard."""
        return bool(select.select([self.client], [], [], 0)[0])

    def heard(self):
        """The next packet: its type and its body."""
        kind = self._exactly(1)[0]
        self.last_flags = kind & 0x0F
        length, shift = 0, 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return kind & 0xF0, self._exactly(length)

    def published(self):
        """The next packet, a QoS 1 PUBLISH: its packet id and payload."""
        kind, body = self.heard()
        assert kind == PUBLISH
        (length,) = struct.unpack_from("!H", body)
        (packet_id,) = struct.unpack_from("!H", body, 2 + length)
        return packet_id, body[4 + length :]

    def acks(self, packet_id):
        self.says(PUBACK, struct.pack("!H", packet_id))

    def says(self, kind, body=b""):
        self.client.sendall(bytes([kind, len(body)]) + body)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.client.recv(count - len(data))
            assert piece, "the client hung up"
            data += piece
        return data
