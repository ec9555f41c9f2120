"""An uplink's side of the network links: it asks for its way, and uses its first link when nobody answers.

    begin ──WhichWay──> network ──Way──> on_way(way)        nobody within PATIENCE_S: the first link, by its policy
                  again whenever that process returns       alone, and LOSSES in a row: the next link, by its policy

Without links, or for an uplink that connects to nobody, there is one way: any interface, and everything may pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from transports.clock import Clock
from transports.interfaces.probe import Server
from transports.mailbox import Mailbox, PeerDown, PeerUp, Timer
from transports.messages import Fared, Message, Way, WhichWay
from transports.names import NETWORK

PATIENCE_S = 1.0
FARED_EVERY_S = 0.25  # that messages arrive is told no more often
LOSSES = 3
ANY = Way("", "")
NamedLink = tuple[str, str, str]  # link, interface, what may pass


class Wayfinder:
    """`way` is the one to take, None until it is known; `on_way(way)` is called with each new one."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        links: Sequence[NamedLink],
        servers: Sequence[Server],
        on_way: Callable[[Way], None],
    ) -> None:
        self._mailbox, self._clock, self._servers, self._on_way = mailbox, clock, servers, on_way
        self._links = links if servers else ()
        self.way: Way | None = None if self._links else ANY
        self._told_at = -inf
        self._is_alone, self._losses = False, 0  # nobody tells us our way
        self._patience: Timer | None = None

    def begin(self) -> None:
        """Ask. Nothing to do without links."""
        if self._links:
            self._mailbox.watch(NETWORK)  # its PeerUp makes us ask
            self._patience = self._mailbox.at(self._clock.now() + PATIENCE_S, self._unheard)

    def hear(self, message: Message) -> bool:
        """Whether the message was for this, and then handled."""
        match message:
            case PeerUp(name=name) if name == NETWORK and self._links:
                self._ask()
            case PeerDown(name=name) if name == NETWORK:
                self._is_alone, self._losses = True, 0  # we stay on our way while it leads somewhere
            case Way() if self._links:
                self._is_alone = False
                self._take(message)
            case _:
                return False
        return True

    def fared(self, well: bool) -> None:
        """Messages arrive, or the connection was lost."""
        if self._is_alone:
            self._fared_alone(well)
            return
        now = self._clock.now()
        if self.way is None or not self.way.link or (well and now - self._told_at < FARED_EVERY_S):
            return
        self._told_at = now
        self._mailbox.offer(NETWORK, Fared(self.way.link, well))

    def _fared_alone(self, well: bool) -> None:
        self._losses = 0 if well else self._losses + 1
        if self._losses < LOSSES or self.way is None:
            return
        self._losses = 0
        names = [name for name, _, _ in self._links]
        at = names.index(self.way.link) + 1 if self.way.link in names else 0
        link, interface, may_pass = self._links[at % len(self._links)]
        self._take(Way(link, interface, may_pass, at_once=True))

    def _ask(self) -> None:
        link = self.way.link if self.way is not None else ""
        names = [name for name, _, _ in self._links]
        self._mailbox.offer(NETWORK, WhichWay(names, [(host, port) for host, port in self._servers], link))

    def _take(self, way: Way) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        before = self.way
        if before is not None and not way.index and way.interface == before.interface:
            way = replace(way, index=before.index)  # where it is not there now, it is known what we are bound to
        self.way = way
        if before is None or _is_another(before, way):
            self._on_way(way)

    def _unheard(self) -> None:
        self._is_alone = True
        link, interface, may_pass = self._links[0]
        self._take(Way(link, interface, may_pass))


def _is_another(before: Way, way: Way) -> bool:
    same = (before.link, before.interface, before.may_pass) == (way.link, way.interface, way.may_pass)
    return not same or before.index not in (0, way.index)
