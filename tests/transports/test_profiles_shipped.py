"""The profiles that are shipped: each loads, says where it is from, and speaks the language that all of them share."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

from supervisors.configuration.config import load
from supervisors.configuration.gateway import DeviceSpec
from supervisors.configuration.profiles import Profile, Shelf
from supervisors.face.profiled import device_table
from tests.docs.pages import PAGES
from transports.modbus.plan import plan
from transports.modbus.tags import Point
from transports.profiles import FOLDER

SHELF = Shelf()
NAMES = SHELF.names()
MODBUS = [name for name in NAMES if SHELF.profile(name, "").text.driver == "modbus"]
WAYS = {"host": "192.168.1.10", "serial": "/dev/ttyUSB0", "line": "hall"}
HALL = '\n[line.hall]\nport = "/dev/ttyUSB0"\n'
MOST_REGISTERS = {"em340": 50, "sdm630": 80, "sdm120": 80, "atv312": 63}  # what one request may read, by the source

# What a name can say, by its unit: a quantity has one in every profile. A new one is written here, and deliberately.
LANGUAGE = {
    "V": "voltage battery_voltage motor_voltage dc_link_voltage mains_voltage",
    "A": "current battery_current motor_current",
    "W": "power dc_power pv_power pv_dc_power grid_power consumption_power battery_power",
    "V.A": "apparent_power",
    "var": "reactive_power",
    "kW.h": "energy_import energy_export energy_production",
    "kvar.h": "reactive_energy_import reactive_energy_export",
    "Hz": "frequency output_frequency reference_frequency",
    "/min": "speed",
    "N.m": "torque",
    "%": "voltage_thd current_thd battery_charge humidity humidity_correction reference torque_relative power_relative "
    "motor_thermal drive_thermal",
    "h": "operating_time running_time",
    "Cel": "temperature heatsink_temperature",
    "K": "temperature_correction",
    "Ohm": "resistance",
    "": "power_factor cos_phi status_word alarm_word warning_word fault_code last_fault fault running battery_state "
    "operating_state",
}
UNIT_OF = {quantity: unit for unit, quantities in LANGUAGE.items() for quantity in quantities.split()}
OF_WHAT = re.compile(r"(.+?)(?:_(l1|l2|l3|n|l12|l23|l31|avg|ln_avg|ll_avg|t1|t2|ch\d))?")
THREE_PHASE = ["b23", "em340", "iem3000", "pac3200", "sdm630", "umg96rm"]
OF_THREE_PHASES = {
    f"{quantity}_{phase}" for quantity in ("voltage", "current", "power") for phase in ("l1", "l2", "l3")
}


def profile(name: str) -> Profile:
    return SHELF.profile(name, "")


def loaded(text: str, directory: Path) -> DeviceSpec:
    """The only device of a configuration."""
    (directory / "gateway.toml").write_text(text)
    (device,) = load(directory / "gateway.toml").devices
    return device


def points(name: str, directory: Path) -> tuple[Point, ...]:
    device = loaded(f'[device.one]\nprofile = "{name}"\nhost = "192.168.1.10"\n', directory)
    found: tuple[Point, ...] = device.settings.points()
    return found


def test_at_least_ten_devices_are_known() -> None:
    assert len(NAMES) >= 10


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODBUS)
def test_a_profile_makes_a_device_on_every_way(name: str, way: str, tmp_path: Path) -> None:
    device = loaded(f'[device.one]\nprofile = "{name}"\n{way} = "{WAYS[way]}"\n{HALL}', tmp_path)
    assert device.broken == ""
    assert set(device.settings.tags) == set(profile(name).text.tags)


@pytest.mark.parametrize("name", NAMES)
def test_what_holdfast_profiles_shows_can_be_copied(name: str, tmp_path: Path) -> None:
    assert loaded(device_table(profile(name)) + HALL, tmp_path).settings.tags


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_says_what_it_is_for_and_which_document_has_its_registers(name: str) -> None:
    text = profile(name).text
    assert text.maker
    assert text.models
    assert len(text.source) > 30
    assert text.notes
    assert text.title[-1] != "."
    assert text.title.partition(":")[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_tag_says_where_it_is_and_what_it_is(name: str) -> None:
    tags: Mapping[str, Any] = profile(name).text.tags
    assert {tag for tag, said in tags.items() if not {"register", "address", "type"} <= said.keys()} == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_quantity_has_the_same_name_and_unit_in_all_profiles(name: str) -> None:
    for tag, said in profile(name).text.tags.items():
        found = OF_WHAT.fullmatch(tag)
        assert found is not None
        assert found[1] in UNIT_OF, f"{tag}: a name of its own, or a slip?"
        assert said.get("unit", "") == UNIT_OF[found[1]], tag


def test_every_word_of_the_language_is_used() -> None:
    used = {OF_WHAT.fullmatch(tag)[1] for name in NAMES for tag in profile(name).text.tags}  # type: ignore[index]
    assert used == set(UNIT_OF)


@pytest.mark.parametrize("name", THREE_PHASE)
def test_three_phase_meters_have_the_same_core(name: str) -> None:
    tags = set(profile(name).text.tags)
    assert OF_THREE_PHASES | {"power", "frequency"} <= tags
    assert {"energy_import", "energy_export"} <= {tag.removesuffix("_t1") for tag in tags}


@pytest.mark.parametrize("name", MODBUS)
def test_two_tags_share_registers_only_as_a_word_and_its_bits(name: str, tmp_path: Path) -> None:
    by_place = sorted(points(name, tmp_path), key=lambda point: (point.register, point.address))
    for one, other in pairwise(by_place):
        if one.register == other.register and other.address < one.end:
            bits = [point.bit for point in (one, other) if point.bit is not None]
            assert (one.address, one.width, other.width) == (other.address, 1, 1), f"{one.name} and {other.name}"
            assert len(bits) == len(set(bits)) >= 1, f"{one.name} and {other.name}"


@pytest.mark.parametrize("name", MODBUS)
def test_no_request_is_longer_than_the_device_answers(name: str, tmp_path: Path) -> None:
    blocks = plan(points(name, tmp_path), profile(name).text.settings.get("max_gap", 0))
    assert max(block.count for block in blocks) <= MOST_REGISTERS.get(name, 125)


def written(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((tag, said) for tag, said in profile(name).text.tags.items() if said.get("writable"))


@pytest.mark.parametrize("name", NAMES)
def test_what_can_be_written_has_limits_and_moves_nothing(name: str) -> None:
    for tag, said in written(name):
        assert {"min", "max"} <= said.keys(), tag
        assert tag.endswith("_correction"), f"{tag}: is it harmless?"


def test_the_page_lists_every_profile_with_its_title() -> None:
    section = PAGES["docs/profiles.md"].partition("## What is shipped")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", section, re.MULTILINE)
    assert rows == [(name, profile(name).text.title) for name in NAMES]


def test_the_pages_profile_and_the_gateway_that_takes_it_load(tmp_path: Path) -> None:
    page = PAGES["docs/profiles.md"]
    blocks = dict(re.findall(r"^```toml (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    (tmp_path / "dryer.toml").write_text(blocks["dryer.toml"])
    text = blocks["gateway.toml"].replace("/etc/holdfast/profiles", str(tmp_path))
    device = loaded(text, tmp_path)
    assert device.period_s == 5.0
    assert device.settings.tags["setpoint"].limits.maximum == 80


def test_the_wheel_has_every_profile() -> None:
    root = FOLDER.parents[1]
    packed = {file.relative_path for file in WheelBuilder(str(root)).recurse_included_files()}
    assert {f"transports/profiles/{name}.toml" for name in NAMES} <= packed


def test_a_profile_is_plain_ascii_but_in_what_people_read() -> None:
    for name in NAMES:
        assert json.dumps(profile(name).table).isascii()
