"""A backlog drains through real processes to a real broker: fresh records go first, nothing is missing."""

import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Received, Subscriber
from transports import codec
from transports.samples import Batch, Scan, Tag, batch_of
from transports.spool import Account, Settings, Spool

HOUR_NS = 3600 * 10**9
BACKLOG = 20_000
TOGETHER = 500
WINDOW = 64
CONFIG = """
[gateway]
name = "north"
{device}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {port}
topic = "north/{{device}}"
retry_first = "20ms"
retry_ceiling = "200ms"
{more}
"""
DEVICE = """
[device.live]
driver = "sim"
period = "20ms"
tags = { n = { wave = "counter" } }
"""


@dataclass(frozen=True)
class Arrival:
    """A record as it came."""

    seq: int
    device: str
    historical: bool
    is_gap: bool


def _small(seq: int) -> Batch:
    return batch_of("press", seq, [Scan(time.time_ns() - HOUR_NS, (Tag("force"),), [seq * 0.25])])


def _large(seq: int) -> Batch:
    tags = tuple(Tag(f"force-{at}") for at in range(200))
    return batch_of("press", seq, [Scan(time.time_ns() - HOUR_NS, tags, [seq * 0.25] * 200)])


def _keep(gateway: Gateway, batches: Sequence[Batch]) -> None:
    """Write to the spool of a gateway that does not run yet, as if an hour ago."""
    directory = gateway.data_dir / "spool"
    gateway.data_dir.mkdir(mode=0o750)
    directory.mkdir()
    spool = Spool.open(str(directory), Settings(), {"raw": (), "out": ("cloud",)}, time.time_ns() - HOUR_NS)
    for begin in range(0, len(batches), TOGETHER):
        some = batches[begin : begin + TOGETHER]
        payloads = [codec.pack(batch) for batch in some]
        counts = [batch.samples for batch in some]
        spool.append("out", "press", begin + 1, payloads, time.time_ns() - HOUR_NS, counts=counts)
    spool.close()


def _opened(gateway: Gateway) -> Spool:
    consumers = {"raw": (), "out": ("cloud",), "dead": ("a test",)}
    return Spool.open(str(gateway.data_dir / "spool"), Settings(), consumers, time.time_ns())


def _dead_letters(gateway: Gateway) -> list[bytes]:
    with closing(_opened(gateway)) as spool:
        return [record.payload for record in spool.fetch("dead", "a test", 10**6).records]


def _account(gateway: Gateway) -> Account:
    """What the ledger says about the uplink and the press."""
    with closing(_opened(gateway)) as spool:
        (account,) = [each for each in spool.ledger() if (each.consumer, each.producer) == ("cloud", "press")]
        return account


def _arrivals(messages: list[Received]) -> list[Arrival]:
    records: list[dict[str, Any]] = [
        json.loads(each.payload) for each in list(messages) if each.topic != "north/status"
    ]
    return [
        Arrival(each["seq"], each["device"], each.get("historical", False), "gap" in each)
        for each in records
        if "seq" in each
    ]


def test_fresh_records_arrive_while_a_backlog_drains_and_nothing_is_missing_or_twice(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    more = "backfill_messages_per_s = 8000"
    gateway = Gateway(tmp_path, CONFIG.format(port=broker.port, device=DEVICE, more=more))
    _keep(gateway, [_small(seq) for seq in range(1, BACKLOG + 1)])
    with gateway:
        gateway.wait(lambda _: gateway.child("live")["state"].get("scans", 0) > 10)
        with broker, Subscriber(broker.port, "north/#") as cloud:
            cloud.wait(lambda messages: len(messages) > BACKLOG)
            gateway.operate("stop", "live")
            _wait_for_all(gateway, cloud)
    came = _arrivals(cloud.messages)
    assert sorted(each.seq for each in came) == [*range(1, len(came) + 1)], "each came once"
    assert all(each.historical for each in came if each.device == "press")
    fresh = [at for at, each in enumerate(came) if not each.historical]
    assert {came[at].device for at in fresh} == {"live"}
    assert fresh[0] < BACKLOG / 4, "it did not wait for the backlog"
    last_of_backlog = max(at for at, each in enumerate(came) if each.device == "press")
    assert sum(at < last_of_backlog for at in fresh) >= 10, "nor did those that came meanwhile"
    for historical in (False, True):
        lane = [each.seq for each in came if each.historical is historical]
        assert lane == sorted(lane)


def _wait_for_all(gateway: Gateway, cloud: Subscriber) -> None:
    """Until everything that the spooler says it has kept has come; its word may be a heartbeat old."""

    def is_there(_: dict[str, Any]) -> bool:
        end = gateway.child("spooler")["state"]["topics"]["out"]["end"][1]
        return not gateway.child("live")["pid"] and len({each.seq for each in _arrivals(cloud.messages)}) == end

    gateway.wait(is_there)


def test_an_uplink_that_is_killed_again_and_again_loses_nothing_of_either_lane(tmp_path: Path) -> None:
    kills = 3
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, "north/#") as cloud:
        more = "backfill_messages_per_s = 3000"
        gateway = Gateway(tmp_path, CONFIG.format(port=broker.port, device=DEVICE, more=more))
        _keep(gateway, [_small(seq) for seq in range(1, 4501)])
        with gateway:
            for number in range(1, kills + 1):
                cloud.wait(lambda messages, n=number: len(messages) > n * 1000)  # type: ignore[misc]
                os.kill(gateway.child("cloud")["pid"], signal.SIGKILL)
                gateway.wait(lambda _, n=number: gateway.child("cloud")["restarts"] >= n)  # type: ignore[misc]
            gateway.operate("stop", "live")
            _wait_for_all(gateway, cloud)
    numbers = [each.seq for each in _arrivals(cloud.messages)]
    assert {*numbers} == {*range(1, max(numbers) + 1)}
    assert len(numbers) - max(numbers) <= kills * 3 * WINDOW, "one on its way, one not committed yet, in both lanes"


def test_a_poison_record_that_blocks_the_stream_is_set_aside_and_the_stream_goes_on(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path, lines=["max_packet_size 4000"]) as broker,
        Subscriber(broker.port, "north/#") as cloud,
    ):
        gateway = Gateway(tmp_path, CONFIG.format(port=broker.port, device="", more=""))
        large = _large(100)
        _keep(gateway, [large if seq == 100 else _small(seq) for seq in range(1, 301)])
        with gateway:
            cloud.wait(lambda messages: len({each.seq for each in _arrivals(messages)}) == 300)
            gateway.wait(lambda _: not gateway.child("cloud")["state"]["probation"])
            assert gateway.child("cloud")["state"]["dead_letters"] == 1
            assert gateway.stop() == 0
            dead, account = _dead_letters(gateway), _account(gateway)
        assert dead == [codec.pack(large)]
        assert (account.read, account.delivered, account.waiting, account.gaps) == (499, 299, 0, 200)
        came = _arrivals(cloud.messages)
        assert [each.seq for each in came if each.is_gap] == [100]
        first = list(dict.fromkeys(each.seq for each in came))
        assert first == [*range(1, 301)], "in order, with the gap in its place"
