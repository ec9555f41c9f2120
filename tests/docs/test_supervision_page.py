"""docs/supervision.md: its differences from OTP are those of the plan's own note, its words those of the code."""

import re

from supervisors.spec import Exhausted, Restart, Strategy
from tests.docs.pages import PAGES
from tests.otp.differences import documented

PAGE = PAGES["docs/supervision.md"]


def rows(section: str) -> list[str]:
    """The first column of a section's table."""
    text = PAGE[PAGE.index(f"\n## {section}\n") :].partition("\n## ")[2].partition("\n## ")[0]
    cells = [line.split("|")[1].strip(" `") for line in text.splitlines() if line.startswith("| ")]
    return cells[1:]


def test_the_page_has_every_documented_difference() -> None:
    assert rows("Different from OTP, on purpose") == list(documented())


def test_the_page_has_every_strategy_and_restart_type() -> None:
    assert rows("Strategies") == list(Strategy)
    assert rows("Restart types") == list(Restart)
    assert set(re.findall(r"- `(\w+)`", PAGE)) == set(Exhausted)
