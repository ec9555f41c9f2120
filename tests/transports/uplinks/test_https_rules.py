"""The HTTPS uplink's deciders: what an answer means, how long a pause is, what is signed, and keys."""

from base64 import b64encode
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.building import build
from transports.errors import SettingsError, UplinkRefused
from transports.payloads import OutRecord
from transports.samples import Gap
from transports.settings import fields_of
from transports.uplinks import Identity, Outgoing, https
from transports.uplinks._https.answers import Answer, Held, judge, pause
from transports.uplinks._https.bodies import content_type, digest_of, idempotency_key, key_instead
from transports.uplinks._https.past import INSIST, Past
from transports.uplinks._https.signature import Words, http_date, signed
from transports.uplinks._https.token import token_in
from transports.uplinks._https.urls import filled
from transports.uplinks._past import REFUSED_MOST

NOW_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00:00 UTC
URL = "https://cloud.example.com/in"
DIGEST = "9ab2253fc38981f5be9c25cf0a34b62cdf334652344bdef16b3d5dbc0b74f2f1"
SIGNATURE = "1c1b8e499677b02f77054291c8d7d64d2c0906147be029e4d781f3f1f37d8d45"


@given(st.integers(-5, 2000), st.text(max_size=40), st.binary(max_size=100))
def test_nothing_but_2xx_is_ever_taken_and_every_pause_is_bounded(status, retry_after, text):
    answer = Answer(status, retry_after, retry_after, text)
    if 200 <= status < 300:
        judge(answer, URL, NOW_NS, 300.0)
        return
    with pytest.raises(UplinkRefused if status in (400, 413, 415, 422) else Held) as why:
        judge(answer, URL, NOW_NS, 300.0)
    assert 0 <= getattr(why.value, "again_in_s", 0) <= 300
    assert URL in str(why.value)
    assert len(str(why.value)) < 600


@given(st.floats(-1e6, 1e6))
def test_a_date_is_a_pause_until_then(ahead_s):
    asked = pause(formatdate(NOW_NS / 1e9 + ahead_s, usegmt=True), NOW_NS, 300.0)
    assert asked == pytest.approx(min(max(0.0, ahead_s), 300.0), abs=1.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("120", 120),
        (" 7 ", 7),
        ("-5", 0),
        ("1.5", 0),
        ("9" * 18, 300),
        ("9" * 4000, 0),
        ("Thu, 01 Jan 2026 00:00:09 GMT", 9),
        ("Thursday, 01-Jan-26 00:00:09 GMT", 9),  # RFC 850
        ("Thu, 99 Foo 2026 00:00:09 GMT", 0),
        ("Thu, 01 Jan 0000 00:00:00 GMT", 0),
        ("\u0667", 0),
    ],
)
def test_retry_after(text, seconds):
    assert pause(text, NOW_NS, 300.0) == pytest.approx(seconds)


def test_the_signature_is_the_one_that_openssl_makes():
    # printf 'POST\n/in\nThu, 01 Jan 2026 00:00:00 GMT\n<digest>' | openssl dgst -sha256 -hmac one
    words = Words("POST", "/in", http_date(NOW_NS), b'{"v": 1}')
    assert words.date == "Thu, 01 Jan 2026 00:00:00 GMT"
    digest, signature = signed(words, "one", "hex")
    assert (digest, signature) == (DIGEST, SIGNATURE)
    # the digest in base64 is also what is signed
    assert signed(words, "one", "base64") == (
        b64encode(bytes.fromhex(DIGEST)).decode(),
        "JkTzilq4FSLDBUnN6iEhORHnvxJVqM3ig3gX2LhYL5U=",
    )


@given(st.sampled_from(["method", "target", "date", "body"]))
def test_whatever_of_a_request_is_changed_its_signature_changes(part):
    words = {"method": "POST", "target": "/in", "date": http_date(NOW_NS), "body": b"x"}
    other = words | {part: b"y" if part == "body" else words[part] + "0"}
    assert signed(Words(**words), "one", "hex")[1] != signed(Words(**other), "one", "hex")[1]
    assert signed(Words(**words), "one", "hex")[1] != signed(Words(**words), "two", "hex")[1]


def key(gateway="plant", device="press-1", payload=b"x", seqs=()):
    records = [OutRecord("out", 3, seq, Gap("press-1", "quota", 0, 0, 1, 1, 1)) for seq in seqs]
    message = Outgoing(1, {"device": device}, payload, records)
    return idempotency_key(Identity(gateway, "cloud"), message, digest_of(message))


def test_a_key_is_of_the_records_where_they_are_told_and_of_the_payload_where_not():
    assert key(payload=b"x") == key(payload=b"x") != key(payload=b"y")
    told = key(seqs=(1, 9), payload=b"x")
    assert told == key(seqs=(1, 9), payload=b"x, and late")
    others = [key(seqs=(1, 8)), key("other", seqs=(1, 9)), key(device="d", seqs=(1, 9))]
    assert len({told, *others, key_instead(told)}) == 5
    assert all(len(each) == 64 and each.isalnum() for each in (told, *others, key_instead(told)))


def test_a_body_is_what_its_form_is_unless_the_configuration_says_otherwise():
    told = Outgoing(1, {}, b"x", content_type="text/plain")
    assert content_type("", told) == "text/plain"
    assert content_type("text/csv", told) == "text/csv"
    assert content_type("", Outgoing(1, {}, b"x")) == "application/octet-stream"


@given(st.text(min_size=1, max_size=40))
def test_a_device_is_one_segment_of_a_url_whatever_it_is_called(device):
    url = filled("https://h/in/{device}/x", {"gateway": "g", "uplink": "u", "device": device})
    assert url.isascii()
    assert url.count("/") == 5
    assert url.split("/")[4] not in ("", ".", "..")
    assert "?" not in url
    assert "#" not in url


def test_pauses_are_a_second_at_least_and_bounded():
    past, pauses = Past(), []
    for _ in range(12):
        past.failed(100.0, 0.0, 0.0)
        pauses.append(past.not_before - 100.0)
    assert min(pauses) == 1.0
    assert max(pauses) <= 10.0
    past.failed(100.0, 200.0, 0.5)
    assert past.not_before == 300.0


def test_a_complaint_holds_while_greetings_say_the_same_but_not_for_ever():
    past = Past()
    assert past.still(401) == ""
    past.complained(401, "why")
    assert past.still(200) == ""
    assert [past.still(401) for _ in range(INSIST + 1)] == ["why"] * INSIST + [""]
    past.succeeded()
    assert past.still(401) == ""


def test_what_is_refused_is_remembered_within_bounds():
    past = Past()
    for n in range(2 * REFUSED_MOST):
        past.refuse(b"%d" % n, str(n), "why")
    assert len(past.refused) == len(past.spoiled) == REFUSED_MOST
    assert b"%d" % (2 * REFUSED_MOST - 1) in past.refused


@pytest.mark.parametrize(
    ("text", "renew_at"),
    [
        (b'{"access_token": "a", "token_type": "bearer", "expires_in": 100}', 1090),
        (b'{"access_token": "a", "token_type": "Bearer", "expires_in": 3600}', 4540),
        (b'{"access_token": "a"}', 1270),
        (b'{"access_token": "a", "expires_in": -1}', 1000),
        (b'{"access_token": "a", "expires_in": "soon"}', 1270),
        (b'{"access_token": "a", "expires_in": 1e300}', 1000 + 30 * 86400 - 60),
    ],
)
def test_a_token_is_renewed_a_little_before_it_expires(text, renew_at):
    assert token_in(text, 1000.0, URL).renew_at == pytest.approx(renew_at)


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b'{"access_token": 7}', b'{"access_token": "a\\nb"}']))
def test_what_is_no_token_is_never_used_as_one(text):
    with pytest.raises(Held, match="access_token"):
        token_in(text, 0.0, URL)


def problems(**table):
    with pytest.raises(SettingsError) as wrong:
        build(https.Settings, {"url": URL, **table}, "uplink.cloud")
    return str(wrong.value)


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"url": "http://cloud.example.com/in"}, "uplink.cloud.url"),
        ({"url": "https://user:pass@cloud.example.com"}, "uplink.cloud.url"),
        ({"url": "https://{device}.example.com"}, "uplink.cloud.url"),
        ({"url": "https://h/{devise}"}, "did you mean 'device'"),
        ({"url": "https://h/{device"}, "uplink.cloud.url"),
        ({"url": "ftp://h"}, "uplink.cloud.url"),
        ({"tls": {"verify": False}}, "uplink.cloud.tls.verify"),
        ({"url": "http://127.0.0.1:8086/in", "tls": {}}, "uplink.cloud.tls"),
        ({"headers": {"Authorization": "Bearer x"}}, "belongs to auth"),
        ({"headers": {"Content-Length": "5"}}, "is counted"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "printable"),
        ({"headers": {"X A": "a"}}, "is not the name of a header"),
        ({"idempotency_header": "a b"}, "uplink.cloud.idempotency_header"),
        ({"content_type": "text/plain\n"}, "uplink.cloud.content_type"),
        ({"auth": {"type": "bearer"}}, "uplink.cloud.auth.token: is missing"),
        ({"auth": {"type": "bearer", "token": "text"}}, "uplink.cloud.auth.token"),
        ({"auth": {"type": "basic", "user": "u", "password": {"env": "P"}, "key_id": "k"}}, "does not belong"),
        ({"auth": {"type": "oauth2", "token_url": "http://id.example.com"}}, "uplink.cloud.auth.token_url"),
        ({"connections": 0}, "uplink.cloud.connections"),
    ],
)
def test_mistakes_in_the_configuration_are_named_with_their_place(table, where):
    assert where in problems(**table)


@pytest.mark.parametrize(
    "url", ["https://h", "https://[::1]:8443/{device}?a={uplink}", "http://localhost:1/x", "http://[::1]/"]
)
def test_urls_that_are_fine(url):
    assert build(https.Settings, {"url": url}, "uplink.cloud").url == url


def test_a_secret_is_shown_nowhere():
    assert "hunter2" not in problems(auth={"type": "bearer", "token": "hunter2"})


def test_the_memory_between_connections_is_no_setting():
    settings = build(https.Settings, {"url": URL}, "uplink.cloud")
    assert settings.past is settings.past
    assert "past" not in {note.key for note in fields_of(https.Settings)}
    assert settings == build(https.Settings, {"url": URL}, "uplink.cloud")
