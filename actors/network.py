"""The process of the network links: watches interfaces, checks, counts, and tells each uplink which way to take.

See actors/networks/__init__.py for the parts and the invariants. It has no data in its hands: while it is away, every
uplink stays on the way that it was told.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.networks import budget_file
from actors.networks.budget import Reading, Used
from actors.networks.link import Link
from actors.networks.settings import Settings
from actors.networks.traveller import Traveller
from transports.building import build
from transports.errors import Down
from transports.interfaces.cards import SYS, Card, card
from transports.interfaces.modems import Modem, Modems
from transports.interfaces.watch import Watch
from transports.mailbox import PeerDown, PeerUp, Timer
from transports.messages import Fared, Message, Notice, Way, WhichWay
from transports.names import ROOT

log = logging.getLogger("holdfast.network")
LOOK_S = 1.0  # the kernel tells of changes; this counts bytes, and sees what it did not tell
STORE_S = 60.0  # in one boot nothing is lost between: the kernel's counter goes on
MODEMS_S = 30.0
MISSED_S = 30.0  # an uplink that is away for longer is not a restart: nothing is checked for it any more
CELLULAR = "cellular"


@dataclass(frozen=True, slots=True)
class Work:
    """What the process is told: each link's table, and the file of the budgets. `bus` is D-Bus's address, "" for the
    system's; `interfaces` is where the kernel shows them."""

    links: Mapping[str, Mapping[str, Any]]
    budgets: str
    bus: str = ""
    interfaces: str = str(SYS)


class Network(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._work, self._file = work, Path(work.budgets)
        self._boot = budget_file.boot_id()
        self._stored: dict[str, Used] = {}
        self._travellers: dict[str, Traveller] = {}
        self._missed: dict[str, Timer] = {}  # uplinks that are down at the moment
        self._untold: set[str] = set()  # uplinks whose way could not be sent
        self._is_refused = False  # the disk does not take the bytes of the month

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._stored = budget_file.restored(self._file)
        every = {name: build(Settings, table, f"link.{name}") for name, table in self._work.links.items()}
        ranked = sorted(every.items(), key=lambda each: each[1].priority)
        self._links = [Link(name, settings, self._stored.get(name), self._say) for name, settings in ranked]
        self._watch = _watch()
        self._modems = Modems(self._work.bus)
        for link in self._links:
            link.looked(self._card(link), self.place.clock.now(), first=True)
        self._count()
        if self._watch is not None:
            self.mailbox.when_readable(self._watch.fileno(), self._stirred)
        self.mailbox.when_readable(self._modems.fileno(), self._met)
        self.mailbox.at(self.place.clock.now() + LOOK_S, self._look)
        self.mailbox.at(self.place.clock.now() + STORE_S, self._store_again)
        if any(link.settings.kind == CELLULAR for link in self._links):
            self._ask_modems()

    def end(self) -> None:
        for traveller in self._travellers.values():
            traveller.end()
        self._count()
        self._store()
        for source in (self._watch, self._modems):
            if source is not None:
                self.mailbox.forget(source.fileno())
                source.close()

    def on_message(self, sender: str, message: Message) -> Any:
        match message:
            case WhichWay():
                self._asked(sender, message)
            case Fared(link=link, well=well):
                if sender in self._travellers:
                    self._travellers[sender].fared(link, well)
            case PeerDown(name=name):
                self._found(name)
                self._missed[name] = self.mailbox.at(self.place.clock.now() + MISSED_S, lambda: self._gone(name))
            case PeerUp():
                pass  # it asks
            case _:
                return NotImplemented
        return None

    def state(self) -> Mapping[str, Any]:
        return {"links": {link.name: self._told(link) for link in self._links}}

    def _told(self, link: Link) -> Mapping[str, Any]:
        uplinks = {name: traveller.told(link.name) for name, traveller in self._travellers.items()}
        known = {name: told for name, told in uplinks.items() if told}
        return {**link.told(), "used_by": [name for name, told in known.items() if told["in_use"]], "uplinks": known}

    # --- uplinks -----------------------------------------------------------------------------------------------------

    def _asked(self, name: str, asked: WhichWay) -> None:
        self._found(name)
        known = self._travellers.get(name)
        if known is not None and (known.asked.links, known.asked.servers) == (asked.links, asked.servers):
            known.again()
            return
        self._gone(name)
        links = [link for link in self._links if not asked.links or link.name in asked.links]
        if not links:
            log.warning("%s asks for %s, and there is no such link; it stays where it is", name, ", ".join(asked.links))
            return  # the configuration is about to change: it or this process is started anew
        if asked.links:
            links.sort(key=lambda link: list(asked.links).index(link.name))
        traveller = Traveller(self.mailbox, self.place.clock, asked, links, partial(self._tell, name))
        self._travellers[name] = traveller
        self.mailbox.watch(name)
        traveller.begin()

    def _found(self, name: str) -> None:
        """It is not missed any more."""
        if name in self._missed:
            self._missed.pop(name).cancel()

    def _gone(self, name: str) -> None:
        self._found(name)
        self._untold.discard(name)
        traveller = self._travellers.pop(name, None)
        if traveller is not None:
            traveller.end()

    def _tell(self, name: str, way: Way, is_news: bool) -> None:
        text = f"{name} goes over {f'the link {way.link}' if way.link else 'no link'}, {way.may_pass} may pass"
        if is_news:
            self._say(f"{text} ({way.why})" if way.why else text, way.at_once or not way.link)
        else:
            log.info("%s", text)
        self._send(name, way)

    def _send(self, name: str, way: Way) -> None:
        """A process that is not there asks when it is back; one that only had no moment is told again."""
        self._untold.discard(name)
        try:
            self.mailbox.tell(name, way)
        except Down:
            self._untold.add(name)

    def _say(self, text: str, is_bad: bool) -> None:
        log.log(logging.WARNING if is_bad else logging.INFO, "%s", text)
        with suppress(Down):
            self.mailbox.tell(ROOT, Notice(text, is_bad))

    # --- interfaces --------------------------------------------------------------------------------------------------

    def _card(self, link: Link) -> Card:
        return card(link.settings.interface, Path(self._work.interfaces))

    def _stirred(self) -> None:
        """The kernel says that something has changed."""
        heard = self._watch.heard() if self._watch is not None else None
        self._look_at_cards()
        for link in self._links:
            if heard is None or link.index in heard:
                for traveller in self._travellers.values():
                    traveller.moved(link)

    def _look(self) -> None:
        self.mailbox.at(self.place.clock.now() + LOOK_S, self._look)
        self._look_at_cards()
        self._count()
        for name in list(self._untold):
            way = self._travellers[name].way
            assert way is not None
            self._send(name, way)

    def _look_at_cards(self) -> None:
        changed = [link for link in self._links if link.looked(self._card(link), self.place.clock.now())]
        for traveller in self._travellers.values() if changed else ():
            traveller.carry(changed)

    # --- bytes of the month ------------------------------------------------------------------------------------------

    def _count(self) -> None:
        month = datetime.fromtimestamp(self.place.clock.utc_ns() / 1e9, UTC).strftime("%Y-%m")
        readings = [(link, Reading(self._boot, link.card.index, link.card.bytes)) for link in self._links]
        changed = [link for link, reading in readings if link.counted(reading, month)]
        for traveller in self._travellers.values() if changed else ():
            traveller.look()

    def _store_again(self) -> None:
        self.mailbox.at(self.place.clock.now() + STORE_S, self._store_again)
        self._store()

    def _store(self) -> None:
        used = {**self._stored, **{link.name: link.used for link in self._links if link.used is not None}}
        if used == self._stored:
            return
        try:
            budget_file.stored(self._file, used)
            self._stored, self._is_refused = used, False
        except OSError as refused:
            if not self._is_refused:
                log.error("the bytes of the month cannot be stored: %s; a restart of the machine forgets some", refused)
            self._is_refused = True

    # --- modems ------------------------------------------------------------------------------------------------------

    def _ask_modems(self) -> None:
        self.mailbox.at(self.place.clock.now() + MODEMS_S, self._ask_modems)
        self._modems.ask()

    def _met(self) -> None:
        for answer in self._modems.answers():
            cellular = [link for link in self._links if link.settings.kind == CELLULAR]
            for link in cellular:
                link.met(_modem_of(link, answer, alone=len(cellular) == 1))


def _watch() -> Watch | None:
    """The kernel's word, or None where this process may not hear it: then it is looked for each LOOK_S."""
    try:
        return Watch()
    except OSError as refused:
        log.warning("no netlink (%s): a cut cable is seen %g s later; systemd needs AF_NETLINK", refused, LOOK_S)
        return None


def _modem_of(link: Link, modems: tuple[Modem, ...], alone: bool) -> Modem | None:
    """The modem that has the link's interface; the only one for the only link, where that is dialled with ppp."""
    found = next((each for each in modems if link.settings.interface in each.interfaces), None)
    if found is None and alone and len(modems) == 1 and not modems[0].interfaces:
        return modems[0]
    return found
