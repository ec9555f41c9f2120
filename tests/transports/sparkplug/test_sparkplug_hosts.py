"""The primary host: awaited, online, offline; walking servers. Tests named tck_id_... keep that rule."""

import pytest

from tests.transports.sparkplug.gateway_desk import HOST, STATE, Desk, born, heard, others, scan, state, verbs
from transports.errors import NotUnderstood, UplinkDown
from transports.sparkplug.host import read_state
from transports.sparkplug.orders import HangUp, Refusal, Subscribe
from transports.sparkplug.phases import Phase


def waiting(**settings):
    desk = Desk(host_id=HOST, **settings)
    desk.connect()
    return desk


def online(at=1000, **settings):
    desk = waiting(**settings)
    desk.receive(STATE, state(True, at))
    return desk


def test_tck_id_message_flow_edge_node_birth_publish_phid_wait():
    desk = Desk(host_id=HOST)
    _, orders = desk.connect()
    assert heard(orders) == []
    with pytest.raises(UplinkDown, match="waiting"):
        desk.record(scan(1.5, 7))
    assert verbs(desk.receive(STATE, state(True, 1))) == ["NBIRTH"]


def test_tck_id_operational_behavior_edge_node_birth_sequence_wait():
    desk = waiting()
    assert not desk.node.ready
    desk.receive(STATE, state(True, 1))
    assert desk.node.ready


def test_tck_id_operational_behavior_primary_application_state_with_multiple_servers_state_subs():
    _, orders = Desk(host_id=HOST).connect()
    assert Subscribe(STATE, qos=1) in orders


def test_tck_id_message_flow_edge_node_birth_publish_phid_wait_id():
    desk = waiting()
    assert desk.receive("spBv1.0/STATE/another", state(True, 1)) == []
    assert desk.receive("STATE/scada", state(True, 1)) == []
    assert desk.node.phase is Phase.WAITING


@pytest.mark.parametrize(
    "payload",
    [
        b'{"online": false, "timestamp": 5}',
        b'{"online": "true", "timestamp": 5}',
        b'{"online": 1, "timestamp": 5}',
        b'{"online": true}',
        b'{"online": true, "timestamp": "5"}',
        b'{"online": true, "timestamp": true}',
        b'{"online": true, "timestamp": NaN}',
        b'{"online": true, "timestamp": Infinity}',
        b"ONLINE",
        b"[true, 5]",
        b"\xff",
        b"",
        b"[" * 3000,
        b'{"online": true, "timestamp": 5, "x": "' + b"x" * 5000 + b'"}',
    ],
)
def test_tck_id_message_flow_edge_node_birth_publish_phid_wait_online(payload):
    desk = waiting()
    assert heard(desk.receive(STATE, payload)) == []
    assert not desk.node.ready
    assert verbs(desk.receive(STATE, state(True, 5))) == ["NBIRTH"]  # and nothing of it sticks


def test_what_is_no_state_is_refused_with_a_reason():
    (refusal,) = others(waiting().receive(STATE, b"ONLINE"))
    assert refusal == Refusal(STATE, "", "a STATE that is not JSON: b'ONLINE'")
    with pytest.raises(NotUnderstood, match=r"5\d\d\d bytes"):
        read_state(b" " * 5000)


def test_tck_id_host_topic_phid_birth_payload():
    assert read_state(b'{"timestamp": 1668114759262, "online": true}') == (True, 1668114759262)


def test_tck_id_message_flow_edge_node_birth_publish_phid_wait_timestamp():
    desk = waiting()
    desk.receive(STATE, state(False, 1000))
    assert desk.receive(STATE, state(True, 999)) == []  # an older session of the host
    assert not desk.node.ready
    assert verbs(desk.receive(STATE, state(True, 1000))) == ["NBIRTH"]


def test_tck_id_message_flow_edge_node_birth_publish_phid_offline():
    desk = online()
    orders = desk.receive(STATE, state(False, 1000))
    assert verbs(orders) == ["NDEATH"]
    assert orders[-1] == HangUp("the primary host scada is offline")
    assert desk.node.phase is Phase.OFFLINE


def test_tck_id_operational_behavior_edge_node_termination_host_offline():
    assert isinstance(online(at=7).receive(STATE, state(False, 8))[-1], HangUp)


def test_tck_id_operational_behavior_edge_node_termination_host_offline_timestamp():
    desk = online(at=1000)
    assert desk.receive(STATE, state(False, 999)) == []
    assert desk.node.ready
    assert desk.receive(STATE, state(True, 500)) == []


def test_tck_id_operational_behavior_edge_node_termination_host_offline_reconnect():
    desk = online(servers=3)
    desk.receive(STATE, state(False, 1000))
    assert desk.node.server == 1


def test_tck_id_operational_behavior_primary_application_state_with_multiple_servers_walk():
    desk = Desk(host_id=HOST, servers=3)
    visited = []
    for _ in range(4):
        visited.append(desk.node.server)
        desk.connect()
        orders = desk.receive(STATE, state(False, 5))
        assert orders == [HangUp("the primary host scada is offline")]  # nobody was born, so nobody dies
    assert visited == [0, 1, 2, 0]


def test_tck_id_operational_behavior_primary_application_state_with_multiple_servers_single_server():
    desk = Desk(host_id=HOST, servers=2)
    desk.connect()
    desk.receive(STATE, state(False, 5))
    assert desk.node.phase is Phase.OFFLINE  # before another is dialled
    desk.node.connecting(desk.later())
    assert desk.node.phase is Phase.CONNECTING


def test_tck_id_operational_behavior_host_application_multi_server_timestamp():
    desk = online(at=9000, servers=2)
    desk.receive(STATE, state(False, 9000))
    desk.connect()
    assert verbs(desk.receive(STATE, state(True, 4000))) == ["NBIRTH"]  # a host counts for each server


def test_with_one_server_a_host_that_is_offline_is_awaited_where_we_are():
    desk = waiting()
    assert desk.receive(STATE, state(False, 5)) == []
    assert desk.node.phase is Phase.WAITING
    assert verbs(desk.receive(STATE, state(True, 6))) == ["NBIRTH"]


def test_a_server_where_nothing_is_heard_of_the_host_is_left_after_a_while():
    desk = waiting(servers=2, host_wait_s=30.0)
    assert desk.node.next_due() == desk.at.now + 30.0
    assert desk.node.due(desk.later(29)) == []
    (order,) = desk.node.due(desk.later())
    assert (order, desk.node.server) == (HangUp("nothing was heard of the primary host in time"), 1)
    assert desk.node.next_due() is None


def test_the_only_server_is_never_left_for_silence():
    desk = waiting(servers=1)
    assert desk.node.next_due() is None
    assert desk.node.due(desk.later(1e6)) == []


def test_a_host_heard_of_in_time_is_not_waited_for_any_more():
    desk = waiting(servers=2)
    desk.receive(STATE, state(True, 5))
    assert desk.node.next_due() is None


def test_a_host_that_says_again_that_it_is_online_costs_nothing():
    assert online().receive(STATE, state(True, 2000)) == []


@pytest.mark.parametrize("when", ["connecting", "waiting", "born"])
def test_each_way_to_lose_a_connection_leads_to_the_next_server(when):
    desk = Desk(host_id=HOST, servers=2)
    desk.node.connecting(desk.later())
    if when != "connecting":
        desk.node.connected(desk.later())
    if when == "born":
        desk.receive(STATE, state(True, 5))
    desk.node.lost(desk.later())
    desk.node.lost(desk.later())  # the order to hang up, carried out
    assert (desk.node.server, desk.node.phase) == (1, Phase.OFFLINE)


def test_after_the_host_was_away_births_tell_all_again():
    desk = born(host_id=HOST)
    desk.record(scan(1.5, 7))
    desk.receive(STATE, state(False, 1))
    desk.connect()
    assert verbs(desk.receive(STATE, state(True, 2))) == ["NBIRTH", "DBIRTH press"]


def test_leaving_while_the_host_is_awaited_is_without_a_death():
    desk = waiting()
    assert desk.node.leave("stopped", desk.later()) == [HangUp("stopped")]
