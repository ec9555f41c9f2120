"""Registers as a configuration describes them: exact to the bit, read and written, whatever they hold."""

import math
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.building import build
from transports.errors import LinkRefused, SettingsError
from transports.i2c.formula import Formula, formula_cure
from transports.i2c.registers import RegisterSettings
from transports.i2c.values import decoder, encode
from transports.samples import DataType, Scan, Tag, Value, batch_of


def register(**table: Any) -> RegisterSettings:
    return build(RegisterSettings, {"register": 0, **table}, "x")


def decoded(data: bytes, **table: Any) -> Value | None:
    return decoder(register(**table))(data)


@pytest.mark.parametrize(
    ("data", "table", "value"),
    [
        ("ff", {}, 255),
        ("ff", {"signed": True}, -1),
        ("1234", {"width": 2}, 0x1234),
        ("1234", {"width": 2, "order": "little"}, 0x3412),
        ("800000", {"width": 3, "signed": True}, -(2**23)),
        ("ffffffffffffffff", {"width": 8}, 2**64 - 1),
        ("8000000000000000", {"width": 8, "signed": True}, -(2**63)),
        ("7fffffffffffffff", {"width": 8, "signed": True}, 2**63 - 1),
        ("0000000000000080", {"width": 8, "signed": True, "order": "little"}, -(2**63)),
        ("5d98", {"width": 2, "bits": [15, 3]}, 0x0BB3),
        ("78", {"bits": [6, 4]}, 7),
        ("78", {"bits": [6, 4], "signed": True}, -1),
        ("08", {"bits": [3], "type": "bool"}, True),
        ("f7", {"bits": [3], "type": "bool"}, False),
        ("0000", {"type": "bool", "width": 2}, False),
        ("0190", {"width": 2, "formula": "raw * 0.0625"}, 25.0),
        ("ff38", {"width": 2, "signed": True, "formula": "raw / 8 - 40"}, -65.0),
        ("05", {"formula": "raw > 3", "type": "bool"}, True),
        ("41480000", {"type": "float32"}, 12.5),
        ("00004841", {"type": "float32", "order": "little"}, 12.5),
        ("00000001", {"type": "float32"}, 2.0**-149),
        ("0000000000000001", {"type": "float64"}, 5e-324),
        ("7f800000", {"type": "float32"}, math.inf),
        ("c3a4004100", {"type": "string", "width": 5}, "ä"),
        ("c3", {"type": "string", "width": 1}, None),
        ("00ff", {"type": "bytes", "width": 2}, b"\x00\xff"),
    ],
)
def test_a_register_is_read_exactly(data: str, table: dict[str, Any], value: Value | None) -> None:
    got = decoded(bytes.fromhex(data), **table)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0xFFC12345, 0x7FBFFFFF])
def test_the_payload_and_sign_of_a_float32_that_is_no_number_are_kept(bits: int) -> None:
    value = decoded(bits.to_bytes(4, "big"), type="float32")
    assert isinstance(value, float)
    wide = int.from_bytes(struct.pack(">d", value), "big")
    assert wide == (bits & 0x80000000) << 32 | 0x7FF << 52 | (bits & 0x7FFFFF) << 29
    back = encode("x", register(type="float32", writable=True), value, bytes(4))
    assert back == bits.to_bytes(4, "big")


@given(st.integers(0, 2**64 - 1))
def test_the_bits_of_a_float64_are_kept(bits: int) -> None:
    value = decoded(bits.to_bytes(8, "little"), type="float64", order="little")
    assert struct.pack("<d", value) == bits.to_bytes(8, "little")


@given(st.integers(1, 8), st.booleans(), st.sampled_from(["big", "little"]), st.data())
def test_what_is_written_to_a_field_reads_so_and_its_neighbours_stay(
    width: int, signed: bool, order: str, data: st.DataObject
) -> None:
    lo = data.draw(st.integers(0, 8 * width - 1))
    hi = data.draw(st.integers(lo, 8 * width - 1))
    where = register(width=width, signed=signed, order=order, bits=[hi, lo], writable=True)
    bits = hi - lo + 1
    value = data.draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1))
    before = data.draw(st.binary(min_size=width, max_size=width))
    after = encode("x", where, value, before)
    assert decoder(where)(after) == value
    changed = int.from_bytes(before, order) ^ int.from_bytes(after, order)  # type: ignore[arg-type]
    assert changed & ~(((1 << bits) - 1) << lo) == 0


@pytest.mark.parametrize(
    ("table", "value", "data"),
    [
        ({"width": 2}, 4711, "1267"),
        ({"width": 2}, 4711.0, "1267"),
        ({"width": 8}, 2**64 - 1, "ffffffffffffffff"),
        ({"width": 8, "signed": True}, -(2**63), "8000000000000000"),
        ({"type": "bool"}, True, "01"),
        ({"type": "float32"}, 12.5, "41480000"),
        ({"width": 2, "formula": "raw * 0.1", "inverse": "value / 0.1"}, 25.04, "00fa"),
        ({"type": "string", "width": 4}, "ä", "c3a40000"),
        ({"type": "bytes", "width": 2}, b"ab", "6162"),
    ],
)
def test_a_value_is_written_as_its_register_holds_it(table: dict[str, Any], value: Value, data: str) -> None:
    assert encode("x", register(**table, writable=True), value, bytes(len(data) // 2)).hex() == data


@pytest.mark.parametrize(
    ("table", "value", "reason"),
    [
        ({}, 256, "from 0 to 255"),
        ({}, -1, "from 0 to 255"),
        ({"signed": True}, 128, "from -128 to 127"),
        ({"bits": [6, 4]}, 8, "from 0 to 7"),
        ({}, 1.5, "whole number"),
        ({}, math.nan, "whole number"),
        ({}, "1", "a number"),
        ({}, True, "a number"),
        ({"type": "bool"}, 2, "true or false"),
        ({"type": "float32"}, 1e39, "range of float32"),
        ({"type": "float64"}, 10**400, "range of float64"),
        ({"formula": "raw * 2", "inverse": "1 / value"}, 0, "makes no number"),
        ({"formula": "raw * 2", "inverse": "value * 1e308"}, 10, "whole number"),
        ({"type": "string", "width": 2}, "abc", "at most 2 bytes"),
        ({"type": "string", "width": 2}, "\0", "without NUL"),
        ({"type": "string", "width": 2}, 1, "text"),
        ({"type": "bytes", "width": 2}, b"a", "takes 2 bytes"),
    ],
)
def test_what_a_register_cannot_hold_is_refused_with_the_reason(
    table: dict[str, Any], value: Value, reason: str
) -> None:
    where = register(**table, writable=True)
    with pytest.raises(LinkRefused, match=reason):
        encode("x", where, value, bytes(where.size))


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({"register": 70000}, "x.register", "at most 65535"),
        ({"width": 9}, "x.width", "at most 8 bytes"),
        ({"width": 0}, "x.width", "at least 1"),
        ({"type": "float32", "width": 8}, "x.width", "has 4 bytes"),
        ({"type": "string"}, "x.width", "is missing"),
        ({"type": "int16"}, "x.type", "must be one of"),
        ({"order": "middle"}, "x.order", "big, little"),
        ({"bits": [3, 7]}, "x.bits", "highest first"),
        ({"bits": [8, 0]}, "x.bits", "at most [7, 0]"),
        ({"bits": [3, 2, 1]}, "x.bits", "[hi, lo]"),
        ({"bits": [3], "type": "float32"}, "x.bits", "no bit fields"),
        ({"signed": True, "type": "bool"}, "x.signed", "whole numbers"),
        ({"block": True}, "x.block", '"string" or "bytes"'),
        ({"formula": "raw *"}, "x.formula", "must be a formula"),
        ({"formula": "volts"}, "x.formula", "names 'volts'"),
        ({"formula": "__import__('os')"}, "x.formula", "calls what is no function"),
        ({"formula": "raw.real"}, "x.formula", "Attribute"),
        ({"formula": "'a' * raw"}, "x.formula", "only numbers"),
        ({"formula": "[raw for raw in raw]"}, "x.formula", "ListComp"),
        ({"formula": "raw if True else 0"}, "x.formula", "only numbers"),
        ({"formula": "-" * 60 + "raw"}, "x.formula", "nested too deeply"),
        ({"formula": "raw +" * 200 + "raw"}, "x.formula", "at most 500 characters"),
        ({"formula": "raw", "type": "string", "width": 2}, "x.formula", "not worked with"),
        ({"inverse": "value"}, "x.inverse", "needs a formula"),
        ({"formula": "raw * 2", "writable": True}, "x.writable", "inverse"),
        ({"min": 1}, "x.min", "writable = true"),
        ({"writable": True, "min": 2, "max": 1}, "x.min", "at most max"),
        ({"typ": "int"}, "x.typ", "unknown setting"),
    ],
)
def test_a_wrong_register_is_one_problem_with_its_path_and_cure(table: dict[str, Any], path: str, cure: str) -> None:
    with pytest.raises(SettingsError) as error:
        register(**table)
    (problem,) = error.value.problems
    assert problem.path == path
    assert cure in problem.cure


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("raw / 0", None),
        ("raw ** raw ** raw ** 99", None),
        ("1 << 100000000", None),
        ("(0 - raw) ** 0.5", None),
        ("sqrt(0 - raw)", None),
        ("exp(raw * 1000)", None),
        ("raw * 1e308 * 10", None),
        ("9 ** 999 ** 99", None),
        ("max(raw, 12) + min(raw, 3) if raw > 5 else 0", 15.0),
        ("round(raw * 1.26, 1)", 12.6),
        ("raw & 0x3 | 4", 6.0),
        ("pi * raw", math.pi * 10),
        ("not raw", 0.0),
    ],
)
def test_a_formula_is_worked_out_or_is_bad_but_never_stops_anything(text: str, value: float | None) -> None:
    assert formula_cure(text, "raw") == ""
    assert Formula(text, "raw").value(10) == (None if value is None else pytest.approx(value))


@given(st.text("raw0123456789.+-*/%()<>=&|^~ ,abcsqrtminlog\0\nλ", max_size=60), st.integers(-(2**63), 2**64 - 1))
def test_any_text_is_a_formula_or_has_a_cure(text: str, raw: int) -> None:
    if not formula_cure(text, "raw"):
        value = Formula(text, "raw").value(raw)
        assert value is None or isinstance(value, float)


FORMULAS = ("", "", "raw * 0.0625", "1 / raw", "log(raw)", "raw ** 3 - 1e300 * raw", "2 ** raw", "raw % 7")


def test_any_bytes_are_a_value_of_the_announced_type_or_none() -> None:
    rng = random.Random(7)
    for _ in range(12_000):
        table = any_register(rng)
        settings = register(**table)
        value = decoder(settings)(rng.choice((rng.randbytes(settings.size), b"\xff" * settings.size)))
        if value is not None:
            batch_of("x", 1, [Scan(0, (Tag("a", settings.type),), [value])])
            assert isinstance(value, bool) == (settings.type is DataType.BOOL)


def any_register(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(("int", "bool", "float32", "float64", "string", "bytes"))
    order, formula = rng.choice(("big", "little")), rng.choice(FORMULAS)
    if kind in ("string", "bytes"):
        return {"type": kind, "width": rng.randrange(1, 40)}
    if kind.startswith("float"):
        return {"type": kind, "order": order, "formula": formula}
    width = rng.randrange(1, 9)
    lo = rng.randrange(8 * width)
    bits = rng.choice(([], [rng.randrange(lo, 8 * width), lo]))
    signed = kind == "int" and rng.random() < 0.5
    return {"type": kind, "order": order, "formula": formula, "width": width, "bits": bits, "signed": signed}
