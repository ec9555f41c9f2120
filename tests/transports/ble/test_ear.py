"""What is heard of one peripheral: repetitions, replays, silence, garbage, and what it is learned to measure."""

import random
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from transports.ble import bthome, ruuvi
from transports.ble.bthome_cipher import Cipher
from transports.ble.ear import MOST_LEARNED, Ear
from transports.samples import Quality, Scan, batch_of, is_bad

KEY, ADDRESS = "231d39c1d7cc1ab1aee224cd096db932", "54:48:E6:8F:80:A5"
VALID = bytes.fromhex("0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F")
CIPHER = Cipher(KEY, ADDRESS)


def learner() -> Ear:
    return Ear("k", bthome.decode, (), True, 60.0)


def said(scans: list[Scan]) -> dict[str, object]:
    return {tag.name: value for scan in scans for tag, value in zip(scan.tags, scan.values, strict=True)}


def warm(number: int, packet: int | None = None) -> bytes:
    prefix = b"" if packet is None else bytes([0, packet])
    return b"\x40" + prefix + b"\x02" + number.to_bytes(2, "little", signed=True)


def test_what_is_heard_is_a_scan_with_its_rssi() -> None:
    assert said(learner().heard(warm(2506), -60, 1.0, 7)) == {"k.rssi": -60, "k.temperature": 25.06}


def test_only_the_measures_that_are_asked_for_are_taken() -> None:
    measure = bthome.tag_of("temperature")
    assert measure is not None
    ear = Ear("k", bthome.decode, (measure,), False, 60.0)
    assert [tag.name for tag in ear.announced] == ["k.rssi", "k.temperature"]
    assert said(ear.heard(bytes.fromhex("40016102ca09"), -60, 1.0, 7)) == {"k.rssi": -60, "k.temperature": 25.06}


def test_a_packet_that_is_repeated_is_told_once_but_not_for_ever() -> None:
    ear = learner()
    assert ear.heard(warm(1, packet=9), -60, 1.0, 1)
    assert not ear.heard(warm(1, packet=9), -61, 3.0, 2)
    assert not ear.heard(warm(1, packet=9), -61, 6.0, 3)  # still within 4 s of the one before
    assert ear.heard(warm(1, packet=10), -61, 6.1, 4)
    assert ear.heard(warm(1, packet=10), -61, 10.2, 5)  # a sleeper that begins with the same number each time


def test_a_ruuvi_measurement_is_told_once_however_often_it_is_sent() -> None:
    ear = Ear("r", ruuvi.decode, ruuvi.TAGS, False, 60.0)
    assert len(ear.heard(VALID, -60, 1.0, 1)) == 1
    assert ear.heard(VALID, -60, 50.0, 2) == []


def test_what_the_sensor_calls_invalid_is_bad_and_the_rest_is_good() -> None:
    ear = Ear("r", ruuvi.decode, ruuvi.TAGS, False, 60.0)
    [scan] = ear.heard(bytes.fromhex("058000" + VALID.hex()[6:]), -60, 1.0, 1)
    assert isinstance(scan.quality, list)
    bad = [tag.name for tag, code in zip(scan.tags, scan.quality, strict=True) if is_bad(code)]
    assert bad == ["r.temperature"]
    assert batch_of("x", 0, [scan]).samples == len(scan.tags)


def test_silence_is_said_once_and_ends_with_the_next_word() -> None:
    ear = learner()
    assert ear.missed(1e9, 0) == []  # never heard: that was said when the link was opened
    ear.heard(warm(1), -60, 1.0, 1)
    assert ear.missed(60.9, 2) == []
    [scan] = ear.missed(61.0, 3)
    assert (scan.quality, said([scan])) == (Quality.BAD_NO_COMMUNICATION, {"k.rssi": None, "k.temperature": None})
    assert ear.missed(200.0, 4) == []
    assert said(ear.heard(warm(1), -60, 201.0, 5)) == {"k.rssi": -60, "k.temperature": 0.01}


def test_garbage_is_said_once_and_ends_with_the_next_good_word() -> None:
    ear = learner()
    ear.heard(warm(1, packet=1), -60, 1.0, 1)
    [scan] = ear.heard(b"\x99", -60, 2.0, 2)
    assert scan.quality == Quality.BAD_DECODING
    assert ear.heard(b"\x40\x02", -60, 2.1, 3) == []
    assert ear.trouble
    assert ear.missed(100.0, 4) == []  # it is Bad already
    assert said(ear.heard(warm(1, packet=1), -60, 2.2, 5)) == {"k.rssi": -60, "k.temperature": 0.01}
    assert ear.trouble == ""


def test_a_recorded_packet_is_not_believed_again() -> None:
    ear = Ear("k", partial(bthome.decode, opener=CIPHER), (), True, 60.0)
    old, new = (CIPHER.seal(0x41, warm(number)[1:], number) for number in (100, 101))
    assert ear.heard(old, -60, 1.0, 1)
    assert ear.heard(new, -60, 2.0, 2)
    assert ear.heard(old, -60, 3.0, 3) == []
    assert "recorded" in ear.trouble
    ear.heard(b"\x99", -60, 4.0, 4)  # nor after nonsense
    assert ear.heard(old, -60, 5.0, 5) == []
    assert ear.heard(new, -60, 6.0, 6)


def test_replays_do_not_keep_a_dead_sensor_alive() -> None:
    ear = Ear("k", partial(bthome.decode, opener=CIPHER), (), True, 60.0)
    old, new = (CIPHER.seal(0x41, warm(number)[1:], number) for number in (100, 101))
    ear.heard(old, -60, 1.0, 1)
    ear.heard(new, -60, 2.0, 2)
    ear.heard(old, -60, 55.0, 3)
    assert len(ear.missed(62.0, 4)) == 1


def test_after_silence_a_counter_may_begin_anew() -> None:
    ear = Ear("k", partial(bthome.decode, opener=CIPHER), (), True, 60.0)
    ear.heard(CIPHER.seal(0x41, warm(1)[1:], 5000), -60, 1.0, 1)
    assert ear.heard(CIPHER.seal(0x41, warm(1)[1:], 0), -60, 30.0, 2) == []
    ear.missed(62.0, 3)
    assert ear.heard(CIPHER.seal(0x41, warm(1)[1:], 0), -60, 70.0, 4)


def test_the_loss_of_the_adapter_is_bad_of_everything_that_was_learned() -> None:
    ear = learner()
    ear.heard(warm(1), -60, 1.0, 1)
    assert said(ear.lost(2)) == {"k.rssi": None, "k.temperature": None}
    assert ear.lost(3) == []


def test_the_same_measures_bring_the_same_tuple_of_tags() -> None:
    ear = learner()
    [first], [second] = ear.heard(warm(1), -60, 1.0, 1), ear.heard(warm(2), -60, 2.0, 2)
    assert first.tags is second.tags


def test_nonsense_cannot_fill_the_memory() -> None:
    ear, dice, names = learner(), random.Random(5), set[str]()
    for step in range(10_000):
        for scan in ear.heard(b"\x40" + dice.randbytes(dice.randrange(120)), -60, float(step), step):
            batch_of("k", 0, [scan])
            names.update(tag.name for tag in scan.tags)
    assert MOST_LEARNED // 2 < len(names) <= MOST_LEARNED + 1
    assert len(ear._layouts) <= 32


@given(st.lists(st.tuples(st.sampled_from(["good", "garbage", "wait", "lost"]), st.integers(0, 90)), max_size=30))
def test_bad_is_said_exactly_at_the_changes(steps: list[tuple[str, int]]) -> None:
    ear, now, state = learner(), 0.0, "silent"
    last = 0.0
    for at, (step, wait_s) in enumerate(steps):
        now += wait_s
        if step == "good":
            assert not is_bad(_code(ear.heard(warm(at), -60, now, at)))
            state, last = "fine", now
        elif step == "garbage":
            assert len(ear.heard(b"\x99", -60, now, at)) == (state != "garbled")
            state = "garbled"
        elif step == "wait":
            falls_silent = state == "fine" and now - last >= 60
            assert len(ear.missed(now, at)) == falls_silent
            state = "silent" if falls_silent else state
        else:
            assert len(ear.lost(at)) == (state != "silent")
            state = "silent"


def _code(scans: list[Scan]) -> int:
    [scan] = scans
    assert isinstance(scan.quality, int)
    return scan.quality
