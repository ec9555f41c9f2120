"""What hosts command, and what becomes of it. Tests named tck_id_... keep that rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.sparkplug.gateway_desk import (
    GROUP,
    NCMD,
    NODE,
    UTC_MS,
    born,
    command,
    heard,
    scan,
    verbs,
    write,
)
from transports.samples import DataType, Tag
from transports.sparkplug.datatypes import Form, SparkplugType, Wired
from transports.sparkplug.orders import Refusal, Write
from transports.sparkplug.payload import Metric

DCMD = f"spBv1.0/{GROUP}/DCMD/{NODE}/press"
TAGS = (
    Tag("on", DataType.BOOL),
    Tag("offset", DataType.INT64),
    Tag("speed", DataType.FLOAT64),
    Tag("recipe", DataType.STRING),
    Tag("curve", DataType.FLOAT64_ARRAY),
)


def pressing():
    """A desk with a device of all types, and the aliases of its metrics."""
    desk = born()
    (dbirth,) = heard(desk.record(scan(True, -1, 1.5, "a", (1.0,), tags=TAGS)))
    return desk, {metric.name: metric.alias for metric in dbirth.metrics}


def test_tck_id_operational_behavior_data_commands_dcmd_verb():
    desk, alias = pressing()
    given_write = write(Form.DOUBLE, 2.5, alias=alias["speed"])
    assert desk.receive(DCMD, given_write) == [Write("press", "speed", 2.5, UTC_MS)]
    assert not [one for one in desk.receive(NCMD, given_write) if isinstance(one, Write)]


def test_tck_id_operational_behavior_data_commands_ncmd_verb():
    desk, _ = pressing()
    request = write(Form.BOOLEAN, True, name="Node Control/Rebirth")
    assert verbs(desk.receive(NCMD, request)) == ["NBIRTH", "DBIRTH press"]
    assert verbs(desk.receive(DCMD, request)) == []


@pytest.mark.parametrize(
    ("tag", "form", "content", "value"),
    [
        ("on", Form.BOOLEAN, False, False),
        ("offset", Form.LONG, 2**64 - 5, -5),
        ("speed", Form.DOUBLE, 2.5, 2.5),
        ("recipe", Form.STRING, "b", "b"),
        ("curve", Form.BYTES, b"\0" * 16, (0.0, 0.0)),
    ],
)
def test_tck_id_topics_dcmd_payload(tag, form, content, value):
    desk, alias = pressing()
    for names in ({"alias": alias[tag]}, {"name": tag}, {"name": tag, "alias": alias[tag]}):
        assert desk.receive(DCMD, write(form, content, **names)) == [Write("press", tag, value, UTC_MS)]


def test_tck_id_topics_ncmd_payload():
    desk, _ = pressing()
    both = command(
        Metric("Node Control/Reboot", value=Wired(Form.BOOLEAN, True)),
        Metric("Node Control/Rebirth", value=Wired(Form.BOOLEAN, True)),
    )
    refusal, *births = desk.receive(NCMD, both)
    assert (refusal.what, verbs(births)) == ("Node Control/Reboot", ["NBIRTH", "DBIRTH press"])


def test_tck_id_payloads_name_cmd_requirement():
    desk, alias = pressing()
    (order,) = desk.receive(DCMD, write(Form.DOUBLE, 2.5, alias=alias["speed"], timestamp_ms=77))
    assert order.sent_ms == 77


def test_tck_id_topics_dcmd_timestamp():
    desk, alias = pressing()
    metric = Metric(alias=alias["speed"], value=Wired(Form.DOUBLE, 2.5))
    assert [one.sent_ms for one in desk.receive(DCMD, command(metric, timestamp_ms=5))] == [5]
    assert [one.sent_ms for one in desk.receive(DCMD, command(metric, timestamp_ms=None))] == [None]


def test_tck_id_operational_behavior_data_commands_dcmd_metric_name():
    desk, alias = pressing()
    mixed = command(
        Metric("nonsense", value=Wired(Form.DOUBLE, 1.0)),
        Metric(alias=9999, value=Wired(Form.DOUBLE, 1.0)),
        Metric(alias=alias["speed"], value=Wired(Form.DOUBLE, 2.0)),
    )
    assert desk.receive(DCMD, mixed) == [
        Refusal(DCMD, "nonsense", "press has no such metric"),
        Refusal(DCMD, "alias 9999", "press has no such metric"),
        Write("press", "speed", 2.0, UTC_MS),
    ]


def test_tck_id_operational_behavior_data_commands_ncmd_metric_name():
    (refusal,) = born().receive(NCMD, write(Form.DOUBLE, 1.0, name="nonsense"))
    assert refusal.what == "nonsense"


@pytest.mark.parametrize(
    ("tag", "form", "content"),
    [("on", Form.INT, 1), ("speed", Form.STRING, "fast"), ("offset", Form.DOUBLE, 1.0), ("curve", Form.BYTES, b"abc")],
)
def test_tck_id_operational_behavior_data_commands_dcmd_metric_value(tag, form, content):
    desk, alias = pressing()
    (refusal,) = desk.receive(DCMD, write(form, content, alias=alias[tag]))
    assert (type(refusal), refusal.what) == (Refusal, tag)
    assert refusal.why


def test_tck_id_payloads_dcmd_retain():
    desk, alias = pressing()
    (refusal,) = desk.receive(DCMD, write(Form.DOUBLE, 2.5, alias=alias["speed"]), retained=True)
    assert "retained" in refusal.why


def test_tck_id_payloads_ncmd_retain():
    desk, _ = pressing()
    orders = desk.receive(NCMD, write(Form.BOOLEAN, True, name="Node Control/Rebirth"), retained=True)
    assert [type(order) for order in orders] == [Refusal]


def test_a_rebirth_that_is_asked_for_while_births_leave_needs_no_others():
    desk, _ = pressing()
    request = write(Form.BOOLEAN, True, name="Node Control/Rebirth")
    assert desk.node.received(NCMD, request, False, desk.later(), births=False) == []
    assert verbs(desk.receive(NCMD, request)) == ["NBIRTH", "DBIRTH press"]


def test_null_is_not_written():
    desk, alias = pressing()
    (refusal,) = desk.receive(DCMD, command(Metric(alias=alias["speed"], is_null=True)))
    assert refusal.why == "null cannot be written"


def test_a_metric_of_another_device_is_not_written():
    desk, alias = pressing()
    desk.record(scan(True, tags=TAGS[:1]), device="lathe")
    other = f"spBv1.0/{GROUP}/DCMD/{NODE}/lathe"
    (refusal,) = desk.receive(other, write(Form.BOOLEAN, True, alias=alias["on"]))
    assert refusal.why == "lathe has no such metric"


def test_a_metric_with_the_name_of_one_and_the_alias_of_another_is_none():
    desk, alias = pressing()
    (refusal,) = desk.receive(DCMD, write(Form.DOUBLE, 1.0, name="speed", alias=alias["offset"]))
    assert refusal.why == "press has no such metric"


def test_what_an_aggregate_makes_cannot_be_written():
    desk, _ = pressing()
    desk.record(scan(1.5, tags=(Tag("mean"),)), aggregate="hourly")
    (refusal,) = desk.receive(DCMD, write(Form.DOUBLE, 1.0, name="hourly/mean"))
    assert "aggregate" in refusal.why


def test_a_command_to_nobody_is_refused():
    (refusal,) = born().receive(f"spBv1.0/{GROUP}/DCMD/{NODE}/ghost", write(Form.DOUBLE, 1.0, name="x"))
    assert refusal.why == "there is no such device"


def test_a_datatype_tells_the_sign():
    desk, alias = pressing()
    given_write = write(Form.INT, 2**32 - 3, alias=alias["offset"], datatype=SparkplugType.INT32)
    assert desk.receive(DCMD, given_write) == [Write("press", "offset", -3, UTC_MS)]


@given(st.sampled_from([NCMD, DCMD]), st.binary(max_size=120))
def test_any_bytes_are_answered_and_break_nothing(topic, payload):
    desk, _ = pressing()
    for order in desk.receive(topic, payload):
        assert isinstance(order, (Refusal, Write)) or verbs([order])
    assert desk.node.ready
