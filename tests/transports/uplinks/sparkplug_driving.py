"""A Sparkplug uplink driven as its actor does, and records for it."""

from dataclasses import replace

from tests.transports.uplinks.driving import Driver
from transports.building import build
from transports.payloads import OutRecord
from transports.samples import DataType, Quality, Scan, Tag, batch_of
from transports.uplinks import Identity, Outgoing, sparkplug

GROUP, NODE, HOST = "plant 7", "gw", "scada-1"
FORCE, CYCLES = Tag("force", DataType.FLOAT64, "kN"), Tag("cycles", DataType.UINT64)
UTC_MS = 1_700_000_000_000


def settings(port, **table):
    return build(sparkplug.Settings, {"host": "127.0.0.1", "port": port, "group_id": GROUP} | table, "uplink.scada")


class Node:
    """One process's uplink: `connect` makes the next connection, `driver` turns it. Records are numbered from 1."""

    def __init__(self, port, state_dir=None, **table):
        self.settings = settings(port, **table)
        self.identity = Identity(NODE, "scada", state_dir)
        self.seq = self.ticket = 0
        self.took, self.told = [], []

    def connect(self):
        """The next connection; the second that must be between two is over."""
        self.settings.roaming.past.not_before = float("-inf")
        self.uplink = sparkplug.connect(self.settings, self.identity)
        self.driver = Driver(self.uplink)
        self.driver.took = self.took
        return self

    def online(self):
        self.connect().driver.until_ready()
        return self

    def say(self, *records):
        """One message of these records; its ticket."""
        self.ticket += 1
        self.uplink.send(Outgoing(self.ticket, {"device": "press"}, b"", records))
        return self.ticket

    def tell(self, force, cycles=7, device="press"):
        """A message with one scan; its ticket."""
        return self.say(self.record(force, cycles, device=device))

    def record(self, *values, device="press", tags=(FORCE, CYCLES), quality=Quality.GOOD, historical=False):
        """The next record of the spool, with one scan."""
        self.seq += 1
        scan = Scan((UTC_MS + self.seq) * 1_000_000, tags, values, quality)
        return OutRecord("out", 1, self.seq, batch_of(device, self.seq, [scan]), historical)

    def gone(self, device="press"):
        """What a gateway says of a device that it has lost."""
        return self.record(None, None, device=device, quality=Quality.BAD_NOT_CONNECTED)

    def until_taken(self, *tickets):
        self.driver.until(lambda: set(tickets) <= set(self.took))

    def until_said(self, words):
        """Turn until a notice has these words."""

        def said():
            self.told += self.uplink.notices()
            return any(words in text for text in self.told)

        self.driver.until(said)

    def turn_until(self, condition):
        self.driver.until(condition)


def again(record, **changes):
    return replace(record, **changes)
