"""The demo's plant and thermometer: what they say is what the gateway's drivers understand, and they stay in bounds."""

import os
import re
import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from supervisors.configuration.config import load
from supervisors.demo.plant import REGISTERS, Plant
from supervisors.demo.scene import STRAIGHT, Scene, configuration, free_ports
from supervisors.demo.thermometer import line, said

SCENE = Scene(Path("/tmp/demo"), 1883, 502)


@given(st.floats(0, 3600), st.integers(0, 2**32 - 1))
def test_the_plant_never_leaves_what_its_registers_can_show(at_s, reads):
    registers = Plant().until(at_s).registers(reads)
    assert len(registers) == REGISTERS
    assert all(0 <= register <= 0xFFFF for register in registers)
    assert registers[4] << 16 | registers[5] == reads
    assert 0 < registers[0] < 10_000  # neither dry nor full: the level controller works
    assert 1_000 < registers[2] < 9_000


def test_the_plant_moves():
    shown = {tuple(Plant().until(at_s).registers(0)) for at_s in range(0, 60, 5)}
    assert len(shown) == 12


@given(st.floats(0, 1e6))
def test_what_the_thermometer_says_fits_the_pattern_of_the_demo(at_s):
    pattern = tomllib.loads(configuration(SCENE))["device"]["sensor"]["pattern"]
    assert re.fullmatch(pattern, said(at_s).decode().rstrip("\n"))


def test_a_new_line_takes_the_place_of_the_old_one(tmp_path):
    link = tmp_path / "thermometer"
    first = line(link)
    old = link.readlink()
    second = line(link)
    assert link.readlink() != old
    os.write(second, b"T=1\n")
    far_end = os.open(link, os.O_RDWR | os.O_NOCTTY)
    assert os.read(far_end, 16) == b"T=1\n"
    for descriptor in (first, second, far_end):
        os.close(descriptor)


def test_the_configuration_of_the_demo_is_whole_and_without_warnings(tmp_path):
    file = tmp_path / "demo.toml"
    file.write_text(configuration(SCENE))
    gateway = load(file, tmp_path / "data", Path("/tmp/demo"))
    assert (gateway.broken, gateway.warnings) == ((), ())
    assert {device.name for device in gateway.devices} == set(STRAIGHT)
    assert len(gateway.aggregates) == 2
    taken = {pattern for aggregate in gateway.aggregates for pattern in aggregate.settings.from_}
    assert not taken & {f"{device}.{tag}" for device, tag in STRAIGHT.items()}


def test_free_ports_are_different_ones():
    assert len(set(free_ports(20))) == 20
