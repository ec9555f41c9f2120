"""What the JetStream uplink decides without a server: subjects, ids, what is known, what a stream must be, settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.uplinks.jetstream_driving import WHO, out, settings_for
from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.uplinks import Outgoing
from transports.uplinks._jetstream.message import parcel
from transports.uplinks._jetstream.past import MOST_MESSAGES, MOST_PLACES, Known, Past
from transports.uplinks._jetstream.stream import objection, read, warnings
from transports.uplinks._jetstream.subjects import covers, filled, pattern
from transports.uplinks._jetstream.words import Held, of_connection, verdict

TEMPLATE = "holdfast.{gateway}.{device}"


def _parcel(message):
    return parcel(message, TEMPLATE, "S", WHO)


@given(st.text())
def test_any_name_is_exactly_one_token(name):
    made = filled(TEMPLATE, {"gateway": "plant", "device": name})
    head, _, last = made.rpartition(".")
    assert head == "holdfast.plant"
    assert last
    assert not set(last) & set("*>$ \t\r\n")
    made.encode()


_TOKENS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4)


def _matches(wide, tokens):
    """Word for word what NATS says of * and >, of one subject."""
    for at, part in enumerate(wide):
        if part == ">":
            return len(tokens) > at
        if at >= len(tokens) or part not in ("*", tokens[at]):
            return False
    return len(wide) == len(tokens)


@given(_TOKENS, st.booleans(), st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=5))
def test_a_pattern_covers_a_subject_exactly_when_it_matches_it(wide, open_end, subject):
    wide = [*wide, ">"] if open_end else wide
    assert covers(".".join(wide), ".".join(subject)) == _matches(wide, subject)


def test_what_a_template_can_make_is_covered_only_by_what_covers_every_device():
    made = pattern(TEMPLATE, {"gateway": "plant"})
    assert made == "holdfast.plant.*"
    assert pattern(TEMPLATE, {}) == "holdfast.*.*"
    assert pattern("line-{device}.x", {}) == "*.x"
    assert covers("holdfast.>", made)
    assert covers("holdfast.*.*", made)
    assert not covers("holdfast.plant.press-1", made)
    assert not covers("holdfast.other.*", made)


def test_an_id_tells_records_apart_and_is_the_same_when_they_come_again():
    ids = [_parcel(message).msg_id for message in (out(1), out(1, 1, 2), out(1, 1, 3), out(1, epoch=4), out(2))]
    assert len(set(ids)) == len(ids)
    assert _parcel(out(9, 1, 2)).msg_id == _parcel(out(7, 1, 2, historical=True)).msg_id
    untold = [_parcel(Outgoing(1, {"device": "d"}, payload)).msg_id for payload in (b"a", b"b", b"a")]
    assert untold[0] == untold[2] != untold[1]


def test_a_name_that_no_header_can_carry_is_escaped():
    made = _parcel(out(1, device="Presse für\r\nNats-Msg-Id: x"))
    assert made.headers["Holdfast-Device"] == "Presse f%C3%BCr%0D%0ANats-Msg-Id: x"
    assert made.total_bytes == len(made.payload) + sum(len(k) + len(v) + 4 for k, v in made.headers.items()) + 12


@given(st.lists(st.frozensets(st.integers(0, 30), min_size=1, max_size=6), max_size=40))
def test_what_is_known_is_what_was_added(messages):
    known, every = Known(), set()
    for message in messages:
        places = frozenset(("out", 1, seq) for seq in message)
        assert known.has_some(places) == bool(places & every)
        assert known.has_all(places) == (places <= every)
        known.add(places)
        every |= places


def test_what_is_known_is_bounded_and_the_oldest_is_forgotten_first():
    known = Known()
    for seq in range(MOST_MESSAGES + 10):
        known.add(frozenset({("out", 1, seq)}))
    assert not known.has_some(frozenset(("out", 1, seq) for seq in range(10)))
    assert known.has_all(frozenset(("out", 1, seq) for seq in range(10, MOST_MESSAGES + 10)))
    for n in range(40):
        known.add(frozenset(("out", n + 2, seq) for seq in range(1000)))
    assert len(known._places) <= MOST_PLACES


def test_doubts_are_bounded_and_each_is_there_once():
    past = Past()
    past.left([_parcel(out(n)) for n in range(1000)])
    past.left([_parcel(out(n)) for n in range(500, 1500)])
    assert len(past.doubtful) == MOST_MESSAGES
    assert past.doubtful[-1].msg_id == "plant/out/3/1499"


INFO = {"config": {"name": "S", "subjects": ["holdfast.>"], "num_replicas": 3, "storage": "file"}}


def _info(**config):
    return read({"config": {**INFO["config"], **config}, "cluster": {"leader": "n1", "replicas": [{"name": "n2"}]}})


def test_a_stream_is_looked_at_before_it_is_used():
    assert objection(_info(), "holdfast.plant.*") == ""
    assert "does not take other.*" in objection(_info(), "other.*")
    assert "mirror" in objection(_info(subjects=None), "holdfast.plant.*")
    assert "sealed" in objection(_info(sealed=True), "holdfast.plant.*")
    assert "no_ack" in objection(_info(no_ack=True), "holdfast.plant.*")


def test_what_an_operator_should_know_of_a_stream():
    fine = {"duplicate_window": 120_000_000_000}
    assert list(warnings(_info(**fine))) == []
    assert "in memory" in next(warnings(_info(**fine, storage="memory")))
    assert "duplicate_window" in next(warnings(_info(duplicate_window=30_000_000_000)))
    away = {"config": {**INFO["config"], **fine}, "cluster": {"replicas": [{"name": "n3", "offline": True}]}}
    assert list(warnings(read(away))) == ["a replica is offline: n3"]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ({"code": 503, "err_code": 10077, "description": "maximum bytes exceeded"}, Held, "the stream is full"),
        ({"code": 503, "err_code": 10077, "description": "maximum messages exceeded"}, Held, "the stream is full"),
        ({"code": 503, "err_code": 10008, "description": "temporarily unavailable"}, Held, "no leader"),
        ({"code": 503, "err_code": 99999, "description": "new"}, Held, "not available"),
        ({"code": 400, "err_code": 10060, "description": "expected stream does not match"}, Held, "another stream"),
        ({"code": 400, "err_code": 10054, "description": "message size exceeds"}, UplinkRefused, "batch_bytes"),
        ({"code": 400, "err_code": 12345, "description": "what is new"}, UplinkDown, "what is new"),
    ],
)
def test_an_error_says_whether_it_is_the_message_or_the_stream(error, kind, words):
    found = verdict({"error": error}, "here")
    assert type(found) is kind
    assert words in str(found)
    assert verdict({"stream": "S", "seq": 7, "duplicate": True}, "here") is None


def test_what_a_server_says_of_a_connection_has_its_cure():
    assert "put new ones" in of_connection("nats: 'User Authentication Expired'", "here")
    assert "raise max_connections" in of_connection("nats: 'maximum connections exceeded'", "here")
    assert of_connection("nats: something new", "here") == "here: something new"


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"servers": []}, "servers"),
        ({"servers": ["nats-1:4222"]}, "servers"),
        ({"servers": ["nats://me:secret@nats-1:4222"]}, "servers"),
        ({"servers": ["ws://nats-1:80"]}, "servers"),
        ({"servers": ["nats://nats-1:port"]}, "servers"),
        ({"stream": "a.b"}, "stream"),
        ({"subject": "holdfast.>"}, "subject"),
        ({"subject": "holdfast..x"}, "subject"),
        ({"subject": "holdfast.{line}"}, "subject"),
        ({"subject": "{gateway"}, "subject"),
        ({"subject": "$SYS.x"}, "subject"),
        ({"request_subject": "ask.{device}"}, "request_subject"),
        ({"user": "gw"}, "password"),
        ({"password": {"env": "P"}}, "user"),
        ({"token": {"env": "T"}, "nkey": {"env": "N"}}, "nkey"),
        ({"domain": "a b"}, "domain"),
    ],
)
def test_a_wrong_setting_is_named(table, path):
    with pytest.raises(SettingsError) as error:
        settings_for("nats://nats-1:4222", **table)
    assert [problem.path for problem in error.value.problems] == [f"uplink.cloud.{path}"]


def test_a_password_is_never_shown():
    with pytest.raises(SettingsError) as error:
        settings_for("nats://nats-1:4222", user="gw", password="hunter2")
    assert "hunter2" not in str(error.value)
