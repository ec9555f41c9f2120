"""What the tests of the JetStream uplink share: settings, an uplink to a server, messages as the actor makes them."""

import socket
import threading
from contextlib import suppress

from tests.transports.uplinks.driving import Driver
from transports.building import build
from transports.errors import UplinkDown
from transports.payloads import OutRecord
from transports.samples import Gap
from transports.uplinks import Identity, Outgoing, jetstream

WHO = Identity("plant", "cloud")


def settings_for(*servers, **table):
    urls = [server if isinstance(server, str) else server.url for server in servers]
    table = {"servers": urls, "stream": "HOLDFAST", "create_stream": {}, "ack_timeout": "5s", **table}
    return build(jetstream.Settings, {key: value for key, value in table.items() if value is not None}, "uplink.cloud")


class Sender:
    """One uplink after the other with the same settings, as the actor has them; the pauses between are as they are."""

    def __init__(self, *servers, identity=WHO, **table):
        self.settings, self.identity = settings_for(*servers, **table), identity
        self.driver = None

    def connected(self):
        """An uplink that is ready."""
        self.driver = Driver(jetstream.connect(self.settings, self.identity))
        return self.driver.until_ready()

    def refusal(self):
        """Why no connection comes about."""
        return self._ending(Driver(jetstream.connect(self.settings, self.identity)))

    def failure(self, *messages):
        """Why a connection ends on which these are sent, and the tickets that were taken before."""
        d = self.connected()
        for message in messages:
            d.uplink.send(message)
        return self._ending(d), d.took

    def attempt(self, *messages, until=None):
        """Send these as soon as there is a connection, if there ever is one; what was taken before it ended, or before
        so many were."""
        d = Driver(jetstream.connect(self.settings, self.identity))
        with suppress(UplinkDown):
            d.until_ready()
            for message in messages:
                d.uplink.send(message)
            d.until(lambda: len(d.took) == until)
        d.uplink.close(farewell=False)
        return d.took + list(d.uplink.taken())

    def deliver(self, *messages):
        """Send these on a connection of their own until all are taken; their tickets, sorted."""
        d = self.connected()
        for message in messages:
            d.uplink.send(message)
        d.until(lambda: len(d.took) == len(messages))
        d.uplink.close()
        return sorted(d.took)

    def pauses_are_over(self):
        self.settings.past.not_before = float("-inf")

    @staticmethod
    def _ending(d):
        why = d.until_down()
        d.uplink.close(farewell=False)
        d.took += d.uplink.taken()
        return why


def out(ticket, *seqs, device="press-1", payload=b"", epoch=3, historical=False):
    """A message of the records with these numbers (the ticket's own if none is named)."""
    seqs = seqs or (ticket,)
    gap = Gap(device, "a test", 0, 0)
    records = [OutRecord("out", epoch, seq, gap, historical) for seq in seqs]
    text = payload or ",".join(map(str, seqs)).encode()
    return Outgoing(ticket, {"device": device}, text, records, "application/json")


def ids(server, stream="HOLDFAST"):
    return [message.msg_id for message in server.contents(stream)]


class Relay:
    """A line to a server that can lose what comes back: with `mute` nothing from the server gets through."""

    def __init__(self, port):
        self._far, self.mute = port, False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ends = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self.cut()

    def cut(self):
        """End all connections; later ones are whole again."""
        self.mute = False
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._far))
                self._ends += [near, far]
                threading.Thread(target=self._carry, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, True), daemon=True).start()

    def _carry(self, source, sink, downward):
        with suppress(OSError), source:
            while data := source.recv(65536):
                if not (downward and self.mute):
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
