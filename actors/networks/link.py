"""One network link as all uplinks see it: its interface, its budget, its modem, and what may pass."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from actors.networks import budget, flapping
from actors.networks.budget import Reading, Used
from actors.networks.flapping import Flapping, Word
from actors.networks.settings import Settings
from transports.interfaces.cards import Card
from transports.interfaces.modems import Modem

log = logging.getLogger("holdfast.network")
NOTHING = "nothing"


class Link:
    """`say(text, is_bad)` tells the operator. `index` is that of its interface, the last one that was there (0: none
    was): one of the same name that is made anew has another, and what was bound to the old one is dead."""

    def __init__(self, name: str, settings: Settings, used: Used | None, say: Callable[[str, bool], None]) -> None:
        self.name, self.settings, self._say = name, settings, say
        self.card, self.index = Card("it was not looked at yet"), 0
        self._flapping = Flapping()
        self.used = used
        self.modem: Modem | None = None

    @property
    def may_pass(self) -> str:
        """What may pass over it now: its policy, or less when the month's bytes are used up."""
        settings = self.settings
        if not budget.is_over(self.used, settings.monthly_bytes):
            return settings.passes
        return NOTHING if settings.over_budget == "none" else "alarms"

    def looked(self, card: Card, now: float, first: bool = False) -> bool:
        """Its interface is so now. Whether that it carries, or not, or which one it is, is a change."""
        before, self.card = self.card, card
        is_another = card.index not in (0, self.index)
        self.index = card.index or self.index
        changed = before.carries != card.carries
        turn = flapping.changed if changed and not (first and card.carries) else flapping.looked
        self._flapping, word = turn(self._flapping, now)
        self._tell(word)
        return changed or (is_another and not first)

    def _tell(self, word: Word) -> None:
        if word is Word.NOTHING:
            return
        interface = self.settings.interface
        now = self.card.trouble or f"{interface} carries {'again' if word is Word.CHANGE else 'steadily again'}"
        if word is Word.FLAPS:
            now = f"{interface} comes and goes; the next is told when it was the same for {flapping.WITHIN_S:g} s"
        self._say(f"the link {self.name}: {now}", word is Word.FLAPS or not self.card.carries)

    def counted(self, reading: Reading, month: str) -> bool:
        """Its counter was read. Whether what may pass has changed."""
        before = self.may_pass
        self.used = budget.counted(self.used, reading, month)
        self.used, step = budget.told(self.used, self.settings.monthly_bytes)
        if step:
            self._say(self._used_up(step), True)
        return self.may_pass != before

    def met(self, modem: Modem | None) -> None:
        """Its modem is so now; None when there is none, or nobody knows of it."""
        before, self.modem = self.modem, modem
        old, new = _registered(before), _registered(modem)
        if old != new and (old or new):
            fine = modem is not None and modem.registration in ("home", "roaming")
            self._say(f"the modem of the link {self.name}: {new or 'is gone'}", not fine)

    def told(self) -> Mapping[str, Any]:
        """For `holdfast status`."""
        settings, used = self.settings, self.used
        return {
            "interface": settings.interface,
            "kind": settings.kind,
            "priority": settings.priority,
            "carries": self.card.carries,
            "trouble": self.card.trouble,
            "may_pass": self.may_pass,
            "month": used.month if used else "",
            "month_bytes": used.bytes if used else 0,
            "monthly_bytes": settings.monthly_bytes,
            **({"modem": {**asdict(self.modem), "interfaces": [*self.modem.interfaces]}} if self.modem else {}),
        }

    def _used_up(self, step: int) -> str:
        what = f"the link {self.name} has used {step} % of the {self.settings.monthly_bytes} bytes of this month"
        if step < 100:
            return what
        return f"{what}; until its end {'nothing passes' if self.may_pass == NOTHING else 'only alarms pass'}"


def _registered(modem: Modem | None) -> str:
    if modem is None:
        return ""
    place = f" at {modem.operator}" if modem.operator else ""
    return f"{modem.registration}{place}"
