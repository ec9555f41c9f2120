"""Bluetooth LE: real bleak against BlueZ's D-Bus interface, faked on a private bus (there is no adapter here)."""

import math
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.peers.bluez import Bluez
from transports.ble import station
from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.links import Commanded, Link, Listening, ble
from transports.samples import Quality, Scan, Value, batch_of
from transports.simulators._bluez_bus import executable, private_bus
from transports.simulators._bluez_peripherals import KEY

pytestmark = pytest.mark.skipif(executable() is None, reason="needs dbus-daemon (apt install dbus-daemon)")

WITHIN_S = 15.0
SENSORS: Mapping[str, Mapping[str, Any]] = {
    "kitchen": {"address": "54:48:e6:8f:80:a5", "format": "bthome", "silent_after": "500ms"},
    "sauna": {"address": "CB:B8:33:4C:88:4F", "format": "ruuvi", "silent_after": "500ms"},
    "badge": {"address": "D0:00:00:00:00:07", "format": "ibeacon"},
}
PRESS: Mapping[str, Any] = {
    "address": "C0:FF:EE:00:00:01",
    "connect": True,
    "characteristics": {
        "force": {"uuid": "fff1", "type": "int16", "scale": 0.1, "unit": "kN", "period": "50ms"},
        "cycles": {"uuid": "fff2", "type": "uint48", "notify": True},
        "setpoint": {"uuid": "fff3", "type": "float32", "period": "1h", "writable": True, "min": 0, "max": 120},
        "name": {"uuid": "fff4", "type": "string", "period": "1h", "writable": True},
        "scratch": {"uuid": "fff5", "type": "bytes", "period": "1h", "writable": True, "response": False},
        "as_float": {"uuid": "fff5", "type": "float64", "period": "1h"},
        "as_int": {"uuid": "fff5", "type": "int64", "order": "big", "period": "1h"},
        "refusing": {"uuid": "fff1", "type": "uint16", "period": "1h", "writable": True},
        "secret": {"uuid": "fff6", "type": "uint8", "period": "1h"},
        "missing": {"uuid": "2a19", "type": "uint8", "period": "1h"},
    },
}


class Ears:
    """A link, and everything that it has said."""

    def __init__(self, link: ble.BleLink) -> None:
        self.link, self.scans = link, list[Scan]()

    def until(self, seen: Callable[[], object]) -> None:
        """Read when there is something to read, until that holds."""
        deadline = time.monotonic() + WITHIN_S
        while not seen():
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"not within {WITHIN_S:g} s; last: {self.last()}"
            if select.select([self.link.fileno()], [], [], left_s)[0]:
                self.scans += self.link.read()

    def last(self) -> dict[str, tuple[Value | None, int]]:
        """The newest value and status of each tag."""
        newest: dict[str, tuple[Value | None, int]] = {}
        for scan in self.scans:
            codes = [scan.quality] * len(scan.tags) if isinstance(scan.quality, int) else scan.quality
            newest.update({tag.name: each for tag, *each in zip(scan.tags, scan.values, codes, strict=True)})
        return {name: (value, int(code)) for name, (value, code) in newest.items()}

    def is_good(self, *tags: str) -> bool:
        """Whether all of these tags have a value now."""
        last = self.last()
        return all(last.get(tag, (None, 1))[1] == Quality.GOOD for tag in tags)

    def code(self, tag: str) -> int | None:
        """The tag's status now."""
        return self.last().get(tag, (None, None))[1]

    def lost(self) -> str:
        """Read until the link is down; why it is."""
        with pytest.raises(LinkDown) as down:
            self.until(lambda: False)
        return str(down.value)


@pytest.fixture(scope="module")
def bus() -> Iterator[str]:
    with private_bus() as address:
        yield address


@pytest.fixture
def bluez(bus: str, tmp_path: Path) -> Iterator[Bluez]:
    with Bluez(tmp_path, bus) as running:
        yield running


def settings(bus: str, peripherals: Mapping[str, Any] = SENSORS, **others: Any) -> ble.Settings:
    return build(ble.Settings, {"bus": bus, "timeout": "2s", "peripherals": peripherals, **others}, "device.x")


@pytest.fixture
def opened() -> Iterator[Callable[[ble.Settings], Ears]]:
    links = []

    def open_it(wanted: ble.Settings) -> Ears:
        links.append(ble.connect(wanted))
        return Ears(links[-1])

    yield open_it
    for link in links:
        link.close()


Open = Callable[[ble.Settings], Ears]


def test_a_link_listens_and_takes_commands(bluez: Bluez, opened: Open) -> None:
    link = opened(settings(bluez.bus, {**SENSORS, "press": PRESS})).link
    assert isinstance(link, Link)
    assert isinstance(link, Listening)
    assert isinstance(link, Commanded)
    assert set(link.writable) == {"press.setpoint", "press.name", "press.scratch", "press.refusing"}
    assert link.writable["press.setpoint"].maximum == 120


def test_advertisements_of_three_formats_become_tags(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus))
    ears.until(lambda: ears.is_good("kitchen.temperature", "sauna.humidity", "badge.major"))
    last = ears.last()
    assert last["kitchen.battery"][0] == 97
    assert last["sauna.mac"][0] == "CB:B8:33:4C:88:4F"
    assert last["sauna.voltage"][0] == 2.977
    assert last["badge.uuid"][0] == "e2c56db5-dffb-48d2-b060-d0f5a71096e0"
    assert -70 <= int(last["badge.rssi"][0] or 0) <= -60
    for scan in ears.scans:
        batch_of("x", 0, [scan])


def test_the_first_read_says_of_everything_announced_that_nothing_is_known_yet(bluez: Bluez, opened: Open) -> None:
    bluez.suffer("gone kitchen", "gone sauna", "gone badge")
    ears = opened(settings(bluez.bus))
    first = ears.link.read()
    assert {tag for scan in first for tag in scan.tags} == set(ears.link.tags)


def test_measures_that_are_asked_for_are_announced_and_no_others_come(bluez: Bluez, opened: Open) -> None:
    asked = {"kitchen": {**SENSORS["kitchen"], "measures": ["humidity", "temperature"]}}
    ears = opened(settings(bluez.bus, asked))
    announced = [tag.name for tag in ears.link.tags]
    assert announced == ["kitchen.rssi", "kitchen.humidity", "kitchen.temperature"]
    ears.until(lambda: ears.is_good(*announced))
    assert set(ears.last()) == set(announced)


def test_sealed_advertisements_open_with_their_key_and_a_wrong_one_costs_only_its_own(
    bluez: Bluez, opened: Open, tmp_path: Path
) -> None:
    right, wrong, none = (tmp_path / name for name in ("right", "wrong", "none"))
    right.write_text(KEY + "\n")
    wrong.write_text("not a key")
    for key, code in ((right, Quality.GOOD), (wrong, Quality.BAD_DECODING), (none, Quality.BAD_DECODING)):
        vault = {"address": "A4:C1:38:56:53:84", "format": "bthome", "bindkey": {"file": str(key)}}
        ears = opened(settings(bluez.bus, {**SENSORS, "vault": vault}))
        ears.until(lambda ears=ears, code=code: ears.code("vault.rssi") == code)
        ears.until(lambda ears=ears: ears.is_good("kitchen.temperature"))
        assert ("vault.door" in ears.last()) == (key is right)


def test_a_peripheral_out_of_range_is_bad_once_and_the_others_go_on(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus))
    ears.until(lambda: ears.is_good("kitchen.temperature", "sauna.humidity"))
    bluez.suffer("gone kitchen")
    ears.until(lambda: ears.code("kitchen.temperature") == Quality.BAD_NO_COMMUNICATION)
    ears.scans.clear()
    ears.until(lambda: len(ears.scans) > 50)
    assert "kitchen.rssi" not in ears.last()
    assert ears.is_good("sauna.humidity")
    bluez.suffer()
    ears.until(lambda: ears.is_good("kitchen.temperature"))


def test_a_beacon_that_says_the_same_all_the_time_is_not_silent(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus, {"badge": {**SENSORS["badge"], "silent_after": "1s"}}))
    ears.until(lambda: ears.is_good("badge.major"))
    ears.scans.clear()
    ears.until(lambda: len(ears.scans) >= 80)
    assert {scan.quality for scan in ears.scans} == {Quality.GOOD}


def test_nonsense_is_bad_and_the_others_go_on(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus))
    ears.until(lambda: ears.is_good("kitchen.temperature", "sauna.humidity"))
    bluez.suffer("garbage sauna")
    ears.until(lambda: ears.code("sauna.humidity") == Quality.BAD_DECODING)
    ears.until(lambda: ears.is_good("kitchen.temperature"))
    bluez.suffer()
    ears.until(lambda: ears.is_good("sauna.humidity"))


def test_characteristics_are_read_told_and_written_exactly(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus, {"press": PRESS}))
    ears.until(lambda: ears.is_good("press.force", "press.cycles", "press.name", "press.setpoint"))
    assert ears.last()["press.name"][0] == "Presse Süd"
    first = ears.last()["press.cycles"][0]
    assert isinstance(first, int)
    assert first > 2**47
    ears.until(lambda: int(ears.last()["press.cycles"][0] or 0) > first)
    ears.link.write("press.setpoint", 41.5)
    ears.until(lambda: ears.last()["press.setpoint"][0] == 41.5)  # at once, not after its hour
    ears.link.write("press.name", "Öl ☃ 🛢")
    ears.until(lambda: ears.last()["press.name"][0] == "Öl ☃ 🛢")


def test_bits_arrive_as_they_were_sent(bluez: Bluez, opened: Open) -> None:
    hourly = {name: PRESS["characteristics"][name] for name in ("scratch", "as_float", "as_int")}
    ears = opened(settings(bluez.bus, {"press": {**PRESS, "characteristics": hourly}}))
    ears.until(lambda: ears.is_good("press.scratch"))
    for bits in ("fff8deadbeef0001", "8000000000000000", "7fffffffffffffff", "0000000000000001"):
        data = bytes.fromhex(bits)
        ears.link.write("press.scratch", data)
        ears.until(lambda data=data: ears.last()["press.scratch"][0] == data)
        assert ears.last()["press.as_int"][0] == int.from_bytes(data, "big", signed=True)
    nan = struct.pack("<d", math.nan)
    ears.link.write("press.scratch", nan)
    ears.until(lambda: ears.last()["press.scratch"][0] == nan)
    assert math.isnan(float(ears.last()["press.as_float"][0]))
    ears.link.write("press.scratch", b"\x01\x02\x03")
    ears.until(lambda: ears.last()["press.scratch"][0] == b"\x01\x02\x03")
    assert ears.code("press.as_float") == Quality.BAD_DECODING


def test_what_cannot_be_read_is_bad_and_the_rest_is_read(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus, {"press": PRESS}))
    ears.until(lambda: ears.code("press.secret") == Quality.BAD_NOT_READABLE)
    ears.until(lambda: ears.code("press.missing") == Quality.BAD_NOT_READABLE)
    ears.until(lambda: ears.is_good("press.force"))


def test_writing_what_cannot_be_written_is_refused_with_the_reason(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus, {**SENSORS, "press": PRESS}))
    ears.until(lambda: ears.is_good("press.force"))
    for tag, value, why in (
        ("press.nothing", 1, "no tag"),
        ("kitchen.temperature", 1.0, "no tag"),
        ("press.force", 1.0, "writable = true"),
        ("press.setpoint", "warm", "takes a number"),
        ("press.setpoint", 1e39, "out of the range"),
        ("press.name", 7, "takes text"),
        ("press.refusing", 7, "refuses"),
    ):
        with pytest.raises(LinkRefused, match=why):
            ears.link.write(tag, value)


def test_a_peripheral_that_goes_and_comes_is_connected_again_by_itself(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus, {**SENSORS, "press": PRESS}))
    ears.until(lambda: ears.is_good("press.force", "press.cycles"))
    bluez.suffer("gone press")
    ears.until(lambda: ears.code("press.cycles") == Quality.BAD_NOT_CONNECTED)
    assert {ears.code(tag.name) for tag in ears.link.tags if tag.name.startswith("press.")} == {
        Quality.BAD_NOT_CONNECTED
    }
    with pytest.raises(LinkTimeout, match="not connected"):
        ears.link.write("press.setpoint", 1.0)
    ears.until(lambda: ears.is_good("kitchen.temperature"))
    bluez.suffer()
    ears.until(lambda: ears.is_good("press.force", "press.cycles"))


def test_a_peripheral_that_answers_nothing_times_out_and_the_others_go_on(bluez: Bluez, opened: Open) -> None:
    ears = opened(settings(bluez.bus, {**SENSORS, "press": PRESS}, timeout="200ms"))
    ears.until(lambda: ears.is_good("press.force"))
    bluez.suffer("hang press")
    ears.until(lambda: ears.code("press.force") == Quality.BAD_TIMEOUT)
    with pytest.raises(LinkTimeout, match=r"press.setpoint: no answer within 0.2 s|press.setpoint|not connected"):
        ears.link.write("press.setpoint", 1.0)
    ears.scans.clear()
    ears.until(lambda: ears.is_good("kitchen.temperature", "sauna.humidity"))
    bluez.suffer()
    ears.until(lambda: ears.is_good("press.force"))


def test_one_that_is_connected_already_is_found_though_it_does_not_advertise(bluez: Bluez, opened: Open) -> None:
    before = opened(settings(bluez.bus, {"press": PRESS}))  # a former process, of which BlueZ keeps the connection
    before.until(lambda: before.is_good("press.force"))
    ears = opened(settings(bluez.bus, {"press": PRESS}))
    ears.until(lambda: ears.is_good("press.force"))


@pytest.mark.parametrize(
    ("fault", "why"), [("unplugged", "plugged in"), ("off", "bluetoothctl power on")], ids=["unplugged", "off"]
)
def test_the_adapter_is_lost_and_back(
    bluez: Bluez, opened: Open, fault: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station, "_ASK_S", 3600.0)  # it is told, not found out
    wanted = settings(bluez.bus, {**SENSORS, "press": PRESS})
    ears = opened(wanted)
    ears.until(lambda: ears.is_good("press.force", "kitchen.temperature"))
    bluez.suffer(fault)
    assert why in ears.lost()
    assert ears.code("kitchen.temperature") == Quality.BAD_NO_COMMUNICATION  # also what was only learned
    ears.link.close()
    with pytest.raises(LinkDown, match=why):
        ble.connect(wanted)
    bluez.suffer()
    again = _connected_again(opened, wanted)
    again.until(lambda: again.is_good("press.force", "kitchen.temperature"))


def test_bluez_is_killed_and_back(bluez: Bluez, opened: Open) -> None:
    wanted = settings(bluez.bus, {**SENSORS, "press": PRESS})
    ears = opened(wanted)
    ears.until(lambda: ears.is_good("press.force", "kitchen.temperature"))
    bluez.kill()
    assert "bluetoothd has ended" in ears.lost()
    ears.link.close()
    with pytest.raises(LinkDown, match="BlueZ is not running; start it"):
        ble.connect(wanted)
    bluez.start()
    again = opened(wanted)
    again.until(lambda: again.is_good("press.force", "kitchen.temperature"))


def test_the_bus_is_killed_and_another_comes(tmp_path: Path, opened: Open) -> None:
    with Bluez(tmp_path) as bluez:
        ears = opened(settings(bluez.bus, {**SENSORS, "press": PRESS}))
        ears.until(lambda: ears.is_good("press.force"))
        bluez.kill()  # its bus dies with it
        assert re.search("D-Bus is lost|bluetoothd has ended", ears.lost())  # whichever is seen first
        ears.link.close()
        with pytest.raises(LinkDown, match="cannot be reached"):
            ble.connect(settings(bluez.bus))
        bluez.start()
        again = opened(settings(bluez.bus))
        again.until(lambda: again.is_good("kitchen.temperature"))


def test_a_bluez_that_hangs_is_down_in_time(bluez: Bluez, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station, "_ASK_S", 0.1)
    wanted = settings(bluez.bus, timeout="300ms")
    ears = opened(wanted)
    os.kill(bluez.pid, signal.SIGSTOP)
    try:
        assert "BlueZ hangs" in ears.lost()
        ears.link.close()
        with pytest.raises(LinkDown, match="did not answer within"):
            ble.connect(wanted)
    finally:
        os.kill(bluez.pid, signal.SIGCONT)


def test_a_search_that_hears_nothing_is_begun_anew(
    bluez: Bluez, opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "holdfast.ble")
    everybody = [f"gone {name}" for name in ("kitchen", "vault", "sauna", "badge", "press")]
    bluez.suffer(*everybody)
    monkeypatch.setattr(station, "_DEAF_S", 0.2)
    ears = opened(settings(bluez.bus))
    deadline = time.monotonic() + WITHIN_S
    while "searching anew" not in caplog.text and time.monotonic() < deadline:
        select.select([ears.link.fileno()], [], [], 0.05)
        ears.scans += ears.link.read()
    assert "searching anew" in caplog.text
    bluez.suffer()
    ears.until(lambda: ears.is_good("kitchen.temperature"))


def test_no_descriptor_and_no_thread_is_left_behind(bluez: Bluez) -> None:
    wanted = settings(bluez.bus, {**SENSORS, "press": PRESS})
    counts = []
    for _ in range(6):
        link = ble.connect(wanted)
        ears = Ears(link)
        ears.until(lambda ears=ears: ears.is_good("press.force"))
        link.close()
        link.close()
        counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[-1] <= counts[1]


@pytest.mark.parametrize(
    ("change", "path", "cure"),
    [
        ({"peripherals": {}}, "peripherals", "at least one"),
        ({"bus": "/run/bus"}, "bus", "address"),
        ({"adapter": "/dev/hci0"}, "adapter", "hci0"),
        ({"address": "AA:BB"}, "peripherals.k.address", "six bytes"),
        ({"format": "eddystone"}, "peripherals.k.format", "one of bthome, ruuvi, ibeacon"),
        ({"format": None}, "peripherals.k.format", "or connect = true"),
        ({"connect": True}, "peripherals.k.characteristics", "at least one"),
        ({"measures": ["warmth"]}, "peripherals.k.measures", "no measure of BTHome"),
        ({"measures": ["co2", "co2"]}, "peripherals.k.measures", "twice"),
        ({"format": "ruuvi", "measures": ["co2"]}, "peripherals.k.measures", "only format"),
        ({"format": "ruuvi", "bindkey": {"env": "X"}}, "peripherals.k.bindkey", "only format"),
        ({"bindkey": KEY}, "peripherals.k.bindkey", "never the secret itself"),
        ({"silent_after": "0s"}, "peripherals.k.silent_after", "more than 0"),
        ({"characteristics": {"x": {"uuid": "2a19", "type": "uint8"}}}, "peripherals.k.connect", "connect = true"),
        ({"x": {"uuid": "2a1", "type": "uint8"}}, "characteristics.x.uuid", "such as 2a19"),
        ({"x": {"uuid": "2a19", "type": "uint9"}}, "characteristics.x.type", "did you mean"),
        ({"x": {"uuid": "2a19"}}, "characteristics.x.type", "is missing"),
        ({"x": {"uuid": "2a19", "type": "bool", "scale": 2}}, "characteristics.x.scale", "not scaled"),
        ({"x": {"uuid": "2a19", "type": "int8", "scale": 0}}, "characteristics.x.scale", "not be 0"),
        ({"x": {"uuid": "2a19", "type": "int8", "notify": True, "period": 1}}, "characteristics.x.period", "notifies"),
        ({"x": {"uuid": "2a19", "type": "int8", "writable": True, "at": 1}}, "characteristics.x.at", "overwriting"),
        ({"x": {"uuid": "2a19", "type": "int8", "max": 1}}, "characteristics.x.max", "writable = true"),
        ({"rssi": {"uuid": "2a19", "type": "int8"}}, "characteristics.rssi", "rename"),
        ({"temperature": {"uuid": "2a19", "type": "int8"}}, "characteristics.temperature", "rename"),
    ],
)
def test_each_mistake_is_one_problem_with_its_cure(change: Mapping[str, Any], path: str, cure: str) -> None:
    device: dict[str, Any] = {}
    peripheral: dict[str, Any] = {"address": "AA:BB:CC:DD:EE:FF", "format": "bthome"}
    for key, value in change.items():
        if key in ("bus", "adapter", "peripherals"):
            device[key] = value
        elif isinstance(value, Mapping) and "uuid" in value:
            peripheral |= {"connect": True, "characteristics": {key: value}}
        elif value is None:
            del peripheral[key]
        else:
            peripheral[key] = value
    with pytest.raises(SettingsError) as wrong:
        build(ble.Settings, {"peripherals": {"k": peripheral}, **device}, "device.x")
    [problem] = wrong.value.problems
    assert problem.path.startswith("device.x.")
    assert problem.path.endswith(path)
    assert cure in problem.cure
    assert KEY not in str(problem)


def test_two_peripherals_of_one_address_are_a_mistake() -> None:
    two = {
        name: {"address": address, "format": "ruuvi"}
        for name, address in (("a", "aa:bb:cc:dd:ee:ff"), ("b", "AA:BB:CC:DD:EE:FF"))
    }
    with pytest.raises(SettingsError, match="is that of a, too"):
        build(ble.Settings, {"peripherals": two}, "device.x")


def test_no_bus_is_link_down_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(LinkDown, match="is D-Bus running"):
        ble.connect(settings(f"unix:path={tmp_path}/nobody"))


def test_another_adapter_than_there_is_is_link_down_with_its_cure(bluez: Bluez) -> None:
    with pytest.raises(LinkDown, match="hci7: no such adapter"):
        ble.connect(settings(bluez.bus, adapter="hci7"))


def test_a_simulator_that_is_stopped_leaves_neither_bus_nor_directory(tmp_path: Path) -> None:
    bluez = Bluez(tmp_path)
    bluez.start()
    room = Path(bluez.bus.removeprefix("unix:path=").partition(",")[0]).parent
    assert room.exists()
    bluez.stop()
    assert not room.exists()


def test_a_bus_has_room_for_one_bluez_only(bluez: Bluez) -> None:
    command = [sys.executable, "-m", "tests.peers.bluez", "--parent", str(os.getpid()), "--bus", bluez.bus]
    second = subprocess.run(
        [*command, "--interval", "1", "--faults", ""], cwd=Path(__file__).parents[3], capture_output=True, text=True
    )
    assert "has a BlueZ already" in second.stderr


def _connected_again(opened: Open, wanted: ble.Settings) -> Ears:
    """The simulator looks at its faults each interval; so try until it has looked, as a device does."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            return opened(wanted)
        except LinkDown:
            assert time.monotonic() < deadline
