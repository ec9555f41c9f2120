"""docs/operation.md: its tables have every state, every field of a crash report and every exit code."""

import dataclasses
import re

from supervisors.plan import Phase
from supervisors.records import crashes
from tests.docs.pages import PAGES

PAGE = PAGES["docs/operation.md"]


def first_column(section: str) -> list[str]:
    """The words in the first column of a section's table."""
    text = PAGE[PAGE.index(f"\n## {section}\n") :].partition("\n## ")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    return [word for row in rows[1:] for word in re.findall(r"[\w]+", row)]


def test_the_page_explains_every_state_that_status_shows() -> None:
    assert set(first_column("What the states mean")) == set(Phase)


def test_the_page_has_every_field_of_a_crash_report() -> None:
    assert set(first_column("Crash reports")) == {"time", *(field.name for field in dataclasses.fields(crashes.Crash))}
    assert f"newest {crashes.KEEP} are kept" in PAGE


def test_the_page_has_every_exit_code() -> None:
    assert first_column("Exit codes") == ["0", "1", "2", "3"]
