"""The life of a session: Will, births, sequence numbers, rebirths, deaths. Tests named tck_id_... keep that rule."""

import pytest

from tests.transports.sparkplug.gateway_desk import (
    FORCE,
    GROUP,
    HOST,
    NCMD,
    NODE,
    STATE,
    TAGS,
    UTC_MS,
    Desk,
    born,
    gone,
    heard,
    others,
    scan,
    state,
    verbs,
    write,
)
from transports.errors import UplinkDown, UplinkRefused
from transports.samples import DataType, Quality, Tag
from transports.sparkplug.datatypes import Form, SparkplugType, Wired
from transports.sparkplug.orders import HangUp, Subscribe
from transports.sparkplug.phases import Phase

REBIRTH = "Node Control/Rebirth"
REQUEST = write(Form.BOOLEAN, True, name=REBIRTH)


def nbirth(**settings):
    _, orders = Desk(**settings).connect()
    return heard(orders)[0]


def with_press():
    desk = born()
    return desk, heard(desk.record(scan(1.5, 7)))[0]


# --- Will and NDEATH ------------------------------------------------------------------------------------------------


def test_tck_id_topics_ndeath_topic():
    will, _ = Desk().connect()
    assert will.sent.topic == f"spBv1.0/{GROUP}/NDEATH/{NODE}"


def test_tck_id_message_flow_edge_node_birth_publish_will_message_topic():
    assert Desk().connect()[0].verb == "NDEATH"


def test_tck_id_payloads_ndeath_will_message():
    desk = Desk()
    wills = [desk.connect()[0] for _ in range(3)]  # each CONNECT has one
    assert [will.verb for will in wills] == ["NDEATH"] * 3


def test_tck_id_payloads_ndeath_will_message_qos():
    assert Desk().connect()[0].sent.qos == 1


def test_tck_id_payloads_ndeath_will_message_retain():
    assert Desk().connect()[0].sent.retain is False


def test_tck_id_topics_ndeath_payload():
    assert [metric.name for metric in Desk().connect()[0].metrics] == ["bdSeq"]


def test_tck_id_payloads_ndeath_seq():
    assert Desk().connect()[0].payload.seq is None


def test_tck_id_topics_ndeath_seq():
    desk = born()
    assert heard(desk.node.leave("", desk.later()))[0].payload.seq is None


def test_tck_id_message_flow_edge_node_birth_publish_will_message_payload_bdSeq():
    desk = Desk()
    metrics = [desk.connect()[0].metrics[0] for _ in range(258)]
    assert {metric.datatype for metric in metrics} == {SparkplugType.INT64}
    assert [metric.value.content for metric in metrics] == [*range(256), 0, 1]


def test_tck_id_topics_nbirth_bdseq_increment():
    desk = Desk()
    desk.node.connecting(desk.later())
    desk.node.lost(desk.later())  # refused: a CONNECT all the same
    assert desk.connect()[0].metrics[0].value.content == 1


def test_tck_id_payloads_ndeath_bdseq():
    desk = Desk()
    for _ in range(3):
        will, orders = desk.connect()
        assert will.by_name["bdSeq"].value == heard(orders)[0].by_name["bdSeq"].value
        desk.node.lost(desk.later())


def test_tck_id_operational_behavior_edge_node_intentional_disconnect_ndeath():
    desk = Desk()
    will, _ = desk.connect()
    death, end = desk.node.leave("stopped", desk.later())
    assert (death.topic, death.qos, end) == (will.sent.topic, 1, HangUp("stopped"))
    assert heard([death])[0].by_name["bdSeq"].value == will.by_name["bdSeq"].value


def test_tck_id_operational_behavior_edge_node_intentional_disconnect_packet():
    desk = born()
    assert isinstance(desk.node.leave("", desk.later())[-1], HangUp)


def test_tck_id_payloads_ndeath_will_message_publisher():
    desk, _ = with_press()
    assert verbs(desk.node.leave("", desk.later())) == ["NDEATH"]
    assert desk.node.leave("", desk.later()) == []


def test_tck_id_payloads_ndeath_will_message_publisher_disconnect_mqtt311():
    desk = born()
    kinds = [type(order).__name__ for order in desk.node.leave("", desk.later())]
    assert kinds == ["Publish", "HangUp"]


def test_the_number_of_the_present_connection_is_known():
    desk = Desk()
    for number in (0, 1, 2):
        desk.connect()
        assert desk.node.bd_seq == number
        desk.node.lost(desk.later())
        assert desk.node.bd_seq == number


def test_what_the_server_carries_divides_data_too():
    desk = Desk(max_message_bytes=1000)
    desk.node.connecting(desk.later())
    desk.node.connected(desk.later(), 400)
    desk.record(scan(1.5, 7))
    scans = [scan(n + 0.5, n) for n in range(100)]
    assert max(len(said.sent.payload) for said in heard(desk.record(*scans))) <= 430
    desk.connect()
    again = [scan(n + 0.25, n) for n in range(100)]
    assert max(len(said.sent.payload) for said in heard(desk.record(*again))) > 430


# --- NBIRTH ---------------------------------------------------------------------------------------------------------


def test_tck_id_principles_birth_certificates_order():
    desk = Desk()
    _, orders = desk.connect()
    assert verbs(orders)[0] == "NBIRTH"


def test_tck_id_message_flow_edge_node_birth_publish_connect():
    desk = Desk()
    assert desk.node.leave("", desk.later()) == []  # nothing is said without a connection
    desk.node.connecting(desk.later())
    assert not desk.node.ready
    with pytest.raises(UplinkDown):
        desk.record(scan(1.5, 7))


def test_tck_id_message_flow_edge_node_ncmd_subscribe():
    _, orders = Desk().connect()
    assert orders[0] == Subscribe(NCMD, qos=1)  # before the birth


def test_tck_id_message_flow_device_dcmd_subscribe():
    _, orders = Desk().connect()
    assert orders[1] == Subscribe(f"spBv1.0/{GROUP}/DCMD/{NODE}/+", qos=1)


def test_tck_id_topics_nbirth_topic():
    assert nbirth().sent.topic == f"spBv1.0/{GROUP}/NBIRTH/{NODE}"


def test_tck_id_message_flow_edge_node_birth_publish_nbirth_topic():
    assert nbirth().device == ""


def test_tck_id_topics_nbirth_mqtt():
    assert (nbirth().sent.qos, nbirth().sent.retain) == (0, False)


def test_tck_id_payloads_nbirth_qos():
    assert nbirth().sent.qos == 0


def test_tck_id_payloads_nbirth_retain():
    assert nbirth().sent.retain is False


def test_tck_id_topics_nbirth_seq_num():
    desk, _ = with_press()
    desk.node.lost(desk.later())
    _, orders = desk.connect()
    assert heard(orders)[0].payload.seq == 0


def test_tck_id_payloads_nbirth_seq():
    assert nbirth().payload.seq == 0


def test_tck_id_topics_nbirth_timestamp():
    desk = Desk()
    _, orders = desk.connect()
    assert heard(orders)[0].payload.timestamp_ms == desk.at.utc_ms


def test_tck_id_payloads_nbirth_timestamp():
    assert nbirth().payload.timestamp_ms > UTC_MS


def test_tck_id_payloads_nbirth_bdseq():
    assert nbirth().by_name["bdSeq"].datatype is SparkplugType.INT64


def test_tck_id_topics_nbirth_bdseq_included():
    assert nbirth().by_name["bdSeq"].value == Wired(Form.LONG, 0)


def test_tck_id_payloads_nbirth_bdseq_repeat():
    desk = Desk()
    will, _ = desk.connect()
    for _ in range(2):  # also in a rebirth
        (again,) = heard(desk.receive(NCMD, REQUEST))
        assert again.by_name["bdSeq"].value == will.by_name["bdSeq"].value


def test_tck_id_topics_nbirth_rebirth_metric():
    assert nbirth().by_name[REBIRTH].value == Wired(Form.BOOLEAN, False)


def test_tck_id_payloads_nbirth_rebirth_req():
    assert REBIRTH in nbirth().by_name


def test_tck_id_operational_behavior_data_commands_rebirth_name():
    assert [metric.name for metric in nbirth().metrics].count(REBIRTH) == 1


def test_tck_id_operational_behavior_data_commands_rebirth_name_aliases():
    assert nbirth().by_name[REBIRTH].alias is None


def test_tck_id_operational_behavior_data_commands_rebirth_datatype():
    assert nbirth().by_name[REBIRTH].datatype is SparkplugType.BOOLEAN


def test_tck_id_operational_behavior_data_commands_rebirth_value():
    assert nbirth().by_name[REBIRTH].value.content is False


def test_tck_id_topics_nbirth_metrics():
    for metric in nbirth().metrics:
        assert metric.name
        assert metric.datatype
        assert metric.is_null or metric.value is not None


def test_tck_id_operational_behavior_data_publish_nbirth():
    desk = born()
    known = {metric.alias for metric in nbirth().metrics}
    (ndata,) = heard(desk.gap())
    assert {metric.alias for metric in ndata.metrics} <= known


def test_tck_id_operational_behavior_data_publish_nbirth_values():
    desk = born()
    assert (nbirth().by_name["Gap"].is_null, nbirth().by_name["Gap"].value) == (True, None)
    desk.gap(reason="quota")
    again = heard(desk.receive(NCMD, REQUEST))[0].by_name["Gap"]
    assert '"quota"' in again.value.content
    assert not again.is_null


# --- DBIRTH ---------------------------------------------------------------------------------------------------------


def test_tck_id_topics_dbirth_topic():
    _, dbirth = with_press()
    assert dbirth.sent.topic == f"spBv1.0/{GROUP}/DBIRTH/{NODE}/press"


def test_tck_id_message_flow_device_birth_publish_dbirth_match_edge_node_topic():
    desk = born()
    (dbirth,) = heard(desk.record(scan(1.5, 7), device="a/b"))
    assert dbirth.sent.topic == f"spBv1.0/{GROUP}/DBIRTH/{NODE}/a%2Fb"


def test_tck_id_topics_dbirth_mqtt():
    _, dbirth = with_press()
    assert (dbirth.sent.qos, dbirth.sent.retain) == (0, False)


def test_tck_id_payloads_dbirth_qos():
    assert with_press()[1].sent.qos == 0


def test_tck_id_payloads_dbirth_retain():
    assert with_press()[1].sent.retain is False


def test_tck_id_topics_dbirth_seq():
    assert with_press()[1].payload.seq == 1  # one more than the NBIRTH's


def test_tck_id_payloads_dbirth_seq_inc():
    desk = born()
    said = [heard(desk.record(scan(1.5, 7), device=f"d{n}"))[0] for n in range(300)]
    assert [one.payload.seq for one in said] == [(n + 1) % 256 for n in range(300)]


def test_tck_id_topics_dbirth_timestamp():
    desk, dbirth = with_press()
    assert dbirth.payload.timestamp_ms == desk.at.utc_ms


def test_tck_id_topics_dbirth_metrics():
    _, dbirth = with_press()
    force, cycles = dbirth.metrics
    assert (force.name, force.datatype, force.value) == ("force", SparkplugType.DOUBLE, Wired(Form.DOUBLE, 1.5))
    assert (cycles.name, cycles.datatype, cycles.value) == ("cycles", SparkplugType.UINT64, Wired(Form.LONG, 7))


def test_tck_id_topics_dbirth_metric_reqs():
    desk, _ = with_press()
    more = Tag("way")
    orders = desk.record(scan(1.5, 7, 3.0, tags=(*TAGS, more)))
    assert verbs(orders) == ["DBIRTH press"]  # its tags have changed: all of them again, and before any data
    assert list(heard(orders)[0].by_name) == ["force", "cycles", "way"]


def test_tck_id_operational_behavior_data_publish_dbirth():
    desk, _ = with_press()
    assert verbs(desk.record(scan(2, tags=(Tag("force", DataType.INT64),)))) == ["DBIRTH press"]  # another type
    assert verbs(desk.record(scan(3, tags=(Tag("force", DataType.INT64),)))) == ["DDATA press"]


def test_tck_id_operational_behavior_data_publish_dbirth_values():
    desk = born()
    quality = [Quality.GOOD, Quality.BAD_SENSOR_FAILURE]
    cycles = heard(desk.record(scan(1.5, None, quality=quality)))[0].by_name["cycles"]
    assert (cycles.is_null, cycles.value, cycles.properties["Quality"]) == (True, None, (SparkplugType.INT32, 0))


def test_tck_id_payloads_name_birth_data_requirement():
    desk, dbirth = with_press()
    (ddata,) = heard(desk.record(scan(2.5, 8, time_ms=UTC_MS + 9)))
    assert {metric.timestamp_ms for metric in dbirth.metrics} == {UTC_MS}
    assert {metric.timestamp_ms for metric in ddata.metrics} == {UTC_MS + 9}
    assert all(metric.timestamp_ms for metric in nbirth().metrics)


def test_tck_id_payloads_metric_timestamp_in_UTC():
    desk = born()
    tags = (FORCE,)
    (dbirth,) = heard(desk.record(scan(1.5, tags=tags, time_ms=-5)))  # a clock that was never set
    assert dbirth.metrics[0].timestamp_ms == 0


def test_tck_id_payloads_name_requirement():
    assert all(metric.name for said in (nbirth(), with_press()[1]) for metric in said.metrics)


def test_tck_id_payloads_alias_uniqueness():
    desk = born()
    said = [nbirth(), *(heard(desk.record(scan(1.5, 7), device=f"d{n}"))[0] for n in range(5))]
    aliases = [metric.alias for one in said for metric in one.metrics if metric.alias is not None]
    assert len(set(aliases)) == len(aliases) == 11


def test_tck_id_payloads_alias_birth_requirement():
    _, dbirth = with_press()
    assert all(metric.name and metric.alias for metric in dbirth.metrics)


def test_tck_id_payloads_metric_datatype_req():
    assert all(metric.datatype for said in (nbirth(), with_press()[1]) for metric in said.metrics)


def test_tck_id_payloads_metric_propertyvalue_type_req():
    _, dbirth = with_press()
    assert dbirth.by_name["force"].properties == {
        "Quality": (SparkplugType.INT32, 192),
        "engUnit": (SparkplugType.STRING, "kN"),
    }


def test_tck_id_payloads_dbirth_order():
    desk = born()
    desk.record(scan(1.5, 7), device="a")
    desk.record(scan(1.5, 7), device="b")
    desk.node.lost(desk.later())
    _, orders = desk.connect()
    assert verbs(orders) == ["NBIRTH", "DBIRTH a", "DBIRTH b"]


def test_tck_id_message_flow_device_birth_publish_nbirth_wait():
    desk = Desk()
    assert list(desk.node.announced("press", TAGS, desk.later())) == []
    assert verbs(desk.connect()[1]) == ["NBIRTH", "DBIRTH press"]


def test_tck_id_message_flow_device_birth_publish_dbirth_payload_seq():
    desk = Desk()
    desk.node.announced("a", TAGS, desk.later())
    desk.node.announced("b", TAGS, desk.later())
    assert [said.payload.seq for said in heard(desk.connect()[1])] == [0, 1, 2]


def test_an_announced_device_is_born_at_once_in_a_session_with_all_metrics_stale():
    desk = born()
    (dbirth,) = heard(desk.node.announced("press", TAGS, desk.later()))
    assert [(one.is_null, one.properties["Quality"][1]) for one in dbirth.metrics] == [(True, 500)] * 2
    assert verbs(desk.node.announced("press", TAGS, desk.later())) == []
    assert verbs(desk.node.announced("press", (*TAGS, Tag("way")), desk.later())) == ["DBIRTH press"]


def test_more_metrics_than_are_allowed_are_refused_and_nothing_changes():
    desk = born(max_metrics=3)
    desk.record(scan(1.5, 7))
    with pytest.raises(UplinkRefused, match="more than 3 metrics"):
        desk.record(scan(1.5, 7), device="other")
    (ddata,) = heard(desk.record(scan(2.5, 8)))
    assert ddata.payload.seq == 2
    assert verbs(desk.record(scan(1.0, tags=(FORCE,)), device="other")) == ["DBIRTH other"]


def test_a_value_that_no_message_can_carry_is_refused_and_nothing_changes():
    desk = born(max_message_bytes=1000)
    tags = (Tag("wave", DataType.FLOAT64_ARRAY),)
    with pytest.raises(UplinkRefused, match="a value of 200"):
        desk.record(scan((1.5,) * 200, tags=tags))
    assert heard(desk.record(scan((1.5,), tags=tags)))[0].payload.seq == 1


def test_a_birth_that_grows_too_large_leaves_long_values_out_and_data_brings_them():
    desk = born(max_message_bytes=2000)
    tags = tuple(Tag(f"text{n}", DataType.STRING) for n in range(4))
    (dbirth,) = heard(desk.record(scan("x" * 800, "x" * 800, "x" * 800, "short", tags=tags)))
    assert len(dbirth.sent.payload) < 2000
    assert [one.is_null for one in dbirth.metrics] == [True, True, True, False]
    said = heard(desk.record(scan("x" * 800, "x" * 800, "x" * 800, "short", tags=tags)))
    assert [len(one.metrics) for one in said] == [2, 1]


# --- sequence numbers -----------------------------------------------------------------------------------------------


def test_tck_id_payloads_sequence_num_always_included():
    desk, dbirth = with_press()
    said = [dbirth, *heard([*desk.record(scan(2.5, 8)), *desk.gap(), *desk.record(gone())])]
    assert [(one.verb, one.payload.seq) for one in said] == [("DBIRTH", 1), ("DDATA", 2), ("NDATA", 3), ("DDEATH", 4)]


def test_tck_id_payloads_sequence_num_req_nbirth():
    assert 0 <= nbirth().payload.seq <= 255


def test_tck_id_payloads_sequence_num_incrementing():
    desk, dbirth = with_press()
    said = [dbirth, *(heard(desk.record(scan(float(n), n)))[0] for n in range(600))]
    assert [one.payload.seq for one in said] == [(n + 1) % 256 for n in range(601)]


# --- rebirth --------------------------------------------------------------------------------------------------------


def test_tck_id_operational_behavior_data_commands_ncmd_rebirth_name():
    desk = born()
    assert verbs(desk.receive(NCMD, REQUEST)) == ["NBIRTH"]
    assert verbs(desk.receive(NCMD, write(Form.BOOLEAN, True, name="Node Control/Reboot"))) == []


def test_tck_id_operational_behavior_data_commands_ncmd_rebirth_value():
    desk = born()
    assert verbs(desk.receive(NCMD, write(Form.BOOLEAN, False, name=REBIRTH))) == []
    assert verbs(desk.receive(NCMD, write(Form.INT, 1, name=REBIRTH))) == []


def test_tck_id_operational_behavior_data_commands_rebirth_action_1():
    desk, _ = with_press()
    desk.record(scan(2.5, 8))
    orders = desk.receive(NCMD, REQUEST)
    assert not [verb for verb in verbs(orders) if "DATA" in verb]


def test_tck_id_operational_behavior_data_commands_rebirth_action_2():
    desk, _ = with_press()
    desk.record(scan(2.5, 8))
    desk.record(scan(1.5, 7), device="lathe")
    said = heard(desk.receive(NCMD, REQUEST))
    assert [(one.verb, one.device, one.payload.seq) for one in said] == [
        ("NBIRTH", "", 0),
        ("DBIRTH", "press", 1),
        ("DBIRTH", "lathe", 2),
    ]
    assert said[1].by_name["force"].value.content == 2.5  # what is current now


def test_tck_id_operational_behavior_data_commands_rebirth_action_3():
    desk = Desk()
    desk.connect()
    desk.node.lost(desk.later())
    will, _ = desk.connect()
    assert heard(desk.receive(NCMD, REQUEST))[0].by_name["bdSeq"].value == will.by_name["bdSeq"].value


def test_a_rebirth_asked_for_while_the_host_is_awaited_is_not_given():
    desk = Desk(host_id=HOST)
    desk.connect()
    assert desk.receive(NCMD, REQUEST) == []


def test_nothing_of_an_alias_changes_over_sessions_and_rebirths():
    desk, dbirth = with_press()
    desk.record(scan(1.5, 7, 3.0, tags=(*TAGS, Tag("way"))))
    desk.node.lost(desk.later())
    _, orders = desk.connect()
    known = {metric.name: metric.alias for metric in heard(orders)[1].metrics}
    assert {metric.name: metric.alias for metric in dbirth.metrics}.items() <= known.items()


def test_the_phases_are_told_for_the_status():
    desk = Desk(host_id=HOST)
    seen = [desk.node.phase]
    desk.node.connecting(desk.later())
    seen.append(desk.node.phase)
    desk.node.connected(desk.later())
    seen.append(desk.node.phase)
    desk.receive(STATE, state(True, 1))
    seen.append(desk.node.phase)
    assert seen == [Phase.OFFLINE, Phase.CONNECTING, Phase.WAITING, Phase.BORN]


def test_what_is_on_a_topic_of_somebody_else_is_not_heeded():
    desk = born()
    assert desk.receive("spBv1.0/other/NCMD/gw-1", REQUEST) == []
    assert others(desk.receive(STATE, state(False, 9))) == []  # no primary host is configured


def test_a_connection_made_anew_without_a_word_of_the_old_ones_end_is_a_new_session():
    desk, _ = with_press()
    will, orders = desk.connect()
    assert verbs(orders) == ["NBIRTH", "DBIRTH press"]
    assert heard(orders)[0].by_name["bdSeq"].value == will.by_name["bdSeq"].value == Wired(Form.LONG, 1)
