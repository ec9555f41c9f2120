"""What a configuration may say of the Sparkplug uplink."""

import pytest

from transports.building import build
from transports.errors import SettingsError
from transports.sparkplug.proofs import Confirm
from transports.uplinks import Identity, sparkplug

PLAIN = {"host": "broker.example.com", "group_id": "plant 7"}


def built(**table):
    return build(sparkplug.Settings, PLAIN | table, "uplink.scada")


def problems(**table):
    with pytest.raises(SettingsError) as wrong:
        built(**table)
    return {problem.path: problem.cure for problem in wrong.value.problems}


def test_the_least_that_must_be_said():
    node = built().node(Identity("press-line", "scada"))
    assert (node.address.group_id, node.address.edge_node_id, node.gateway) == ("plant 7", "press-line", "press-line")
    assert (node.host_id, node.servers, node.confirm, node.hold_s) == ("", 1, Confirm.PROVEN, 0.0)


def test_what_is_said_reaches_the_session():
    table = {"edge_node_id": "line {uplink}", "host_id": "scada-1", "host_wait": "5s", "hold": "60s"}
    backup = [{"host": "b.example.com"}, {"host": "c.example.com", "port": 1884}]
    node = built(**table, backup=backup, by_exception=False, max_message="64KiB").node(Identity("g", "scada"))
    assert (node.address.edge_node_id, node.host_id, node.host_wait_s) == ("line scada", "scada-1", 5.0)
    assert (node.servers, node.hold_s, node.by_exception, node.max_message_bytes) == (3, 60.0, False, 64 * 1024)


def test_with_a_primary_host_there_is_no_going_back_to_the_first_server():
    assert built(host_id="scada-1").roaming.fail_back_after_s == float("inf")
    assert built(fail_back_after="7s").roaming.fail_back_after_s == 7.0
    hosted = built(host_id="scada-1")
    assert hosted.roaming.past is hosted.roaming.past  # it outlives a connection


def test_a_gateway_whose_name_is_no_id_gets_one_level_all_the_same():
    assert built().node(Identity("line/3 #+", "scada")).address.edge_node_id == "line_3 __"


@pytest.mark.parametrize(
    ("table", "where", "cure"),
    [
        ({"group_id": ""}, "group_id", "must not be empty"),
        ({"group_id": "a/b"}, "group_id", "no + / #"),
        ({"group_id": "a+"}, "group_id", "no + / #"),
        ({"group_id": "#"}, "group_id", "no + / #"),
        ({"group_id": "a\n"}, "group_id", "no control characters"),
        ({"host_id": "a/b"}, "host_id", "no + / #"),
        ({"host_id": "x" * 20_001}, "host_id", "at most 20000 bytes"),
        ({"edge_node_id": "line/3"}, "edge_node_id", "one level"),
        ({"edge_node_id": "a+b"}, "edge_node_id", "wildcards"),
        ({"edge_node_id": "{device}"}, "edge_node_id", "unknown"),
        ({"edge_node_id": ""}, "edge_node_id", "empty"),
        ({"confirm": "puback"}, "confirm", "proven"),
        ({"confirm": "sent", "hold": "1s"}, "hold", 'confirm = "proven"'),
        ({"hold": "-1s"}, "hold", ""),
        ({"max_message": 10}, "max_message", "1024"),
        ({"host_id": "scada-1", "fail_back_after": "1m"}, "fail_back_after", "primary host"),
        ({"protocol": "4"}, "protocol", "3.1.1, 5"),
        ({"password": {"env": "P"}}, "user", "without a user name"),
        ({"commands": "yes"}, "commands", "true or false"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_cure(table, where, cure):
    found = problems(**table)
    assert list(found) == [f"uplink.scada.{where}"]
    assert cure in found[f"uplink.scada.{where}"]


def test_the_group_must_be_said():
    with pytest.raises(SettingsError, match=r"uplink\.scada\.group_id"):
        build(sparkplug.Settings, {"host": "broker.example.com"}, "uplink.scada")
