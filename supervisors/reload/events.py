"""What happens to a configuration, beside what supervisors/records/events.py has."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from supervisors.records.events import Event
from transports.names import ROOT

SHOWN = 10


@dataclass(frozen=True, slots=True)
class ReloadRefused(Event):
    """A new configuration was not even tried; `lines` are what is wrong, one each."""

    name: str = field(default=ROOT, init=False)
    lines: Sequence[str]
    level = logging.ERROR
    folds = False

    def __str__(self) -> str:
        more = f"; and {len(self.lines) - SHOWN} more" if len(self.lines) > SHOWN else ""
        return f"the new configuration is refused, nothing has changed: {'; '.join(self.lines[:SHOWN])}{more}"


@dataclass(frozen=True, slots=True)
class ConfigPassedOver(Event):
    """The gateway does not run with what CONFIG says."""

    name: str = field(default=ROOT, init=False)
    why: str
    level = logging.ERROR
    folds = False

    def __str__(self) -> str:
        return self.why
