"""BTHome v2 against the examples of its specification (bthome.io), and against nonsense."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.ble.bthome import decode, tag_of
from transports.ble.bthome_cipher import Cipher
from transports.ble.bthome_objects import MEASURES, OBJECTS, PACKET_ID, TO_THE_LENGTH
from transports.ble.said import Numbering
from transports.errors import NotUnderstood
from transports.samples import Scan, Value, batch_of

KEY, ADDRESS = "231d39c1d7cc1ab1aee224cd096db932", "54:48:E6:8F:80:A5"
CASES = 10_000


def values(text: str) -> dict[str, Value | None]:
    return {tag.name: value for tag, value in decode(bytes.fromhex("40" + text)).values}


@pytest.mark.parametrize(
    ("objects", "name", "value"),
    [
        ("0161", "battery", 97),
        ("02ca09", "temperature", 25.06),
        ("03bf13", "humidity", 50.55),
        ("04138a01", "pressure", 1008.83),
        ("05138a14", "illuminance", 13460.67),
        ("065e1f", "mass", 80.3),
        ("073e1d", "mass_lb", 74.86),
        ("08ca06", "dewpoint", 17.38),
        ("0960", "count", 96),
        ("0a138a14", "energy", 1346.067),
        ("0b021b00", "power", 69.14),
        ("0c020c", "voltage", 3.074),
        ("0d120c", "pm2_5", 3090),
        ("0e021c", "pm10", 7170),
        ("1001", "power_on", True),
        ("1100", "opening", False),
        ("12e204", "co2", 1250),
        ("133301", "tvoc", 307),
        ("14020c", "moisture", 30.74),
        ("2e23", "humidity", 35.0),
        ("2f23", "moisture", 35.0),
        ("2d01", "window", True),
        ("3d0960", "count", 24585),
        ("3e2a2c0960", "count", 1611213866),
        ("3effffffff", "count", 2**32 - 1),
        ("3f020c", "rotation", 307.4),
        ("400c00", "distance_mm", 12),
        ("414e00", "distance", 7.8),
        ("424e3400", "duration", 13.39),
        ("434e34", "current", 13.39),
        ("444e34", "speed", 133.9),
        ("451101", "temperature", 27.3),
        ("4632", "uv_index", 5.0),
        ("478756", "volume", 2215.1),
        ("48dc87", "volume_ml", 34780),
        ("49dc87", "volume_flow_rate", 34.78),
        ("4a020c", "voltage", 307.4),
        ("4b138a14", "gas", 1346.067),
        ("4c41018a01", "gas", 25821.505),
        ("4d12138a14", "energy", 344593.17),
        ("4e87562a01", "volume", 19551.879),
        ("4f87562a01", "water", 19551.879),
        ("505d396164", "timestamp", 1684093277),
        ("518756", "acceleration", 22.151),
        ("528756", "gyroscope", 22.151),
        ("530c48656c6c6f20576f726c6421", "text", "Hello World!"),
        ("5303e282ac", "text", "€"),
        ("540c48656c6c6f20576f726c6421", "raw", b"Hello World!"),
        ("5587562a01", "volume_storage", 19551.879),
        ("56e803", "conductivity", 1000),
        ("57ea", "temperature", -22.0),
        ("58ea", "temperature", -7.7),
        ("59ea", "count", -22),
        ("5aeaea", "count", -5398),
        ("5bea0234ea", "count", -365690134),
        ("5c02fbffff", "power", -12.78),
        ("5d02ea", "current", -5.63),
        ("5e9f8c", "direction", 359.99),
        ("3a04", "button", "long_press"),
        ("3a80", "button", "hold_press"),
        ("f00100", "device_type", 1),
        ("f100010204", "firmware", "4.2.1.0"),
        ("f2000106", "firmware", "6.1.0"),
    ],
)
def test_each_object_is_exactly_what_the_specification_says(objects: str, name: str, value: Value) -> None:
    said = values(objects)
    assert said == {name: value}
    assert type(said[name]) is type(value)


def test_a_dimmer_says_where_and_how_far() -> None:
    assert values("3c0103") == {"dimmer": "rotate_left", "dimmer_steps": 3}


def test_an_event_that_did_not_happen_says_nothing_but_keeps_its_place() -> None:
    assert values("3a003a013c0000") == {"button_2": "press"}


def test_an_event_that_was_added_to_the_format_since_is_told_by_its_number() -> None:
    assert values("3a07") == {"button": "0x07"}


def test_an_object_that_comes_twice_has_a_number_in_its_name() -> None:
    assert values("02ca090201000161") == {"temperature": 25.06, "temperature_2": 0.01, "battery": 97}
    numbered = tag_of("temperature_2")
    assert numbered is not None
    assert numbered.type is MEASURES["temperature"].type


@pytest.mark.parametrize("name", ["temperature_1", "temperature_0", "temperature_02", "temperature_", "warmth", "pm2_"])
def test_a_name_that_no_packet_can_bring_is_no_measure(name: str) -> None:
    assert tag_of(name) is None


def test_an_unknown_object_hides_only_what_follows_it() -> None:
    assert values("02ca09ee0161") == {"temperature": 25.06}


def test_the_packet_id_is_the_number_of_a_packet() -> None:
    said = decode(bytes.fromhex("40000902ca09"))
    assert (said.numbering, said.number) == (Numbering.PACKET, 9)


@pytest.mark.parametrize(
    ("data", "why"),
    [("", "not version 2"), ("20", "not version 2"), ("4002ca", "object 0x02"), ("4053", "length"), ("42a1b2", "MAC")],
)
def test_what_is_torn_or_of_another_version_is_refused_with_its_reason(data: str, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        decode(bytes.fromhex(data))


def test_text_that_is_no_utf_8_is_no_value() -> None:
    assert values("5302c328") == {"text": None}


def test_the_sealed_example_of_the_specification_opens() -> None:
    said = decode(bytes.fromhex("41a47266c95f730011223378237214"), Cipher(KEY, ADDRESS))
    assert {tag.name: value for tag, value in said.values} == {"temperature": 25.06, "humidity": 50.55}
    assert (said.numbering, said.number) == (Numbering.COUNTER, 0x33221100)


def test_the_mac_within_a_packet_is_the_one_that_counts() -> None:
    inside = Cipher(KEY, "A1:B2:C3:D4:E5:F6").seal(0x43, bytes.fromhex("0161"), 7)
    data = inside[:1] + bytes.fromhex("f6e5d4c3b2a1") + inside[1:]
    assert decode(data, Cipher(KEY, ADDRESS)).number == 7


def test_what_is_sealed_with_another_key_or_changed_underway_is_refused() -> None:
    sealed = bytearray(Cipher(KEY, ADDRESS).seal(0x41, bytes.fromhex("02ca09"), 1))
    with pytest.raises(NotUnderstood, match="bindkey"):
        decode(bytes(sealed), Cipher("00" * 16, ADDRESS))
    for at in range(1, len(sealed)):
        broken = bytes(sealed[:at]) + bytes([sealed[at] ^ 1]) + bytes(sealed[at + 1 :])
        with pytest.raises(NotUnderstood):
            decode(broken, Cipher(KEY, ADDRESS))


def test_open_data_is_not_believed_where_there_is_a_key() -> None:
    with pytest.raises(NotUnderstood, match="not encrypted"):
        decode(bytes.fromhex("4002ca09"), Cipher(KEY, ADDRESS))
    with pytest.raises(NotUnderstood, match="give its bindkey"):
        decode(bytes.fromhex("41a47266c95f730011223378237214"))


@given(st.lists(st.tuples(st.sampled_from(sorted(OBJECTS)), st.binary(min_size=4, max_size=12)), max_size=12))
def test_every_packet_of_known_objects_becomes_values_of_their_types(objects: list[tuple[int, bytes]]) -> None:
    body = b""
    for code, data in objects:
        size = OBJECTS[code].size
        body += bytes([code]) + (bytes([len(data)]) + data if size == TO_THE_LENGTH else data[:size])
    said = decode(b"\x40" + body)
    tags = tuple(tag for tag, _ in said.values)
    assert len({tag.name for tag in tags}) == len(tags)
    assert all(tag_of(tag.name) == tag for tag in tags)
    assert (said.numbering is Numbering.PACKET) == (PACKET_ID in [code for code, _ in objects])
    if tags and None not in [value for _, value in said.values]:
        assert batch_of("x", 0, [Scan(0, tags, [value for _, value in said.values])]).samples == len(tags)


def test_nonsense_is_understood_or_refused_and_nothing_else() -> None:
    dice, refused = random.Random(1), 0
    for _ in range(CASES):
        data = bytes([dice.choice((0x40, 0x42, dice.randrange(256)))]) + dice.randbytes(dice.randrange(40))
        try:
            decode(data)
        except NotUnderstood:
            refused += 1
    assert 0 < refused < CASES


def test_sealed_nonsense_never_opens() -> None:
    dice, cipher = random.Random(2), Cipher(KEY, ADDRESS)
    for _ in range(2_000):
        with pytest.raises(NotUnderstood):
            decode(b"\x41" + dice.randbytes(dice.randrange(40)), cipher)
