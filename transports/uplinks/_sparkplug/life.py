"""What one connection of the Sparkplug uplink leaves to the next: hosts know a node over many connections.

the node       its devices with their metrics and aliases, its place in the list of servers
the number     bdSeq, counted on with each CONNECT, and kept on disk for the next life of the process
what is told   to the operator, once; and what hosts ask for, until somebody takes it
"""

from transports.clock import Clock
from transports.sparkplug.orders import Moment, Publish
from transports.sparkplug.session import EdgeNode, NodeSettings
from transports.uplinks._sparkplug.commands import Desk
from transports.uplinks._sparkplug.notices import Notices
from transports.uplinks._sparkplug.number import Numbers


class Life:
    """Of one uplink, for the life of its process."""

    def __init__(self, node: NodeSettings, numbers: Numbers, desk: Desk, clock: Clock) -> None:
        first, notice = numbers.first()
        self.node = EdgeNode(node, first)
        self.desk, self.notices = desk, Notices()
        self.refusals = 0
        self._numbers, self._clock = numbers, clock
        if notice:
            self.notices.say(notice, clock.now())

    def now(self) -> Moment:
        """By the machine's clocks."""
        return Moment(self._clock.now(), self._clock.utc_ns() // 1_000_000)

    def will(self) -> Publish:
        """The Will for the CONNECT that is about to be made; its number is never used again."""
        at = self.now()
        will = self.node.connecting(at)
        try:
            self._numbers.keep(self.node.bd_seq + 1)
        except OSError as wrong:  # hosts bear a number twice better than silence
            cure = "after a restart of the process a bdSeq may come twice"
            self.notices.say(f"the number of the connection cannot be kept ({wrong}): {cure}", at.now)
        return will

    def refused(self, text: str) -> None:
        """Something was asked for that is not done."""
        self.refusals += 1
        self.notices.say(text, self._clock.now())
