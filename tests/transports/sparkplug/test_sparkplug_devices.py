"""Data by exception, deaths and returns of devices, history, gaps. Tests named tck_id_... keep that rule."""

import json
from dataclasses import replace

import pytest

from tests.transports.sparkplug.gateway_desk import (
    CYCLES,
    FORCE,
    GROUP,
    NCMD,
    NODE,
    UTC_MS,
    born,
    gone,
    heard,
    scan,
    verbs,
    write,
)
from transports.samples import DataType, Quality, Tag, batch_of
from transports.sparkplug.datatypes import Form, SparkplugType, Wired
from transports.sparkplug.telling import QUIET_S

GOOD, BAD, STALE = ({"Quality": (SparkplugType.INT32, code)} for code in (192, 0, 500))
NAN, ZERO = float("nan"), 0.0


def desk_with_press(**settings):
    desk = born(**settings)
    desk.record(scan(1.5, 7))
    return desk


def said_by(desk, *scans, **options):
    (said,) = heard(desk.record(*scans, **options))
    return said


# --- data -----------------------------------------------------------------------------------------------------------


def test_tck_id_topics_ddata_topic():
    assert said_by(desk_with_press(), scan(2.5, 8)).sent.topic == f"spBv1.0/{GROUP}/DDATA/{NODE}/press"


def test_tck_id_topics_ddata_mqtt():
    sent = said_by(desk_with_press(), scan(2.5, 8)).sent
    assert (sent.qos, sent.retain) == (0, False)


def test_tck_id_payloads_ddata_qos():
    assert said_by(desk_with_press(), scan(2.5, 8)).sent.qos == 0


def test_tck_id_payloads_ddata_retain():
    assert said_by(desk_with_press(), scan(2.5, 8)).sent.retain is False


def test_tck_id_topics_ddata_seq_num():
    assert said_by(desk_with_press(), scan(2.5, 8)).payload.seq == 2


def test_tck_id_payloads_ddata_seq_inc():
    desk = desk_with_press(max_message_bytes=100)
    rows = [scan(float(n), n) for n in range(2, 100)]
    said = heard(desk.record(*rows))
    assert len(said) > 10  # divided, and each message with its number
    assert [one.payload.seq for one in said] == [(n + 2) % 256 for n in range(len(said))]
    assert max(len(one.sent.payload) for one in said) <= 100 + 12  # timestamp and seq besides


def test_tck_id_topics_ddata_timestamp():
    desk = desk_with_press()
    assert said_by(desk, scan(2.5, 8)).payload.timestamp_ms == desk.at.utc_ms


def test_tck_id_topics_ddata_payload():
    (metric,) = said_by(desk_with_press(), scan(1.5, 8)).metrics
    assert metric.value == Wired(Form.LONG, 8)


def test_tck_id_payloads_ddata_order():
    desk = born()
    assert verbs(desk.record(scan(1.5, 7), scan(2.5, 7))) == ["DBIRTH press", "DDATA press"]


def test_tck_id_payloads_alias_data_cmd_requirement():
    desk = born()
    dbirth, ddata = heard(desk.record(scan(1.5, 7), scan(2.5, 8)))
    assert [metric.name for metric in ddata.metrics] == [None, None]
    assert [metric.alias for metric in ddata.metrics] == [metric.alias for metric in dbirth.metrics]


def test_tck_id_payloads_metric_datatype_not_req():
    assert {metric.datatype for metric in said_by(desk_with_press(), scan(2.5, 8)).metrics} == {0}


def test_tck_id_principles_rbe_recommended():
    desk = desk_with_press()
    assert heard(desk.record(*[scan(1.5, 7, time_ms=UTC_MS + n) for n in range(50)])) == []


def test_tck_id_operational_behavior_data_publish_dbirth_change():
    desk = desk_with_press()
    said = said_by(desk, scan(1.5, 7), scan(2.5, 7), scan(2.5, 7), scan(1.5, 7))
    assert [metric.value.content for metric in said.metrics] == [2.5, 1.5]


@pytest.mark.parametrize(
    ("before", "after", "is_change"), [(NAN, NAN, False), (ZERO, -ZERO, True), (1.5, NAN, True), (NAN, 1.5, True)]
)
def test_a_change_is_a_change_of_bits(before, after, is_change):
    desk = born()
    desk.record(scan(before, tags=(FORCE,)))
    assert len(heard(desk.record(scan(after, tags=(FORCE,))))) == is_change


def test_without_by_exception_every_reading_is_sent():
    desk = desk_with_press(by_exception=False)
    said = said_by(desk, scan(1.5, 7), scan(1.5, 7))
    assert len(said.metrics) == 4


def test_tck_id_operational_behavior_data_publish_dbirth_order():
    desk = desk_with_press()
    said = said_by(desk, *[scan(float(ms), 7, time_ms=UTC_MS + ms) for ms in (30, 10, 20)])
    assert [metric.timestamp_ms - UTC_MS for metric in said.metrics] == [10, 20, 30]


def test_tck_id_payloads_metric_propertyvalue_type_value():
    desk = desk_with_press()
    assert said_by(desk, scan(2.5, 7)).metrics[0].properties == {}  # Good needs no word
    bad = said_by(desk, scan(None, 7, quality=[Quality.BAD_SENSOR_FAILURE, Quality.GOOD])).metrics[0]
    assert (bad.properties, bad.is_null, bad.value) == (BAD, True, None)
    doubtful = said_by(desk, scan(2.5, 7, quality=[Quality.UNCERTAIN_SUB_NORMAL, 0])).metrics[0]
    assert (doubtful.properties, doubtful.value.content) == (STALE, 2.5)
    assert said_by(desk, scan(2.5, 7)).metrics[0].properties == GOOD  # but it is said when it is good again
    assert said_by(desk, scan(3.5, 7)).metrics[0].properties == {}


def test_what_an_aggregate_makes_is_a_folder_of_the_device():
    desk = desk_with_press()
    tags = (Tag("force.mean"),)
    dbirth = said_by(desk, scan(1.25, tags=tags), aggregate="hourly")
    assert list(dbirth.by_name) == ["force", "cycles", "hourly/force.mean"]
    assert said_by(desk, scan(1.75, tags=tags), aggregate="hourly").metrics[0].value.content == 1.75


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (DataType.BOOL, True, False),
        (DataType.INT64, -(2**63), 2**63 - 1),
        (DataType.UINT64, 2**64 - 1, 0),
        (DataType.STRING, "ä", ""),
        (DataType.BYTES, b"\0\xff", b""),
        (DataType.INT64_ARRAY, (-1, 2**63 - 1), ()),
        (DataType.FLOAT64_ARRAY, (NAN, -0.0), (0.0,)),
    ],
)
def test_every_type_that_we_read_is_told(kind, first, second):
    desk = born()
    tags = (Tag("it", kind),)
    assert not said_by(desk, scan(first, tags=tags)).metrics[0].is_null
    assert heard(desk.record(scan(first, tags=tags))) == []
    assert not said_by(desk, scan(second, tags=tags)).metrics[0].is_null


# --- deaths and returns ---------------------------------------------------------------------------------------------


def test_tck_id_operational_behavior_device_ddeath():
    assert verbs(desk_with_press().record(gone())) == ["DDEATH press"]


def test_tck_id_topics_ddeath_topic():
    assert said_by(desk_with_press(), gone()).sent.topic == f"spBv1.0/{GROUP}/DDEATH/{NODE}/press"


def test_tck_id_topics_ddeath_mqtt():
    sent = said_by(desk_with_press(), gone()).sent
    assert (sent.qos, sent.retain) == (0, False)


def test_tck_id_topics_ddeath_seq_num():
    assert said_by(desk_with_press(), gone()).payload.seq == 2


def test_tck_id_payloads_ddeath_seq():
    assert said_by(desk_with_press(), gone()).payload.seq is not None


def test_tck_id_payloads_ddeath_seq_inc():
    desk = desk_with_press()
    seqs = [said_by(desk, one).payload.seq for _ in range(200) for one in (gone(), scan(1.5, 7))]
    assert seqs == [(n + 2) % 256 for n in range(400)]


def test_tck_id_payloads_ddeath_timestamp():
    desk = desk_with_press()
    assert said_by(desk, gone()).payload.timestamp_ms == desk.at.utc_ms


def test_a_device_that_returns_is_born_again_and_dies_only_once():
    desk = desk_with_press()
    assert verbs(desk.record(gone(), gone())) == ["DDEATH press"]
    assert verbs(desk.record(gone())) == []
    assert verbs(desk.record(scan(2.5, 8))) == ["DBIRTH press"]


def test_in_one_batch_a_device_may_die_and_return_and_nothing_changes_its_order():
    desk = desk_with_press()
    said = heard(desk.record(scan(2.5, 7), gone(time_ms=UTC_MS + 1), scan(3.5, 7, time_ms=UTC_MS + 2)))
    assert [one.verb for one in said] == ["DDATA", "DDEATH", "DBIRTH"]
    assert said[0].metrics[0].value.content == 2.5


def test_a_part_that_is_unreachable_is_bad_and_no_death():
    desk = desk_with_press()
    said = said_by(desk, gone(tags=(FORCE,)))
    assert (said.verb, said.metrics[0].properties) == ("DDATA", BAD)
    assert verbs(desk.record(gone(tags=(CYCLES,)))) == ["DDEATH press"]  # now nothing is left


def test_readings_that_are_bad_for_other_reasons_are_no_death():
    said = said_by(desk_with_press(), scan(None, None, quality=Quality.BAD_SENSOR_FAILURE))
    assert (said.verb, [metric.properties for metric in said.metrics]) == ("DDATA", [BAD, BAD])


def test_one_time_out_is_bad_data_and_three_in_a_row_are_a_death():
    desk = desk_with_press()
    silent = gone(quality=Quality.BAD_TIMEOUT)
    assert verbs(desk.record(silent)) == ["DDATA press"]
    desk.record(silent)
    desk.record(scan(1.5, 7))
    assert [verbs(desk.record(silent)) for _ in range(3)] == [["DDATA press"], [], ["DDEATH press"]]


def test_a_device_that_was_never_reached_is_made_known_and_dead():
    assert verbs(born().record(gone())) == ["DBIRTH press", "DDEATH press"]


def test_a_rebirth_does_not_raise_the_dead():
    desk = desk_with_press()
    desk.record(gone())
    assert verbs(desk.receive(NCMD, write(Form.BOOLEAN, True, name="Node Control/Rebirth"))) == ["NBIRTH"]


@pytest.mark.parametrize("reason", ["process is down: quarantined", "not connected: no route to host"])
def test_a_gap_that_says_that_the_device_is_down_is_its_death(reason):
    desk = desk_with_press()
    assert verbs(desk.gap(reason=reason)) == ["NDATA", "DDEATH press"]
    assert verbs(desk.gap(reason=reason, device="unknown")) == ["NDATA"]


def test_what_an_aggregate_says_later_does_not_raise_a_device():
    desk = desk_with_press()
    tags = (Tag("force.mean"),)
    desk.record(scan(1.25, tags=tags), aggregate="hourly")
    desk.record(gone())
    said = heard(desk.record(scan(1.5, tags=tags), aggregate="hourly"))
    assert [one.verb for one in said] == ["DBIRTH", "DDATA"]
    assert said[1].metrics[0].is_historical
    assert verbs(desk.node.due(desk.later(QUIET_S))) == ["DDEATH press"]


def test_where_only_aggregates_are_told_they_tell_of_the_device():
    desk = born()
    tags = (Tag("force.mean"),)
    assert verbs(desk.record(scan(1.25, tags=tags), aggregate="hourly")) == ["DBIRTH press"]
    assert verbs(desk.record(gone(tags=tags), aggregate="hourly")) == ["DDEATH press"]
    assert verbs(desk.record(scan(1.5, tags=tags), aggregate="hourly")) == ["DBIRTH press"]


# --- history --------------------------------------------------------------------------------------------------------


def test_history_is_marked_complete_in_order_and_changes_nothing_of_the_present():
    desk = desk_with_press()
    late = [scan(9.5, 7, time_ms=UTC_MS - 1000 + n) for n in range(3)]
    said = said_by(desk, *late, historical=True)
    assert [metric.is_historical for metric in said.metrics] == [True] * 6
    assert [metric.timestamp_ms - UTC_MS for metric in said.metrics[::2]] == [-1000, -999, -998]
    assert heard(desk.record(scan(1.5, 7))) == []  # still the present
    dbirth = heard(desk.receive(NCMD, write(Form.BOOLEAN, True, name="Node Control/Rebirth")))[1]
    assert dbirth.by_name["force"].value.content == 1.5


def test_what_is_live_is_not_marked():
    assert not any(metric.is_historical for metric in said_by(desk_with_press(), scan(2.5, 8)).metrics)


def test_a_dead_device_is_born_for_its_history_all_stale_and_dies_when_no_more_comes():
    desk = desk_with_press()
    desk.record(gone())
    dbirth, ddata = heard(desk.record(scan(1.0, 2), historical=True))
    assert (dbirth.verb, ddata.verb) == ("DBIRTH", "DDATA")
    assert all(metric.properties["Quality"][1] != 192 for metric in dbirth.metrics)
    assert verbs(desk.record(scan(1.25, 3), historical=True)) == ["DDATA press"]
    assert desk.node.next_due() == desk.at.now + QUIET_S
    assert verbs(desk.node.due(desk.later(QUIET_S - 1))) == []
    assert verbs(desk.node.due(desk.later())) == ["DDEATH press"]
    assert desk.node.next_due() is None


def test_what_was_last_heard_of_a_device_that_went_is_stale_when_it_is_born_for_its_history():
    desk = desk_with_press()
    desk.gap(reason="process is down: quarantined")
    dbirth, _ = heard(desk.record(scan(1.0, 2), historical=True))
    force = dbirth.by_name["force"]
    assert (force.value.content, force.properties["Quality"][1]) == (1.5, 500)


def test_a_device_that_was_born_for_its_history_is_not_born_in_the_next_session_before_it_has_something_to_tell():
    desk = born()
    desk.record(scan(1.0, 2), historical=True)
    desk.node.lost(desk.later())
    _, orders = desk.connect()
    assert verbs(orders) == ["NBIRTH"]
    assert desk.node.next_due() is None
    assert verbs(desk.record(scan(1.0, 2), historical=True)) == ["DBIRTH press", "DDATA press"]


def test_a_device_that_speaks_while_its_history_is_told_lives_on():
    desk = born()
    desk.record(scan(1.0, 2), historical=True)
    assert verbs(desk.record(scan(5.5, 9))) == ["DDATA press"]
    assert desk.node.next_due() is None
    assert verbs(desk.node.due(desk.later(2 * QUIET_S))) == []


def test_history_of_tags_that_are_unknown_is_told_after_a_birth_with_them():
    desk = desk_with_press()
    said = heard(desk.record(scan(3.5, tags=(Tag("way"),)), historical=True))
    assert [one.verb for one in said] == ["DBIRTH", "DDATA"]
    assert (said[0].by_name["way"].is_null, said[0].by_name["force"].is_null) == (True, False)


def test_the_history_of_a_bad_reading_is_bad():
    said = said_by(desk_with_press(), gone(), historical=True)
    assert [(metric.is_null, metric.properties) for metric in said.metrics] == [(True, BAD)] * 2


# --- once more ------------------------------------------------------------------------------------------------------


def test_what_comes_again_is_history_and_changes_nothing_of_the_present():
    desk = desk_with_press()
    desk.record(scan(2.5, 7))
    first = desk.newest
    desk.record(scan(3.5, 7))
    desk.node.lost(desk.later())
    dbirth = heard(desk.connect()[1])[1]
    assert dbirth.by_name["force"].value.content == 3.5
    (again,) = heard(desk.again(first))
    assert [(metric.value.content, metric.is_historical) for metric in again.metrics] == [(2.5, True), (7, True)]
    assert heard(desk.record(scan(3.5, 7))) == []  # still the present
    assert desk.prove() == [4, 5]


def test_a_loss_that_comes_again_kills_nobody_who_is_back():
    desk = desk_with_press()
    desk.record(gone())
    loss = desk.newest
    desk.record(scan(2.5, 7))
    (again,) = heard(desk.again(loss))
    assert (again.verb, again.metrics[0].is_historical) == ("DDATA", True)
    desk.gap(reason="process is down: x")
    gap = desk.newest
    desk.record(scan(2.5, 8))
    assert verbs(desk.again(gap)) == ["NDATA"]


def test_what_a_device_said_before_it_died_is_told_when_it_comes_again():
    desk = desk_with_press()
    desk.record(scan(2.5, 7))
    last = desk.newest
    desk.record(gone())
    desk.node.lost(desk.later())
    assert verbs(desk.connect()[1]) == ["NBIRTH"]
    assert verbs(desk.again(last)) == ["DBIRTH press", "DDATA press"]
    assert verbs(desk.node.due(desk.later(QUIET_S))) == ["DDEATH press"]


def test_a_new_epoch_of_the_spool_is_new():
    desk = desk_with_press()
    desk.record(scan(2.5, 7))
    (said,) = heard(desk.again(replace(desk.newest, epoch=2, seq=1, item=batch_of("press", 1, [scan(4.5, 7)]))))
    assert not said.metrics[0].is_historical


# --- the node's own metric ------------------------------------------------------------------------------------------


def gap_said(**options):
    (said,) = heard(born().gap(**options))
    return said


def test_tck_id_topics_ndata_topic():
    assert gap_said().sent.topic == f"spBv1.0/{GROUP}/NDATA/{NODE}"


def test_tck_id_topics_ndata_mqtt():
    assert (gap_said().sent.qos, gap_said().sent.retain) == (0, False)


def test_tck_id_payloads_ndata_qos():
    assert gap_said().sent.qos == 0


def test_tck_id_payloads_ndata_retain():
    assert gap_said().sent.retain is False


def test_tck_id_topics_ndata_seq_num():
    assert gap_said().payload.seq == 1


def test_tck_id_payloads_ndata_seq_inc():
    desk = born()
    assert [heard(desk.gap())[0].payload.seq for _ in range(260)] == [(n + 1) % 256 for n in range(260)]


def test_tck_id_topics_ndata_timestamp():
    desk = born()
    assert heard(desk.gap())[0].payload.timestamp_ms == desk.at.utc_ms


def test_tck_id_topics_ndata_payload():
    (metric,) = gap_said(reason="quota").metrics
    told = json.loads(metric.value.content)
    assert (told["device"], told["seq"], told["gap"]["reason"], told["gap"]["count"]) == ("press", 1, "quota", 5)
    assert metric.timestamp_ms == UTC_MS + 5


def test_tck_id_payloads_ndata_order():
    desk = desk_with_press()
    desk.node.lost(desk.later())
    _, orders = desk.connect()
    assert verbs([*orders, *desk.gap()]) == ["NBIRTH", "DBIRTH press", "NDATA"]


def test_a_gap_of_the_past_is_historical_and_kills_nobody():
    desk = desk_with_press()
    (said,) = heard(desk.gap(reason="process is down: x", historical=True))
    assert said.metrics[0].is_historical
    nbirth = heard(desk.receive(NCMD, write(Form.BOOLEAN, True, name="Node Control/Rebirth")))[0]
    assert nbirth.by_name["Gap"].is_null


def test_each_of_all_tags_has_a_name_of_its_own_in_the_birth():
    desk = born()
    tags = tuple(Tag(f"t{n}") for n in range(1000))
    dbirth = said_by(desk, scan(*map(float, range(1000)), tags=(*tags,)))
    assert list(dbirth.by_name) == [tag.name for tag in tags]
