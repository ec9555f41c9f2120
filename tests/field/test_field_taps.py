"""What a tap notes is what the gateway acknowledged, however the bytes are cut."""

from collections.abc import Callable, Iterable
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.field.acknowledged import Http, Mqtt

CONNECT_5 = bytes((0x10, 13, 0, 4)) + b"MQTT" + bytes((5, 2, 0, 60, 0, 0, 0))
CONNECT_311 = bytes((0x10, 12, 0, 4)) + b"MQTT" + bytes((4, 2, 0, 60, 0, 0))


def publish(topic: str, payload: bytes, mid: int, qos: int = 1, properties: bytes | None = b"\x00") -> bytes:
    body = len(topic).to_bytes(2) + topic.encode() + (mid.to_bytes(2) if qos else b"") + (properties or b"") + payload
    length = bytes((len(body),)) if len(body) < 128 else bytes((len(body) & 0x7F | 0x80, len(body) >> 7))
    return bytes((0x30 | qos << 1,)) + length + body


def puback(mid: int) -> bytes:
    return bytes((0x40, 2)) + mid.to_bytes(2)


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in at})
    return [data[a:b] for a, b in pairwise([0, *places, len(data)]) if a < b]


def told(hear: Callable[[bytes], Iterable[str]], pieces: Iterable[bytes]) -> list[str]:
    return list(chain.from_iterable(hear(piece) for piece in pieces))


@given(st.lists(st.integers(0, 500), max_size=8), st.lists(st.integers(0, 500), max_size=4))
def test_only_what_was_acknowledged_is_noted(cuts: list[int], acknowledged_cuts: list[int]) -> None:
    tap = Mqtt()
    told(tap.gateway_said, [CONNECT_5])
    long = b'{"x": "' + b"y" * 200 + b'"}'
    said = (
        publish("a/b", b'{"n":1}', 1) + publish("c", b"2", 2) + publish("d", b"0", 0, qos=0) + publish("e", long, 300)
    )
    for piece in cut(said, cuts):
        tap.far_end_said(piece)
    notes = told(tap.gateway_said, cut(puback(2) + b"\xc0\x00" + puback(300), acknowledged_cuts))
    assert notes == ["c 2", "e " + long.decode()]


def test_an_acknowledgement_counts_once_and_for_what_was_sent() -> None:
    tap = Mqtt()
    told(tap.gateway_said, [CONNECT_5])
    tap.far_end_said(publish("a", b"1", 1))
    assert told(tap.gateway_said, [puback(1) + puback(1) + puback(9)]) == ["a 1"]


def test_mqtt_3_1_1_has_no_properties() -> None:
    tap = Mqtt()
    told(tap.gateway_said, [CONNECT_311])
    tap.far_end_said(publish("a", b"1", 1, properties=None))
    assert told(tap.gateway_said, [puback(1)]) == ["a 1"]


def post(body: bytes) -> bytes:
    return b"POST /ingest/x HTTP/1.1\r\nHost: y\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def answered(code: int) -> bytes:
    return b"HTTP/1.1 %d Word\r\nContent-Length: 2\r\n\r\n{}" % code


@pytest.mark.parametrize(("code", "is_noted"), [(200, True), (204, True), (400, False), (503, False)])
def test_a_post_is_noted_when_it_is_answered_2xx(code: int, is_noted: bool) -> None:
    tap = Http()
    tap.far_end_said(post(b'{"n":1}'))
    answer = answered(code) if code != 204 else b"HTTP/1.1 204 None\r\n\r\n"
    assert told(tap.gateway_said, [answer]) == (['/ingest/x {"n":1}'] if is_noted else [])


@given(st.lists(st.integers(0, 500), max_size=8))
def test_requests_of_one_connection_are_told_apart(cuts: list[int]) -> None:
    tap, notes = Http(), list[str]()
    for number, code in ((1, 200), (2, 503), (3, 200)):
        for piece in cut(post(b"%d" % number), cuts):
            tap.far_end_said(piece)
        notes += told(tap.gateway_said, cut(answered(code), cuts))
    assert notes == ["/ingest/x 1", "/ingest/x 3"]
