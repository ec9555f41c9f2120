"""How Modbus tags are written, and what is said when they are written wrongly."""

from typing import Any

import pytest

from transports.building import build
from transports.errors import SettingsError
from transports.links.modbus import Settings
from transports.modbus.tags import Point
from transports.samples import DataType


def settings(tags: Any, **device: Any) -> Settings:
    return build(Settings, {"host": "plc", "tags": tags, **device}, "device.x")


def points(tags: Any, **device: Any) -> tuple[Point, ...]:
    return settings(tags, **device).points()


def mistakes(tags: Any, **device: Any) -> list[str]:
    with pytest.raises(SettingsError) as wrong:
        settings(tags, **device)
    return [str(problem) for problem in wrong.value.problems]


def test_an_address_is_enough_for_a_tag() -> None:
    assert points({"a": {"address": 7}}) == (Point("a", "holding", 7, "uint16"),)


def test_a_run_lies_at_consecutive_addresses() -> None:
    run = points({"f": {"address": 10, "type": "float32", "count": 3}})
    assert [(point.name, point.address, point.end) for point in run] == [("f0", 10, 12), ("f1", 12, 14), ("f2", 14, 16)]


def test_tags_keep_the_order_of_the_configuration() -> None:
    assert [point.name for point in points({"z": {"address": 9}, "a": {"address": 1, "count": 2}})] == ["z", "a0", "a1"]


def test_the_tag_s_own_order_goes_before_the_device_s() -> None:
    own, device = points(
        {"own": {"address": 0, "word_order": "big"}, "device": {"address": 1}}, word_order="little", byte_order="little"
    )
    assert (own.word_order, own.byte_order) == ("big", "little")
    assert (device.word_order, device.byte_order) == ("little", "little")


@pytest.mark.parametrize(
    ("tag", "announced"),
    [
        ({}, DataType.UINT64),
        ({"type": "int64"}, DataType.INT64),
        ({"type": "uint64"}, DataType.UINT64),
        ({"type": "int16", "scale": 0.1}, DataType.FLOAT64),
        ({"type": "uint32", "offset": -40}, DataType.FLOAT64),
        ({"type": "float32"}, DataType.FLOAT64),
        ({"type": "bool", "bit": 3}, DataType.BOOL),
        ({"register": "coil"}, DataType.BOOL),
        ({"type": "string", "length": 4}, DataType.STRING),
    ],
)
def test_whole_numbers_stay_exact_unless_they_are_scaled(tag: dict[str, Any], announced: DataType) -> None:
    assert points({"a": {"address": 0, **tag}})[0].type is announced


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ({"address": 65536}, "device.x.tags.a.address = 65536: must be at least 0 and at most 65535"),
        ({"address": 65535, "type": "float32"}, "device.x.tags.a.address = 65535: ends at 65536"),
        ({"address": 65530, "count": 7}, "device.x.tags.a.address = 65530: ends at 65536"),
        ({"type": "string"}, "device.x.tags.a.length: is missing"),
        ({"length": 3}, "device.x.tags.a.length = 3: only a string"),
        ({"type": "string", "length": 126}, "at most 125"),
        ({"type": "string", "length": 124, "writable": True}, "device.x.tags.a.length = 124: one write"),
        ({"bit": 1}, "device.x.tags.a.bit = 1: a bit is a bool"),
        ({"register": "coil", "bit": 1}, "device.x.tags.a.bit = 1: a coil has no bits"),
        ({"register": "discrete", "type": "int16"}, "device.x.tags.a.type = 'int16': a discrete is always bool"),
        ({"type": "bool", "scale": 2}, "device.x.tags.a.scale = 2.0: a bool is not scaled"),
        ({"type": "string", "length": 1, "offset": 2}, "a string is not scaled"),
        ({"scale": 0}, "device.x.tags.a.scale = 0: must not be 0"),
        ({"scale": float("inf")}, "must be finite"),
        ({"register": "input", "writable": True}, "device.x.tags.a.writable = True: only holding registers and coils"),
        ({"type": "string", "length": 2, "writable": True, "min": 1}, "a string has no least or most"),
        ({"register": "coil", "writable": True, "max": 1}, "a bool has no least or most"),
        ({"max": 5}, "device.x.tags.a.max = 5.0: needs writable = true"),
        ({"writable": True, "min": 5, "max": 4}, "device.x.tags.a.min = 5: must be at most max (4)"),
        (
            {"writable": True, "choices": [1, 70000]},
            "device.x.tags.a.choices = 70000: cannot be written: a = 70000: out",
        ),
        ({"write_function": "multiple"}, "device.x.tags.a.write_function = 'multiple': needs writable = true"),
        ({"type": "int32", "writable": True, "write_function": "single"}, "2 registers cannot be written as one"),
        ({"period": "0s"}, "device.x.tags.a.period = '0s': must be at least 0.001"),
        ({"period": "often"}, "device.x.tags.a.period = 'often': must be a duration"),
        ({"type": "flaot32"}, "did you mean 'float32'?"),
        ({"register": "holdin"}, "did you mean 'holding'?"),
        ({"adress": 3}, "did you mean 'address'?"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_cure(tag: dict[str, Any], said: str) -> None:
    found = " ".join(mistakes({"a": {"address": 0, **tag}}))
    assert said in found


WRITABLE = {"a": {"address": 0, "writable": True}}


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ({"host": None}, ["device.x.host: is missing, or another way to the device: serial or line"]),
        (
            {"serial": "/dev/ttyUSB0"},
            ["device.x.serial = '/dev/ttyUSB0': there is one way to a device; write host or serial, not both"],
        ),
        (
            {"host": None, "serial": "/dev/ttyUSB0", "line": "hall"},
            ["device.x.line = 'hall': there is one way to a device; write serial or line, not both"],
        ),
        ({"baud": 19200}, ["device.x.baud = 19200: belongs to serial, which is not given (a line has its own in "
                           "[line.NAME]); leave it out"]),
        (
            {"host": None, "line": "hall", "port": 503, "framing": "rtu"},
            [
                "device.x.port = 503: belongs to host, which is not given; leave it out",
                "device.x.framing = 'rtu': belongs to host, which is not given; leave it out",
            ],
        ),
        ({"framing": "ascii"}, ["device.x.framing = 'ascii': must be one of tcp, rtu"]),
        ({"host": None, "serial": "x", "parity": "evn"}, ["device.x.parity = 'evn': must be one of none, even, odd"]),
        ({"unit": 256}, ["device.x.unit = 256: must be at least 0 and at most 255"]),
        ({"unit": 0}, []),
        ({"host": None, "serial": "x", "unit": 0}, ["device.x.tags.a: unit 0 is all units of the line"]),
        ({"framing": "rtu", "unit": 0, "tags": WRITABLE}, []),
        (
            {"framing": "rtu", "unit": 0, "tags": {"a": {"address": 0, "writable": True, "read_back": True}}},
            ["device.x.tags.a.read_back = True: unit 0 is all units"],
        ),
        (
            {"write_function": "single", "tags": {"a": {"address": 0, "writable": True, "type": "int32"}}},
            ["device.x.tags.a.writable = True: takes 2 registers"],
        ),
    ],
)  # fmt: skip
def test_a_mistake_about_the_device_is_one_clear_problem(device: dict[str, Any], said: list[str]) -> None:
    table = {"host": "plc", "tags": {"a": {"address": 0}}, **device}
    table = {key: value for key, value in table.items() if value is not None}
    found: tuple[object, ...] = ()
    try:
        build(Settings, table, "device.x")
    except SettingsError as wrong:
        found = wrong.problems
    assert len(found) == len(said)
    for problem, text in zip(found, said, strict=True):
        assert text in str(problem)


def test_a_tag_s_own_period_is_kept_with_its_points() -> None:
    fast, slow = points({"fast": {"address": 0}, "slow": {"address": 1, "period": "1m"}})
    assert (fast.period_s, slow.period_s) == (None, 60.0)


def test_names_that_collide_once_runs_are_expanded_are_refused() -> None:
    (said,) = mistakes({"r": {"address": 0, "count": 3}, "r1": {"address": 9}})
    assert said == "device.x.tags.r1: makes r1 a second time; rename one of the two"


def test_a_device_without_tags_is_refused() -> None:
    assert mistakes({}) == ["device.x.tags = {}: must name at least one tag"]
    assert "device.x.host = '': must not be empty" in mistakes({"a": {"address": 0}}, host="")
