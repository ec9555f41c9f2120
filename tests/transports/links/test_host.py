"""The host driver on this machine, and on one whose parts come and go."""

from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from transports.building import build
from transports.errors import LinkRefused, SettingsError
from transports.links import Link, host
from transports.samples import DataType, Quality, batch_of

GROUPS = ("cpu", "memory", "swap", "disk_io", "temperatures", "network", "uptime", "processes")
Temperature = namedtuple("Temperature", "label current")


def connect(**table: Any) -> Link:
    return host.connect(build(host.Settings, table, "device.h"))


def only(group: str, **table: Any) -> Link:
    """A link to one group of readings."""
    return connect(**{"disks": [], **{name: name == group for name in GROUPS}, **table})


def readings(link: Link) -> dict[str, tuple[Any, int]]:
    scans = link.read()
    assert isinstance(scans, list)
    ((_, values, codes),) = batch_of("h", 0, scans).rows()
    return {tag.name: pair for tag, pair in zip(link.tags, zip(values, codes, strict=True), strict=True)}


def test_this_machine_is_read_with_plausible_numbers() -> None:
    link = connect()
    now = {name: value for name, (value, _) in readings(link).items()}
    memory = psutil.virtual_memory()
    assert 0 < now["memory_used"] <= memory.total
    assert 0 <= now["memory_percent"] <= 100
    assert 0 <= now["disk_root_used_percent"] <= 100
    assert now["uptime"] > 0
    assert now["processes"] >= 1
    units = {tag.name: tag.unit for tag in link.tags}
    assert (units["memory_used"], units["cpu_percent"], units["uptime"]) == ("B", "%", "s")


def test_the_tags_are_the_same_at_every_connection() -> None:
    assert connect().tags == connect().tags


def test_cpu_use_is_what_was_busy_between_two_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = namedtuple("cpu", "user nice system idle iowait irq softirq steal guest guest_nice")
    times = iter(
        [cpu(100, 0, 10, 500, 5, 0, 0, 0, 50, 0)] * 2  # at connect, and at once
        + [cpu(130, 0, 10, 560, 15, 0, 0, 0, 80, 0)] * 2  # 30 s busy of 100, all of it in a guest; and at once
        + [cpu(130, 0, 10, 570, 14, 0, 0, 0, 80, 0)]  # iowait ran backwards
    )
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(times))
    link = only("cpu")
    percents = [readings(link)["cpu_percent"] for _ in range(4)]
    assert percents == [(None, 0x8032_0000), (30.0, 0), (30.0, 0), (0.0, 0)]


def test_counters_are_exact_64_bit_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    io = SimpleNamespace(bytes_recv=2**64 - 1, bytes_sent=2**53 + 1, errin=1, errout=2)
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: {"eth0": io})
    link = only("network", interfaces=["eth0"])
    assert [value for value, _ in readings(link).values()] == [2**64 - 1, 2**53 + 1, 1, 2]
    assert {tag.type for tag in link.tags} == {DataType.UINT64}


def test_an_interface_that_is_not_there_yet_is_bad_until_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    interfaces: dict[str, Any] = {}
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: interfaces)
    link = only("network", interfaces=["wwan0"])
    assert readings(link)["net_wwan0_bytes_in"] == (None, Quality.BAD_SENSOR_FAILURE)
    interfaces["wwan0"] = SimpleNamespace(bytes_recv=5, bytes_sent=6, errin=0, errout=0)
    assert readings(link)["net_wwan0_bytes_in"] == (5, Quality.GOOD)


def test_interfaces_that_are_up_are_found_without_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    up, down = SimpleNamespace(isup=True, flags="up,running"), SimpleNamespace(isup=False, flags="broadcast")
    loop = SimpleNamespace(isup=True, flags="up,loopback,running")
    found = {"lo": loop, "eth1": down, "eth0.1": up, "eth0-1": up}
    monkeypatch.setattr(psutil, "net_if_stats", lambda: found)
    names = [tag.name for tag in only("network").tags]
    assert names[0] == "net_eth0_1_bytes_in"
    assert names[4] == "net_eth0_1_bytes_in_2"
    assert len(names) == 8


def test_an_unmounted_disk_is_bad_and_not_the_disk_below_it(tmp_path: Path) -> None:
    link = only("", disks=["/", str(tmp_path)])
    codes = [code for _, code in readings(link).values()]
    assert codes == [0, 0, Quality.BAD_SENSOR_FAILURE, Quality.BAD_SENSOR_FAILURE]


def test_a_vanished_temperature_sensor_is_bad_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "coretemp": [Temperature("Core 0", 50.0)],
        "nvme": [Temperature("Composite", 40.0), Temperature("Composite", 41.0)],
        "acpitz": [Temperature("", 30.0)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: found)
    link = only("temperatures")
    assert readings(link) == {
        "temp_coretemp_core_0": (50.0, 0),
        "temp_nvme_composite": (40.0, 0),
        "temp_nvme_composite_2": (41.0, 0),
        "temp_acpitz": (30.0, 0),
    }
    del found["nvme"][0], found["acpitz"]
    now = readings(link)
    assert now.pop("temp_coretemp_core_0") == (50.0, 0)
    assert set(now.values()) == {(None, Quality.BAD_SENSOR_FAILURE)}  # nobody knows which nvme it is that is left


@pytest.mark.parametrize("failure", [OSError("gone"), NotImplementedError(), ValueError("unknown line"), KeyError("x")])
def test_a_part_that_cannot_be_read_is_bad_and_the_rest_is_read(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise failure

    link = connect()
    monkeypatch.setattr(psutil, "disk_io_counters", fail)
    now = readings(link)
    assert now["disk_io_read_bytes"] == (None, Quality.BAD_SENSOR_FAILURE)
    assert now["uptime"][1] == Quality.GOOD


def test_the_machine_takes_no_commands() -> None:
    with pytest.raises(LinkRefused, match="uptime"):
        connect().write("uptime", 0.0)


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"disks": ["data"]}, "device.h.disks[0]"),
        ({"disks": ["/", "/"]}, "device.h.disks"),
        ({"network": False, "interfaces": ["eth0"]}, "device.h.interfaces"),
        ({"disks": [], **dict.fromkeys(GROUPS, False)}, "device.h"),
    ],
)
def test_a_mistake_in_the_settings_is_named(table: dict[str, Any], path: str) -> None:
    with pytest.raises(SettingsError) as caught:
        connect(**table)
    assert [problem.path for problem in caught.value.problems] == [path]
