"""What the tests of the HTTPS uplink share: a server in its process, what it has written down, an uplink to it."""

import base64
import json
import select
import shlex
from contextlib import contextmanager

from tests.peers.processes import start_peer
from tests.transports.uplinks.driving import Driver
from transports.building import build
from transports.clock import HandClock
from transports.uplinks import Identity, Outgoing, https


class Far:
    """A running server: its address, and what it was sent."""

    def __init__(self, peer, log, scheme="https"):
        self.peer, self._log = peer, log
        self.url = f"{scheme}://127.0.0.1:{peer.port}"

    def tell(self, *options):
        self.peer.tell(*map(shlex.quote, options))

    def heard(self, *methods):
        """The requests of these methods (POST and PUT if none is named), in order."""
        if not self._log.exists():
            return []
        heard = [json.loads(line) for line in self._log.read_text().splitlines()]
        heard = [line | {"body": base64.b64decode(line["body"])} for line in heard]
        return [line for line in heard if line["method"] in (methods or ("POST", "PUT"))]

    def posts(self):
        return [line for line in self.heard() if line["path"] != "/token"]

    def bodies(self):
        return [line["body"] for line in self.posts()]

    def keys(self):
        return [line["headers"]["idempotency-key"] for line in self.posts()]


@contextmanager
def far_end(directory, pair=None, *options, client_ca=None, port=0):
    """A server on 127.0.0.1 until the block ends; TLS with `pair`."""
    log = directory / "requests.ndjson"
    words = ["--log", str(log), "--port", str(port)]
    words += ["--certificate", str(pair.certificate), "--key", str(pair.key)] if pair else []
    words += ["--client-ca", str(client_ca)] if client_ca else []
    with start_peer("https_server.py", *words, *options) as peer:
        yield Far(peer, log, "https" if pair else "http")


def settings_for(far, authority=None, path="/in", **table):
    tls = {"tls": {"ca": str(authority.ca)}} if authority and "tls" not in table else {}
    return build(https.Settings, {"url": far.url + path, **tls, **table}, "uplink.cloud")


class HandDriver(Driver):
    """Turns an uplink whose clock is turned by hand: pauses pass when the test says so."""

    def __init__(self, settings, clock):
        super().__init__(https.HttpsUplink(settings, Identity("plant", "cloud"), clock))
        self._clock = clock

    def turn(self, most_s=0.05):
        poll = select.poll()
        poll.register(self.uplink.fileno(), select.POLLIN)
        poll.poll(most_s * 1000)
        self.uplink.step(self._clock.now())
        self.took += self.uplink.taken()


class Sender:
    """One uplink after the other to the same server, as the actor has them; `clock` is turned by hand."""

    def __init__(self, far, authority=None, **table):
        self.settings, self.clock = settings_for(far, authority, **table), HandClock(1000.0)

    def connected(self):
        """An uplink that is ready; pauses are over."""
        self.clock.advance(1000.0)
        return HandDriver(self.settings, self.clock).until_ready()

    def refusal(self):
        """Why the server is not even greeted well."""
        self.clock.advance(1000.0)
        return self._ending(HandDriver(self.settings, self.clock))

    def failure(self, *messages):
        """Why a connection ends on which these are sent, and the tickets that were taken before."""
        d = self.connected()
        for message in messages:
            d.uplink.send(message)
        return self._ending(d), d.took

    def deliver(self, *messages):
        """Send these on a connection of their own, until all are taken; their tickets in the order of the answers."""
        d = self.connected()
        for message in messages:
            d.uplink.send(message)
        d.until(lambda: len(d.took) == len(messages))
        d.uplink.close()
        return d.took

    @property
    def pause_s(self):
        """How long the next connection will wait."""
        return self.settings.past.not_before - self.clock.now()

    @staticmethod
    def _ending(d):
        why = d.until_down()
        d.uplink.close(farewell=False)
        d.took += d.uplink.taken()
        return why


def out(ticket, payload=b'{"v": 1}', device="press-1"):
    return Outgoing(ticket, {"device": device}, payload, content_type="application/json")
