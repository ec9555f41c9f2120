"""`holdfast profiles` as it is typed: all of them, or one with its tags and what to write."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from supervisors.cli import app
from supervisors.configuration.config import load
from supervisors.verbs.suggesting import suggestions
from transports.profiles import FOLDER

SHIPPED = sorted(file.stem for file in FOLDER.glob("*.toml"))
MINE = """title = "My meter"
driver = "modbus"
example = { host = "10.0.0.1" }
[tags]
power = { address = 4, type = "int32", unit = "W", writable = true, choices = [1, 2] }
state = { register = "coil", address = 1 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.toml").write_text(MINE)
    (tmp_path / "own" / "sdm120.toml").write_text(MINE.replace("My meter", "A meter like it"))
    (tmp_path / "own" / "torn.toml").write_text(MINE.replace("address = 4", "adress = 4"))
    return tmp_path / "own"


def holdfast(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "supervisors.cli", "profiles", *map(str, words)]
    wide = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=wide)


def told(*words: str | Path) -> str:
    done = holdfast(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_shipped_profile_is_listed_with_its_title_and_driver() -> None:
    lines = {line.split()[0]: line for line in told().splitlines() if line and line.split()[0] in SHIPPED}
    assert sorted(lines) == SHIPPED
    assert all(word in lines["sdm630"] for word in ("Eastron SDM630", "modbus", "37", "shipped"))


def test_ones_own_are_listed_beside_them_and_a_broken_one_with_its_reason(folder: Path) -> None:
    rows = {row["name"]: row for row in json.loads(told("--folder", folder, "--json"))}
    assert sorted(rows) == sorted({*SHIPPED, "mine", "torn"})
    assert rows["mine"] == {
        "name": "mine",
        "title": "My meter",
        "driver": "modbus",
        "tags": 2,
        "broken": "",
        "file": str(folder / "mine.toml"),
        "own": True,
        "instead_of_shipped": False,
    }
    assert rows["sdm120"]["instead_of_shipped"]
    assert rows["torn"]["broken"].startswith(
        f"{folder}/torn.toml:5: tags.power.adress: unknown setting; did you mean 'address'?"
    )
    assert not rows["sdm630"]["own"]


def test_the_list_says_which_stands_in_for_a_shipped_one(folder: Path) -> None:
    (line,) = (line for line in told("--folder", folder).splitlines() if line.startswith("sdm120"))
    assert "A meter like it" in line
    assert line.rstrip().endswith(f"{folder}/sdm120.toml, in place of the shipped one")


def test_a_configuration_names_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(f'[gateway]\nprofiles = "{folder}"\n[device.x]\nprofile = "none yet"\n')
    assert "My meter" in told("--config", tmp_path / "site.toml")


def test_one_is_shown_with_its_tags_and_a_table_that_loads_as_it_is(folder: Path, tmp_path: Path) -> None:
    shown = told("mine", "--folder", folder)
    assert ["power", "4", "int32", "true", "[1,", "2]", "W"] in [line.split() for line in shown.splitlines()]
    written = shown[shown.index("[device.mine-1]") :]
    (tmp_path / "site.toml").write_text(f'{written}\n[gateway]\nprofiles = "{folder}"\n')
    (device,) = load(tmp_path / "site.toml").devices
    assert (device.name, device.settings.host, list(device.settings.tags)) == ("mine-1", "10.0.0.1", ["power", "state"])


def test_one_as_json_has_everything(folder: Path) -> None:
    whole = json.loads(told("mine", "--folder", folder, "--json"))
    assert whole["tags"]["power"]["choices"] == [1, 2]
    assert whole["device"].startswith("[device.mine-1]\nprofile = ")
    assert json.loads(told("em340", "--json"))["settings"] == {"word_order": "little"}


def test_what_cannot_be_shown_says_why(folder: Path, tmp_path: Path) -> None:
    unknown = holdfast("sdm63")
    assert (unknown.returncode, unknown.stderr) == (1, "unknown profile 'sdm63'; did you mean 'sdm630'?\n")
    torn = holdfast("torn", "--folder", folder)
    assert torn.returncode == 2
    assert torn.stderr.startswith(f"{folder}/torn.toml:5: tags.power.adress")
    nowhere = holdfast("--folder", tmp_path / "none")
    assert nowhere.returncode == 2
    assert "No such file or directory" in nowhere.stderr
    assert holdfast("--folder", folder, "--config", folder).returncode == 2


def test_their_names_are_completed(folder: Path) -> None:
    assert {each.word for each in suggestions(get_command(app), ["profiles", "sdm"])} == {"sdm120", "sdm630"}
    words = ["profiles", "--folder", str(folder), "m"]
    assert [each.word for each in suggestions(get_command(app), words)] == ["mine"]
