"""A whole gateway that delivers over HTTPS: what the far end refuses, and what happens when it dies."""

import json

import pytest

from tests.peers.certificates import Authority
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import free_port
from tests.transports.uplinks.https_driving import far_end

CONFIG = """
[gateway]
name = "north"
[device.big]
driver = "sim"
period = "500ms"
tags = {{ n = {{ wave = "counter" }} }}
[device.small]
driver = "sim"
period = "50ms"
tags = {{ n = {{ wave = "counter" }} }}
[uplink.cloud]
type = "https"
url = "{url}/in"
tls = {{ ca = "{ca}" }}
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.signs("cloud.plant")


def _records(far, device):
    return [record for record in map(json.loads, far.bodies()) if record["device"] == device]


def _seqs(far, device):
    return {record["source_seq"] for record in _records(far, device) if "source_seq" in record}


def test_what_the_server_refuses_is_announced_as_a_gap_and_the_stream_goes_on(tmp_path, authority, pair):
    with far_end(tmp_path, pair) as far:
        # What cannot be taken: readings of the one device. A gap of it can.
        far.tell("--status", "422", "--refuse", '"device":"big","source_seq":2,')
        with Gateway(tmp_path, CONFIG.format(url=far.url, ca=authority.ca)) as gateway:
            gateway.wait(lambda _: 4 in _seqs(far, "big") and gateway.child("cloud")["state"]["connected"])
            state, restarts = gateway.child("cloud")["state"], gateway.child("cloud")["restarts"]
    assert restarts == 0
    assert state["refused"] == 1
    gaps = [record["gap"] for record in _records(far, "big") if "gap" in record]
    assert [(gap["first_seq"], gap["last_seq"]) for gap in gaps if gap["reason"].startswith("refused")] == [(2, 2)]
    small = _seqs(far, "small")
    assert small == set(range(1, max(small) + 1))


def test_a_server_that_dies_with_what_it_read_gets_it_again_and_nothing_is_missing(tmp_path, authority, pair):
    port = free_port()
    (tmp_path / "1").mkdir()
    with (
        far_end(tmp_path / "1", pair, port=port) as first,
        Gateway(tmp_path, CONFIG.format(url=first.url, ca=authority.ca)) as gateway,
    ):
        gateway.wait(lambda _: len(_records(first, "small")) > 5)
        first.tell("--die")
        gateway.wait(lambda _: "127.0.0.1" in gateway.child("cloud")["state"]["last_error"])
        with far_end(tmp_path, pair, port=port) as second:
            gateway.wait(lambda _: len(_records(second, "small")) > 20)
            newest = max(_seqs(second, "small"))
    assert set(range(1, newest - 5)) <= _seqs(first, "small") | _seqs(second, "small")
