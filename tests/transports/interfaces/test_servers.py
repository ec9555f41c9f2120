"""Where an uplink connects to, read from settings of each kind that there is."""

from types import SimpleNamespace as Settings

import pytest

from transports.interfaces.servers import servers_of

CASES = [
    (Settings(host="broker", tcp_port=8883), [("broker", 8883)]),
    (Settings(host="broker", port=1883, servers=(Settings(host="a", port=1), Settings(host="b", port=2))), 2),
    (Settings(url="https://cloud.example.com/{gateway}/ingest"), [("cloud.example.com", 443)]),
    (Settings(url="http://[::1]:8080/x"), [("::1", 8080)]),
    (Settings(servers=("nats://a:4222", "tls://b", "c:9092")), [("a", 4222), ("b", 4222), ("c", 9092)]),
    (Settings(servers="nats://a"), [("a", 4222)]),
    (Settings(path="/tmp/out.ndjson"), []),
    (Settings(host="broker", port=None), []),
    (Settings(url="https://cloud:notaport/"), []),
]


@pytest.mark.parametrize(("settings", "servers"), CASES)
def test_each_kind_of_uplink_says_where_it_connects_to(settings: Settings, servers: object) -> None:
    found = servers_of(settings)
    assert len(found) == servers if isinstance(servers, int) else list(found) == servers
