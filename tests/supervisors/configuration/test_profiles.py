"""A device that takes a profile is the device that its file and the configuration describe together."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supervisors.configuration import tree
from supervisors.configuration.config import load
from supervisors.configuration.gateway import Gateway
from supervisors.configuration.profiles import MAX_BYTES, Shelf
from supervisors.reload.changes import changes
from supervisors.reload.texts import Source
from supervisors.reload.texts import load as load_again
from transports.errors import SettingsError
from transports.profiles import FOLDER

PRESS = """title = "A press"
driver = "modbus"
[settings]
word_order = "little"
period = "5s"
[tags]
force = { address = 100, type = "float32", unit = "kN" }
speed = { address = 102, scale = 0.5 }
"""
DEVICE = '[device.press-1]\nprofile = "press"\nhost = "127.0.0.1"\n'
WRITTEN_OUT = """[device.press-1]
driver = "modbus"
word_order = "little"
period = "5s"
tags = { force = { address = 100, type = "float32", unit = "kN" }, speed = { address = 102, scale = 0.5 } }
host = "127.0.0.1"
"""


class Site:
    """A configuration and a directory of profiles beside it."""

    def __init__(self, home: Path) -> None:
        self.file, self.folder = home / "site.toml", home / "profiles"
        self.folder.mkdir()
        self.profile("press", PRESS)

    def profile(self, name: str, text: str) -> Path:
        (self.folder / f"{name}.toml").write_text(text)
        return self.folder / f"{name}.toml"

    def load(self, text: str) -> Gateway:
        self.file.write_text(f'[gateway]\nprofiles = "{self.folder}"\n{text}')
        return load(self.file)

    def complaints(self, text: str) -> list[str]:
        """What is said of it, a line a mistake; the files' directories are left out."""
        with pytest.raises(SettingsError) as error:
            self.load(text)
        return str(error.value).replace(f"{self.folder}{os.sep}", "").replace(f"{self.file}", "site").splitlines()

    def device(self, text: str = DEVICE) -> Any:
        (device,) = self.load(text).devices
        return device


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# --- what becomes of both ---------------------------------------------------------------------------------------------


def test_a_device_with_a_profile_is_the_same_child_as_one_that_is_written_out(site: Site) -> None:
    taken, written = (tree.root(site.load(text)) for text in (DEVICE, WRITTEN_OUT))
    assert taken == written


def test_the_devices_own_keys_win_deep_inside_a_tag(site: Site) -> None:
    device = site.device(DEVICE + 'word_order = "big"\nperiod = "1s"\n[device.press-1.tags]\nforce = { unit = "N" }\n')
    assert device.period_s == 1.0
    assert device.settings.word_order == "big"
    assert device.table["tags"]["force"] == {"address": 100, "type": "float32", "unit": "N"}
    assert device.settings.tags["speed"].scale == 0.5


def test_tags_of_ones_own_are_added(site: Site) -> None:
    device = site.device(DEVICE + "tags = { door = { register = 'coil', address = 1 } }\n")
    assert list(device.settings.tags) == ["force", "speed", "door"]


def test_only_the_chosen_tags_are_taken_and_those_that_one_says_something_about(site: Site) -> None:
    assert list(site.device(DEVICE + 'profile_tags = ["sp*"]\n').settings.tags) == ["speed"]
    both = DEVICE + 'profile_tags = ["sp*"]\ntags = { force = { unit = "N" } }\n'
    assert list(site.device(both).settings.tags) == ["force", "speed"]


def test_the_driver_may_be_written_when_it_is_the_profiles(site: Site) -> None:
    assert site.device(DEVICE + 'driver = "modbus"\n').driver == "modbus"


def test_a_profile_serves_any_driver(site: Site) -> None:
    site.profile("wave", 'title = "A wave"\ndriver = "sim"\n[tags]\nlevel = { wave = "sine" }\n')
    assert site.device('[device.one]\nprofile = "wave"\n').driver == "sim"


def test_two_devices_with_one_profile_do_not_share_a_table(site: Site) -> None:
    first, second = site.load(DEVICE + 'tags.force.unit = "N"\n' + DEVICE.replace("press-1", "press-2")).devices
    assert (first.settings.tags["force"].unit, second.settings.tags["force"].unit) == ("N", "kN")


def test_a_device_of_a_profile_on_a_line_is_known_as_its_slave(site: Site) -> None:
    line = '[line.hall]\nport = "/dev/ttyUSB0"\n'
    two = "".join(f'[device.press-{n}]\nprofile = "press"\nline = "hall"\nunit = 3\n' for n in (1, 2))
    (complaint,) = site.complaints(line + two)
    assert "is the same unit of the line hall as device.press-1" in complaint


# --- a reload ---------------------------------------------------------------------------------------------------------


def test_a_reload_sees_a_changed_profile_as_a_change_of_the_devices_that_take_it(site: Site) -> None:
    text = DEVICE + DEVICE.replace("press-1", "press-2").replace('"press"', '"sdm630"')
    before = tree.root(site.load(text))
    site.profile("press", PRESS.replace("address = 102", "address = 104"))
    plan = changes(before, tree.root(site.load(text)))
    assert (plan.changed, plan.added, plan.removed) == (("press-1",), (), ())


def test_a_profile_that_says_the_same_in_other_words_changes_nothing(site: Site) -> None:
    before = tree.root(site.load(DEVICE))
    site.profile("press", PRESS.replace("A press", "The press") + "# a remark\n")
    assert changes(before, tree.root(site.load(DEVICE))).changed == ()


def test_a_reload_names_the_profile_that_became_wrong_and_not_the_configuration(site: Site) -> None:
    site.load(DEVICE)
    site.profile("press", PRESS.replace("scale = 0.5", "scael = 0.5"))
    with pytest.raises(SettingsError, match=r"^\S*press.toml:8: tags.speed.scael: unknown setting"):
        load_again(site.file.read_bytes(), Source(site.file), site.folder.parent / "scratch")


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_an_unknown_profile_is_told_with_the_nearest(site: Site) -> None:
    assert site.complaints(DEVICE.replace('"press"', '"sdm360"')) == [
        "site:4: device.press-1.profile = 'sdm360': unknown profile; did you mean 'sdm630'?"
    ]


def test_another_driver_than_the_profiles_is_a_mistake(site: Site) -> None:
    cure = "the profile 'press' is for the driver 'modbus'; leave one of the two out"
    assert site.complaints(DEVICE + 'driver = "sim"\n') == [f"site:6: device.press-1.driver = 'sim': {cure}"]


def test_a_mistake_in_a_profile_names_its_file_line_and_key_once_for_all_its_devices(site: Site) -> None:
    site.profile("press", PRESS.replace("scale = 0.5", "scael = 0.5").replace('"little"', '"litle"'))
    assert site.complaints(DEVICE + DEVICE.replace("press-1", "press-2")) == [
        "press.toml:4: settings.word_order = 'litle': must be one of big, little; did you mean 'little'?",
        "press.toml:8: tags.speed.scael: unknown setting; did you mean 'scale'?",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "press.toml:1: title: is missing; write a string"),
        (PRESS.replace("modbus", "modbsu"), "press.toml:2: driver = 'modbsu': unknown driver; did you mean 'modbus'?"),
        (PRESS.replace("title", "titel"), "press.toml:1: titel: unknown setting; did you mean 'title'?"),
        (PRESS.replace("[tags]", "[tgas]"), "press.toml:6: tgas: unknown setting; did you mean 'tags'?"),
        (PRESS.replace('"5s"', '"5 weeks"'), "press.toml:5: settings.period = '5 weeks': must be a duration"),
        (PRESS.replace("word_order =", "driver ="), "press.toml:4: settings.driver: stands above, outside"),
        (PRESS.replace("word_order =", "profile ="), "press.toml:4: settings.profile: a profile cannot take another"),
        (PRESS.replace("word_order =", "colour ="), "press.toml:4: settings.colour: unknown setting"),
        (PRESS.replace('"A press"', '"A press'), "press.toml:1: title = "),
        (PRESS + "speed = {}\n", "press.toml:9: tags.speed: is written twice"),
        (PRESS.replace("unit =", "min = 1, unit ="), "press.toml:7: tags.force.min = 1.0: needs writable = true"),
        (PRESS.replace("word_order =", "tags ="), "press.toml:4: settings.tags: has a table of its own, [tags]"),
        ('tags = 5\ntitle = "x"\ndriver = "sim"\n', "press.toml:1: tags = 5: must be a table"),
    ],
)
def test_a_mistake_in_a_profile_is_one_line_of_its_file(text: str, complaint: str, site: Site) -> None:
    site.profile("press", text)
    assert site.complaints(DEVICE)[0].startswith(complaint)


def test_a_mistake_in_what_the_device_says_names_the_configuration(site: Site) -> None:
    assert site.complaints(DEVICE + "perod = 3\ntags.force.unti = 'N'\ntags.door = { register = 'coil' }\n") == [
        "site:6: device.press-1.perod: unknown setting; did you mean 'period'?",
        "site:7: device.press-1.tags.force.unti: unknown setting; did you mean 'unit'?",
        "site:8: device.press-1.tags.door.address: is missing; write a whole number, at least 0 and at most 65535",
    ]


def test_a_mistake_that_the_two_make_together_names_the_configuration(site: Site) -> None:
    assert site.complaints(DEVICE + "tags.speed.type = 'bool'\n") == [
        "site:6: device.press-1.tags.speed.scale = 0.5: a bool is not scaled"
    ]


def test_a_key_of_the_profile_that_does_not_fit_this_device_names_the_profile_and_the_device(site: Site) -> None:
    site.profile("press", PRESS.replace("[tags]", "baud = 19200\n[tags]"))
    (complaint,) = site.complaints(DEVICE)
    assert complaint.startswith("press.toml:6: settings.baud = 19200: belongs to serial")
    assert complaint.endswith("(for device.press-1, which takes this profile)")


def test_a_pattern_that_means_no_tag_is_told_with_the_nearest(site: Site) -> None:
    assert site.complaints(DEVICE + 'profile_tags = ["speed", "forse", "x*"]\n') == [
        "site:6: device.press-1.profile_tags[1] = 'forse': is no tag of the profile 'press'; did you mean 'force'?",
        "site:6: device.press-1.profile_tags[2] = 'x*': is no tag of the profile 'press'; holdfast profiles press "
        "lists them",
    ]


def test_chosen_tags_without_a_profile_are_a_mistake(site: Site) -> None:
    plain = '[device.one]\ndriver = "sim"\ntags = { a = { wave = "sine" } }\nprofile_tags = ["a"]\n'
    assert site.complaints(plain) == ["site:6: device.one.profile_tags: needs a profile, from which it chooses"]


def test_a_secret_in_a_profile_is_not_repeated(site: Site) -> None:
    site.profile("press", 'title = "x"\ndriver = "mqtt"\n[settings]\nhost = "h"\npassword = "opensesame"\n')
    assert "opensesame" not in "\n".join(site.complaints('[device.one]\nprofile = "press"\n'))


def test_a_broken_profile_that_no_device_takes_is_no_mistake(site: Site) -> None:
    site.profile("broken", "title = ")
    assert len(site.load(DEVICE).devices) == 1


# --- the user's directory ---------------------------------------------------------------------------------------------


def test_ones_own_profile_wins_over_the_shipped_one_of_its_name(site: Site) -> None:
    site.profile("sdm630", PRESS)
    assert list(site.device(DEVICE.replace('"press"', '"sdm630"')).settings.tags) == ["force", "speed"]


def test_a_directory_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f'[gateway]\nprofiles = "{tmp_path}/none"\n' + DEVICE.replace('"press"', '"sdm630"'))
    with pytest.raises(SettingsError, match=r"site.toml:2: gateway.profiles = .*none'.*No such file"):
        load(file)


def test_a_relative_directory_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "press.toml").write_text(PRESS)
    (tmp_path / "site.toml").write_text('[gateway]\nprofiles = "own"\n' + DEVICE)
    assert any("relative path" in str(warning) for warning in load("site.toml").warnings)


def odd_name(folder: Path) -> str:
    (folder / "My Press.toml").write_text(PRESS)
    return "My Press"


def giant(folder: Path) -> str:
    (folder / "giant.toml").write_text("#" * (MAX_BYTES + 1))
    return "giant"


def other_letters(folder: Path) -> str:
    (folder / "latin.toml").write_bytes('title = "Prüfling"\n'.encode("latin-1"))
    return "latin"


@pytest.mark.parametrize("make", [odd_name, giant, other_letters])
def test_a_file_that_cannot_be_a_profile_says_why_where_it_is_taken(make: Callable[[Path], str], site: Site) -> None:
    name = make(site.folder)
    (complaint,) = site.complaints(DEVICE.replace('"press"', f'"{name}"'))
    assert complaint.startswith(f"{name}.toml:1: ")


def test_what_else_lies_in_the_directory_is_passed_over(site: Site) -> None:
    (site.folder / "README.md").write_text("none")
    (site.folder / ".hidden.toml").write_text("none")
    (site.folder / "folder.toml").mkdir()
    os.mkfifo(site.folder / "pipe.toml")
    assert set(Shelf(site.folder).names()) == {"press", *(file.stem for file in FOLDER.glob("*.toml"))}
