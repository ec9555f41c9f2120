"""A whole gateway that delivers to a cluster of three nats-servers, of which one after the other is killed."""

import json
import time
from collections import defaultdict

import pytest

from tests.peers.gateway import Gateway
from tests.peers.nats_server import cluster
from tests.transports.uplinks.jetstream_driving import Sender, out

CONFIG = """
[gateway]
name = "plant"
{devices}
[uplink.cloud]
type = "jetstream"
servers = {servers}
stream = "HOLDFAST"
create_stream = {{ replicas = 3 }}
ack_timeout = "2s"
connect_timeout = "2s"
live_first = false

[uplink.bulk]
type = "jetstream"
servers = {servers}
stream = "BULK"
subject = "bulk.{{device}}"
create_stream = {{ replicas = 3 }}
ack_timeout = "2s"
connect_timeout = "2s"
live_first = false
batch_records = 20
batch_wait = "50ms"
"""
DEVICE = """
[device.press-{number}]
driver = "sim"
period = "10ms"
tags = {{ n = {{ wave = "counter" }} }}
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def _leader(servers, alive):
    info = alive.call(lambda _, js: js.stream_info("HOLDFAST"))
    return next((server for server in servers if info.cluster and server.name == info.cluster.leader), None)


def _numbers(stored):
    """What the stream has of each device: the numbers of its scans, in the stream's order."""
    found = defaultdict(list)
    for message in stored:
        said = json.loads(message.data)
        for record in said if isinstance(said, list) else [said]:
            found[record["device"]].append(record["source_seq"])
    return found


def test_a_leader_that_is_killed_costs_no_reading_brings_none_twice_and_keeps_their_order(tmp_path, servers):
    devices = "".join(DEVICE.format(number=number) for number in range(3))
    config = CONFIG.format(devices=devices, servers=[server.url for server in servers])
    with Gateway(tmp_path, config) as gateway:
        _until_more_is_delivered(gateway, 60)
        leader = _leader(servers, servers[0])
        leader.kill()
        alive = next(server for server in servers if server is not leader)
        _until_more_is_delivered(gateway, 300)
        cloud, bulk = gateway.child("cloud"), gateway.child("bulk")
        assert [(each["restarts"], each["state"]["refused"]) for each in (cloud, bulk)] == [(0, 0), (0, 0)]
        gateway.stop()
    for stream in ("HOLDFAST", "BULK"):
        stored = alive.contents(stream)
        ids = [message.msg_id for message in stored]
        assert len(set(ids)) == len(ids)
        numbers = _numbers(stored)
        assert len(numbers) == 3
        for seqs in numbers.values():
            assert seqs == list(range(1, len(seqs) + 1))
    leader.start()


def test_a_cluster_without_a_majority_holds_everything_until_it_has_one_again(servers):
    table = {"stream": "MAJORITY", "subject": "majority.{device}", "create_stream": {"replicas": 3}}
    s = Sender(*servers, ack_timeout="1s", connect_timeout="1s", **table)
    _deliver_as_the_actor_does(s, [0])  # a server that has come back is a peer again when the others have noticed
    s.pauses_are_over()
    d = s.connected()
    assert d.uplink.standing()["replicas"] == 3
    for server in servers[:2]:
        server.kill()
    for n in range(1, 10):
        d.uplink.send(out(n))
    d.until_down()
    d.uplink.close(farewell=False)
    taken = len(d.took)
    # Whoever is left may believe for some seconds that it leads, and acknowledges nothing.
    s.pauses_are_over()
    assert s.attempt(out(taken + 1)) == []
    for server in servers[:2]:
        server.start()
    _deliver_as_the_actor_does(s, range(taken + 1, 10))
    assert [each.msg_id for each in servers[2].contents("MAJORITY")] == [f"plant/out/3/{n}" for n in range(10)]


def _deliver_as_the_actor_does(sender, numbers):
    """Connect again whenever it ends, until everything is taken: the cluster elects whom it must."""
    left, deadline = list(numbers), time.monotonic() + 30
    while left:
        assert time.monotonic() < deadline
        took = sender.attempt(*map(out, left), until=len(left))
        left = [number for number in left if number not in took]


def _until_more_is_delivered(gateway, records):
    before = {name: _delivered(gateway, name) for name in ("cloud", "bulk")}
    gateway.wait(lambda _: all(_delivered(gateway, name) >= before[name] + records for name in before))


def _delivered(gateway, name):
    return gateway.child(name)["state"].get("records", 0)  # a child that has just begun tells nothing yet
