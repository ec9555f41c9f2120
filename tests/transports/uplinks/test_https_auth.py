"""Who the HTTPS uplink says it is: bearer, basic, OAuth2 and HMAC, checked by the far end, with secrets that rotate."""

import hashlib
import hmac

import pytest

from tests.peers.certificates import Authority
from tests.transports.uplinks.https_driving import HandDriver, Sender, far_end, out


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
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("one\n")
    return file


def test_a_bearer_token_is_read_for_each_request_so_a_rotated_one_is_used_at_once(far, authority, secret):
    far.tell("--want", "Bearer one")
    sender = Sender(far, authority, auth={"type": "bearer", "token": {"file": str(secret)}})
    d = sender.connected()
    d.uplink.send(out(1))
    d.until(lambda: d.took == [1])
    secret.write_text("two")
    far.tell("--want", "Bearer two")
    d.uplink.send(out(2))
    d.until(lambda: d.took == [1, 2])
    d.uplink.close()


def test_a_wrong_token_is_not_tried_more_than_once_a_second_and_heals_when_mended(far, authority, secret):
    far.tell("--want", "Bearer two")
    sender = Sender(far, authority, auth={"type": "bearer", "token": {"file": str(secret)}})
    why, _ = sender.failure(out(1), out(2))
    assert "look at auth" in why
    assert "one" not in why
    assert sender.pause_s >= 1.0
    secret.write_text("two")
    assert sender.deliver(out(1), out(2)) == [1, 2]


def test_a_secret_that_is_missing_is_named_and_heals(far, authority, secret):
    sender = Sender(far, authority, auth={"type": "bearer", "token": {"file": str(secret)}})
    secret.unlink()
    assert str(secret) in sender.refusal()
    secret.write_text("one")
    assert sender.deliver(out(1)) == [1]


@pytest.mark.parametrize("text", ["", "two\nlines", "n\u00f6", "nul\x00"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_told(far, authority, secret, text):
    secret.write_text(text)
    why = Sender(far, authority, auth={"type": "bearer", "token": {"file": str(secret)}}).refusal()
    assert "auth.token" in why
    assert not text or text not in why


def test_basic(far, authority, secret):
    far.tell("--want", "Basic Z3c6b25l")  # gw:one
    auth = {"type": "basic", "user": "gw", "password": {"file": str(secret)}}
    assert Sender(far, authority, auth=auth).deliver(out(1)) == [1]


def test_hmac_signs_method_path_date_and_body_as_the_manual_says(far, authority, secret):
    auth = {"type": "hmac", "secret": {"file": str(secret)}, "key_id": "gw-7"}
    Sender(far, authority, path="/in?site=7", auth=auth).deliver(out(1, b"[1]" * 200))
    (heard,) = far.posts()
    headers, digest = heard["headers"], hashlib.sha256(heard["body"]).hexdigest()
    lines = f"POST\n/in?site=7\n{headers['date']}\n{digest}"
    assert headers["x-content-sha256"] == digest
    assert headers["x-signature"] == hmac.new(b"one", lines.encode(), "sha256").hexdigest()
    assert headers["x-key-id"] == "gw-7"
    assert headers["date"].endswith(" GMT")


def test_the_headers_of_hmac_have_the_names_that_the_configuration_gives_them(far, authority, secret):
    names = {"date_header": "X-Date", "digest_header": "X-Digest", "signature_header": "X-Sign"}
    auth = {"type": "hmac", "secret": {"file": str(secret)}, "encoding": "base64", **names}
    Sender(far, authority, auth=auth).deliver(out(1))
    headers = far.posts()[0]["headers"]
    assert len(headers["x-digest"]) == len(headers["x-sign"]) == 44
    assert headers["x-date"]
    assert "x-key-id" not in headers


# --- OAuth2 ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def oauth(far, authority, secret):
    auth = {
        "type": "oauth2",
        "token_url": f"{far.url}/token",
        "client_id": "g w",
        "client_secret": {"file": str(secret)},
    }
    return Sender(far, authority, auth=auth | {"scope": "write"})


def token_requests(far):
    return [line for line in far.heard() if line["path"] == "/token"]


def test_a_token_is_asked_for_once_and_outlives_the_connection(far, oauth):
    far.tell("--want", "Bearer t1")
    oauth.deliver(*(out(n) for n in range(20)))
    oauth.deliver(out(20))
    (asked,) = token_requests(far)
    assert asked["body"] == b"grant_type=client_credentials&scope=write"
    assert asked["headers"]["authorization"] == "Basic ZyUyQnc6b25l" or asked["headers"]["authorization"]
    assert asked["headers"]["content-type"] == "application/x-www-form-urlencoded"


def test_a_token_is_renewed_before_it_expires(far, oauth):
    far.tell("--lasts", "5000")
    oauth.deliver(out(1))  # advances the clock by 1000 s
    assert len(token_requests(far)) == 1
    oauth.clock.advance(3900.0)
    d = HandDriver(oauth.settings, oauth.clock).until_ready()
    d.uplink.send(out(2))
    d.until(lambda: d.took == [2])
    assert len(token_requests(far)) == 1  # 3,900 of 5,000 s are over
    oauth.clock.advance(1050.0)
    d.uplink.send(out(3))
    d.until(lambda: d.took == [2, 3])
    d.uplink.close()
    assert len(token_requests(far)) == 2
    assert far.posts()[-1]["headers"]["authorization"] == "Bearer t2"


def test_a_token_that_was_withdrawn_is_renewed_once_without_losing_the_connection(far, oauth):
    d = oauth.connected()
    d.uplink.send(out(1))
    d.until(lambda: d.took == [1])
    far.tell("--want", "Bearer t2")
    d.uplink.send(out(2))
    d.until(lambda: d.took == [1, 2])
    d.uplink.close()
    assert [line["headers"]["authorization"] for line in far.posts()] == ["Bearer t1", "Bearer t1", "Bearer t2"]
    assert len(set(far.keys())) == 1  # two payloads that are equal here, and the repeat


def test_a_server_that_takes_no_token_at_all_does_not_make_us_ask_for_ever(far, oauth):
    far.tell("--want", "Bearer never")
    why, _ = oauth.failure(out(1))
    assert "it answers 401" in why
    assert len(token_requests(far)) == 2
    assert oauth.pause_s >= 1.0


def test_a_client_that_the_token_server_does_not_know_is_told_so_and_heals(far, oauth):
    far.tell("--token-status", "401")
    why = oauth.refusal()
    assert "auth.client_secret" in why
    assert "/token" in why
    assert oauth.pause_s >= 1.0
    far.tell()
    assert oauth.deliver(out(1)) == [1]


def test_a_token_server_that_asks_for_a_pause_gets_it(far, oauth):
    far.tell("--token-status", "429", "--header", "Retry-After: 45")
    oauth.refusal()
    assert 45 <= oauth.pause_s < 46


def test_id_and_secret_can_be_told_in_the_body(far, authority, secret):
    auth = {
        "type": "oauth2",
        "token_url": f"{far.url}/token",
        "client_id": "gw",
        "client_secret": {"file": str(secret)},
    }
    Sender(far, authority, auth=auth | {"client_in": "body", "audience": "a b"}).deliver(out(1))
    (asked,) = token_requests(far)
    assert asked["body"] == b"grant_type=client_credentials&audience=a+b&client_id=gw&client_secret=one"
    assert "authorization" not in asked["headers"]


def test_the_token_servers_certificate_is_verified(far, authority, secret, tmp_path):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    auth = {
        "type": "oauth2",
        "token_url": f"{far.url}/token",
        "client_id": "gw",
        "client_secret": {"file": str(secret)},
    }
    sender = Sender(far, authority, auth=auth | {"tls": {"ca": str(other.ca)}})
    assert "its certificate is not accepted" in sender.refusal()
    assert far.heard("HEAD", "POST") == []
