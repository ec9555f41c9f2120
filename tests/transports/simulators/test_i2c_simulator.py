"""The simulated bus: chips that are honest at their registers, and faults as a bus has them."""

import signal
import socket
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.transports.chips.i2c_far_end import serving, simulated
from transports.building import build
from transports.chips.models import air, bme280, ina219, mcp9808, sht31, tmp117
from transports.chips.models.bus import Place, SimulatedBus, faults_of
from transports.clock import HandClock
from transports.errors import LinkDown, SettingsError
from transports.i2c.port import Message, Port
from transports.i2c.target import Channel
from transports.links import i2c
from transports.samples import Quality
from transports.simulators.i2c import MODELS, Settings, serve

ADDRESSES = {"bme280": 0x76, "sht31": 0x44, "ads1115": 0x48, "ina219": 0x40, "mcp9808": 0x18, "tmp117": 0x49}
ALL = {name: {"address": address, "profile": name} for name, address in ADDRESSES.items()}


class OnClock:
    """The simulated bus as a port, in this process, with a clock that is turned by hand."""

    def __init__(self, bus: SimulatedBus, clock: HandClock) -> None:
        self._bus, self._clock = bus, clock

    def transfer(self, messages: list[Message]) -> list[bytes]:
        return self._bus.transfer(messages, self._clock.utc_ns() / 1e9)

    def close(self) -> None: ...


def on_clock(chips: Mapping[str, Any] = ALL) -> tuple[SimulatedBus, HandClock, Callable[[float], dict[str, Any]]]:
    """The bus, its clock, and a function that lets some seconds pass and reads."""
    clock = HandClock()
    bus = SimulatedBus({name: (Place(ADDRESSES[name]), MODELS[name]) for name in chips})
    port: Port = OnClock(bus, clock)  # type: ignore[assignment]
    link = i2c.I2cLink(port, build(i2c.Settings, {"bus": "1", "chips": chips}, "x"), clock)

    def after(seconds: float) -> dict[str, Any]:
        clock.advance(seconds)
        said: dict[str, Any] = {}
        for scan in link.read():
            codes = [scan.quality] * len(scan.tags) if isinstance(scan.quality, int) else scan.quality
            said |= {tag.name: (value, code) for tag, value, code in zip(scan.tags, scan.values, codes, strict=True)}
        return said

    return bus, clock, after


def test_the_driver_reads_the_same_room_by_each_of_its_thermometers() -> None:
    _, clock, after = on_clock()
    after(1.0), after(1.0)
    said = after(1.0)
    degrees, pascals, percent = air(clock.utc_ns() / 1e9)
    for name in ("bme280", "sht31", "mcp9808", "tmp117"):
        assert said[f"{name}.temperature"] == (pytest.approx(degrees, abs=0.08), Quality.GOOD)
    assert said["bme280.pressure"] == (pytest.approx(pascals, abs=5), Quality.GOOD)
    assert said["bme280.humidity"] == (pytest.approx(percent, abs=0.3), Quality.GOOD)
    assert said["sht31.humidity"] == (pytest.approx(percent, abs=0.3), Quality.GOOD)


def test_power_is_voltage_times_current_in_the_simulated_supply() -> None:
    _, _, after = on_clock({"ina219": ALL["ina219"]})
    after(1.0)
    said = {name: value for name, (value, _) in after(1.0).items()}
    assert said["ina219.power"] == pytest.approx(said["ina219.bus_voltage"] * said["ina219.current"], abs=0.01)
    assert said["ina219.current"] == pytest.approx(said["ina219.shunt_voltage"] / 0.1, rel=1e-3)


def test_each_input_of_the_simulated_converter_comes_in_turn_and_moves() -> None:
    _, _, after = on_clock({"ads1115": ALL["ads1115"]})
    after(1.0)
    said = [after(1.0) for _ in range(8)]
    assert [next(iter(each)) for each in said] == [f"ads1115.ain{at % 4}" for at in range(8)]
    assert said[0]["ads1115.ain0"] != said[4]["ads1115.ain0"]


@pytest.mark.parametrize("name", ["bme280", "mcp9808", "tmp117", "ina219", "ads1115"])
def test_a_chip_whose_power_failed_between_two_readings_is_noticed_and_heals(name: str) -> None:
    bus, _, after = on_clock({name: ALL[name]})
    after(1.0), after(1.0)
    assert {code for _, code in after(1.0).values()} == {Quality.GOOD}
    bus.suffer({name: "reset"})
    assert {value for value, _ in after(1.0).values()} == {None}
    after(1.0)
    assert {code for _, code in after(1.0).values()} == {Quality.GOOD}


def test_a_bme280_has_measured_nothing_until_its_time_is_over() -> None:
    chip = bme280.Bme280()
    chip.write(b"\xf2\x01", 100.0)
    chip.write(b"\xf4\x25", 100.0)
    chip.write(b"\xf3", 100.001)
    assert chip.read(1, 100.001) == b"\x08"
    assert chip.read(8, 100.001) is not None
    chip.write(b"\xf7", 100.002)
    assert chip.read(8, 100.002) == b"\x80\0\0\x80\0\0\x80\0"
    assert chip.read(8, 100.02) != b"\x80\0\0\x80\0\0\x80\0"
    chip.write(b"\xf4", 100.03)
    assert chip.read(1, 100.03) == b"\x24"  # asleep again
    chip.write(b"\xe0\xb6", 100.04)
    chip.write(b"\xf4", 100.04)
    assert chip.read(1, 100.04) == b"\0"


def test_an_sht31_does_not_acknowledge_while_it_measures() -> None:
    chip = sht31.Sht31()
    assert chip.write(b"\x24\x00", 0.0)
    assert chip.read(6, 0.014) is None
    assert not chip.write(b"\x24\x00", 0.014)
    assert chip.read(6, 0.016) is not None
    assert chip.read(6, 0.017) is None  # said once


def test_thermometers_that_have_just_started_say_what_real_ones_do() -> None:
    cold, precise = mcp9808.Mcp9808(), tmp117.Tmp117()
    for chip, register, first in ((cold, b"\x05", b"\0\0"), (precise, b"\0", b"\x80\0")):
        chip.write(register, 0.0)
        assert chip.read(2, 0.0) == first
        assert chip.read(2, 1.0) != first


def test_an_ina219_without_its_calibration_says_no_current() -> None:
    chip = ina219.Ina219()
    chip.write(b"\x04", 0.0)
    assert chip.read(2, 0.0) == b"\0\0"


def test_a_simulated_mux_opens_one_channel_or_two_at_once() -> None:
    here, there = Place(0x50, Channel(0x70, 0)), Place(0x50, Channel(0x70, 3))
    bus = SimulatedBus({"a": (here, MODELS["pcf8570"]), "b": (there, MODELS["pcf8570"])})
    clock = HandClock()
    port: Port = OnClock(bus, clock)  # type: ignore[assignment]
    registers = {"v": {"register": 0, "writable": True}}
    chips = {
        name: {"address": 0x50, "mux": {"address": 0x70, "channel": at}, "registers": registers}
        for name, at in (("a", 0), ("b", 3))
    }
    link = i2c.I2cLink(port, build(i2c.Settings, {"bus": "1", "chips": chips}, "x"), clock)
    link.write("a.v", 1)
    link.write("b.v", 2)
    assert list(link.read()[0].values) == [1, 2]


# --- as a process -----------------------------------------------------------------------------------------------------


def codes(link: i2c.I2cLink) -> dict[str, int]:
    scan = link.read()[-1]
    status = [scan.quality] * len(scan.tags) if isinstance(scan.quality, int) else scan.quality
    return {tag.name: code for tag, code in zip(scan.tags, status, strict=True)}


def test_faults_of_one_chip_leave_the_others_alone_and_end_with_the_file() -> None:
    chips = {"a": {"address": 0x50, "registers": {"v": {"register": 0}}}, "b": {"address": 0x49, "profile": "tmp117"}}
    with simulated("a = pcf8570 @ 0x50", "b = tmp117 @ 0x49") as here:
        link = i2c.connect(build(i2c.Settings, {"bus": str(here / "bus"), "chips": chips}, "x"))
        link.read()
        for fault, expected in (("nack", Quality.BAD_NO_COMMUNICATION), ("timeout", Quality.BAD_TIMEOUT)):
            (here / "faults").write_text(f"b {fault}")
            assert codes(link) == {"a.v": Quality.GOOD, "b.temperature": expected}
        (here / "faults").write_text("* off")
        with pytest.raises(Exception, match="no chip answers"):
            link.read()
        (here / "faults").unlink()
        assert codes(link)["a.v"] == Quality.GOOD
        link.close()


def test_a_second_simulator_at_the_same_socket_is_refused_and_a_dead_ones_place_is_taken(tmp_path: Path) -> None:
    settings = build(Settings, {"socket": str(tmp_path / "bus")}, "i2c")
    with serving(tmp_path), pytest.raises(LinkDown, match="another simulator"):
        serve(settings, lambda text: None)
    assert (tmp_path / "bus").exists()
    with serving(tmp_path):
        pass


@pytest.mark.parametrize("path", ["/no/such/folder/bus", "x" * 200])
def test_a_socket_that_cannot_be_opened_is_link_down_with_the_cure(path: str) -> None:
    with pytest.raises(LinkDown, match="at most 107 bytes"):
        serve(build(Settings, {"socket": path}, "i2c"), lambda text: None)


def test_what_is_no_socket_is_never_taken_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder"):
        with pytest.raises(LinkDown, match="cannot be served"):
            serve(build(Settings, {"socket": str(tmp_path / name)}, "i2c"), lambda text: None)
    assert (tmp_path / "file").read_text() == "precious"
    assert (tmp_path / "folder").is_dir()


def test_ctrl_c_ends_it_and_takes_its_socket_away(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        assert not (tmp_path / "bus").exists()


def test_what_is_no_request_ends_that_client_alone() -> None:
    with simulated() as here:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.connect(str(here / "bus"))
            stranger.send(b"GET / HTTP/1.1")
            assert stranger.recv(10) == b""
        chips = {"memory": {"address": 0x50, "registers": {"v": {"register": 0}}}}
        link = i2c.connect(build(i2c.Settings, {"bus": str(here / "bus"), "chips": chips}, "x"))
        assert codes(link) == {"memory.v": Quality.GOOD}
        link.close()


@pytest.mark.parametrize(
    ("chip", "cure"),
    [
        ("air", "must be of the form"),
        ("air = bme @ 0x76", "did you mean"),
        ("air = bme280 @ here", "must be of the form"),
    ],
)
def test_a_wrong_chip_is_a_problem_with_its_cure(chip: str, cure: str) -> None:
    with pytest.raises(SettingsError, match=cure) as error:
        build(Settings, {"chips": [chip]}, "i2c")
    assert [problem.path for problem in error.value.problems] == ["i2c.chips[0]"]


def test_faults_are_lines_of_a_name_and_a_word() -> None:
    assert faults_of("air nack\n\n* off\n") == {"air": "nack", "*": "off"}
    for wrong in ("air", "air melted", "nack"):
        with pytest.raises(ValueError, match="must be a chip's name"):
            faults_of(wrong)


def test_the_example_gateway_reads_the_usual_chips_with_nothing_changed_but_its_bus() -> None:
    example = tomllib.loads((Path(__file__).parents[3] / "deploy/examples/i2c.toml").read_text())["device"]["cabinet"]
    table = {key: value for key, value in example.items() if key not in ("driver", "period")}
    with simulated() as here:
        link = i2c.connect(build(i2c.Settings, table | {"bus": str(here / "bus")}, "device.cabinet"))
        for name, value in (("setpoint", -12.5), ("mode", 4), ("enabled", True)):
            link.write(f"memory.{name}", value)
        said = [codes(link) for _ in range(3)]
        assert set(said[0]) <= {tag.name for tag in link.tags}
        assert not any(code == Quality.BAD_NO_COMMUNICATION for each in said for code in each.values())
        scan = link.read()[-1]
        memory = {tag.name: value for tag, value in zip(scan.tags, scan.values, strict=True)}
        assert memory["memory.setpoint"] == -12.5
        assert (memory["memory.mode"], memory["memory.enabled"]) == (4, True)
        link.close()
