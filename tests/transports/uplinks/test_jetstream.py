"""The JetStream uplink against a real nats-server: what is delivered, held, refused, and what comes twice."""

import asyncio
import json
from contextlib import suppress

import pytest

from tests.peers.mosquitto import free_port
from tests.peers.nats_server import NatsServer
from tests.transports.uplinks.jetstream_driving import Relay, Sender, ids, out
from transports.errors import UplinkDown, UplinkRefused
from transports.uplinks import Asking, Identity, Telling, jetstream


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with NatsServer(tmp_path_factory.mktemp("nats"), "max_payload: 64KB") as running:
        yield running


@pytest.fixture
def stream(request):
    """A stream's name of the test's own, and the first token of its subjects."""
    return request.node.name[:60].translate(str.maketrans("[]-", "___"))


@pytest.fixture
def sender(server, stream):
    def made(**table):
        return Sender(server, **{"stream": stream, "subject": f"{stream}.{{gateway}}.{{device}}", **table})

    return made


def test_messages_arrive_in_order_with_an_id_of_what_is_in_them(server, stream, sender):
    several = out(200, 200, 203, 207, device="line 3.b", historical=True)
    took = sender().deliver(*[out(n) for n in range(1, 200)], several)
    assert took == list(range(1, 201))
    found = server.contents(stream)
    single = [each for each in found if each.headers["Holdfast-Device"] == "press-1"]
    (several,) = [each for each in found if each not in single]
    assert [(each.msg_id, each.data) for each in single] == [(f"plant/out/3/{n}", b"%d" % n) for n in range(1, 200)]
    assert {each.subject for each in single} == {f"{stream}.plant.press-1"}
    assert single[0].headers["Content-Type"] == "application/json"
    assert (several.subject, several.msg_id) == (f"{stream}.plant.line_3_b", "plant/out/3/200-207")
    assert several.headers["Holdfast-Device"] == "line 3.b"
    assert several.headers["Holdfast-Historical"] == "true"


def test_an_uplink_tells_of_its_server_and_stream(server, stream, sender):
    s = sender(create_stream={"duplicate_window": "1m"})
    d = s.connected()
    assert isinstance(d.uplink, Telling)
    assert isinstance(d.uplink, Asking)
    standing = d.uplink.standing()
    assert (standing["server"], standing["stream"], standing["replicas"]) == (server.url, stream, 1)
    (warning,) = standing["warnings"]
    assert "duplicate_window" in warning
    assert list(d.uplink.notices()) == [warning]
    assert list(d.uplink.notices()) == []
    d.uplink.close()


@pytest.mark.parametrize("ordered", [True, False])
def test_what_comes_again_is_in_the_stream_once(server, stream, sender, ordered):
    messages = [out(n) for n in range(1, 20)]
    sender(ordered=ordered).deliver(*messages)
    assert sender(ordered=ordered).deliver(*messages) == list(range(1, 20))
    assert len(ids(server, stream)) == 19


def test_an_answer_that_was_lost_makes_no_duplicate_though_the_stream_has_forgotten_the_message(server, stream, sender):
    with Relay(server.port) as line:
        s = sender(servers=[line.url], create_stream={"duplicate_window": "100ms"})
        _loses_the_answer(s, line, server, stream, out(1))
        server.call(lambda _, js: _until_forgotten(js, stream))
        s.pauses_are_over()
        assert s.deliver(out(1), out(2)) == [1, 2]
    assert [each for each in ids(server, stream) if each.startswith("plant")] == ["plant/out/3/1", "plant/out/3/2"]


def test_records_that_arrived_without_an_answer_are_not_sent_again_in_other_company(server, stream, sender):
    with Relay(server.port) as line:
        s = sender(servers=[line.url])
        _loses_the_answer(s, line, server, stream, out(1, 1, 2, 3))
        s.pauses_are_over()
        d = s.connected()
        with pytest.raises(UplinkRefused, match="one by one"):
            d.uplink.send(out(7, 1, 2, 3, 4, 5))
        for n in range(1, 6):
            d.uplink.send(out(n))
        d.until(lambda: len(d.took) == 5)
        d.uplink.close()
    assert ids(server, stream) == ["plant/out/3/1-3", "plant/out/3/4", "plant/out/3/5"]


def test_the_last_message_once_more_proves_the_line_and_makes_no_duplicate(server, stream, sender):
    s = sender(create_stream={"duplicate_window": "100ms"})
    s.deliver(out(1))
    server.call(lambda _, js: _until_forgotten(js, stream))
    s.pauses_are_over()
    assert s.deliver(out(9, 1)) == [9]
    assert [each for each in ids(server, stream) if each.startswith("plant")] == ["plant/out/3/1"]


def test_without_the_stream_the_cure_is_told_and_a_stream_that_is_made_lets_messages_pass(server, stream, sender):
    s = sender(create_stream=None)
    why = s.refusal()
    assert "no such stream" in why
    assert "create_stream" in why
    s.pauses_are_over()
    server.stream(stream, f"{stream}.>")
    assert s.deliver(out(1)) == [1]


def test_a_stream_of_other_subjects_is_said_before_anything_is_sent(server, stream, sender):
    server.stream(stream, f"{stream}.other.>")
    why = sender().refusal()
    assert f"does not take {stream}.plant.*" in why
    assert f"{stream}.other.>" in why


def test_a_stream_that_acknowledges_nothing_is_not_used(server, stream, sender):
    server.stream(stream, f"{stream}.>", no_ack=True)
    assert "no_ack" in sender().refusal()


def test_a_server_without_jetstream_is_told_apart(tmp_path):
    with NatsServer(tmp_path, jetstream=False) as plain:
        assert "JetStream is not enabled there" in Sender(plain).refusal()


def test_a_full_stream_holds_everything_until_there_is_room_and_nothing_is_lost(server, stream, sender):
    s = sender(create_stream={"max": 3000, "discard": "new"})
    why, took = s.failure(*[out(n, payload=b"x" * 400) for n in range(1, 20)])
    assert "the stream is full" in why
    assert "nats stream edit" in why
    assert 0 < len(took) < 19
    # Not ready: to the actor it must not seem as if some messages passed and others did not.
    s.pauses_are_over()
    assert "the stream is full" in s.refusal()
    assert s.settings.past.not_before > 0
    server.call(lambda _, js: _enlarged(js, stream))
    s.pauses_are_over()
    rest = [out(n, payload=b"x" * 400) for n in range(len(took) + 1, 20)]
    assert len(s.deliver(*rest)) == len(rest)
    assert ids(server, stream) == [f"plant/out/3/{n}" for n in range(1, 20)]


def test_a_message_larger_than_the_server_takes_is_refused_and_the_next_one_passes(server, stream, sender):
    d = sender().connected()
    with pytest.raises(UplinkRefused, match="max_payload"):
        d.uplink.send(out(1, payload=b"x" * 65_500))  # less than 64 KiB, and more with its headers
    d.uplink.send(out(2, payload=b"x" * 63_000))
    d.until(lambda: d.took == [2])
    d.uplink.close()


def test_a_message_larger_than_the_stream_takes_is_refused(server, stream, sender):
    server.stream(stream, f"{stream}.>", max_msg_size=1000)
    s = sender()
    d = s.connected()
    with pytest.raises(UplinkRefused, match="max_msg_size"):
        d.uplink.send(out(1, payload=b"x" * 1000))
    d.uplink.close()


def test_a_limit_that_came_later_refuses_the_message_when_it_comes_again(server, stream, sender):
    server.stream(stream, f"{stream}.>")
    s = sender()
    d = s.connected()
    server.call(lambda _, js: js.update_stream(name=stream, subjects=[f"{stream}.>"], max_msg_size=1000))
    d.uplink.send(out(1, payload=b"x" * 1000))
    assert "larger than the stream takes" in d.until_down()
    s.pauses_are_over()
    d = s.connected()
    with pytest.raises(UplinkRefused):
        d.uplink.send(out(1, payload=b"x" * 1000))
    d.uplink.close()


def test_a_stream_that_vanishes_holds_everything_until_it_is_there_again(server, stream, sender):
    s = sender(create_stream=None)
    server.stream(stream, f"{stream}.>")
    d = s.connected()
    server.call(lambda _, js: js.delete_stream(stream))
    d.uplink.send(out(1))
    assert "no stream takes this subject" in d.until_down()
    s.pauses_are_over()
    assert "no such stream" in s.refusal()
    server.stream(stream, f"{stream}.>")
    s.pauses_are_over()
    assert s.deliver(out(1)) == [1]
    assert ids(server, stream) == ["plant/out/3/1"]


def test_a_dead_server_is_noticed_and_what_it_acknowledged_is_there_when_it_is_back(tmp_path):
    with NatsServer(tmp_path) as mortal:
        s = Sender(mortal)
        d = s.connected()
        d.uplink.send(out(1))
        d.until(lambda: d.took == [1])
        mortal.kill()
        assert "closed the connection" in d.until_down()
        s.pauses_are_over()
        assert "nobody listens there" in s.refusal()
        mortal.start()
        s.pauses_are_over()
        assert s.deliver(out(1), out(2)) == [1, 2]
        assert ids(mortal) == ["plant/out/3/1", "plant/out/3/2"]


def test_a_hung_server_is_given_up(tmp_path):
    with NatsServer(tmp_path) as hung:
        s = Sender(hung, ack_timeout="300ms", connect_timeout="300ms")
        d = s.connected()
        hung.pause()
        d.uplink.send(out(1))
        assert "no answer within 0.3 s" in d.until_down()
        s.pauses_are_over()
        assert "no answer in time" in s.refusal()
        hung.resume()
        s.pauses_are_over()
        assert s.deliver(out(1)) == [1]
        assert ids(hung) == ["plant/out/3/1"]


def test_the_next_server_is_tried_when_one_is_away(server, stream, sender):
    s = sender(servers=[f"nats://127.0.0.1:{free_port()}", server.url])
    d = s.connected()
    assert d.uplink.standing()["server"] == server.url
    d.uplink.close()


def test_it_is_tried_once_a_second_at_most_and_less_often_as_time_goes_by():
    s = Sender(f"nats://127.0.0.1:{free_port()}")
    pauses = []
    for _ in range(6):
        s.pauses_are_over()
        s.refusal()
        d = jetstream.connect(s.settings, s.identity)
        now = jetstream.MachineClock().now()
        pauses.append(d.next_step(now) - now)
        d.close()
    assert min(pauses) > 0.5  # a second, less what has passed since the try began
    assert max(pauses) > 2
    assert max(pauses) <= 10


def test_requests_are_handed_over_and_answered(server, stream, sender):
    s = sender(request_subject="ask.{gateway}")
    d = s.connected()
    answers = []

    async def asks(client, _):
        future = asyncio.ensure_future(client.request("ask.plant", b'{"verb": "status"}', timeout=20))
        await client.flush()
        await asyncio.to_thread(d.until, lambda: answers or _answered(d.uplink, answers))
        return (await future).data

    assert server.call(asks) == b'{"ok": true}'
    assert [(asked.body, asked.sender) for asked in answers] == [(b'{"verb": "status"}', "")]
    d.uplink.close()


def test_requests_that_nobody_takes_are_bounded_and_messages_still_go(server, stream, sender):
    d = sender(request_subject="flood.{gateway}").connected()

    async def floods(client, _):
        for _ in range(500):
            await client.publish("flood.plant", b"x")
        await client.publish("flood.plant", b"x" * 60_000)
        await client.flush()

    server.call(floods)
    d.until(lambda: d.uplink.standing()["requests_dropped"] >= 400)
    d.uplink.send(out(1))
    d.until(lambda: d.took == [1])
    assert 0 < len(d.uplink.asked()) <= 32
    d.uplink.close()


def test_an_interface_that_is_not_there_is_said_and_one_that_is_there_is_used(server, stream):
    where = {"stream": stream, "subject": f"{stream}.{{device}}"}
    assert (
        "no network interface"
        in Sender(server, identity=Identity("plant", "cloud", None, "nowhere0"), **where).refusal()
    )
    assert Sender(server, identity=Identity("plant", "cloud", None, "lo"), **where).deliver(out(1)) == [1]


def test_an_end_may_be_asked_for_twice_and_nothing_is_sent_after_it(sender):
    d = sender().connected()
    d.uplink.close()
    d.uplink.close()
    with pytest.raises(UplinkDown):
        d.uplink.send(out(1))
    with pytest.raises(UplinkDown):
        d.uplink.step(0.0)


def _loses_the_answer(sender, line, server, stream, message):
    """Send it so that it is in the stream, and nobody here knows."""
    d = sender.connected()
    line.mute = True
    d.uplink.send(message)
    server.call(lambda _, js: _until_stored(js, stream, 1))
    line.cut()
    d.until_down()
    assert not d.took
    assert not d.uplink.taken()


def _answered(uplink, answers):
    with suppress(UplinkDown):
        for asked in uplink.asked():
            answers.append(asked)
            uplink.answer(asked, json.dumps({"ok": True}).encode())
    return bool(answers)


async def _until_stored(js, name, count):
    while (await js.stream_info(name)).state.messages < count:
        await asyncio.sleep(0.01)  # polls a condition


async def _until_forgotten(js, name):
    """Until the stream takes an id a second time: its window has passed."""
    subject = f"{name}.other"
    with suppress(Exception):
        await js.update_stream(name=name, subjects=[f"{name}.>"], duplicate_window=0.1)
    first = await js.publish(subject, b"", headers={"Nats-Msg-Id": "probe"})
    while (await js.publish(subject, b"", headers={"Nats-Msg-Id": "probe"})).seq == first.seq:
        await asyncio.sleep(0.02)  # polls a condition


async def _enlarged(js, name):
    config = (await js.stream_info(name)).config
    config.max_bytes = 1_000_000
    await js.update_stream(config)
