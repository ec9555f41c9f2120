"""Each profile of a chip: values of its data sheet, its configuration, its loss of power, and any register contents."""

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.transports.chips.i2c_fake import FakeBus, FakeChip
from transports.building import build
from transports.chips import BAD_WAITING_FOR_INITIAL_DATA, PROFILES, UNCERTAIN_SENSOR_NOT_ACCURATE, Chip, Look
from transports.errors import LinkRefused, SettingsError
from transports.i2c.crc import SENSIRION, crc8
from transports.i2c.settings import profile_of
from transports.i2c.target import Target
from transports.samples import DataType, Quality, is_bad
from transports.settings import fields_of

Table = Mapping[str, Any]
AT = 0x40
TRIMMING = {
    0x88: bytes.fromhex("6c6e776632 00 a89227d5d00b6f18cafff9ffac260ad8bd10 00 4b"),
    0xE1: bytes.fromhex("650100140b001e"),
}
# A dump of a real sensor; temperature and humidity as its owner gives them (Bosch's community forum, thread 9390)
BME = {**TRIMMING, 0xD0: b"\x60", 0xF7: bytes.fromhex("553380817fb07913")}
INA = {0: b"\x39\x9f", 1: b"\x07\xd0", 2: b"\x5d\x98", 3: b"\x17\x66", 4: b"\x27\x10", 5: b"\0\0"}
MCP = {0x01: b"\0\0", 0x02: b"\0\0", 0x05: b"\xc1\x94", 0x06: b"\x00\x54", 0x08: b"\x03"}
TMP = {0x00: b"\x0c\x80", 0x01: b"\x02\x20", 0x0F: b"\x01\x17"}
ADS = {0x00: b"\x40\x00", 0x01: b"\x85\x83"}


def profiled(name: str, **table: Any) -> Chip:
    profile = profile_of(name)
    return profile.chip(build(profile.Settings, table, "chip"))


def at(chip: FakeChip) -> Target:
    return Target(FakeBus({AT: chip}), AT)


def words(registers: Mapping[int, bytes]) -> FakeChip:
    return FakeChip(registers, words=True)


def measured(chip: Chip, target: Target) -> Look:
    look = chip.read(target)
    assert look is not None
    return look


def test_every_profile_explains_each_of_its_settings() -> None:
    for name in PROFILES:
        assert [note.key for note in fields_of(profile_of(name).Settings) if not note.help] == []
        assert len((profile_of(name).__doc__ or "").splitlines()) > 2


def read_often(chip: Chip, target: Target) -> None:
    for _ in range(100):
        chip.read(target)


# --- BME280 -----------------------------------------------------------------------------------------------------------


def test_a_bme280_reads_what_a_real_one_read() -> None:
    chip, target = profiled("bme280"), at(FakeChip(BME))
    assert chip.configure(target) is False  # it has not measured yet
    look = measured(chip, target)
    assert [(tag.name, tag.unit) for tag in chip.tags] == [
        ("temperature", "Cel"),
        ("pressure", "Pa"),
        ("humidity", "%"),
    ]
    assert look.values[0] == 24.44
    assert look.values[2] == pytest.approx(54.17, abs=0.01)
    assert list(look.codes) == [Quality.GOOD] * 3


def test_a_bme280_is_configured_asleep_and_started_last() -> None:
    fake = FakeChip(BME)
    chip = profiled("bme280", temperature=2, pressure=16, humidity=4, filter=16, standby="1s")
    chip.configure(at(fake))
    written = [data for data in fake.written if len(data) > 1]
    assert written == [b"\xf4\x54", b"\xf2\x03", b"\xf5\xb0", b"\xf4\x57"]


def test_a_bme280_that_lost_power_is_known_by_its_settings() -> None:
    fake = FakeChip(BME)
    chip, target = profiled("bme280"), at(fake)
    chip.configure(target)
    assert measured(chip, target).values[0] == 24.44
    fake.power_cycle()
    assert chip.read(target) is None


@pytest.mark.parametrize(("register", "data"), [(0xF2, b"\x00"), (0xF4, b"\x24"), (0xF5, b"\x00")])
def test_one_setting_of_a_bme280_that_is_gone_is_enough(register: int, data: bytes) -> None:
    fake = FakeChip(BME)
    chip, target = profiled("bme280"), at(fake)
    chip.configure(target)
    fake.put(register, data)  # asleep, or of the maker's value
    assert chip.read(target) is None


def test_a_bme280_in_forced_mode_is_started_by_one_reading_and_collected_by_the_next() -> None:
    fake = FakeChip(BME)
    chip, target = profiled("bme280", mode="forced"), at(fake)
    assert chip.late
    chip.configure(target)
    assert fake.contents[0xF4] == b"\x25"
    fake.put(0xF3, b"\x08")  # measuring
    assert measured(chip, target) == Look.nothing()
    fake.put(0xF3, b"\x00")
    fake.put(0xF4, b"\x24")  # done, asleep
    assert measured(chip, target).late
    assert fake.contents[0xF4] == b"\x25"  # started again


def test_a_bme280_whose_measurement_never_ends_fails_in_place_of_saying_nothing_for_ever() -> None:
    fake = FakeChip(BME)
    chip, target = profiled("bme280", mode="forced"), at(fake)
    chip.configure(target)
    fake.put(0xF3, b"\x08")
    with pytest.raises(TimeoutError):
        read_often(chip, target)


def test_what_a_bme280_has_not_measured_is_bad() -> None:
    fake = FakeChip(BME | {0xF7: bytes.fromhex("800000817fb08000")})
    chip, target = profiled("bme280"), at(fake)
    chip.configure(target)
    look = measured(chip, target)
    assert look.values == [24.44, None, None]
    fake.put(0xFA, b"\x80\0\0")
    assert measured(chip, target).codes == [BAD_WAITING_FOR_INITIAL_DATA] * 3


def test_what_a_bme280_is_told_not_to_measure_has_no_tag() -> None:
    assert [tag.name for tag in profiled("bme280", humidity=0).tags] == ["temperature", "pressure"]


def test_a_bmp280_is_told_from_a_bme280() -> None:
    with pytest.raises(LinkRefused, match="0x58 is a BMP280"):
        profiled("bme280").configure(at(FakeChip(BME | {0xD0: b"\x58"})))


def test_a_bme280_that_still_copies_its_trimming_is_asked_again() -> None:
    with pytest.raises(BlockingIOError):
        profiled("bme280").configure(at(FakeChip(BME | {0xF3: b"\x01"})))


# --- SHT31 ------------------------------------------------------------------------------------------------------------


def sht_answer(t: int, h: int) -> bytes:
    data = [t.to_bytes(2, "big"), h.to_bytes(2, "big")]
    return b"".join(word + bytes([crc8(word, SENSIRION, 0xFF)]) for word in data)


def test_the_checksum_is_that_of_the_sht31s_data_sheet() -> None:
    assert sht_answer(0xBEEF, 0)[:3] == b"\xbe\xef\x92"  # table 20


def test_an_sht31_is_started_by_one_reading_and_collected_by_the_next() -> None:
    fake = FakeChip(answers=[sht_answer(0x6666, 0x8000), sht_answer(0xFFFF, 0)])
    chip, target = profiled("sht31"), at(fake)
    assert chip.configure(target) is False
    assert list(measured(chip, target).codes) == [BAD_WAITING_FOR_INITIAL_DATA] * 2
    look = measured(chip, target)
    assert look.late
    assert look.values == [pytest.approx(25.0, abs=0.01), pytest.approx(50.0, abs=0.01)]
    assert measured(chip, target).values == [130.0, 0.0]
    assert fake.written == [b"\x30\x93", b"\x24\x00", b"\x24\x00", b"\x24\x00"]


def test_an_sht31_may_hold_the_clock_and_answer_at_once() -> None:
    fake = FakeChip(answers=[sht_answer(0x6666, 0x8000)])
    chip, target = profiled("sht31", mode="stretch", repeatability="low"), at(fake)
    chip.configure(target)
    assert not chip.late
    assert measured(chip, target).values[0] == pytest.approx(25.0, abs=0.01)
    assert fake.written[-1] == b"\x2c\x10"


@pytest.mark.parametrize("bit", range(48))
def test_one_wrong_bit_of_an_sht31_is_seen(bit: int) -> None:
    answer = bytearray(sht_answer(0x6666, 0x8000))
    answer[bit // 8] ^= 1 << bit % 8
    chip, target = profiled("sht31", mode="stretch"), at(FakeChip(answers=[bytes(answer)]))
    with pytest.raises(OSError, match="checksum"):
        chip.read(target)


# --- ADS1115 ----------------------------------------------------------------------------------------------------------

RANGES = {6.144: 0, 4.096: 1, 2.048: 2, 1.024: 3, 0.512: 4, 0.256: 5}


@pytest.mark.parametrize("full_scale", RANGES)
@pytest.mark.parametrize("raw", [1, -1, 0x4000, -0x4000, 0x7FFE, -0x7FFF])
def test_volts_of_an_ads1115_are_steps_of_its_range(full_scale: float, raw: int) -> None:
    fake = words(ADS | {0: (raw & 0xFFFF).to_bytes(2, "big")})
    chip, target = profiled("ads1115", channels={"level": {"input": "0", "range": full_scale}}), at(fake)
    chip.configure(target)
    assert fake.contents[1] == (0xC083 | RANGES[full_scale] << 9).to_bytes(2, "big")
    assert measured(chip, target) == Look((raw * full_scale / 32768,), (Quality.GOOD,))


def test_an_ads1115_takes_its_channels_in_turn() -> None:
    fake = words(ADS)
    channels = {"a": {"input": "0"}, "b": {"input": "2-3", "range": 0.256}}
    chip, target = profiled("ads1115", channels=channels, rate=860), at(fake)
    chip.configure(target)
    assert fake.contents[1] == b"\xc3\xe3"  # single shot of AIN0, 4.096 V, 860/s, no comparator, started
    fake.put(0, b"\x20\x00")
    assert measured(chip, target) == Look((0.25 * 4.096,), (0,), (0,), late=True)
    assert fake.contents[1] == b"\xbb\xe3"
    fake.put(0, b"\xe0\x00")
    assert measured(chip, target) == Look((-0.25 * 0.256,), (0,), (1,), late=True)
    assert fake.contents[1] == b"\xc3\xe3"


def test_an_ads1115_that_still_converts_says_nothing_but_not_for_ever() -> None:
    fake = words(ADS)
    chip, target = profiled("ads1115"), at(fake)
    chip.configure(target)
    fake.put(1, b"\x43\x83")
    assert measured(chip, target) == Look.nothing()
    with pytest.raises(TimeoutError):
        read_often(chip, target)


def test_an_ads1115_at_the_end_of_its_range_is_uncertain() -> None:
    chip, target = profiled("ads1115", channels={"a": {"input": "0"}}), at(fake := words(ADS | {0: b"\x7f\xff"}))
    chip.configure(target)
    assert measured(chip, target).codes == (UNCERTAIN_SENSOR_NOT_ACCURATE,)
    fake.put(0, b"\x80\x00")
    assert measured(chip, target) == Look((-4.096,), (UNCERTAIN_SENSOR_NOT_ACCURATE,))


def test_a_channel_of_an_ads1115_may_have_a_formula() -> None:
    channels = {"level": {"input": "0", "formula": "(volts - 1) / 0.004", "unit": "mm"}}
    chip, target = profiled("ads1115", channels=channels), at(words(ADS))
    chip.configure(target)
    assert measured(chip, target).values == (pytest.approx((2.048 - 1) / 0.004),)
    assert chip.tags[0].unit == "mm"


# --- INA219 -----------------------------------------------------------------------------------------------------------


def test_an_ina219_reads_the_example_of_its_data_sheet() -> None:
    """Table 8 of SBOS448G: 10 A through 2 milliohms at 12 V, a current step of 1 mA."""
    fake = words(INA)
    chip, target = profiled("ina219", shunt_ohm=0.002, max_current=32.768, bus_range=16), at(fake)
    chip.configure(target)
    assert fake.contents[5] == b"\x50\x00"
    look = measured(chip, target)
    assert look.values == pytest.approx([11.98, 0.02, 10.0, 119.8])
    assert list(look.codes) == [Quality.GOOD] * 4


@pytest.mark.parametrize(("current", "config"), [(0.4, 0x219F), (0.8, 0x299F), (1.6, 0x319F), (3.2, 0x399F)])
def test_the_amplifier_of_an_ina219_has_the_smallest_range_that_does(current: float, config: int) -> None:
    fake = words(INA)
    profiled("ina219", max_current=current).configure(at(fake))
    assert fake.contents[0] == config.to_bytes(2, "big")


def test_current_and_power_of_an_ina219_that_overflowed_are_bad() -> None:
    chip, target = profiled("ina219"), at(fake := words(INA | {2: b"\x5d\x99"}))
    chip.configure(target)
    look = measured(chip, target)
    assert look.values == [11.98, 0.02, None, None]
    fake.put(2, b"\x5d\x98")
    fake.put(1, b"\x7d\x00")  # 320 mV: the end of the scale
    assert measured(chip, target).codes[1] == UNCERTAIN_SENSOR_NOT_ACCURATE


def test_an_ina219_that_lost_power_is_known_by_its_calibration() -> None:
    chip, target = profiled("ina219"), at(fake := words(INA))
    chip.configure(target)
    fake.power_cycle()
    assert chip.read(target) is None


# --- MCP9808, TMP117 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("register", "degrees"),
    [("c194", 25.25), ("0194", 25.25), ("1fff", -0.0625), ("1e74", -24.75), ("0000", 0.0), ("07d0", 125.0)],
)
def test_an_mcp9808_has_a_sign_below_its_flags(register: str, degrees: float) -> None:
    chip, target = profiled("mcp9808"), at(words(MCP | {5: bytes.fromhex(register)}))
    chip.configure(target)
    assert measured(chip, target).values == [degrees]


def test_an_mcp9808_that_lost_power_is_known_by_the_limit_that_was_written_to_it() -> None:
    chip, target = profiled("mcp9808"), at(fake := words(MCP))
    chip.configure(target)
    fake.power_cycle()  # the resolution is as it was
    assert chip.read(target) is None


@pytest.mark.parametrize(
    ("register", "degrees"),
    [("0c80", 25.0), ("0001", 0.0078125), ("ffff", -0.0078125), ("f380", -25.0), ("4b00", 150.0), ("0000", 0.0)],
)
def test_a_tmp117_reads_the_table_of_its_data_sheet(register: str, degrees: float) -> None:
    chip, target = profiled("tmp117"), at(words(TMP | {0: bytes.fromhex(register)}))
    chip.configure(target)
    assert measured(chip, target) == Look([degrees], [Quality.GOOD])


def test_a_tmp117_has_not_measured_yet_when_it_says_256_below_zero() -> None:
    chip, target = profiled("tmp117"), at(words(TMP | {0: b"\x80\0"}))
    chip.configure(target)
    assert measured(chip, target) == Look([None], [BAD_WAITING_FOR_INITIAL_DATA])


def test_the_flags_of_a_tmp117_are_no_loss_of_settings_but_another_setting_is() -> None:
    chip, target = profiled("tmp117", averages=32, cycle="4s"), at(fake := words(TMP))
    chip.configure(target)
    assert fake.contents[1] == b"\x02\xc0"
    fake.put(1, b"\xe2\xc0")
    assert chip.read(target) is not None
    fake.power_cycle()
    assert chip.read(target) is None


@pytest.mark.parametrize(("name", "registers"), [("mcp9808", MCP | {6: b"\0\0"}), ("tmp117", TMP | {15: b"\0\x75"})])
def test_another_chip_at_the_address_is_refused_by_name(name: str, registers: Mapping[int, bytes]) -> None:
    with pytest.raises(LinkRefused, match=name.upper()):
        profiled(name).configure(at(words(registers)))


def test_beyond_its_range_a_sensor_is_uncertain() -> None:
    chip, target = profiled("tmp117"), at(words(TMP | {0: b"\x7f\xff"}))
    chip.configure(target)
    assert measured(chip, target) == Look([255.9921875], [UNCERTAIN_SENSOR_NOT_ACCURATE])


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "table", "path", "cure"),
    [
        ("bme280", {"temperature": 3}, "chip.temperature", "one of 1, 2, 4, 8, 16"),
        ("bme280", {"mode": "always"}, "chip.mode", "normal, forced"),
        ("bme280", {"osrs": 1}, "chip.osrs", "unknown setting"),
        ("sht31", {"repeatability": "hi"}, "chip.repeatability", "high"),
        ("ads1115", {"channels": {}}, "chip.channels", "at least one"),
        ("ads1115", {"channels": {"a": {"input": "4"}}}, "chip.channels.a.input", "must be one of"),
        ("ads1115", {"channels": {"a": {"input": "0", "formula": "raw"}}}, "chip.channels.a.formula", "volts"),
        ("ina219", {"max_current": 3.3}, "chip.max_current", "at most 0.32 V"),
        ("ina219", {"shunt_ohm": 0.001, "max_current": 0.5}, "chip.max_current", "at least 20.5 A"),
        ("mcp9808", {"resolution": 0.1}, "chip.resolution", "must be one of"),
        ("tmp117", {"averages": 64, "cycle": "125ms"}, "chip.cycle", "at least 1s"),
    ],
)
def test_a_wrong_setting_is_one_problem_with_its_path_and_cure(name: str, table: Table, path: str, cure: str) -> None:
    with pytest.raises(SettingsError) as error:
        build(profile_of(name).Settings, table, "chip")
    (problem,) = error.value.problems
    assert problem.path == path
    assert cure in problem.cure


# --- anything at all --------------------------------------------------------------------------------------------------

SOME: Mapping[str, Callable[[], list[Chip]]] = {
    "ads1115": lambda: [
        profiled("ads1115"),
        profiled("ads1115", channels={"a": {"input": "0", "formula": "1 / volts ** 3"}}),
    ],
    "bme280": lambda: [profiled("bme280"), profiled("bme280", mode="forced", humidity=0)],
    "ina219": lambda: [profiled("ina219"), profiled("ina219", shunt_ohm=1e-3, max_current=30.0)],
    "mcp9808": lambda: [profiled("mcp9808"), profiled("mcp9808", resolution=0.5)],
    "sht31": lambda: [profiled("sht31"), profiled("sht31", mode="stretch")],
    "tmp117": lambda: [profiled("tmp117")],
}


IDENTITY = {"bme280": {0xD0: b"\x60", 0xF3: b"\0"}, "mcp9808": {6: b"\0\x54"}, "tmp117": {15: b"\x01\x17"}}


class Noise:
    """A port of which all chips say anything; of the wrong length now and then."""

    def __init__(self, rng: random.Random, told: dict[int, bytes]) -> None:
        self._rng, self._told, self._pointer = rng, told, 0

    def transfer(self, messages: Any) -> list[bytes]:
        read = []
        for message in messages:
            if hasattr(message, "data"):
                self._pointer = message.data[0]
                if len(message.data) > 1:
                    self._told[self._pointer] = message.data[1:]
            else:
                read.append(self._said(message.size))
        return read

    def close(self) -> None: ...

    def _said(self, size: int) -> bytes:
        known = self._told.get(self._pointer)
        dice = self._rng.random()
        if known is not None and len(known) == size and dice < 0.8:
            return known  # as it was told: so that reading gets further than its first check
        if dice > 0.99:
            size = self._rng.randrange(40)
        data = self._rng.choice((self._rng.randbytes(size), b"\0" * size, b"\xff" * size))
        if size > 2 and dice < 0.8:  # a burst over bytes of which some were told
            data = b"".join(self._told.get(self._pointer + at, data[at : at + 1]) for at in range(size))
        return data


@pytest.mark.parametrize("name", PROFILES)
def test_any_contents_of_registers_are_values_of_the_announced_types_or_bad(name: str) -> None:
    rng, looks = random.Random(name), 0
    for chip in SOME[name]():
        told = dict(IDENTITY.get(name, {}))
        target = Target(Noise(rng, told), AT)
        for case in range(10_000):
            try:
                if case % 20 == 0:
                    chip.configure(target)
                look = chip.read(target)
            except (OSError, LinkRefused):
                continue
            if look is not None:
                looks += 1
                check(chip, look)
    assert looks > 500


def test_any_measurement_of_a_bme280_with_any_trimming_is_a_value_or_bad() -> None:
    rng, chip = random.Random(280), profiled("bme280")
    for _ in range(10_000):
        fake = FakeChip({0x88: rng.randbytes(26), 0xE1: rng.randbytes(7), 0xD0: b"\x60", 0xF7: rng.randbytes(8)})
        target = at(fake)
        chip.configure(target)
        check(chip, measured(chip, target))


def check(chip: Chip, look: Look) -> None:
    tags = chip.tags if look.at is None else [chip.tags[each] for each in look.at]
    assert len(tags) == len(look.values) == len(look.codes)
    for tag, value, code in zip(tags, look.values, look.codes, strict=True):
        assert tag.type is DataType.FLOAT64
        assert (value is None) == is_bad(code)
        assert value is None or (isinstance(value, float) and math.isfinite(value))
