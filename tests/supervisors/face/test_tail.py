"""What `holdfast tail` says about one message of the live feed."""

import json
import re
from typing import Any

import pytest

from supervisors.face.tail import lines
from transports import codec
from transports.errors import NotUnderstood
from transports.feed import Live
from transports.samples import DataType, Gap, Quality, Scan, Tag, batch_of

T0 = 1_700_000_000_123_999_999
TAGS = (Tag("force", unit="kN"), Tag("count", DataType.UINT64), Tag("note", DataType.STRING))


def live(*scans: Scan, missed: int = 0, restarted: bool = False) -> Live:
    return Live("press-1", codec.pack(batch_of("press-1", 41, scans)), missed, restarted)


def spoken(message: Live) -> list[str]:
    """The lines without their local times."""
    told = [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d ", "", line) for line in lines(message, False)]
    assert not any(line.startswith("20") for line in told)
    return told


def objects(message: Live) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(message, True)]


def test_each_scan_is_a_line_with_values_units_and_what_is_not_good() -> None:
    whole = Scan(T0, TAGS, [12.5, 2**64 - 1, "ok"])
    partly = Scan(T0 + 10**9, TAGS, [12.5, None, "ok"], [Quality.UNCERTAIN_SUB_NORMAL, Quality.BAD_TIMEOUT, 0])
    assert spoken(live(whole, partly)) == [
        "press-1 force=12.5 kN, count=18446744073709551615, note='ok'",
        "press-1 force=12.5 kN UncertainSubNormal, count=? BadTimeout, note='ok'",
    ]


def test_the_time_is_the_source_s_to_the_millisecond() -> None:
    (line,) = lines(live(Scan(T0, TAGS, [1.0, 1, ""])), False)
    assert line.split("+")[0].split(" ")[0].endswith(":20.123") or ":20.123-" in line


def test_what_was_missed_and_a_new_process_are_said_before_the_values() -> None:
    scan = Scan(T0, TAGS, [1.0, 2, "x"])
    assert spoken(live(scan, missed=3))[0] == "press-1 missed 3"
    assert spoken(live(scan, restarted=True))[0] == "press-1 restarted"
    assert len(spoken(live(scan))) == 1


def test_as_json_each_scan_is_an_object_and_a_loss_is_told_once() -> None:
    told = objects(live(Scan(T0, TAGS, [1.5, 2**63, "x"]), Scan(T0 + 1, TAGS, [2.5, 0, "y"]), missed=3, restarted=True))
    assert [(each["seq"], each["time"], each["missed"], each["restarted"]) for each in told] == [
        (41, T0, 3, True),
        (42, T0 + 1, 0, False),
    ]
    assert told[0]["readings"] == [
        {"tag": "force", "value": 1.5, "quality": 0, "unit": "kN"},
        {"tag": "count", "value": 2**63, "quality": 0},
        {"tag": "note", "value": "x", "quality": 0},
    ]


def test_json_has_no_nan_and_does_not_call_its_absence_good() -> None:
    tags = (Tag("f"), Tag("raw", DataType.BYTES), Tag("wave", DataType.FLOAT64_ARRAY))
    (told,) = objects(live(Scan(T0, tags, [float("nan"), b"\x00\xff", (1.0, float("inf"))])))
    assert [each["value"] for each in told["readings"]] == [None, "AP8=", [1.0, None]]
    assert [each["quality"] for each in told["readings"]] == [0x40950000, 0, 0x40950000]


def test_a_message_that_is_no_batch_is_no_line_and_one_of_another_version_is_named() -> None:
    assert list(lines(Live("a", codec.pack(Gap("a", "why", 0, 1)), 0, False), False)) == []
    with pytest.raises(NotUnderstood):
        list(lines(Live("a", b"\xc1", 0, False), False))
