"""Values of GATT characteristics, exact to the bit in both directions."""

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.ble.forms import KINDS, Form
from transports.errors import LinkRefused, NotUnderstood
from transports.samples import DataType, Scan, Tag, Value, batch_of

NAN_WITH_PAYLOAD = bytes.fromhex("efbeadde5504f87f")


@pytest.mark.parametrize(
    ("form", "data", "value"),
    [
        (Form("uint8"), "ff", 255),
        (Form("int8"), "80", -128),
        (Form("uint24"), "ffffff", 2**24 - 1),
        (Form("int24"), "000080", -(2**23)),
        (Form("int24", "big"), "800000", -(2**23)),
        (Form("uint40"), "ffffffffff", 2**40 - 1),
        (Form("uint48"), "ffffffffffff", 2**48 - 1),
        (Form("uint48"), "010000000080", 2**47 + 1),
        (Form("int48", "big"), "800000000001", -(2**47) + 1),
        (Form("uint64"), "ffffffffffffffff", 2**64 - 1),
        (Form("int64"), "0000000000000080", -(2**63)),
        (Form("float32"), "01000000", 2.0**-149),
        (Form("float64", "big"), "0000000000000001", 5e-324),
        (Form("float32"), "000080ff", -math.inf),
        (Form("bool"), "01", True),
        (Form("string"), "5072657373652053c3bc64", "Presse Süd"),
        (Form("bytes"), "00ff00", b"\x00\xff\x00"),
    ],
)
def test_each_type_is_exact_in_both_directions(form: Form, data: str, value: Value) -> None:
    assert form.value(bytes.fromhex(data)) == value
    assert form.data(value) == bytes.fromhex(data)
    assert batch_of("x", 0, [Scan(0, (Tag("t", form.type),), [value])]).samples == 1


def test_a_nan_keeps_its_payload() -> None:
    value = Form("float64").value(NAN_WITH_PAYLOAD)
    assert struct.pack("<d", value) == NAN_WITH_PAYLOAD
    assert Form("float64").data(value) == NAN_WITH_PAYLOAD
    single = Form("float32").value(bytes.fromhex("5504c07f"))
    assert isinstance(single, float)
    assert math.isnan(single)
    assert Form("float32").data(single) == bytes.fromhex("5504c07f")


def test_a_scaled_number_is_a_float_and_is_rounded_when_written() -> None:
    form = Form("int16", scale=0.1, offset=-5.0)
    assert form.type is DataType.FLOAT64
    assert form.value(bytes.fromhex("6400")) == 5.0
    assert form.data(5.04) == bytes.fromhex("6400")


def test_a_part_of_a_record_is_taken_from_its_place() -> None:
    heart_rate = bytes.fromhex("163c0a02")
    assert Form("uint8", at=1).value(heart_rate) == 60
    assert Form("uint16", at=2).value(heart_rate) == 522
    with pytest.raises(NotUnderstood, match="at least 5"):
        Form("uint16", at=3).value(heart_rate)


@pytest.mark.parametrize(("kind", "data"), [("uint16", "00"), ("uint16", "000000"), ("bool", ""), ("string", "c328")])
def test_bytes_that_do_not_fit_are_refused(kind: str, data: str) -> None:
    with pytest.raises(NotUnderstood):
        Form(kind).value(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Form("uint8"), 256),
        (Form("uint8"), -1),
        (Form("int24"), 2**23),
        (Form("uint64"), 2**64),
        (Form("int16"), 1.5),
        (Form("int16"), math.nan),
        (Form("int16", scale=0.1), math.inf),
        (Form("int16", scale=1e-300), 1e300),
        (Form("float32"), 1e39),
        (Form("uint8"), True),
        (Form("uint8"), "7"),
        (Form("bool"), 1),
        (Form("string"), b"x"),
        (Form("string"), "\ud800"),
        (Form("string"), "ü" * 257),
        (Form("bytes"), "x"),
        (Form("float64"), 10**400),
    ],
)
def test_what_has_no_bytes_is_refused_before_it_is_sent(form: Form, value: Value) -> None:
    with pytest.raises(LinkRefused):
        form.data(value)


@given(st.sampled_from([kind for kind in KINDS if "int" in kind]), st.sampled_from(["little", "big"]), st.data())
def test_every_whole_number_comes_back(kind: str, order: str, data: st.DataObject) -> None:
    bits, form = int(kind.lstrip("uint")), Form(kind, order)
    low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    value = data.draw(st.integers(low, high))
    assert form.value(form.data(value)) == value


def test_nonsense_is_a_value_of_the_type_or_refused() -> None:
    dice, forms = random.Random(4), [Form(kind, order) for kind in KINDS for order in ("little", "big")]
    for case in range(10_000):
        form = forms[case % len(forms)]
        data = dice.randbytes(dice.randrange(10))
        try:
            value = form.value(data)
        except NotUnderstood:
            continue
        assert batch_of("x", 0, [Scan(0, (Tag("t", form.type),), [value])]).samples == 1
