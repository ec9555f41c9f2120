"""What the uplink actor does, in small: wait for the descriptor, step, collect what was taken."""

import select
import time

import pytest

from transports.errors import UplinkDown
from transports.uplinks import Outgoing


class Turns:
    """Turns what has `fileno`, `step` and `next_step` until something is so."""

    def __init__(self, uplink):
        self.uplink = uplink
        self.stepped_at = 0.0  # the last step that did not raise

    def turn(self, most_s=0.2):
        """One wait and one step; never longer than the uplink allows."""
        now = time.monotonic()
        wait_s = max(0.0, min(self.uplink.next_step(now) - now, most_s))
        poll = select.poll()
        if (descriptor := self.uplink.fileno()) >= 0:
            poll.register(descriptor, select.POLLIN | (select.POLLOUT if self.uplink.wants_write() else 0))
        poll.poll(wait_s * 1000)
        now = time.monotonic()
        self.uplink.step(now)
        self.stepped_at = now

    def until(self, condition, within_s=30.0):
        """Turn until `condition()`; an UplinkDown on the way passes through."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"it did not come to pass within {within_s} s"
            self.turn()

    def until_down(self, meanwhile=lambda: None):
        """Turn until the uplink gives up, doing something between the turns; why it did."""
        with pytest.raises(UplinkDown) as down:
            self.until(lambda: meanwhile() and False)
        return str(down.value)


class Driver(Turns):
    """Turns an uplink. `took` are the tickets taken so far, in order."""

    def __init__(self, uplink):
        super().__init__(uplink)
        self.took = []

    def turn(self, most_s=0.2):
        super().turn(most_s)
        self.took += self.uplink.taken()

    def until_ready(self):
        self.until(self.uplink.ready)
        return self

    def deliver(self, payloads, device="press-1"):
        """Send all payloads, their index being the ticket, and wait until all are taken."""
        for ticket, payload in enumerate(payloads):
            self.uplink.send(Outgoing(ticket, {"device": device}, payload))
        self.until(lambda: len(self.took) == len(payloads))
