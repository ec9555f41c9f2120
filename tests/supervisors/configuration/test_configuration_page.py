"""docs/configuration.md: every example on it loads, and its tables have every key with its default and meaning."""

import re
from pathlib import Path

import pytest

from actors.diagnosing.settings import Settings as DiagnosticsSettings
from actors.lines.settings import Settings as LineSettings
from actors.networks.settings import Settings as LinkSettings
from actors.program_settings import Settings as ProgramSettings
from actors.rules.settings import Settings as RuleSettings
from actors.stages.settings import Settings as AggregateSettings
from actors.steering.settings import Settings as PrincipalSettings
from supervisors.configuration.config import load
from supervisors.configuration.tables import (
    RESERVED,
    AggregateCommon,
    DeviceCommon,
    GatewaySettings,
    LineCommon,
    ProgramCommon,
    Supervise,
    Supervision,
    SupervisorCommon,
    UplinkCommon,
)
from supervisors.face.manual import toml_of
from supervisors.spec import Strategy
from transports.errors import SettingsError
from transports.settings import FieldNote, fields_of
from transports.spool.settings import Settings as SpoolSettings

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TABLES = {
    "[gateway]": (GatewaySettings,),
    "[supervision]": (Supervision,),
    "[spool]": (SpoolSettings,),
    "[device.NAME]": (DeviceCommon,),
    "[aggregate.NAME]": (AggregateSettings, AggregateCommon),
    "[uplink.NAME]": (UplinkCommon,),
    "[program.NAME]": (ProgramSettings, ProgramCommon),
    "[line.NAME]": (LineSettings, LineCommon),
    "[rule.NAME]": (RuleSettings,),
    "[link.NAME]": (LinkSettings,),
    "[principal.NAME]": (PrincipalSettings,),
    "[diagnostics]": (DiagnosticsSettings,),
    "supervise": (Supervise,),
    "[supervisor.NAME]": (SupervisorCommon,),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page_loads(example: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(example)
    assert load(tmp_path / "gateway.toml").broken == ()


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_every_key_of_a_table_and_no_other(table: str) -> None:
    section = PAGE[PAGE.index(f"## {table}\n") :].partition("\n## ")[0]
    written = [line for line in section.splitlines() if line.startswith("| `")]
    assert written == [row(note) for cls in TABLES[table] for note in fields_of(cls)]


def row(note: FieldNote) -> str:
    """How a key stands in the page's tables."""
    default = "required" if note.required else "-" if note.default in ("", "None") else f"`{toml_of(note)}`"
    return f"| `{note.key}` | {default} | {note.help} |"


def test_the_page_names_every_strategy() -> None:
    assert [f"| {strategy} |" in PAGE for strategy in Strategy] == [True] * len(Strategy)


def test_the_mistakes_that_the_page_shows_are_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = EXAMPLES[0].replace("port = 5020", "port = 70000").replace("period", "perod")
    Path("gateway.toml").write_text(text)
    with pytest.raises(SettingsError) as error:
        load("gateway.toml")
    shown = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    assert str(error.value) == shown.strip()


def test_the_page_names_every_name_that_is_taken() -> None:
    assert all(f"`{name}`" in PAGE for name in RESERVED)
