"""Several MQTT servers: the next one when one cannot be had, and back to the first when it is there again."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.mosquitto import Mosquitto, free_port
from tests.transports.uplinks.driving import Driver
from transports.building import build
from transports.errors import UplinkDown
from transports.uplinks import Identity, Outgoing, mqtt
from transports.uplinks._mqtt import walk as walking
from transports.uplinks._mqtt.walk import NEVER, Walk

IDENTITY = Identity("plant", "cloud")
AFTER_S = 300.0


class TestWalk:
    """The decider."""

    @given(st.integers(1, 5), st.integers(0, 20))
    def test_each_server_has_its_turn(self, servers, failures):
        walk, visited = Walk(), []
        for _ in range(failures):
            visited.append(walk.at)
            walk = walking.failed(walk, servers)
        assert visited == [number % servers for number in range(failures)]

    def test_the_first_is_asked_only_from_a_backup(self):
        assert walking.connected(Walk(0), 10.0, AFTER_S).ask_at == NEVER
        assert walking.connected(Walk(2), 10.0, AFTER_S).ask_at == 310.0

    def test_a_first_that_does_not_answer_is_asked_again(self):
        walk = walking.asked(walking.connected(Walk(1), 0.0, AFTER_S), False, 300.0, AFTER_S)
        assert (walk.at, walk.ask_at) == (1, 600.0)

    def test_a_first_that_answers_is_gone_back_to_and_all_is_as_before(self):
        walk = walking.asked(walking.connected(Walk(1), 0.0, AFTER_S), True, 300.0, AFTER_S)
        assert walk.at == 0
        assert walking.served(walking.connected(walk, 301.0, AFTER_S)) == Walk()

    def test_a_first_that_lets_us_in_and_takes_nothing_costs_connections_ever_more_seldom(self):
        walk, now, pauses = Walk(1), 0.0, []
        for _ in range(3):
            walk = walking.connected(walk, now, AFTER_S)
            pauses.append(walk.ask_at - now)
            now = walk.ask_at
            walk = walking.connected(walking.asked(walk, True, now, AFTER_S), now, AFTER_S)
            walk = walking.failed(walk, 2)
        assert pauses == [300, 600, 1200]

    def test_a_first_that_answers_and_lets_nobody_in_costs_connections_ever_more_seldom(self):
        walk, now, pauses = Walk(1), 0.0, []
        for _ in range(6):
            walk = walking.connected(walk, now, AFTER_S)
            pauses.append(walk.ask_at - now)
            now = walk.ask_at
            walk = walking.failed(walking.asked(walk, True, now, AFTER_S), 2)
        assert pauses == [300, 600, 1200, 2400, 3600, 3600]


def settings(*ports, **table):
    backup = [{"host": "127.0.0.1", "port": port} for port in ports[1:]]
    return build(
        mqtt.Settings, {"host": "127.0.0.1", "port": ports[0], "backup": backup, "protocol": "5", **table}, "uplink.c"
    )


def connect(told):
    told.past.not_before = float("-inf")
    return Driver(mqtt.connect(told, IDENTITY))


def connected(told):
    """The first connection that stands, whoever gives it."""
    while True:
        d = connect(told)
        try:
            return d.until_ready()
        except UplinkDown:
            d.uplink.close(farewell=False)


@pytest.fixture
def backup(tmp_path):
    with Mosquitto(tmp_path) as running:
        yield running


def test_when_the_first_cannot_be_had_the_next_one_is_used_and_status_says_which(backup):
    told = settings(free_port(), free_port(), backup.port)
    d = connected(told)
    d.deliver([b"x"])
    assert (d.uplink.standing()["server"], d.uplink.standing()["backup"]) == (f"127.0.0.1:{backup.port}", True)
    d.uplink.close()


def test_a_server_that_lets_nobody_in_is_no_server(backup, tmp_path):
    (tmp_path / "x").mkdir()
    with Mosquitto(tmp_path / "x", ["allow_anonymous false"]) as closed:
        d = connected(settings(closed.port, backup.port))
        assert d.uplink.standing()["server"] == f"127.0.0.1:{backup.port}"
        d.uplink.close()


def test_a_lost_connection_is_first_made_again_where_it_was(backup):
    told = settings(free_port(), backup.port)
    connected(told).uplink.close(farewell=False)
    connect(told).until_ready().uplink.close()


def test_when_the_first_is_there_again_it_is_gone_back_to_in_order(backup, tmp_path):
    (tmp_path / "first").mkdir()
    port = free_port()
    told = settings(port, backup.port, keepalive="10h", ack_timeout="10h")
    d = connected(told)
    now = ask_first(d, time.monotonic() + AFTER_S)  # it does not answer
    with Mosquitto(tmp_path / "first", port=port):
        d.uplink.send(Outgoing(7, {"device": "d"}, b"x"))
        with pytest.raises(UplinkDown, match="is there again; going back"):
            ask_first(d, now + AFTER_S + 60)
        assert [*d.took, *d.uplink.taken()] == [7]
        again = connect(told).until_ready()
        assert (again.uplink.standing()["server"], again.uplink.standing()["backup"]) == (f"127.0.0.1:{port}", False)
        again.uplink.close()


def ask_first(d, now):
    """Step at a time that the test has made up, until the first has answered or has not; the time then."""
    d.uplink.step(now)
    assert d.uplink._road._asking is not None
    deadline = time.monotonic() + 20
    while d.uplink._road._asking is not None:
        assert time.monotonic() < deadline
        now += 1.0
        d.uplink.step(now)
    return now


def test_of_one_server_no_backup_is_spoken(backup):
    d = connected(settings(backup.port))
    assert "backup" not in d.uplink.standing()
    d.uplink.close()
