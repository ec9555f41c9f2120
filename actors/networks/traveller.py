"""One uplink as the process of the links sees it: which links it may use, how each stands for it, which it is told."""

import logging
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

from actors.networks import choosing
from actors.networks.check import NEVER_S, Check
from actors.networks.choosing import Candidate, Choice
from actors.networks.link import NOTHING, Link
from transports.clock import Clock
from transports.interfaces.probe import Server
from transports.mailbox import Mailbox, Timer
from transports.messages import Way, WhichWay

log = logging.getLogger("holdfast.network")


class Traveller:
    """`tell(way, is_news)` is called whenever there is something new to tell; an operator should hear of news. `links`
    come best first."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        asked: WhichWay,
        links: Sequence[Link],
        tell: Callable[[Way, bool], None],
    ) -> None:
        self.asked = asked
        self._mailbox, self._clock, self._links, self._tell = mailbox, clock, links, tell
        servers: Sequence[Server] = [(host, port) for host, port in asked.servers]
        self._checks = {link.name: Check(mailbox, clock, link.settings, servers, self._changed) for link in links}
        self._choice = Choice(asked.link, clock.now())
        self.way: Way | None = None
        self._timer: Timer | None = None
        self._is_choosing = False  # or will do so in a moment

    def begin(self) -> None:
        """Look at the links as they are, tell a way, and check them from now on."""
        self.carry(self._links)

    def again(self) -> None:
        """It asks once more: it has a new process."""
        if self.way is not None:
            self._tell(self.way, False)

    def fared(self, link: str, well: bool) -> None:
        """Its connection over a link: messages arrive, or it was lost."""
        if link in self._checks:
            self._checks[link].fared(well)

    def carry(self, links: Sequence[Link]) -> None:
        """The interfaces of these links carry, or carry nothing, or are other ones: then choose, knowing all of it."""
        self._is_choosing = True
        for link in links:
            check = self._checks.get(link.name)
            if check is not None and link.card.carries:
                check.mended()
            elif check is not None:
                check.cut(link.card.trouble)
        self._is_choosing = False
        self._changed()

    def moved(self, link: Link) -> None:
        """The interface of a link has changed, its address perhaps: it is checked again."""
        if link.name in self._checks:
            self._checks[link.name].soon()

    def look(self) -> None:
        """What may pass over some link has changed."""
        self._changed()

    def end(self) -> None:
        """It is gone: nothing is chosen any more."""
        self._is_choosing = True
        for check in self._checks.values():
            check.end()
        if self._timer is not None:
            self._timer.cancel()

    def told(self, link: str) -> Mapping[str, Any]:
        """How a link stands for it, for `holdfast status`."""
        if link not in self._checks:
            return {}
        standing = self._checks[link].standing
        return {
            "up": standing.up,
            "why": standing.why,
            "for_s": round(self._clock.now() - standing.since, 1),
            "in_use": link == self._choice.link,
        }

    def _changed(self) -> None:
        """Choose again, and have each check look as often as its rank asks for."""
        if self._is_choosing:
            return
        self._is_choosing = True
        now, candidates = self._clock.now(), [self._candidate(link) for link in self._links]
        before, self._choice = self._choice, choosing.chosen(self._choice, candidates, now)
        self._set_paces(before)
        self._say(before)
        self._is_choosing = False
        self._look_again(candidates)

    def _candidate(self, link: Link) -> Candidate:
        check = self._checks[link.name]
        return Candidate(link.name, check.standing, link.settings.recover_after_s, link.may_pass != NOTHING)

    def _set_paces(self, before: Choice) -> None:
        """The one in use and those before it often; those after it now and then, and when the one in use fails. What is
        used up is not used for checks."""
        current = self._checks.get(self._choice.link)
        ails = current is not None and current.standing.failures > 0
        behind = False
        for link in self._links:
            check, settings = self._checks[link.name], link.settings
            often = not behind or ails
            pace_s = settings.check_period_s if often else settings.standby_period_s
            check.pace(NEVER_S if link.may_pass == NOTHING else pace_s)
            behind = behind or link.name == self._choice.link

    def _say(self, before: Choice) -> None:
        known, way = self.way, self._way(before)
        if known is None or _essence(way) != _essence(known):
            self.way = way
            self._tell(way, known is not None)

    def _way(self, before: Choice) -> Way:
        """The way as it is chosen now."""
        link = next((each for each in self._links if each.name == self._choice.link), None)
        if link is None:
            return Way("", "", NOTHING, False, "the month's bytes of every link are used up")
        interface, known = link.settings.interface, self.way
        if known is not None and known.link == link.name and known.index not in (0, link.index):
            return Way(link.name, interface, link.may_pass, True, f"{interface} was made anew", link.index)
        left = self._checks.get(before.link)
        at_once = left is not None and not left.standing.up
        why = left.standing.why if left is not None and at_once else ""
        return Way(link.name, interface, link.may_pass, at_once, why, link.index)

    def _look_again(self, candidates: Sequence[Candidate]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = choosing.look_again(self._choice, candidates)
        if when < inf:
            self._timer = self._mailbox.at(max(when, self._clock.now()), self._changed)


def _essence(way: Way) -> tuple[str, str, str, int]:
    return way.link, way.interface, way.may_pass, way.index
