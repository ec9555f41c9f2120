"""The uplink's process is killed before and after each thing it does: nothing is executed twice, `done` was done.

Played, so that every step is met; tests/chaos/test_requests.py kills real processes whenever it hits.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.steering import memory
from tests.actors.steering.played import House, wish

MOST_STEPS = 60


class Killed(BaseException):
    """The process ends here."""


class Fuse:
    """Lets so many steps pass; a step has two ends."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def burn(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def around(self, does: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any) -> Any:
            self.burn()
            result = does(*given)
            self.burn()
            return result

        return step


def told_until_killed(house: House, message: bytes, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the process came through it."""
    with monkeypatch.context() as patch:
        for name in ("write", "fdatasync", "open", "ftruncate"):
            patch.setattr(os, name, fuse.around(getattr(os, name)))
        patch.setattr(Path, "rename", fuse.around(Path.rename))
        patch.setattr(house.mailbox, "ask", fuse.around(house.mailbox.ask))
        patch.setattr(house.mailbox, "offer", fuse.around(house.mailbox.offer))
        patch.setattr(house.above, "answer", fuse.around(house.above.answer))
        try:
            house.say(message, for_s=0.1)
        except Killed:
            return False
    return True


def crashes(directory: Path, verb: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, Any]]:
    """A gateway after each crash, and what was told by the process that died and by the one after it."""
    for steps in range(MOST_STEPS):
        house = House(directory / f"{steps}")
        house.write(value=1)  # so that there is a file, and an answer
        message = house.sealed(**verb)
        before = house.above
        whole = told_until_killed(house, message, Fuse(steps), monkeypatch)
        house.start()
        after = [told for _ in range(2) for told in house.say(message, for_s=0.1)]
        yield house, [told for _, told in before.answers if told["id"] == "r2"] + after
        if whole:
            return
    raise AssertionError("it never came through")


@pytest.mark.parametrize("compacts", [False, True])
def test_a_write_is_executed_once_at_most_and_done_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compacts: bool
) -> None:
    monkeypatch.setattr(memory, "COMPACT_BYTES", 10 if compacts else 10**6)
    outcomes = set()
    for house, told in crashes(tmp_path, wish(value=2), monkeypatch):
        keys = {command.key for command in house.executed.values() if command.value == 2}
        assert len(keys) <= 1
        assert all(answer["result"] != "done" or keys for answer in told), told
        assert told[-1]["reason"] == "replayed", "whatever happened, it is not executed a third time"
        outcomes.add((len(keys), told[0]["result"]))
    assert {(1, "done"), (1, "refused")} <= outcomes, "some crashes before it was remembered, some after it was done"


@pytest.mark.parametrize("verb", [{"verb": "restart", "name": "press-1"}, {"verb": "reload", "config": "[gateway]"}])
@pytest.mark.parametrize("compacts", [False, True])
def test_a_verb_happens_once_at_most_and_done_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compacts: bool, verb: dict[str, Any]
) -> None:
    monkeypatch.setattr(memory, "COMPACT_BYTES", 10 if compacts else 10**6)
    happened = set()
    for house, told in crashes(tmp_path, verb, monkeypatch):
        times = len(house.operated) + len(house.renewed)
        assert times <= 1
        assert all(answer["result"] != "done" or times for answer in told), told
        assert told[-1]["reason"] == "replayed"
        happened.add(times)
    assert happened == {0, 1}, "some crashes between remembering and doing, and some after"
