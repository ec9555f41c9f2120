"""The starter configuration: it loads, and everything it shows as a comment can be taken into use."""

import re
import tomllib
from pathlib import Path

import pytest

from actors.diagnosing.settings import Settings as DiagnosticsSettings
from actors.lines.settings import Settings as LineSettings
from actors.networks.settings import Settings as LinkSettings
from actors.program_settings import Settings as ProgramSettings
from actors.rules.settings import Settings as RuleSettings
from actors.steering.settings import Settings as PrincipalSettings
from supervisors.configuration.config import load
from supervisors.configuration.starter import starter
from supervisors.configuration.tables import LineCommon, ProgramCommon, Supervise, SupervisorCommon
from supervisors.face.manual import describe_drivers, describe_uplinks, toml_of
from transports import catalog
from transports.errors import SettingsError
from transports.settings import fields_of

MODULES = [(kind, name) for kind in (catalog.LINKS, catalog.UPLINKS) for name in catalog.names(kind)]


def test_the_starter_loads_and_runs_without_device_or_network(tmp_path: Path) -> None:
    (tmp_path / "gw.toml").write_text(starter("shop", tmp_path / "out.ndjson"))
    gateway = load(tmp_path / "gw.toml")
    assert gateway.name == "shop"
    assert [spec.name for spec in gateway.specs()] == ["sine", "local"]
    assert (gateway.broken, gateway.warnings) == ((), ())


def test_every_default_in_the_starter_is_what_holds_without_it(tmp_path: Path) -> None:
    text = starter("shop", tmp_path / "out.ndjson")
    active = re.sub(r"^#(?=[a-z_]+ = (?!\.\.\.))", "", text, flags=re.MULTILINE)
    limits = r"(memory|descriptors|cpu)_(soft|hard)"  # these show examples, as the directories do
    active = re.sub(rf"^(data_dir|run_dir|raw_dir|{limits}) = .*\n", "", active, flags=re.MULTILINE)
    (tmp_path / "plain.toml").write_text(text)
    (tmp_path / "spelt.toml").write_text(active)
    assert len(tomllib.loads(active)["device"]["sine"]) > 5
    plain, spelt = load(tmp_path / "plain.toml"), load(tmp_path / "spelt.toml")
    assert (spelt.supervision, spelt.spool, spelt.devices) == (plain.supervision, plain.spool, plain.devices)
    assert (spelt.uplinks, spelt.log_level) == (plain.uplinks, plain.log_level)


@pytest.mark.parametrize(("kind", "name"), MODULES)
def test_what_the_starter_comments_on_a_module_is_toml_of_its_keys(kind: str, name: str, tmp_path: Path) -> None:
    text = starter("shop", tmp_path / "out.ndjson")
    section = {"links": "device", "uplinks": "uplink"}[kind]
    begin = text.index(f"# [{section}.{name}-1]")
    lines = text[begin:].partition("\n\n")[0].splitlines()
    active = "\n".join(line.removeprefix("# ") for line in lines)
    assert {note.key for note in fields_of(catalog.load(kind, name, name).Settings)} <= set(
        re.findall(r"^#?(\w+) = ", active, re.MULTILINE)
    )
    (tmp_path / "gw.toml").write_text(active)
    # a module may ask for one of two keys, which its fields do not say: nothing but that may be wrong
    assert not re.search("unknown|is missing; write|must be a", complaints(tmp_path / "gw.toml"))


@pytest.mark.parametrize(
    ("table", "classes"),
    [
        ("program.broker", (ProgramSettings, ProgramCommon)),
        ("line.hall-1", (LineSettings, LineCommon)),
        ("rule.cooling", (RuleSettings,)),
        ("link.ethernet", (LinkSettings,)),
        ("principal.scada", (PrincipalSettings,)),
        ("diagnostics", (DiagnosticsSettings,)),
        ("device.sine.supervise", (Supervise,)),
        ("supervisor.cell-1", (SupervisorCommon,)),
    ],
)
def test_what_the_starter_comments_on_a_table_can_be_taken_into_use(
    table: str, classes: tuple[type, ...], tmp_path: Path
) -> None:
    text = starter("shop", tmp_path / "out.ndjson")
    block = text[text.index(f"# [{table}]") :].partition("\n\n")[0]
    active = re.sub("^#", "", re.sub("^# ", "", block, flags=re.MULTILINE), flags=re.MULTILINE)
    assert {note.key for cls in classes for note in fields_of(cls)} == set(
        re.findall(r"^(\w+) = ", active, re.MULTILINE)
    )
    (tmp_path / "gw.toml").write_text(text.replace(block, active))
    load(tmp_path / "gw.toml")


def complaints(file: Path) -> str:
    try:
        load(file)
    except SettingsError as error:
        return str(error)
    return ""


def test_an_example_is_written_in_the_quotes_that_it_needs() -> None:
    notes = {note.key: note for driver in describe_drivers() if driver.name == "serial" for note in driver.fields}
    assert toml_of(notes["baud"]) == "9600"
    assert toml_of(notes["timeout"]) == '"1s"'
    assert "\\S" in tomllib.loads(f"pattern = {toml_of(notes['pattern'])}")["pattern"]
    assert tomllib.loads(f"end = {toml_of(notes['delimiter'])}")["end"] == "\r\n"


def test_every_module_is_described_by_its_first_line_and_every_key() -> None:
    described = {note.name: note for note in (*describe_drivers(), *describe_uplinks())}
    assert {name for _, name in MODULES} == set(described)
    assert all(note.summary and note.fields and not note.broken for note in described.values())
    assert described["modbus"].extra == "modbus"


def test_a_module_that_cannot_be_imported_is_listed_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(kind: str, name: str, path: str) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(catalog, "load", fail)
    assert {note.broken for note in describe_drivers()} == {"OSError: [Errno 19] No such device"}
    assert "cannot be used here: OSError" in starter()
