"""Says north that a device is dead: silence must never be mistaken for a steady value.

A device that is restarted at once tells of the hole itself. One that is quarantined cannot, so the root puts a gap in
its name into the spool, as a producer like any other; when the device is back, its own gap tells the whole length.
"""

from actors.producing.outbox import Entry, Outbox
from actors.producing.producer import Producer
from actors.routes import OUT
from transports import codec
from transports.clock import Clock
from transports.mailbox import Mailbox
from transports.messages import Message
from transports.names import ROOT
from transports.samples import Gap

MAX_BYTES = 256 * 1024  # of announcements that wait for the spooler


class Obituary:
    """The root's own line to the spool."""

    def __init__(self, mailbox: Mailbox, clock: Clock) -> None:
        self._clock = clock
        outbox = Outbox(ROOT, codec.pack, MAX_BYTES)
        self._producer = Producer(mailbox, ROOT, clock.utc_ns(), {OUT: outbox}, lambda *_: None)

    def hear(self, message: Message) -> None:
        """News of the spooler, or its answer."""
        self._producer.hear(message)

    def announce(self, device: str, why: str, last_read_ns: int) -> None:
        """`device` says nothing after `last_read_ns` (UTC; 0: it never did), and will not for a while."""
        now_ns = self._clock.utc_ns()
        gap = Gap(device, f"process is down: {why}", last_read_ns or now_ns, now_ns)
        self._producer.add(OUT, Entry((codec.pack(gap),), (0, 0, now_ns, now_ns)))
