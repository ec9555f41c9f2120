"""How Modbus tags are written, and what is said when they are written wrongly."""

from typing import Any

import pytest

from transports.building import build
from transports.errors import SettingsError
from transports.links.modbus import Settings
from transports.modbus_tags import Point
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
        ({"type": "bool", "bit": 0, "writable": True}, "write the whole register"),
        ({"type": "flaot32"}, "did you mean 'float32'?"),
        ({"register": "holdin"}, "did you mean 'holding'?"),
        ({"adress": 3}, "did you mean 'address'?"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_cure(tag: dict[str, Any], said: str) -> None:
    found = " ".join(mistakes({"a": {"address": 0, **tag}}))
    assert said in found


def test_names_that_collide_once_runs_are_expanded_are_refused() -> None:
    (said,) = mistakes({"r": {"address": 0, "count": 3}, "r1": {"address": 9}})
    assert said == "device.x.tags.r1: makes r1 a second time; rename one of the two"


def test_a_device_without_tags_is_refused() -> None:
    assert mistakes({}) == ["device.x.tags = {}: must name at least one tag"]
    assert "device.x.host = '': must not be empty" in mistakes({"a": {"address": 0}}, host="")
