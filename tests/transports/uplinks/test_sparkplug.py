"""The Sparkplug uplink against a real Mosquitto; its messages are read by an implementation that is not ours."""

from dataclasses import replace

import pytest

from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.opcua_node import Unreachable
from tests.transports.sparkplug.host_application import HostApplication
from tests.transports.sparkplug.sparkplug_stranger import stranger
from tests.transports.uplinks.sparkplug_driving import GROUP, HOST, NODE, Node
from transports.errors import UplinkDown, UplinkRefused
from transports.requests.envelope import opened
from transports.samples import DataType, Tag

STATE = f"spBv1.0/STATE/{HOST}"


@pytest.fixture(scope="module")
def other():
    try:
        with stranger() as one:
            yield one
    except Unreachable as why:
        pytest.skip(str(why))


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def host(broker, other):
    with HostApplication(broker.port, other) as application:
        yield application


class TestBirths:
    def test_births_have_every_metric_and_alias_and_data_has_aliases_alone(self, broker, host):
        node = Node(broker.port).online()
        node.until_taken(node.tell(1.5), node.tell(2.5), node.tell(2.5, 8))
        host.wait(lambda verbs: verbs == ["NBIRTH", "DBIRTH press", "DDATA press", "DDATA press"])
        nbirth = host.read("NBIRTH")["metrics"]
        assert [metric["name"] for metric in nbirth] == ["bdSeq", "Node Control/Rebirth", "Gap"]
        dbirth = host.read("DBIRTH", "press")["metrics"]
        assert [(m["name"], m["alias"], m["datatype"]) for m in dbirth] == [("force", "2", 10), ("cycles", "3", 8)]
        assert [value.value for value in host.values("press", "force")] == [1.5, 2.5]
        assert [value.value for value in host.values("press", "cycles")] == ["7", "8"]
        assert [set(m) for m in host.read("DDATA", "press")["metrics"]] == [{"alias", "timestamp", "longValue"}]
        host.check_sequence()
        node.uplink.close()

    def test_tck_id_message_flow_edge_node_birth_publish_nbirth_qos(self, broker, host):
        assert self._nbirth(broker, host).qos == 0

    def test_tck_id_message_flow_edge_node_birth_publish_nbirth_retained(self, broker, host, other):
        self._nbirth(broker, host)
        with HostApplication(broker.port, other) as later:  # it would be sent to whoever subscribes
            later.says_something(host)
            assert [one.verb for one in later.heard if one.retained] == []

    def test_tck_id_message_flow_edge_node_birth_publish_nbirth_payload_seq(self, broker, host, other):
        assert int(self._nbirth(broker, host).read(other)["seq"]) == 0

    def test_tck_id_message_flow_edge_node_birth_publish_nbirth_payload_bdSeq(self, broker, host):
        self._nbirth(broker, host)
        assert [type(number) for number in host.bd_seqs("NBIRTH")] == [int]

    def test_tck_id_message_flow_device_birth_publish_dbirth_topic(self, broker, host):
        assert self._dbirth(broker, host).topic == f"spBv1.0/{GROUP}/DBIRTH/{NODE}/press"

    def test_tck_id_message_flow_device_birth_publish_dbirth_qos(self, broker, host):
        assert self._dbirth(broker, host).qos == 0

    def test_tck_id_message_flow_device_birth_publish_dbirth_retained(self, broker, host):
        assert self._dbirth(broker, host).retained is False

    def test_tck_id_topics_nbirth_bdseq_matching(self, broker, host):
        for _ in range(3):  # hung up without a word: the server publishes the Will
            node = Node(broker.port).online()
            host.wait(lambda verbs: verbs[-1:] == ["NBIRTH"])
            node.uplink.close(farewell=False)
            host.wait(lambda verbs: verbs[-1:] == ["NDEATH"])
        assert host.bd_seqs("NBIRTH") == host.bd_seqs("NDEATH") == [0, 0, 0]

    def test_the_number_of_the_birth_goes_on_over_connections_and_lives(self, broker, host, tmp_path):
        for _ in range(2):
            node = Node(broker.port, tmp_path / "state")
            for _ in range(2):
                node.online()
                host.wait(lambda verbs: verbs[-1:] == ["NBIRTH"])
                node.uplink.close(farewell=False)
                host.wait(lambda verbs: verbs[-1] == "NDEATH")
        assert host.bd_seqs("NBIRTH") == host.bd_seqs("NDEATH") == [0, 1, 2, 3]

    def test_a_number_that_cannot_be_read_is_said_once_and_keeps_nobody_from_working(self, broker, host, tmp_path):
        (tmp_path / "bdseq").write_text("many")
        node = Node(broker.port, tmp_path).online()
        (notice,) = node.uplink.notices()
        assert str(tmp_path / "bdseq") in notice
        node.uplink.close()
        node.online()
        assert node.uplink.notices() == []
        node.uplink.close()

    def test_a_number_that_cannot_be_kept_is_said_and_keeps_nobody_from_working(self, broker, tmp_path):
        (tmp_path / "state").write_text("a file where the folder should be")
        node = Node(broker.port, tmp_path / "state").online()
        assert any("cannot be kept" in notice for notice in node.uplink.notices())
        node.until_taken(node.tell(1.5))
        node.uplink.close()

    def _nbirth(self, broker, host):
        Node(broker.port).online().uplink.close()
        host.wait(lambda verbs: verbs == ["NBIRTH", "NDEATH"])
        return host.all_of("NBIRTH")[0]

    def _dbirth(self, broker, host):
        node = Node(broker.port).online()
        node.until_taken(node.tell(1.5))
        host.wait(lambda verbs: "DBIRTH press" in verbs)
        node.uplink.close()
        return host.all_of("DBIRTH", "press")[0]


class TestRebirth:
    def test_a_host_that_asks_gets_all_births_with_the_same_number(self, broker, host):
        node = Node(broker.port).online()
        node.until_taken(node.tell(1.5), node.tell(2.5, device="lathe"), node.tell(3.5))
        host.asks_for_births()
        node.turn_until(lambda: host.verbs()[-3:] == ["NBIRTH", "DBIRTH press", "DBIRTH lathe"])
        node.until_taken(node.tell(4.5))
        host.wait(lambda verbs: verbs[-1] == "DDATA press")
        assert [value.value for value in host.values("press", "force")] == [1.5, 3.5, 3.5, 4.5]
        assert host.bd_seqs("NBIRTH") == [0, 0]
        host.check_sequence()
        node.uplink.close()

    def test_a_host_that_asks_without_end_is_answered_and_data_goes_on(self, broker, host):
        node = Node(broker.port).online()
        node.until_taken(node.tell(0.5))
        for n in range(300):
            host.asks_for_births()
            if n % 30 == 0:
                node.tell(n + 1.5)
                node.driver.turn(0)
        node.until_taken(node.ticket)
        host.wait(lambda verbs: verbs.count("NBIRTH") > 1)
        node.uplink.close()
        host.wait(lambda verbs: verbs[-1] == "NDEATH")
        host.check_sequence()


class TestPrimaryHost:
    def test_nothing_is_said_before_the_primary_host_is_online(self, broker, host, other):
        node = Node(broker.port, host_id=HOST).connect()
        node.until_said(f"waits for the primary host {HOST}")
        assert (node.uplink.ready(), node.uplink.standing()["phase"]) == (False, "waiting")
        with pytest.raises(UplinkDown, match="no session with the hosts"):
            node.tell(1.5)
        with HostApplication(broker.port, other, HOST):
            node.driver.until_ready()
            node.until_taken(node.tell(1.5))
            host.wait(lambda verbs: verbs == ["NBIRTH", "DBIRTH press"])
            node.uplink.close()

    def test_when_it_goes_offline_the_node_dies_in_order_and_waits_for_it(self, broker, other):
        with HostApplication(broker.port, other, HOST) as scada:
            node = Node(broker.port, host_id=HOST).online()
            node.until_taken(node.tell(1.5))
            unproven = node.tell(2.5)
            scada.says(False)
            why = node.driver.until_down()
            assert HOST in why
            assert "offline" in why
            scada.wait(lambda verbs: verbs[-1] == "NDEATH")
            assert unproven not in node.took or [value.value for value in scada.values("press", "force")][-1] == 2.5
            node.connect()
            node.until_said("waits for")
            scada.says(True)
            node.driver.until_ready()
            scada.wait(lambda verbs: verbs[-2:] == ["NBIRTH", "DBIRTH press"])
            assert scada.bd_seqs("NBIRTH") == [0, 1]
            scada.check_sequence()
            node.uplink.close()

    def test_an_older_state_is_not_heeded(self, broker, other):
        with HostApplication(broker.port, other, HOST, timestamp_ms=2000) as scada:
            node = Node(broker.port, host_id=HOST).online()
            scada.timestamp_ms = 1000
            scada.says(False)
            scada.timestamp_ms = 2000
            scada.asks_for_births()  # comes after it
            node.turn_until(lambda: scada.verbs().count("NBIRTH") == 2)
            assert node.uplink.ready()
            node.uplink.close()

    def test_a_state_that_is_none_is_said_and_not_heeded(self, broker, other):
        with HostApplication(broker.port, other, HOST) as scada:
            node = Node(broker.port, host_id=HOST).online()
            scada.publishes(STATE, b"OFFLINE")
            node.until_said("a STATE that is not JSON")
            assert node.uplink.ready()
            node.uplink.close()

    def test_servers_are_walked_until_the_host_is_online_at_one(self, tmp_path, other):
        with Mosquitto(tmp_path) as first, Mosquitto(tmp_path) as second:
            backup = [{"host": "127.0.0.1", "port": second.port}]
            node = Node(first.port, backup=backup, host_id=HOST)
            with HostApplication(first.port, other, HOST) as here:
                node.online()
                node.until_taken(node.tell(1.5))
                assert node.uplink.standing()["server"] == f"127.0.0.1:{first.port}"
                here.says(False)
                node.driver.until_down()
                with HostApplication(second.port, other, HOST) as there:
                    node.online()
                    assert node.uplink.standing()["server"] == f"127.0.0.1:{second.port}"
                    node.until_taken(node.tell(2.5))
                    there.wait(lambda verbs: verbs == ["NBIRTH", "DBIRTH press", "DDATA press"])
                    assert there.bd_seqs("NBIRTH") == [1]
                    there.check_sequence()
                    node.uplink.close()

    def test_a_server_where_nothing_is_heard_of_the_host_is_left_for_the_next(self, tmp_path, other):
        with Mosquitto(tmp_path) as silent, Mosquitto(tmp_path) as second:
            backup = [{"host": "127.0.0.1", "port": second.port}]
            node = Node(silent.port, backup=backup, host_id=HOST, host_wait="200ms").connect()
            why = node.driver.until_down()
            assert "nothing was heard of the primary host" in why
            with HostApplication(second.port, other, HOST):
                node.online().uplink.close()

    def test_without_a_primary_host_the_first_server_is_gone_back_to_in_order(self, broker, other, tmp_path):
        first = Mosquitto(tmp_path)
        backup = [{"host": "127.0.0.1", "port": broker.port}]
        node = Node(first.port, backup=backup, fail_back_after="200ms").connect()
        node.driver.until_down()
        with HostApplication(broker.port, other) as host, first:
            why = node.connect().driver.until_down()
            assert "the first server" in why
            host.wait(lambda verbs: verbs == ["NBIRTH", "NDEATH"])
            node.online()
            assert node.uplink.standing()["server"] == f"127.0.0.1:{first.port}"
            node.uplink.close()

    def test_a_server_that_is_dead_is_left_for_the_next(self, broker):
        node = Node(free_port(), backup=[{"host": "127.0.0.1", "port": broker.port}]).connect()
        assert "nobody listens there" in node.driver.until_down()
        node.online().uplink.close()


class TestProof:
    def test_a_message_counts_when_all_its_records_are_proven_once(self, broker, host):
        node = Node(broker.port).online()
        ticket = node.say(node.record(1.5, 7), node.record(2.5, 7), node.record(2.5, 8, device="press"))
        node.until_taken(ticket)
        assert node.took == [ticket]
        host.wait(lambda verbs: len(verbs) == 4)
        node.uplink.close()

    def test_everything_arrives_in_its_order_and_is_taken_in_its_order(self, broker, host):
        node = Node(broker.port).online()
        for n in range(500):
            node.tell(n / 2)
            node.driver.turn(0)
        node.until_taken(node.ticket)
        assert node.took == list(range(1, 501))
        host.wait(lambda verbs: verbs.count("DDATA press") == 499)
        assert [value.value for value in host.values("press", "force")] == [n / 2 for n in range(500)]
        assert not any(value.is_historical for value in host.values("press", "force"))
        host.check_sequence()
        node.uplink.close()

    def test_questions_are_few_when_data_is_dense(self, broker):
        node = Node(broker.port).online()
        for n in range(320):
            node.tell(n / 2)
        node.until_taken(node.ticket)
        asked = sum("Received UNSUBSCRIBE" in line for line in broker.log)
        assert 1 <= asked <= 320 / 16 + 5
        node.uplink.close()

    def test_a_repetition_of_what_was_acknowledged_proves_too(self, broker, host):
        node = Node(broker.port).online()
        record = node.record(1.5, 7)
        node.until_taken(node.say(record), node.say(record))
        node.uplink.close()
        host.wait(lambda verbs: verbs[-1] == "NDEATH")
        assert [value.is_historical for value in host.values("press", "force")] == [False, True]

    def test_what_comes_again_after_the_births_is_marked_as_history(self, broker, host):
        node = Node(broker.port).online()
        records = [node.record(n + 0.5, 7) for n in range(3)]
        for record in records:
            node.say(record)
        node.uplink.close(farewell=False)  # nothing is proven
        node.online()
        node.until_taken(*[node.say(record) for record in records], node.tell(9.5))
        node.uplink.close()
        host.wait(lambda verbs: verbs[-1] == "NDEATH")
        told = host.values("press", "force")[-5:]
        assert [(value.value, value.is_historical) for value in told] == [
            (2.5, False),  # the birth: the newest
            (0.5, True),
            (1.5, True),
            (2.5, True),
            (9.5, False),
        ]
        host.check_sequence()

    def test_the_backlog_is_historical(self, broker, host):
        node = Node(broker.port).online()
        late = replace(node.record(0.5, 7), historical=True)
        node.until_taken(node.tell(1.5), node.say(late), node.tell(2.5))
        node.uplink.close()
        host.wait(lambda verbs: verbs[-1] == "NDEATH")
        told = [(value.value, value.is_historical) for value in host.values("press", "force")]
        assert told == [(1.5, False), (0.5, True), (2.5, False)]

    def test_a_farewell_still_proves_what_left_before_it(self, broker):
        node = Node(broker.port).online()
        ticket = node.tell(1.5)
        node.uplink.close()
        assert [*node.took, *node.uplink.taken()] == [ticket]

    def test_what_is_held_is_not_taken_at_the_farewell(self, broker):
        node = Node(broker.port, host_id="", hold="1h").online()
        node.tell(1.5)
        node.turn_until(lambda: node.uplink.standing()["unproven"] == 0)
        node.uplink.close()
        assert [*node.took, *node.uplink.taken()] == []

    def test_what_is_held_is_taken_in_time(self, broker):
        node = Node(broker.port, hold="300ms").online()
        node.until_taken(node.tell(1.5))
        node.uplink.close()

    def test_with_confirm_sent_it_is_taken_when_it_is_written(self, broker, host):
        node = Node(broker.port, confirm="sent").online()
        tickets = [node.tell(n + 0.5) for n in range(50)]
        node.until_taken(*tickets)
        assert not any("UNSUBSCRIBE" in line for line in broker.log)
        host.wait(lambda verbs: len(verbs) == 51)
        node.uplink.close()

    def test_a_record_that_can_never_be_sent_is_refused_before_any_of_its_message_is_said(self, broker, host):
        text = Tag("text", DataType.STRING)
        node = Node(broker.port, max_message="1KiB").online()
        good, bad = node.record("x", tags=(text,)), node.record("x" * 2000, tags=(text,))
        with pytest.raises(UplinkRefused, match="a value of 2000 bytes"):
            node.say(good, bad)
        node.until_taken(node.say(good))
        node.uplink.close()
        host.wait(lambda verbs: verbs == ["NBIRTH", "DBIRTH press", "NDEATH"])


class TestDevices:
    def test_a_device_that_is_lost_dies_and_is_born_again(self, broker, host):
        node = Node(broker.port).online()
        node.until_taken(node.tell(1.5), node.say(node.gone()), node.tell(2.5))
        node.uplink.close()
        host.wait(lambda verbs: verbs == ["NBIRTH", "DBIRTH press", "DDEATH press", "DBIRTH press", "NDEATH"])
        host.check_sequence()

    def test_any_name_of_a_device_is_one_level_of_the_topic(self, broker, host):
        node = Node(broker.port).online()
        node.until_taken(node.tell(1.5, device="line/3 #+% é"))
        host.wait(lambda verbs: verbs == ["NBIRTH", "DBIRTH line%2F3 %23%2B%25 é"])
        node.uplink.close()


class TestCommands:
    def test_a_write_of_a_host_is_handed_on(self, broker, host):
        node = Node(broker.port, commands=True).online()
        node.until_taken(node.tell(1.5))
        host.asks("DCMD", {"name": "force", "type": "Double", "value": 2.5}, device="press")
        asked = self._asked(node)
        request = opened(asked.body).request
        assert (request.verb, request.device, request.tag, request.value) == ("write", "press", "force", 2.5)
        node.uplink.answer(asked, b"{}")
        node.uplink.close()

    def test_commands_that_are_off_are_refused_and_said_once(self, broker, host):
        node = Node(broker.port).online()
        node.until_taken(node.tell(1.5))
        for _ in range(5):
            host.asks("DCMD", {"name": "force", "type": "Double", "value": 2.5}, device="press")
        node.turn_until(lambda: node.uplink.standing()["refused_commands"] == 5)
        assert node.uplink.asked() == []
        (notice,) = node.uplink.notices()
        assert "press.force" in notice
        assert "commands = true" in notice
        node.uplink.close()

    def test_nonsense_is_refused_with_its_reason_and_harms_nobody(self, broker, host):
        node = Node(broker.port, commands=True).online()
        node.until_taken(node.tell(1.5))
        host.asks("DCMD", device="press")
        host.asks("NCMD", {"name": "Node Control/Reboot", "type": "Boolean", "value": True})
        host.asks("DCMD", {"name": "force", "type": "Double", "value": 2.5}, device="nobody")
        host.asks("DCMD", {"name": "colour", "type": "Double", "value": 2.5}, device="press")
        node.turn_until(lambda: node.uplink.standing()["refused_commands"] == 4)
        told = "\n".join(node.uplink.notices())
        for words in ("not a Sparkplug B payload", "Node Control/Reboot", "no such device", "press has no such metric"):
            assert words in told
        node.until_taken(node.tell(2.5))
        assert node.uplink.asked() == []
        node.uplink.close()

    def test_a_retained_command_is_not_done_with_each_connection(self, broker, host):
        host.asks("DCMD", {"name": "force", "type": "Double", "value": 2.5}, device="press", retain=True)
        node = Node(broker.port, commands=True).connect()
        node.until_said("a retained command is not done")
        assert node.uplink.asked() == []
        node.uplink.close()

    def _asked(self, node):
        asked = []
        node.turn_until(lambda: asked.extend(node.uplink.asked()) or asked)
        (one,) = asked
        return one


class TestTrouble:
    def test_a_broker_that_dies_ends_the_connection_and_nothing_of_the_old_one_is_taken_from_the_next(self, broker):
        node = Node(broker.port).online()
        node.until_taken(node.tell(1.5))
        broker.pause()
        node.tell(2.5)
        broker.kill()
        node.driver.until_down()
        broker.start()
        node.online()
        ticket = node.tell(3.5)
        node.until_taken(ticket)
        assert node.took == [1, ticket]
        node.uplink.close()

    def test_closing_twice_harms_nobody_and_not_the_next_connection(self, broker):
        node = Node(broker.port).online()
        old = node.uplink
        old.close()
        node.online()
        old.close()
        old.close(farewell=False)
        node.until_taken(node.tell(1.5))
        with pytest.raises(UplinkDown):
            old.step(0.0)
        node.uplink.close()
