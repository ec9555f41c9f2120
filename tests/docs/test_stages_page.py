"""docs/stages.md: every stage there is, with every key, its default and its meaning."""

import pytest

from actors.stages import catalog
from tests.docs.pages import ROOT
from tests.supervisors.configuration.test_configuration_page import row
from transports.settings import fields_of

PAGE = (ROOT / "docs" / "stages.md").read_text()


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", catalog.names())
def test_a_stage_stands_on_the_page_with_its_first_line_and_its_keys(name: str) -> None:
    module = catalog.load(name, "stage")
    assert (module.__doc__ or "").strip().splitlines()[0] in section(name)
    written = [line for line in section(name).splitlines() if line.startswith("| `")]
    assert written == [row(note) for note in fields_of(module.Settings) if note.key != "tags"]


def test_the_page_has_no_stage_that_is_none() -> None:
    assert [line[3:] for line in PAGE.splitlines() if line.startswith("## ")] == catalog.names()
