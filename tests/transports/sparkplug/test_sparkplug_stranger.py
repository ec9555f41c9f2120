"""Our messages read, and our commands written, by an implementation that is not ours."""

import base64
import struct

import pytest

from tests.peers.opcua_node import Unreachable
from tests.transports.sparkplug.gateway_desk import GROUP, NCMD, NODE, UTC_MS, Desk, born, gone, heard, scan
from tests.transports.sparkplug.sparkplug_stranger import stranger
from transports.samples import DataType, Quality, Tag
from transports.sparkplug.orders import Write

TAGS = (
    Tag("on", DataType.BOOL),
    Tag("offset", DataType.INT64),
    Tag("count", DataType.UINT64),
    Tag("force", DataType.FLOAT64, "kN"),
    Tag("recipe", DataType.STRING),
    Tag("raw", DataType.BYTES),
    Tag("steps", DataType.INT64_ARRAY),
    Tag("counts", DataType.UINT64_ARRAY),
    Tag("wave", DataType.FLOAT64_ARRAY),
)
VALUES = (True, -(2**63), 2**64 - 1, 0.1, "Äpfel ☃", b"\0\xff", (-1, 2), (2**64 - 1,), (1.5, -0.0))
OTHERS = (False, -1, 2**53 + 1, 5e-324, "", b"", (), (1, 2), (1e308,))
DCMD = f"spBv1.0/{GROUP}/DCMD/{NODE}/press"
TYPES = [11, 4, 8, 10, 12, 17, 25, 29, 31]


@pytest.fixture(scope="module")
def other():
    try:
        with stranger() as one:
            yield one
    except Unreachable as why:
        pytest.skip(str(why))


def packed(letter, *values):
    return base64.b64encode(struct.pack(f"<{len(values)}{letter}", *values)).decode()


def contents(metric):
    return {name: value for name, value in metric.items() if name.endswith("Value")}


def test_tck_id_message_flow_edge_node_birth_publish_will_message_payload(other):
    will, _ = Desk().connect()
    assert other.birth(will.sent.payload) == {
        "timestamp": str(will.payload.timestamp_ms),
        "metrics": [{"name": "bdSeq", "type": "Int64", "value": "0", "timestamp": str(will.payload.timestamp_ms)}],
    }


def test_tck_id_message_flow_edge_node_birth_publish_nbirth_payload(other):
    _, orders = Desk().connect()
    said = other.birth(heard(orders)[0].sent.payload)
    assert said["seq"] == "0"
    assert [(one["name"], one["type"], one["value"]) for one in said["metrics"]] == [
        ("bdSeq", "Int64", "0"),
        ("Node Control/Rebirth", "Boolean", False),
        ("Gap", "String", None),
    ]
    assert [one.get("alias") for one in said["metrics"]] == [None, None, "1"]


def test_tck_id_message_flow_device_birth_publish_dbirth_payload(other):
    (dbirth,) = heard(born().record(scan(*VALUES, tags=TAGS)))
    said = other.decode(dbirth.sent.payload)
    assert [one["name"] for one in said["metrics"]] == [tag.name for tag in TAGS]
    assert [one["datatype"] for one in said["metrics"]] == TYPES
    assert [contents(one) for one in said["metrics"]] == [
        {"booleanValue": True},
        {"longValue": str(2**63)},
        {"longValue": str(2**64 - 1)},
        {"doubleValue": 0.1},
        {"stringValue": "Äpfel ☃"},
        {"bytesValue": "AP8="},
        {"bytesValue": packed("q", -1, 2)},
        {"bytesValue": packed("Q", 2**64 - 1)},
        {"bytesValue": packed("d", 1.5, -0.0)},
    ]
    assert {one["timestamp"] for one in said["metrics"]} == {str(UTC_MS)}
    friendly = {one["name"]: one for one in other.birth(dbirth.sent.payload)["metrics"]}
    assert friendly["offset"]["value"] == str(-(2**63))
    assert friendly["force"]["properties"] == {
        "Quality": {"value": 192, "type": "Int32"},
        "engUnit": {"value": "kN", "type": "String"},
    }


def test_data_and_history_by_alias_are_read(other):
    desk = born()
    births = {one.name: one.alias for one in heard(desk.record(scan(*VALUES, tags=TAGS)))[0].metrics}
    for late in (True, False):
        (ddata,) = heard(desk.record(scan(*OTHERS, tags=TAGS, time_ms=UTC_MS + 5), historical=late))
        said = other.decode(ddata.sent.payload)
        assert [int(one["alias"]) for one in said["metrics"]] == list(births.values())
        assert [one.get("isHistorical", False) for one in said["metrics"]] == [late] * len(TAGS)
        assert [contents(one) for one in said["metrics"]] == [
            {"booleanValue": False},
            {"longValue": str(2**64 - 1)},
            {"longValue": str(2**53 + 1)},
            {"doubleValue": 5e-324},
            {"stringValue": ""},
            {"bytesValue": ""},
            {"bytesValue": ""},
            {"bytesValue": packed("Q", 1, 2)},
            {"bytesValue": packed("d", 1e308)},
        ]


def test_bad_readings_and_deaths_are_read(other):
    desk = born()
    desk.record(scan(*VALUES, tags=TAGS))
    (bad,) = heard(desk.record(gone(tags=TAGS, quality=Quality.BAD_SENSOR_FAILURE)))
    said = other.decode(bad.sent.payload)
    assert all(one["isNull"] and not contents(one) for one in said["metrics"])
    assert said["metrics"][0]["properties"] == {"keys": ["Quality"], "values": [{"type": 3, "intValue": 0}]}
    (death,) = heard(desk.record(gone(tags=TAGS)))
    assert other.decode(death.sent.payload) == {"timestamp": str(death.payload.timestamp_ms), "seq": "3"}


def test_commands_that_others_write_are_understood(other):
    desk = born()
    desk.record(scan(*VALUES, tags=TAGS))
    metrics = [
        {"name": "on", "type": "Boolean", "value": False},
        {"name": "offset", "type": "Int64", "value": -5},
        {"name": "offset", "type": "Int8", "value": -5},
        {"name": "count", "type": "UInt32", "value": 4_000_000_000},
        {"name": "force", "type": "Double", "value": 2.5},
        {"name": "force", "type": "Float", "value": 0.5},
        {"name": "recipe", "type": "String", "value": "Äpfel"},
    ]
    orders = desk.receive(DCMD, other.encode({"timestamp": 77, "metrics": metrics}))
    assert orders == [
        Write("press", "on", False, 77),
        Write("press", "offset", -5, 77),
        Write("press", "offset", -5, 77),
        Write("press", "count", 4_000_000_000, 77),
        Write("press", "force", 2.5, 77),
        Write("press", "force", 0.5, 77),
        Write("press", "recipe", "Äpfel", 77),
    ]


def test_tck_id_operational_behavior_data_commands_ncmd_rebirth_verb(other):
    request = {"timestamp": 77, "metrics": [{"name": "Node Control/Rebirth", "type": "Boolean", "value": True}]}
    assert [said.verb for said in heard(born().receive(NCMD, other.encode(request)))] == ["NBIRTH"]
