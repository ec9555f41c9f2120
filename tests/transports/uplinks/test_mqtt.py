"""The MQTT uplink against a real Mosquitto, and against a broker played by hand where no real one misbehaves so."""

import os
import select
import subprocess
import threading
import time

import orjson
import pytest

from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.subscriber import Subscriber
from tests.transports.uplinks.driving import Driver
from tests.transports.uplinks.hand_broker import PINGREQ, PINGRESP, HandBroker
from transports.building import build
from transports.errors import UplinkDown, UplinkRefused
from transports.uplinks import Identity, Outgoing, mqtt
from transports.uplinks._mqtt.client import PahoClient

IDENTITY = Identity("plant", "cloud")


def driver(port, **table):
    settings = build(mqtt.Settings, {"host": "127.0.0.1", "port": port, **table}, "uplink.cloud")
    return Driver(mqtt.connect(settings, IDENTITY))


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def cloud(broker):
    with Subscriber(broker.port) as subscriber:
        yield subscriber


@pytest.fixture
def by_hand():
    with HandBroker() as broker:
        yield broker


def states(subscriber):
    return [orjson.loads(payload)["state"] for payload in subscriber.payloads("holdfast/plant/status")]


class TestDelivery:
    def test_every_message_arrives_and_is_taken_in_order(self, broker, cloud):
        d, payloads = driver(broker.port).until_ready(), [b"%d" % n for n in range(500)]
        d.deliver(payloads)
        assert d.took == list(range(500))
        cloud.wait(lambda messages: len(messages) == 501)
        assert cloud.payloads("holdfast/plant/press-1") == payloads
        d.uplink.close()

    def test_a_device_name_makes_one_level_of_the_topic_whatever_is_in_it(self, broker, cloud):
        d = driver(broker.port, topic="site/{uplink}/{device}/data").until_ready()
        d.deliver([b"x"], device="line/3 #+\x00\ud800 é")
        cloud.wait(lambda messages: any(message.payload == b"x" for message in messages))
        assert cloud.payloads("site/cloud/line_3 ____ é/data") == [b"x"]
        d.uplink.close()

    def test_a_retained_message_waits_for_a_reader_who_comes_later(self, broker):
        d = driver(broker.port, retain=True).until_ready()
        d.deliver([b"kept"])
        with Subscriber(broker.port, "holdfast/plant/press-1") as late:
            late.wait(lambda messages: [m.payload for m in messages if m.retained] == [b"kept"])
        d.uplink.close()

    def test_who_says_when_that_is_all_has_messages_written_together(self, by_hand):
        d = driver(by_hand.port)
        by_hand.meet(d)
        d.uplink.flush()
        for ticket in (1, 2, 3):
            d.uplink.send(Outgoing(ticket, {"device": "d"}, b"%d" % ticket))
        assert d.uplink.wants_write()
        assert not by_hand.has_more()
        d.uplink.flush()
        assert not d.uplink.wants_write()
        assert [by_hand.published()[1] for _ in range(3)] == [b"1", b"2", b"3"]

    def test_a_message_is_taken_when_it_is_acknowledged_and_not_before(self, by_hand):
        d = driver(by_hand.port)
        by_hand.meet(d)
        for ticket in (70, 80, 90):
            d.uplink.send(Outgoing(ticket, {"device": "d"}, b"%d" % ticket))
        ids = {payload: packet_id for packet_id, payload in (by_hand.published() for _ in range(3))}
        d.uplink.step(time.monotonic())
        assert d.uplink.taken() == []
        by_hand.acks(ids[b"90"])
        by_hand.acks(ids[b"70"])
        d.until(lambda: len(d.took) == 2)
        assert d.took == [90, 70]
        by_hand.acks(ids[b"70"])
        by_hand.acks(ids[b"80"])
        d.until(lambda: len(d.took) == 3)
        assert d.took == [90, 70, 80]
        d.uplink.close(farewell=False)

    def test_an_acknowledgement_that_came_just_before_the_end_still_counts(self, by_hand):
        d = driver(by_hand.port)
        by_hand.meet(d)
        d.uplink.send(Outgoing(7, {"device": "d"}, b""))
        by_hand.acks(by_hand.published()[0])
        by_hand.client.close()
        d.until_down()
        assert [*d.took, *d.uplink.taken()] == [7]

    def test_a_message_that_mqtt_cannot_carry_is_refused_and_the_next_one_goes(self, broker):
        d = driver(broker.port, max_message="1KiB").until_ready()
        with pytest.raises(UplinkRefused, match="1025 bytes"):
            d.uplink.send(Outgoing(1, {"device": "d"}, bytes(1025)))
        with pytest.raises(UplinkRefused, match="topic"):
            d.uplink.send(Outgoing(1, {"device": "d" * 70_000}, b""))
        d.deliver([bytes(1024)])
        d.uplink.close()

    def test_a_packet_is_never_larger_than_the_protocol_allows(self, broker):
        d = driver(broker.port).until_ready()
        with pytest.raises(UplinkRefused):
            d.uplink.send(Outgoing(1, {"device": "d"}, bytes(268_435_455)))
        d.uplink.close()

    def test_nothing_is_sent_before_the_broker_has_let_us_in(self, by_hand):
        d = driver(by_hand.port)
        with pytest.raises(UplinkDown, match="not connected yet"):
            d.uplink.send(Outgoing(1, {"device": "d"}, b""))
        d.uplink.close()


class TestStatus:
    def test_online_is_retained_and_a_farewell_says_offline(self, broker, cloud):
        d = driver(broker.port).until_ready()
        cloud.wait(lambda _: states(cloud) == ["online"])
        d.uplink.close()
        cloud.wait(lambda _: states(cloud) == ["online", "offline"])
        said = orjson.loads(cloud.payloads("holdfast/plant/status")[-1])
        assert (said["gateway"], said["uplink"]) == ("plant", "cloud")
        assert said["since"] > 0
        with Subscriber(broker.port, "holdfast/plant/status", "late") as late:
            late.wait(
                lambda messages: [(m.retained, m.payload) for m in messages] == [(True, cloud.messages[-1].payload)]
            )

    def test_the_last_will_says_offline_when_the_connection_is_cut(self, broker, cloud):
        d = driver(broker.port).until_ready()
        cloud.wait(lambda _: states(cloud) == ["online"])
        d.uplink.close(farewell=False)
        cloud.wait(lambda _: states(cloud) == ["online", "offline"])
        assert orjson.loads(cloud.payloads("holdfast/plant/status")[-1])["since"] is None

    def test_what_was_sent_before_a_farewell_has_arrived_and_is_known_to_be_taken(self, broker, cloud):
        d = driver(broker.port).until_ready()
        for ticket in range(200):
            d.uplink.send(Outgoing(ticket, {"device": "d"}, bytes(5000)))
        d.uplink.close()
        assert d.uplink.taken() == list(range(200))
        cloud.wait(lambda messages: len(messages) == 202)

    def test_a_farewell_to_a_hung_broker_ends(self, broker):
        d = driver(broker.port).until_ready()
        broker.pause()
        d.uplink.send(Outgoing(1, {"device": "d"}, bytes(32 * 2**20)))
        d.uplink.close()
        d.uplink.close()
        assert d.uplink.fileno() == -1


class TestHungBrokers:
    """`step` must raise at the first call at or after the limit: so no test depends on how fast this machine is."""

    def test_a_broker_that_hangs_is_given_up_within_one_and_a_half_keepalives(self, broker):
        d = driver(broker.port, keepalive="1s").until_ready()
        broker.pause()
        hung_at = time.monotonic()
        assert "silent for" in d.until_down()
        assert d.stepped_at < hung_at + 1.5

    def test_a_broker_that_hangs_while_messages_flow_is_given_up_as_fast(self, broker):
        d = driver(broker.port, keepalive="1s").until_ready()
        broker.pause()
        hung_at = time.monotonic()
        assert "silent for" in d.until_down(meanwhile=lambda: d.uplink.send(Outgoing(1, {"device": "d"}, b"x")))
        assert d.stepped_at < hung_at + 1.5

    def test_an_idle_connection_to_a_healthy_broker_is_kept_by_pings(self, by_hand):
        d = driver(by_hand.port, keepalive="1s")
        by_hand.meet(d)
        by_hand.client.setblocking(False)
        pings = 0
        while pings < 2:
            d.turn()
            try:
                kind = by_hand.client.recv(2)[0]
            except BlockingIOError:
                continue
            assert kind == PINGREQ
            pings += 1
            by_hand.says(PINGRESP)
        assert d.uplink.ready()
        d.uplink.close(farewell=False)

    def test_a_broker_that_lives_but_acknowledges_nothing_is_given_up(self, by_hand):
        d = driver(by_hand.port, keepalive="1h", ack_timeout="500ms")
        by_hand.meet(d)
        d.turn(0)
        d.uplink.send(Outgoing(1, {"device": "d"}, b"x"))
        assert d.uplink.next_step(time.monotonic()) < time.monotonic() + 0.5
        assert "unacknowledged for" in d.until_down()

    def test_one_lost_acknowledgement_is_noticed_though_all_the_others_come(self, by_hand):
        d = driver(by_hand.port, keepalive="1h", ack_timeout="500ms")
        by_hand.meet(d)
        d.turn(0)
        tickets = iter(range(1, 1_000_000))

        def send_one_more():
            d.uplink.send(Outgoing(ticket := next(tickets), {"device": "d"}, b"x"))
            packet_id, _ = by_hand.published()
            if ticket != 3:
                by_hand.acks(packet_id)

        assert "unacknowledged for" in d.until_down(meanwhile=send_one_more)
        assert 3 not in d.took
        assert {1, 2, 4} <= set(d.took)

    def test_a_slow_broker_that_acknowledges_one_after_the_other_is_not_given_up(self, by_hand):
        d = driver(by_hand.port, keepalive="1h", ack_timeout="30m")
        by_hand.meet(d)
        d.turn(0)
        for ticket in range(1, 9):
            d.uplink.send(Outgoing(ticket, {"device": "d"}, b"x"))
        now = time.monotonic()
        for packet_id in [by_hand.published()[0] for _ in range(8)]:
            by_hand.acks(packet_id)
            select.select([d.uplink.fileno()], [], [])
            now += 29 * 60  # eight times nearly `ack_timeout`
            d.uplink.step(now)
        assert d.uplink.taken() == list(range(1, 9))
        d.uplink.close(farewell=False)

    def test_a_broker_that_does_not_read_never_blocks_the_sender(self, broker):
        d = driver(broker.port, keepalive="1s").until_ready()
        broker.pause()
        d.uplink.send(Outgoing(1, {"device": "d"}, bytes(64 * 2**20)))
        assert d.uplink.wants_write()
        assert "silent for" in d.until_down()

    def test_a_large_message_goes_out_piece_by_piece_as_the_broker_reads(self, broker):
        d = driver(broker.port).until_ready()
        d.deliver([bytes(8 * 2**20)] * 2)
        d.uplink.close()

    def test_a_listener_that_never_answers_is_given_up_after_the_connect_timeout(self, by_hand):
        d = driver(by_hand.port, connect_timeout="300ms")
        assert "does not answer" in d.until_down()
        with pytest.raises(UplinkDown, match="does not answer"):
            d.uplink.step(time.monotonic())
        d.uplink.close()

    def test_a_broker_that_hangs_before_we_come_is_given_up_after_the_connect_timeout(self, broker):
        broker.pause()
        assert "does not answer" in driver(broker.port, connect_timeout="300ms").until_down()

    def test_a_connect_that_hangs_is_given_up_and_its_late_success_is_hung_up(self, by_hand, monkeypatch):
        may_go_on, made = threading.Event(), []

        def slow_dial(self, *where):
            may_go_on.wait()
            made.append(self)
            return real_dial(self, *where)

        real_dial = PahoClient.dial
        monkeypatch.setattr(PahoClient, "dial", slow_dial)
        d = driver(by_hand.port, connect_timeout="100ms")
        assert "no connection within 0.1 s" in d.until_down()
        d.uplink.close()
        may_go_on.set()
        by_hand.accept()
        assert by_hand.client.recv(1) == b""
        assert len(made) == 1


class TestBrokersThatComeAndGo:
    def test_nobody_listening_is_said_in_words(self):
        assert "nobody listens there" in driver(free_port()).until_down()

    def test_after_a_restart_of_the_broker_a_new_connection_delivers(self, broker):
        d = driver(broker.port).until_ready()
        d.deliver([b"before"])
        broker.stop()
        assert "closed the connection" in d.until_down()
        d.uplink.close()
        broker.start()
        again = driver(broker.port).until_ready()
        again.deliver([b"after"])
        again.uplink.close()

    def test_a_killed_broker_is_noticed_at_once(self, broker):
        d = driver(broker.port, keepalive="1h").until_ready()
        broker.kill()
        d.until_down()

    def test_a_second_client_of_our_id_is_named_as_a_possible_cause(self, broker):
        first = driver(broker.port).until_ready()
        second = driver(broker.port).until_ready()
        assert "same client_id" in first.until_down()
        second.uplink.close()

    @pytest.mark.parametrize(
        "answer",
        [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(64), b"\x20\xff\xff\xff\xff\xff", b""],
        ids=["http", "zeros", "endless length", "nothing"],
    )
    def test_whatever_else_listens_there_is_not_taken_for_a_broker(self, by_hand, answer):
        d = driver(by_hand.port)
        by_hand.accept()
        by_hand.client.sendall(answer)
        by_hand.client.close()
        assert f"127.0.0.1:{by_hand.port}: " in d.until_down()

    def test_a_closed_uplink_leaves_no_descriptor_and_no_thread(self, broker, by_hand):
        driver(broker.port).until_ready().uplink.close()
        before = set(os.listdir("/proc/self/fd"))
        for _ in range(5):
            driver(broker.port).until_ready().uplink.close()
            driver(broker.port).until_ready().uplink.close(farewell=False)
            driver(broker.port).uplink.close()
        for thread in threading.enumerate():
            if "connecting" in thread.name:
                thread.join()
        assert set(os.listdir("/proc/self/fd")) <= before


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    directory = tmp_path_factory.mktemp("guarded")
    (directory / "users").touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", directory / "users", "gw", "right"], check=True, capture_output=True)
    with Mosquitto(directory, ["allow_anonymous false", f"password_file {directory}/users"]) as running:
        yield running


class TestAccess:
    def access(self, tmp_path, password):
        (tmp_path / "secret").write_text(password + "\n")
        return {"user": "gw", "password": {"file": str(tmp_path / "secret")}}

    def test_the_right_password_lets_us_in(self, guarded, tmp_path):
        driver(guarded.port, **self.access(tmp_path, "right")).until_ready().uplink.close()

    def test_a_wrong_password_is_said_to_be_one(self, guarded, tmp_path):
        assert (
            "refuses the user name or the password"
            in driver(guarded.port, **self.access(tmp_path, "wrong")).until_down()
        )
        assert "refuses the user name or the password" in driver(guarded.port).until_down()

    @pytest.mark.parametrize("protocol", ["3.1.1", "5"])
    def test_when_the_password_is_mended_the_next_attempt_is_let_in(self, guarded, tmp_path, protocol):
        access = self.access(tmp_path, "wrong")
        table = {"host": "127.0.0.1", "port": guarded.port, "protocol": protocol, **access}
        settings = build(mqtt.Settings, table, "uplink.cloud")
        first = Driver(mqtt.connect(settings, IDENTITY)).until_down()
        settings.past.not_before = float("-inf")
        assert Driver(mqtt.connect(settings, IDENTITY)).until_down() == first  # one event, however often it is tried
        settings.past.not_before = float("-inf")
        (tmp_path / "secret").write_text("right")
        Driver(mqtt.connect(settings, IDENTITY)).until_ready().uplink.close()

    def test_a_secret_that_is_gone_is_a_reason_to_wait_for_it(self, guarded, tmp_path):
        access = self.access(tmp_path, "right")
        (tmp_path / "secret").unlink()
        with pytest.raises(UplinkDown, match="secret: it must exist"):
            driver(guarded.port, **access)
