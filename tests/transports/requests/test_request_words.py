"""The words of requests: what is of the form is read exactly, and nothing else passes, however it is written."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import NotUnderstood
from transports.requests.envelope import Opened, Unreadable, opened, sealed
from transports.requests.request import Request, Verb, id_of, request_of
from transports.requests.signing import fits, new_pair, public_key, signed
from transports.requests.words import MOST_BYTES, parsed

WRITE = {"id": "7", "verb": "write", "device": "press-1", "tag": "setpoint", "value": 12.5}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
PRIVATE, PUBLIC = new_pair()


@given(
    st.one_of(st.integers(-(2**63), 2**64 - 1), st.booleans(), TEXT, st.floats(allow_nan=False, allow_infinity=False))
)
def test_a_value_is_read_exactly(value: Any) -> None:
    read = opened(json.dumps({**WRITE, "value": value}).encode())
    assert isinstance(read, Opened)
    assert read.request.value == value
    assert type(read.request.value) is type(value)


@given(st.binary(max_size=200))
def test_bytes_are_read_exactly(value: bytes) -> None:
    coded = {"base64": base64.b64encode(value).decode()}
    assert request_of({**WRITE, "value": coded}).value == value


@given(st.binary(max_size=300) | JSON.map(lambda said: json.dumps(said).encode()))
def test_anything_else_is_unreadable_and_says_why(body: bytes) -> None:
    read = opened(body)
    assert isinstance(read, Unreadable)
    assert read.why


@given(st.dictionaries(st.sampled_from(["id", "device", "tag", "value", "ttl", "why", "nonce", "expires"]), JSON))
def test_members_of_any_kind_are_read_or_refused(odd: dict[str, Any]) -> None:
    read = opened(json.dumps({**WRITE, **odd}).encode())
    assert isinstance(read, (Opened, Unreadable))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"id": "1", "id": "2", "verb": "ledger"}', "twice"),
        (b'{"id": "1", "verb": "write", "device": "a", "tag": "b", "value": NaN}', "NaN"),
        (b'{"id": "1", "verb": "write", "device": "a", "tag": "b", "value": 1e999}', "too large"),
        (b"[" * 5000, "deep"),
        (b'{"a":' * 8 + b"1" + b"}" * 8, "deep"),
        (b" " * (MOST_BYTES + 1), "longer"),
        (b"[]", "no JSON object"),
        (b"\xff", "UTF-8"),
    ],
)
def test_json_that_two_readers_could_take_for_two_things_is_none(text: bytes, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        parsed(text)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"verb": "shutdown"}, "verb"),
        ({"verb": ["write"]}, "verb"),
        ({"device": "press-*"}, "device"),
        ({"device": "../x"}, "device"),
        ({"device": ""}, "device"),
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": 7}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"tag": ""}, "tag"),
        ({"tag": "\ud800"}, "tag"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"ttl": 61}, "ttl"),
        ({"value": [1, "2"]}, "value"),
        ({"value": {"base64": "AA==", "more": 1}}, "value"),
        ({"value": "x" * 5000}, "value"),
        ({"expires": "2026-01-01T00:00:00"}, "expires"),  # of which place?
        ({"expires": -1}, "expires"),
        ({"name": "press-1"}, "unknown member of write"),
        ({"nonsense": 1}, "unknown member of write"),
    ],
)
def test_a_member_of_the_wrong_form_is_named(members: dict[str, Any], why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        request_of({**WRITE, **members})


@pytest.mark.parametrize("verb", Verb)
def test_a_verb_without_what_it_needs_says_what(verb: Verb) -> None:
    if verb in (Verb.STATUS, Verb.LEDGER, Verb.CRASHES):
        assert request_of({"id": "1", "verb": verb}).verb is verb
    else:
        with pytest.raises(NotUnderstood, match="is missing"):
            request_of({"id": "1", "verb": verb})


def test_a_time_can_be_written_in_two_ways() -> None:
    times = [1_767_225_600, 1_767_225_600.0, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"]
    assert {request_of({**WRITE, "expires": each}).expires_ns for each in times} == {1_767_225_600 * 10**9}


def test_what_has_no_usable_id_is_answered_without_one() -> None:
    assert [id_of({"id": given}) for given in ("r-7", "a b", 7, None)] == ["r-7", "", "", ""]


# --- signatures --------------------------------------------------------------------------------------------------


def test_what_is_signed_is_the_exact_text() -> None:
    text = json.dumps({**WRITE, "why": "größer, \u202e"}, ensure_ascii=False)
    read = opened(signed(text, PRIVATE))
    assert isinstance(read, Opened)
    assert read.signature is not None
    assert fits(public_key(PUBLIC), read.text, read.signature)
    assert isinstance(read.request, Request)


@given(st.data())
def test_no_other_text_fits_the_signature(data: st.DataObject) -> None:
    text = json.dumps(WRITE)
    read = opened(signed(text, PRIVATE))
    assert isinstance(read, Opened)
    assert read.signature is not None
    at = data.draw(st.integers(0, len(read.text) - 1))
    other = read.text[:at] + bytes([read.text[at] ^ data.draw(st.integers(1, 255))]) + read.text[at + 1 :]
    assert not fits(public_key(PUBLIC), other, read.signature)


def test_a_signature_over_the_bare_text_is_none() -> None:
    """What was signed for another purpose with the same key is no request."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key: Any = load_pem_private_key(PRIVATE, None)
    read = opened(sealed(json.dumps(WRITE), key.sign(json.dumps(WRITE).encode())))
    assert isinstance(read, Opened)
    assert read.signature is not None
    assert not fits(public_key(PUBLIC), read.text, read.signature)


@pytest.mark.parametrize(
    "said",
    [
        {"signed": "{}"},
        {"signed": "{}", "signature": "!"},
        {"signed": "{}", "signature": "AAAA"},
        {"signed": {}, "signature": "AAAA"},
        {"signed": "{}", "signature": "A" * 88, "verb": "stop"},
        {"signed": "\ud800", "signature": base64.b64encode(bytes(64)).decode()},
    ],
)
def test_an_envelope_of_another_form_is_unreadable(said: dict[str, Any]) -> None:
    assert isinstance(opened(json.dumps(said).encode()), Unreadable)


@pytest.mark.parametrize("text", ["", "AAAA", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_says_the_cure(text: str) -> None:
    with pytest.raises(NotUnderstood, match="Ed25519"):
        public_key(text)


def test_a_key_may_be_pem() -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = public_key(PUBLIC)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert public_key(pem).public_bytes_raw() == key.public_bytes_raw()
