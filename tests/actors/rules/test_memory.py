"""What rules remember: everything over a restart of the process, only the numbers over one of the machine."""

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from actors.rules.memory import remembered, written
from actors.rules.settings import Settings
from actors.rules.standing import Branch, Phase, Standing
from transports.messages import Command

RULE = Settings(when="a.b > 1", then=("a.x = 1",))
STANDING = Standing(Phase.TRUE, 12.5, 13.0, 4, Branch.ELSE)
SENT = ("a", Command("r:1:4.0", "x", 1, 99.0, "rule:r", lasting=False))


def write(path: Path, standing: Standing = STANDING, boot: str = "boot") -> None:
    written(path, {"r": (RULE, standing)}, [SENT], boot)


@pytest.mark.parametrize("standing", [STANDING, Standing(), Standing(Phase.ARMING, 1.0, -inf, 0)])
def test_a_process_goes_on_where_the_former_one_was(tmp_path: Path, standing: Standing) -> None:
    write(tmp_path / "rules.json", standing)
    before = remembered(tmp_path / "rules.json", {"r": RULE}, "boot", 0.0)
    assert before.standings == {"r": standing}
    assert before.sent == [SENT]


def test_after_a_restart_of_the_machine_rules_begin_anew_and_their_numbers_go_on(tmp_path: Path) -> None:
    write(tmp_path / "rules.json")
    before = remembered(tmp_path / "rules.json", {"r": RULE}, "another", 0.0)
    assert before.standings == {"r": Standing(count=4)}
    assert before.sent == []


def test_a_rule_that_says_something_else_begins_anew(tmp_path: Path) -> None:
    write(tmp_path / "rules.json")
    other = replace(RULE, when="a.b > 2")
    assert remembered(tmp_path / "rules.json", {"r": other}, "boot", 0.0).standings == {"r": Standing(count=4)}
    assert remembered(tmp_path / "rules.json", {"q": RULE}, "boot", 0.0).standings == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": "boot", "rules": {"r": {}}, "sent": []}', "\x00"])
def test_a_file_that_cannot_be_read_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.json").write_text(text)
    before = remembered(tmp_path / "rules.json", {"r": RULE}, "boot", 0.0)
    assert (before.standings, list(before.sent)) == ({}, [])
    assert remembered(tmp_path / "none.json", {"r": RULE}, "boot", 0.0).standings == {}
