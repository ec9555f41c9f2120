"""The decoder of values, held against asyncua's encoder, and against bytes that make no sense."""

import math
import random
import struct
import tracemalloc
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import NotUnderstood
from transports.opcua import answers, values
from transports.opcua.octets import Octets
from transports.opcua.types import sample, type_of
from transports.opcua.values import DataValue, data_value
from transports.samples import DataType, Quality, Scan, Tag, batch_of

WHOLE = {
    values.SBYTE: (8, True),
    values.BYTE: (8, False),
    values.INT16: (16, True),
    values.UINT16: (16, False),
    values.INT32: (32, True),
    values.UINT32: (32, False),
    values.INT64: (64, True),
    values.UINT64: (64, False),
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def whole(kind: int) -> st.SearchStrategy[int]:
    bits, signed = WHOLE[kind]
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


KINDS: dict[int, st.SearchStrategy[Any]] = {
    values.BOOLEAN: st.booleans(),
    **{kind: whole(kind) for kind in WHOLE},
    values.FLOAT: st.floats(width=32),
    values.DOUBLE: st.floats(),
    values.STRING: TEXT,
    values.BYTESTRING: st.binary(),
    values.GUID: st.uuids(),
}


def said(value: Any, kind: int, **more: Any) -> DataValue:
    """What a server that encodes this is understood to say."""
    encoded = struct_to_binary(ua.DataValue(ua.Variant(value, ua.VariantType(kind)), **more))
    octets = Octets(encoded)
    decoded = data_value(octets)
    assert octets.left == 0
    return decoded


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


@given(st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), KINDS[kind])))
def test_a_value_of_every_type_arrives_to_the_bit(case: tuple[int, Any]) -> None:
    kind, value = case
    wanted = str(value) if isinstance(value, uuid.UUID) else value
    house = type_of(kind, False)
    assert house is not None
    got, status = sample(house, said(value, kind))
    assert (bits(got), status) == (bits(wanted), 0)
    assert batch_of("x", 1, [Scan(0, (Tag("a", house),), [got])]).samples == 1


@given(
    st.sampled_from([kind for kind in KINDS if type_of(kind, True)]).flatmap(
        lambda kind: st.tuples(st.just(kind), st.lists(KINDS[kind], max_size=20))
    )
)
def test_an_array_of_numbers_arrives_to_the_bit(case: tuple[int, list[Any]]) -> None:
    kind, items = case
    house = type_of(kind, True)
    assert house is not None
    got, status = sample(house, said(items, kind))
    assert isinstance(got, tuple)
    assert ([bits(item) for item in got], status) == ([bits(item) for item in items], 0)
    assert batch_of("x", 1, [Scan(0, (Tag("a", house),), [got])]).samples == 1


@pytest.mark.parametrize("payload", [0x7FF8000000000001, 0xFFFFDEADBEEF0001, 0x7FF4000000000001])
def test_the_payload_of_a_nan_is_kept(payload: int) -> None:
    octets = Octets(b"\x01\x0b" + payload.to_bytes(8, "little"))
    got, _ = sample(DataType.FLOAT64, data_value(octets))
    assert isinstance(got, float)
    assert math.isnan(got)
    assert struct.pack("<d", got) == payload.to_bytes(8, "little")


@given(st.integers(0, 2**32 - 1))
def test_any_status_code_is_kept_and_none_but_a_bad_one_takes_the_value(code: int) -> None:
    encoded = b"\x03\x06" + (7).to_bytes(4, "little") + code.to_bytes(4, "little")
    assert sample(DataType.INT64, data_value(Octets(encoded))) == (None if code >= 2**31 else 7, code)


@given(st.integers(1, 2**62), st.integers(0, 9999))
def test_the_source_time_is_exact_to_its_ticks_and_picoseconds(ticks: int, picoseconds: int) -> None:
    encoded = b"\x14" + ticks.to_bytes(8, "little") + picoseconds.to_bytes(2, "little")
    got = data_value(Octets(encoded))
    assert got.source_ns == (ticks - values.EPOCH) * 100 + picoseconds // 100
    assert got.server_ns is None


def test_no_time_and_for_ever_are_no_times() -> None:
    for ticks in (0, -1, values.FOREVER):
        encoded = b"\x0c" + ticks.to_bytes(8, "little", signed=True) * 2
        assert data_value(Octets(encoded))[4:] == (None, None)


def test_a_date_is_nanoseconds_and_one_that_does_not_fit_is_bad() -> None:
    now = b"\x01\x0d" + (values.EPOCH + 12_345_678_901).to_bytes(8, "little")
    assert sample(DataType.INT64, data_value(Octets(now))) == (1_234_567_890_100, 0)
    year_1601 = b"\x01\x0d" + bytes(8)
    assert sample(DataType.INT64, data_value(Octets(year_1601))) == (None, Quality.BAD_OUT_OF_RANGE)


def test_text_that_is_not_utf8_makes_its_tag_bad_and_a_null_one_is_empty() -> None:
    assert sample(DataType.STRING, data_value(Octets(b"\x01\x0c\x02\0\0\0\xff\xfe"))) == (None, Quality.BAD_DECODING)
    assert sample(DataType.STRING, data_value(Octets(b"\x01\x0c\xff\xff\xff\xff"))) == ("", 0)


def test_texts_of_other_types_are_text() -> None:
    assert said(ua.LocalizedText("auf", "de"), values.LOCALIZED).value == "auf"
    assert said(ua.QualifiedName("Speed", 2), values.QUALIFIED).value == "2:Speed"
    assert said(ua.NodeId("Line.Speed", 2), values.NODE_ID).value == "ns=2;s=Line.Speed"  # type: ignore[arg-type]
    assert said(ua.NodeId(b"\xff\xfe", 3), values.NODE_ID).value == "ns=3;b=//4="  # type: ignore[arg-type]


def test_a_matrix_is_its_items_in_their_order() -> None:
    matrix = said([[1, 2, 3], [4, 5, 6]], values.INT32)
    assert sample(DataType.INT64_ARRAY, matrix) == ((1, 2, 3, 4, 5, 6), 0)


def test_a_structure_is_bad_and_what_follows_it_is_read() -> None:
    structure = struct_to_binary(ua.DataValue(ua.Variant(ua.Argument("a"), ua.VariantType.ExtensionObject)))
    octets = Octets(structure + b"\x01\x03\x07")
    kind, status = sample(DataType.STRING, data_value(octets))
    assert (kind, status) == (None, 0x803D0000)
    assert data_value(octets).value == 7


def test_values_within_values_without_end_are_refused() -> None:
    with pytest.raises(NotUnderstood, match="without end"):
        data_value(Octets(b"\x01" + b"\x98\x01\0\0\0" * 1000 + b"\0"))
    with pytest.raises(NotUnderstood, match="without end"):
        Octets(b"\x40" * 1000).skip_diagnostics()


@pytest.mark.parametrize("kind", range(26))
def test_a_claim_costs_nothing(kind: int) -> None:
    claims = b"\x01" + bytes((0x80 | kind,)) + b"\xff\xff\xff\x7f" + bytes(100)
    tracemalloc.start()
    try:
        with pytest.raises(NotUnderstood):
            data_value(Octets(claims))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


HEADER = b"\x01\0%b" + bytes(8) + bytes(4) + bytes(4) + b"\0" + b"\xff\xff\xff\xff" + b"\0\0\0"


def header(kind: str) -> bytes:
    return HEADER.replace(b"%b", int(kind[2:]).to_bytes(2, "little"))


def a_data_value() -> bytes:
    variant = ua.Variant([1.5, 2.5], ua.VariantType.Double)
    return struct_to_binary(ua.DataValue(variant, ua.StatusCode(0x480)))  # type: ignore[arg-type]


def a_notice() -> bytes:
    item = ua.MonitoredItemNotification()
    item.ClientHandle, item.Value = 3, ua.DataValue(ua.Variant("x", ua.VariantType.String))  # type: ignore[assignment]
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId, response.Parameters.NotificationMessage.SequenceNumber = 5, 17
    response.Parameters.NotificationMessage.NotificationData = [
        ua.DataChangeNotification([item, item]),  # type: ignore[list-item]
    ]
    return struct_to_binary(response)


def a_browse_answer() -> bytes:
    reference = ua.ReferenceDescription()
    reference.NodeId = ua.ExpandedNodeId("Line.Speed", 2)  # type: ignore[arg-type]
    reference.BrowseName, reference.NodeClass = ua.QualifiedName("Speed", 2), ua.NodeClass.Variable
    response = ua.BrowseResponse()
    response.Results = [ua.BrowseResult(ua.StatusCode(), b"more", [reference, reference])]  # type: ignore[list-item]
    return struct_to_binary(response)


def a_monitored_answer() -> bytes:
    response = ua.CreateMonitoredItemsResponse()
    response.Results = [ua.MonitoredItemCreateResult(), ua.MonitoredItemCreateResult()]
    return struct_to_binary(response)


REAL: list[tuple[bytes, Callable[[bytes], Any]]] = [
    (header(answers.READ) + b"\x02\0\0\0" + a_data_value() * 2, lambda data: answers.read_results(data, 2)),
    (a_notice(), answers.notice),
    (a_browse_answer(), lambda data: answers.browse_results(data, 1)),
    (a_monitored_answer(), lambda data: answers.monitored_results(data, 2)),
    (struct_to_binary(ua.CreateSubscriptionResponse()), answers.subscribed),
    (struct_to_binary(ua.ServiceFault()), answers.vet_answer),
]


def test_real_answers_are_understood() -> None:
    read, notice, browsed, monitored, subscribed, fault = (decode(data) for data, decode in REAL)
    assert [each.value for each in read] == [(1.5, 2.5)] * 2
    assert [each.status for each in read] == [0x480] * 2
    assert (notice.subscription, notice.sequence, notice.keepalive) == (5, 17, False)
    assert [(handle, data.value) for handle, data in notice.values] == [(3, "x")] * 2
    assert browsed[0].more == b"more"
    assert [each.node for each in browsed[0].references] == ["ns=2;s=Line.Speed"] * 2
    assert (len(monitored), subscribed.id, fault) == (2, 0, 0)


def mutated(data: bytes, dice: random.Random) -> bytes:
    """With a few bytes changed, and sometimes an end that is missing or too long."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed))
        changed[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    if dice.random() < 0.3:
        del changed[dice.randrange(len(changed)) :]
    return bytes(changed) + (dice.randbytes(dice.randint(0, 30)) if dice.random() < 0.2 else b"")


@pytest.mark.parametrize("at", range(len(REAL)))
def test_answers_with_bytes_changed_are_read_or_not_understood(at: int) -> None:
    data, decode = REAL[at]
    dice, understood = random.Random(at), 0
    for _ in range(4000):
        try:
            decode(mutated(data, dice))
            understood += 1
        except NotUnderstood:
            pass
    assert 0 < understood < 4000


def test_garbage_is_not_understood() -> None:
    dice = random.Random(7)
    for _ in range(6000):
        garbage = dice.randbytes(dice.randint(0, 200))
        for _, decode in REAL[:5]:
            with pytest.raises(NotUnderstood):
                decode(garbage)


def test_an_answer_to_something_else_is_not_understood() -> None:
    with pytest.raises(NotUnderstood, match="i=829"):
        answers.notice(struct_to_binary(ua.BrowseResponse()))


def test_a_notification_of_more_values_than_were_allowed_is_not_understood() -> None:
    items = b"\0\0\0\0\0" * (answers.MOST_ITEMS + 1)
    body = (answers.MOST_ITEMS + 1).to_bytes(4, "little") + items
    extension = b"\x01\0\x2b\x03\x01" + len(body).to_bytes(4, "little") + body
    data = header(answers.PUBLISH) + bytes(4) + bytes(4) + b"\0" + bytes(4) + bytes(8) + b"\x01\0\0\0" + extension
    with pytest.raises(NotUnderstood, match="10001 values"):
        answers.notice(data)
