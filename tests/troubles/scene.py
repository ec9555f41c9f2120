"""A gateway that lives through all troubles of one kind of uplink at once, and what came of each.

    shut ──> well ──spoil──> wrong ──said, tried ATTEMPTS times──> mended ──connected, all values there──> over

They begin one after the other: of too many events in a second only the number is written (supervisors/records).
A phase that does not end in time ends the story of that trouble; what is missing then is in its outcome.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from tests.chaos.ledger import Arrived, arrived
from tests.peers.gateway import Gateway
from tests.troubles.trouble import Trouble, Where

ATTEMPTS = 2  # after the first, which comes while the turnstile is shut
PHASE_S = 30.0
POLL_S = 0.1
APART_S = 0.5
CALM_S = 1.5  # after the start, which is many events
# `big` makes records that are too large for some; `small` counts from 1 on. Pauses are as short as can be configured:
# that no far end is called more than once a second is the uplinks' own promise.
CONFIG = """
[gateway]
name = "troubled"
[device.small]
driver = "sim"
period = "100ms"
tags = { n = { wave = "counter" } }
"""
BIG = """
[device.big]
driver = "sim"
period = "10s"
tags = { n = { wave = "counter", count = 100 } }
"""
PATIENCE = 'retry_first = "100ms"\nretry_ceiling = "200ms"\n'


class Phase(Enum):
    """How far a story has come."""

    WELL = "well at first"
    WRONG = "wrong"
    MENDED = "mended"
    OVER = "over"


@dataclass
class Story:
    """What came of one trouble. `said` are the warnings with its words, and `told` all events when it was mended;
    `missing` are values that the far end does not have in the end."""

    trouble: Trouble
    phase: Phase
    since: float
    wrong_since: float = 0.0
    status: str = ""
    told: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    attempts: int = 0
    attempts_s: float = 0.0
    healed_s: float = 0.0
    refused: int = 0
    dead_letters: int = 0
    due: int = 0
    missing: list[int] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    restarts: int = 0
    last: str = ""

    @property
    def rate(self) -> float:
        """Attempts in a second, from the first to the last."""
        tries = self.attempts / max(1, self.trouble.connections_a_try)
        return (tries - 1) / self.attempts_s if tries > 1 else 0.0

    def row(self) -> str:
        """For the table of results."""
        healed = f"{self.healed_s:.1f} s" if self.phase is Phase.OVER else f"NO ({self.phase.value})"
        return f"{self.trouble.name:>20} | {self.rate:.2f}/s | x{len(self.said)} | healed {healed} | {self.status}"


def play(directory: Path, kind: str, troubles: Sequence[Trouble]) -> dict[str, Story]:
    """Live through them; by name."""
    troubles = sorted(troubles, key=lambda trouble: trouble.where is not Where.GAP)  # those that take longest first
    big = BIG if any(trouble.where is Where.GAP for trouble in troubles) else ""
    tables = [f'[uplink.{trouble.name}]\ntype = "{kind}"\n{PATIENCE}{trouble.table}\n' for trouble in troubles]
    now = time.monotonic()
    stories = [Story(trouble, Phase.WELL if trouble.spoil else Phase.WRONG, now, now) for trouble in troubles]
    with Gateway(directory, CONFIG + big + "\n".join(tables)) as gateway:
        time.sleep(CALM_S)
        for story in stories:
            story.since = story.wrong_since = time.monotonic()
            story.trouble.turnstile.open()
            time.sleep(APART_S)  # the scene's own rhythm, not a wait for anything
        while any(story.phase is not Phase.OVER and not _is_late(story) for story in stories):
            children = {child["name"]: child for child in gateway.status()["children"]}
            events = _events(gateway.data_dir / "events.ndjson")
            for story in stories:
                if story.phase is not Phase.OVER and not _is_late(story):
                    _go_on(story, children, events)
            time.sleep(POLL_S)  # polls conditions; nothing is assumed to have happened after it
        for story in stories:
            story.restarts = gateway.child(story.trouble.name)["restarts"]
            story.last = gateway.child(story.trouble.name)["state"].get("last_error", "")
    for story in stories:
        print(story.row())
    return {story.trouble.name: story for story in stories}


def _is_late(story: Story) -> bool:
    return time.monotonic() > story.since + PHASE_S


def _go_on(story: Story, children: dict[str, Any], events: list[dict[str, Any]]) -> None:
    state, scans = children[story.trouble.name]["state"], children["small"]["state"].get("scans", 0)
    match story.phase:
        case Phase.WELL:
            if len(_small(story).values) > 10:
                assert story.trouble.spoil is not None
                story.trouble.spoil()
                story.wrong_since = story.since = time.monotonic()
                story.phase = Phase.WRONG
        case Phase.WRONG:
            if _is_known(story, state, events):
                story.trouble.mend()
                story.phase, story.due, story.since = Phase.MENDED, scans + 5, time.monotonic()
        case Phase.MENDED:
            if state.get("connected") and not state.get("last_error") and _all_there(story):
                story.phase, story.healed_s = Phase.OVER, time.monotonic() - story.since


def _is_known(story: Story, state: dict[str, Any], events: list[dict[str, Any]]) -> bool:
    """Whether it stands in the status, was said, and was tried often enough to know how often."""
    trouble = story.trouble
    told = [event["text"] for event in events if event.get("name") == trouble.name and event["event"] == "Warned"]
    story.told, story.said = told, [text for text in told if _has(text, trouble.words)]
    times = [at for at in list(trouble.turnstile.times) if at >= story.wrong_since]
    times = times if trouble.spoil else times[1:]
    story.attempts, story.attempts_s = len(times), times[-1] - times[0] if times else 0.0
    story.refused, story.dead_letters = state.get("refused", 0), state.get("dead_letters", 0)
    story.last = state.get("last_error", "")
    shown = next((text for text in _shown(story, state) if _has(text, trouble.words)), "")
    story.status = shown or story.status
    if trouble.where is Where.GAP:
        return bool(story.status) and story.refused >= 1
    return bool(story.status and story.said) and story.attempts >= ATTEMPTS * trouble.connections_a_try


def _shown(story: Story, state: dict[str, Any]) -> Sequence[str]:
    match story.trouble.where:
        case Where.LAST_ERROR:
            return [state.get("last_error", "")]
        case Where.WARNINGS:
            return state.get("warnings", [])
        case Where.WAITS:
            return [state.get("waits_for", "")]
        case Where.GAP:
            story.gaps = [gap["reason"] for gap in _arrived(story, "big").gaps]
            return [*story.gaps, *state.get("warnings", []), state.get("last_error", "")]


def _has(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _all_there(story: Story) -> bool:
    story.missing = sorted(set(range(1, story.due + 1)) - set(_small(story).values))
    return not story.missing


def _small(story: Story) -> Arrived:
    return _arrived(story, "small")


def _arrived(story: Story, device: str) -> Arrived:
    return arrived(story.trouble.payloads()).get(device, Arrived())


def _events(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
