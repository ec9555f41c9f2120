"""What the rules remember over a restart of their process or of the gateway: one small file, replaced whole.

    {"boot": ID, "rules": {NAME: {"digest", "phase", "since", "acted", "count", "due"}}, "sent": [[device, command]]}

It lies in the run directory, is written before anything is sent, and not synced: it is of use in this boot alone, since
a restart of the machine begins anew. Times are of the monotonic clock of that boot.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any

from actors.rules.settings import Settings
from actors.rules.standing import Branch, Phase, Standing
from transports.messages import Command

log = logging.getLogger("holdfast.rules")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)
Sent = tuple[str, Command]
_PLAIN = {each.name: each.default for each in fields(Settings)}  # a key that a later version adds makes no other rule


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known from before: how each rule stood, and what was sent and has no outcome yet."""

    standings: Mapping[str, Standing] = field(default_factory=dict)
    sent: Sequence[Sent] = ()


def digest(settings: Settings) -> str:
    """A rule that says something else now is another rule, though of the same name."""
    said = {each.name: getattr(settings, each.name) for each in fields(settings)}
    written = {name: value for name, value in said.items() if value != _PLAIN[name]}
    return hashlib.sha256(repr(sorted(written.items())).encode()).hexdigest()[:16]


def boot_id() -> str:
    """Which boot of the machine this is; "" where nobody says."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def remembered(path: Path, rules: Mapping[str, Settings], boot: str, now: float) -> Remembered:
    """What the file has of these rules; what cannot be read is nothing, and said."""
    try:
        held = json.loads(path.read_bytes())
        same_boot = bool(boot) and held["boot"] == boot
        known = {name: each for name, each in held["rules"].items() if name in rules}
        standings = {
            name: _standing(each, same_boot and each["digest"] == digest(rules[name]), now)
            for name, each in known.items()
        }
        sent = [(str(device), Command(*command)) for device, command in held["sent"]] if same_boot else []
    except FileNotFoundError:
        return Remembered()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as damaged:
        log.error("%s cannot be read (%s): every rule begins anew", path, damaged)
        return Remembered()
    return Remembered(standings, sent)


def written(path: Path, standings: Mapping[str, tuple[Settings, Standing]], sent: Sequence[Sent], boot: str) -> None:
    """Replace the file. Raises OSError when the disk refuses."""
    rules = {name: _told(settings, standing) for name, (settings, standing) in standings.items()}
    held = {"boot": boot, "rules": rules, "sent": [[device, astuple(command)] for device, command in sent]}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(held))
    fresh.rename(path)


def _told(settings: Settings, standing: Standing) -> dict[str, Any]:
    return {
        "digest": digest(settings),
        "phase": standing.phase.value,
        "since": standing.since_s,
        "acted": None if standing.acted_s == -inf else standing.acted_s,
        "count": standing.count,
        "due": standing.due.value,
    }


def _standing(held: Mapping[str, Any], goes_on: bool, now: float) -> Standing:
    if not goes_on:
        return Standing(since_s=now, count=int(held["count"]))
    acted = -inf if held["acted"] is None else float(held["acted"])
    return Standing(Phase(held["phase"]), float(held["since"]), acted, int(held["count"]), Branch(held["due"]))
