"""The HTTPS uplink against a real HTTPS server in its own process."""

import threading
from dataclasses import replace

import pytest

from tests.peers.certificates import Authority
from tests.peers.mosquitto import free_port
from tests.transports.uplinks.https_driving import HandDriver, Sender, far_end, out
from transports.errors import UplinkDown, UplinkRefused
from transports.payloads import OutRecord
from transports.samples import Gap

RECORDS = (OutRecord("out", 3, 7, Gap("press-1", "quota", 0, 0, 1, 1, 1)),)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.signs("cloud.plant")


@pytest.fixture
def far(tmp_path, pair):
    with far_end(tmp_path, pair) as running:
        yield running


@pytest.fixture
def sender(far, authority):
    return Sender(far, authority)


def test_messages_arrive_whole_and_are_taken(far, sender):
    assert sorted(sender.deliver(*(out(n, b"[%d]" % n) for n in range(50)))) == list(range(50))
    assert sorted(far.bodies()) == sorted(b"[%d]" % n for n in range(50))
    first = far.posts()[0]
    assert (first["method"], first["path"]) == ("POST", "/in")
    assert first["headers"]["content-type"] == "application/json"
    assert len(set(far.keys())) == 50


def test_a_message_is_not_taken_before_the_answer(far, sender):
    far.tell("--delay", "0.3")
    d = sender.connected()
    d.uplink.send(out(1))
    d.until(lambda: far.posts())
    assert d.took == []
    d.until(lambda: d.took == [1])
    d.uplink.close()


def test_what_the_configuration_says_is_sent(far, authority):
    table = {"method": "PUT", "headers": {"X-Site": "7"}, "content_type": "text/plain", "idempotency_header": "X-Key"}
    Sender(far, authority, path="/{gateway}/{device}?by={uplink}", **table).deliver(out(1, device="line 3/a"))
    (heard,) = far.posts()
    assert heard["method"] == "PUT"
    assert heard["path"] == "/plant/line%203%2Fa?by=cloud"
    assert heard["headers"]["x-site"] == "7"
    assert heard["headers"]["content-type"] == "text/plain"
    assert len(heard["headers"]["x-key"]) == 64


def test_a_device_name_of_dots_climbs_nowhere(far, authority):
    Sender(far, authority, path="/in/{device}").deliver(out(1, device=".."))
    assert far.posts()[0]["path"] == "/in/__"


def test_a_body_that_was_compressed_says_how(far, authority):
    Sender(far, authority).deliver(replace(out(1, b"small"), content_encoding="zstd"), out(2, b"[1]"))
    first, second = far.posts()
    assert (first["headers"]["content-encoding"], first["body"]) == ("zstd", b"small")
    assert "content-encoding" not in second["headers"]


def test_the_messages_of_a_device_keep_their_order_and_devices_do_not_wait_for_each_other(far, authority):
    sender = Sender(far, authority, connections=3)
    sender.deliver(out(0))  # until one was taken they go one at a time
    messages = [out(n, b"%d" % n, device=f"d{n % 3}") for n in range(60)]
    sender.deliver(*messages)
    heard = [int(body) for body in far.bodies()[1:]]
    assert sorted(heard) == list(range(60))
    for device in range(3):
        its = [n for n in heard if n % 3 == device]
        assert its == sorted(its)
    assert len({line["connection"] for line in far.posts()[1:]}) > 1


def test_connections_are_kept_and_no_more_than_configured(far, authority):
    Sender(far, authority, connections=2, ordered=False).deliver(*(out(n, b"%d" % n) for n in range(40)))
    assert len({line["connection"] for line in far.heard("HEAD", "POST")}) <= 2


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_taken(far, sender, status):
    far.tell("--status", str(status), "--body", "0")
    assert sender.deliver(out(1)) == [1]


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        (301, "write it as url"),
        (401, "look at auth"),
        (403, "give this client the right"),
        (404, "look at url"),
        (405, "look at method"),
        (408, "waited too long"),
        (409, "still being worked on"),
        (425, "so early"),
        (429, "too many messages"),
        (500, "it has failed"),
        (502, "it has failed"),
        (503, "not available"),
    ],
)
def test_what_is_not_taken_now_is_kept_with_the_cure_and_goes_when_it_is_mended(far, sender, status, cure):
    far.tell("--status", str(status), "--greet", "200", "--header", "Location: https://elsewhere/")
    why, took = sender.failure(out(1), out(2, device="d2"))
    assert took == []
    assert cure in why
    assert f"it answers {status}" in why
    assert sender.pause_s >= 1.0  # at most one attempt a second
    assert len(far.posts()) == 1  # the second did not try its luck
    far.tell()
    assert sender.deliver(out(1), out(2)) == [1, 2]


def test_pauses_grow_and_begin_anew_when_something_was_taken(far, sender):
    far.tell("--status", "500")
    pauses = []
    for _ in range(6):
        sender.failure(out(1))
        pauses.append(sender.pause_s)
    assert pauses[0] < 1.3
    assert pauses[-1] > 7
    assert all(1.0 <= pause <= 10.0 for pause in pauses)
    far.tell()
    sender.deliver(out(1))
    far.tell("--status", "500")
    sender.failure(out(1))
    assert sender.pause_s < 1.3


@pytest.mark.parametrize(("asked", "granted"), [("37", 37), ("1000000", 300), ("0", 1), ("soon", 1)])
def test_retry_after_in_seconds_is_heeded_within_bounds(far, sender, asked, granted):
    far.tell("--status", "503", "--header", f"Retry-After: {asked}")
    sender.failure(out(1))
    assert granted <= sender.pause_s < granted + 0.3


def test_a_paused_uplink_asks_nothing_before_its_time(far, sender):
    far.tell("--status", "429", "--header", "Retry-After: 60")
    sender.failure(out(1))
    before = len(far.heard("HEAD", "POST"))
    far.tell()
    sender.clock.advance(-1000.0)  # `connected` advances by 1000
    with pytest.raises(AssertionError, match="did not come to pass"):
        _until_ready_for(sender, 0.3)
    assert len(far.heard("HEAD", "POST")) == before
    sender.clock.advance(1060.0)
    assert sender.deliver(out(1)) == [1]


def _until_ready_for(sender, within_s):
    sender.clock.advance(1000.0)
    d = HandDriver(sender.settings, sender.clock)
    try:
        d.until(d.uplink.ready, within_s)
    finally:
        assert d.uplink.next_step(sender.clock.now()) == sender.settings.past.not_before
        d.uplink.close()


def test_one_complaint_is_one_line_while_greetings_confirm_it(far, sender):
    """Connected and not connected in turn would be two lines in the log for every try."""
    far.tell("--status", "401", "--greet", "401")
    why, _ = sender.failure(out(1))
    assert [sender.refusal() for _ in range(3)] == [why] * 3
    assert len(far.posts()) == 1
    far.tell()
    assert sender.deliver(out(1)) == [1]


def test_a_server_that_answers_every_greeting_so_is_tried_all_the_same(far, sender):
    far.tell("--status", "403", "--greet", "403")
    sender.failure(out(1))
    far.tell("--greet", "403")
    for _ in range(6):
        assert "it answers 403" in sender.refusal()
    assert sender.deliver(out(1)) == [1]


@pytest.mark.parametrize(
    ("status", "cure"), [(400, "payload"), (413, "batch_bytes is too large"), (415, "content_type"), (422, "payload")]
)
def test_a_message_that_is_never_taken_is_refused_when_it_comes_again_and_the_others_go(far, sender, status, cure):
    sender.deliver(out(0))
    far.tell("--status", str(status), "--refuse", "poison")
    messages = [out(1, b"a"), out(2, b"poison", device="d2"), out(3, b"c", device="d3")]
    why, took = sender.failure(*messages)
    assert cure in why
    assert 2 not in took
    d = sender.connected()
    with pytest.raises(UplinkRefused, match=cure.replace("_", ".")):
        d.uplink.send(messages[1])
    d.uplink.send(out(2, b'{"gap": 1}', device="d2"))
    d.until(lambda: d.took == [2])
    d.uplink.close()
    assert far.bodies().count(b"poison") == 1


def test_a_refusal_waits_for_the_answers_of_others_so_that_they_need_not_come_again(far, authority):
    sender = Sender(far, authority)
    sender.deliver(out(0))
    far.tell("--status", "400", "--refuse", "poison", "--delay", "0.1")
    _, took = sender.failure(*(out(n, b"%d" % n, device=f"d{n}") for n in range(1, 4)), out(4, b"poison", device="d4"))
    assert sorted(took) == [1, 2, 3]


def test_what_is_sent_in_place_of_a_refused_message_has_another_key(far, sender):
    far.tell("--status", "400", "--refuse", "poison")
    sender.failure(replace(out(1, b"poison"), records=RECORDS))
    sender.deliver(replace(out(1, b'{"gap": 1}'), records=RECORDS))
    first, second = far.keys()
    assert first != second


def test_a_message_whose_answer_was_lost_comes_again_with_the_same_key(tmp_path, authority, pair):
    port = free_port()
    (tmp_path / "1").mkdir()
    with far_end(tmp_path / "1", pair, "--die", port=port) as far:
        sender = Sender(far, authority)
        why, took = sender.failure(replace(out(1), records=RECORDS))
        assert took == []
        assert far.url in why
        (lost,) = far.keys()
    with far_end(tmp_path, pair, port=port) as far:
        # Late, it is history, and says so: another payload of the same record
        sender.deliver(replace(out(1, b'{"v": 1, "historical": true}'), records=RECORDS))
        assert far.keys() == [lost]


def test_nobody_there_is_said_once_it_is_tried(tmp_path, authority, pair):
    with far_end(tmp_path, pair) as far:
        sender = Sender(far, authority)
        far.peer.kill()
        assert "nobody listens there" in sender.refusal()
        assert sender.pause_s >= 1.0


def test_a_server_that_takes_too_long_is_given_up_and_the_message_kept(far, authority):
    far.tell("--delay", "20")
    why, took = Sender(far, authority, timeout="300ms").failure(out(1))
    assert "no whole answer within 0.3 s" in why
    assert took == []


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(far, authority):
    far.tell("--body", "1000", "--drip", "0.05")
    why, took = Sender(far, authority, timeout="400ms").failure(out(1))
    assert "no whole answer" in why
    assert took == []


def test_of_a_long_answer_the_beginning_is_enough(far, authority):
    far.tell("--body", str(50_000_000))
    sender = Sender(far, authority, max_answer="1KiB")
    assert sender.deliver(out(1), out(2)) == [1, 2]


def test_a_farewell_waits_for_answers_that_are_due(far, sender):
    sender.deliver(out(0))
    far.tell("--delay", "0.2")
    d = sender.connected()
    d.uplink.send(out(1))
    d.until(lambda: len(far.posts()) == 2)
    d.uplink.close(farewell=True)
    assert list(d.uplink.taken()) == [1]


def test_a_hung_server_does_not_hold_up_the_end(far, sender):
    far.tell("--delay", "60")
    d = sender.connected()
    d.uplink.send(out(1))
    d.until(lambda: far.posts())
    d.uplink.close(farewell=True)
    d.uplink.close()
    assert list(d.uplink.taken()) == []
    with pytest.raises(UplinkDown):
        d.uplink.step(sender.clock.now())


def test_no_thread_outlives_its_connection(far, sender):
    before = threading.active_count()
    far.tell("--status", "500")
    for _ in range(5):
        sender.failure(out(1))
    assert threading.active_count() == before


def test_before_it_is_ready_nothing_can_be_sent(sender):
    d = HandDriver(sender.settings, sender.clock)
    with pytest.raises(UplinkDown, match="not connected yet"):
        d.uplink.send(out(1))
    d.uplink.close()
