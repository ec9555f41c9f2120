"""The driver over a fake bus (there is no I2C bus here): one bus, many chips, each with a life of its own."""

import errno
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.transports.chips.i2c_fake import FakeBus, FakeChip
from tests.transports.chips.test_chip_profiles import BME, TMP, sht_answer
from transports.building import build
from transports.chips import BAD_WAITING_FOR_INITIAL_DATA as WAITING
from transports.clock import HandClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.i2c.port import Message, Write
from transports.links import Commanded, Link
from transports.links.i2c import I2cLink, Settings
from transports.samples import DataType, Quality, Scan, batch_of

LEVEL = {"level": {"register": 4, "width": 2, "formula": "raw * 0.1", "unit": "mm"}}


def linked(bus: FakeBus, clock: HandClock | None = None, timeout: str = "1s", **chips: Mapping[str, Any]) -> I2cLink:
    settings = build(Settings, {"bus": "/dev/i2c-9", "chips": chips, "timeout": timeout}, "device.x")
    return I2cLink(bus, settings, clock or HandClock())


def read(link: I2cLink) -> dict[str, tuple[Any, int]]:
    """What one reading says, by tag; held against what may be handed out."""
    said: dict[str, tuple[Any, int]] = {}
    for scan in link.read():
        assert set(scan.tags) <= set(link.tags)
        (row,) = batch_of("x", 1, [scan]).rows()
        said |= {tag.name: (value, code) for tag, value, code in zip(scan.tags, row[1], row[2], strict=True)}
    return said


def test_chips_of_one_bus_are_one_device() -> None:
    bus = FakeBus({0x76: FakeChip(BME), 0x29: FakeChip({4: b"\x01\x00"}), 0x48: FakeChip(TMP, words=True)})
    link = linked(
        bus,
        air={"address": 0x76, "profile": "bme280"},
        tank={"address": 0x29, "registers": LEVEL},
        oven={"address": 0x48, "profile": "tmp117"},
    )
    assert isinstance(link, Link)
    assert [(tag.name, tag.unit) for tag in link.tags] == [
        ("air.temperature", "Cel"),
        ("air.pressure", "Pa"),
        ("air.humidity", "%"),
        ("tank.level", "mm"),
        ("oven.temperature", "Cel"),
    ]
    first = read(link)
    assert first["tank.level"] == (pytest.approx(25.6), Quality.GOOD)
    assert first["air.temperature"] == (None, WAITING)  # it was configured, and has not measured yet
    second = read(link)
    assert second["air.temperature"] == (24.44, Quality.GOOD)
    assert second["oven.temperature"] == (25.0, Quality.GOOD)


def test_all_types_come_out_exactly_to_the_bit() -> None:
    chip = FakeChip({0: bytes.fromhex("ffffffffffffffff 8000000000000000 0000000000000001 7fa00000 c3a40000")})
    registers = {
        "u64": {"register": 0, "width": 8},
        "i64": {"register": 8, "width": 8, "signed": True},
        "denormal": {"register": 16, "type": "float64"},
        "nan": {"register": 24, "type": "float32"},
        "text": {"register": 28, "type": "string", "width": 4},
        "raw": {"register": 24, "type": "bytes", "width": 4},
        "on": {"register": 0, "type": "bool", "bits": [7]},
    }
    link = linked(FakeBus({0x50: chip}), m={"address": 0x50, "registers": registers})
    said = read(link)
    nan = said.pop("m.nan")[0]
    assert nan != nan
    assert [value for value, _ in said.values()] == [2**64 - 1, -(2**63), 5e-324, "ä", b"\x7f\xa0\0\0", True]
    assert [tag.type for tag in link.tags] == [
        DataType.UINT64,
        DataType.INT64,
        DataType.FLOAT64,
        DataType.FLOAT64,
        DataType.STRING,
        DataType.BYTES,
        DataType.BOOL,
    ]


def test_fields_of_one_register_are_of_one_moment() -> None:
    bus = FakeBus({0x20: FakeChip({1: b"\xa5"})})
    registers = {"hi": {"register": 1, "bits": [7, 4]}, "lo": {"register": 1, "bits": [3, 0]}}
    link = linked(bus, io={"address": 0x20, "registers": registers})
    assert read(link) == {"io.hi": (10, 0), "io.lo": (5, 0)}
    assert len(bus.transfers) == 1


# --- one chip, and the others -----------------------------------------------------------------------------------------

TWO = {"a": {"address": 0x20, "registers": {"v": {"register": 1}}}, "b": {"address": 0x48, "profile": "tmp117"}}


def two() -> tuple[FakeBus, I2cLink]:
    bus = FakeBus({0x20: FakeChip({1: b"\x07"}), 0x48: FakeChip(TMP, words=True)})
    link = linked(bus, **TWO)
    link.read()
    return bus, link


@pytest.mark.parametrize(
    ("failure", "quality"),
    [
        (errno.ENXIO, Quality.BAD_NO_COMMUNICATION),
        (errno.EREMOTEIO, Quality.BAD_NO_COMMUNICATION),
        (errno.ETIMEDOUT, Quality.BAD_TIMEOUT),
        (errno.EIO, Quality.BAD_COMMUNICATION),
        (errno.EAGAIN, Quality.BAD_COMMUNICATION),
    ],
)
def test_a_chip_that_fails_makes_its_own_tags_bad_and_the_others_are_read(failure: int, quality: int) -> None:
    bus, link = two()
    bus.chips[0x48].failure = failure
    assert read(link) == {"a.v": (7, Quality.GOOD), "b.temperature": (None, quality)}


def test_a_chip_that_comes_back_is_configured_anew_and_heals_alone() -> None:
    bus, link = two()
    chip = bus.chips[0x48]
    assert read(link)["b.temperature"] == (25.0, Quality.GOOD)
    chip.failure = errno.EREMOTEIO
    read(link)
    chip.failure = 0
    chip.power_cycle()
    assert read(link)["b.temperature"] == (None, WAITING)
    assert chip.written[-1] == b"\x01\x02\x20"
    assert read(link)["b.temperature"] == (25.0, Quality.GOOD)


def test_a_chip_that_lost_power_between_two_readings_is_configured_anew() -> None:
    bus, link = two()
    chip = bus.chips[0x48]
    chip.contents[1] = b"\x00\x00"
    assert read(link)["b.temperature"] == (None, WAITING)
    assert chip.contents[1] == b"\x02\x20"
    assert read(link)["b.temperature"] == (25.0, Quality.GOOD)


def test_another_chip_at_the_address_makes_its_own_tags_bad_until_the_right_one_is_there() -> None:
    bus, link = two()
    bus.chips[0x48] = FakeChip({15: b"\x00\x75"}, words=True)
    read(link)
    assert read(link)["b.temperature"] == (None, Quality.BAD_DEVICE_FAILURE)
    assert read(link)["a.v"] == (7, Quality.GOOD)
    bus.chips[0x48] = FakeChip(TMP, words=True)
    read(link)
    assert read(link)["b.temperature"] == (25.0, Quality.GOOD)


def test_a_loss_and_a_return_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "holdfast.i2c")
    bus, link = two()
    read(link)
    bus.chips[0x48].failure = errno.EREMOTEIO
    for _ in range(5):
        read(link)
    bus.chips[0x48].failure = 0
    for _ in range(5):
        read(link)
    assert [record.getMessage() for record in caplog.records] == [
        "b (0x48) does not acknowledge its address",
        "b (0x48) is read again",
    ]


def test_when_no_chip_answers_that_is_a_timeout_of_the_bus() -> None:
    bus, link = two()
    for chip in bus.chips.values():
        chip.failure = errno.EREMOTEIO
    with pytest.raises(LinkTimeout, match=r"/dev/i2c-9: no chip answers \(a does not acknowledge"):
        link.read()
    for chip in bus.chips.values():
        chip.failure = 0
    assert read(link)["a.v"] == (7, Quality.GOOD)


def test_a_bus_that_is_gone_is_link_down_for_reading_and_writing() -> None:
    bus = FakeBus({0x20: FakeChip({1: b"\x07"})})
    link = linked(bus, a={"address": 0x20, "registers": {"v": {"register": 1, "writable": True}}})
    bus.gone = LinkDown("the bus is gone")
    with pytest.raises(LinkDown):
        link.read()
    with pytest.raises(LinkDown):
        link.write("a.v", 1)


class SlowBus(FakeBus):
    """A transfer to a chip that holds the bus takes until the adapter gives up."""

    def __init__(self, chips: Mapping[int, FakeChip], clock: HandClock) -> None:
        super().__init__(chips)
        self._clock = clock

    def transfer(self, messages: Sequence[Message]) -> list[bytes]:
        if self.chips[messages[0].address].failure == errno.ETIMEDOUT:
            self._clock.advance(1.0)
        return super().transfer(messages)


def test_a_chip_that_holds_the_bus_costs_one_timeout_and_starves_nobody() -> None:
    clock = HandClock()
    bus = SlowBus({address: FakeChip({1: bytes([address])}) for address in range(0x20, 0x26)}, clock)
    chips = {f"c{at}": {"address": at, "registers": {"v": {"register": 1}}} for at in range(0x20, 0x26)}
    link = linked(bus, clock, **chips)
    read(link)
    bus.chips[0x20].failure = bus.chips[0x23].failure = errno.ETIMEDOUT
    good = dict.fromkeys(link.tags, 0)
    for _ in range(10):
        before = clock.now()
        said = read(link)
        assert clock.now() - before <= 1.0
        for tag in link.tags:
            good[tag] += said[tag.name][1] == Quality.GOOD
    assert [count >= 8 for count in good.values()] == [False, True, True, False, True, True]
    bus.chips[0x20].failure = bus.chips[0x23].failure = 0
    read(link)
    assert {code for _, code in read(link).values()} == {Quality.GOOD}


def test_a_bus_that_is_held_for_all_is_a_timeout_once_each_chip_was_asked() -> None:
    clock = HandClock()
    bus = SlowBus({address: FakeChip({1: bytes([address])}) for address in range(0x20, 0x23)}, clock)
    chips = {f"c{at}": {"address": at, "registers": {"v": {"register": 1}}} for at in range(0x20, 0x23)}
    link = linked(bus, clock, **chips)
    for chip in bus.chips.values():
        chip.failure = errno.ETIMEDOUT
    assert {code for _ in range(2) for _, code in read(link).values()} == {Quality.BAD_TIMEOUT}
    with pytest.raises(LinkTimeout, match="holds the bus"):
        link.read()


# --- measured between two readings ------------------------------------------------------------------------------------


def test_what_is_collected_late_is_stamped_with_the_time_of_its_start() -> None:
    clock = HandClock()
    bus = FakeBus({0x44: FakeChip(answers=[sht_answer(0x6666, 0)] * 2), 0x20: FakeChip({1: b"\x07"})})
    link = linked(bus, clock, dew={"address": 0x44, "profile": "sht31"}, a=TWO["a"])
    stamps: list[list[int]] = []
    for _ in range(4):
        stamps.append([clock.utc_ns(), *(scan.time_ns for scan in link.read())])
        clock.advance(60)
    (third, dew, a), (_, later, _) = stamps[2:]
    assert (dew, a) == (stamps[1][0], third)
    assert later == third


def test_channels_that_take_turns_come_as_scans_of_their_own_with_the_same_tags_each_time() -> None:
    chip = FakeChip({0: b"\x20\0"}, words=True)
    channels = {"x": {"input": "0"}, "y": {"input": "1"}}
    link = linked(
        FakeBus({0x48: chip}), adc={"address": 0x48, "profile": "ads1115", "settings": {"channels": channels}}
    )
    assert [tag.name for scan in link.read() for tag in scan.tags] == ["adc.x", "adc.y"]  # both wait
    scans: list[Scan] = [scan for _ in range(4) for scan in link.read()]
    assert [scan.tags[0].name for scan in scans] == ["adc.x", "adc.y", "adc.x", "adc.y"]
    assert scans[0].tags is scans[2].tags


# --- writing ----------------------------------------------------------------------------------------------------------

VALVE = {
    "setpoint": {"register": 1, "width": 2, "writable": True, "min": 0, "max": 500},
    "mode": {"register": 3, "bits": [6, 4], "writable": True, "choices": [0, 1, 3]},
    "state": {"register": 4},
}


def valve() -> tuple[FakeChip, I2cLink]:
    chip = FakeChip({1: b"\0\0", 3: b"\xff", 4: b"\x09"})
    return chip, linked(FakeBus({0x20: chip}), v={"address": 0x20, "registers": VALVE})


def test_a_command_sets_a_register_or_the_bits_of_a_field_alone() -> None:
    chip, link = valve()
    assert isinstance(link, Commanded)
    assert {name: limits.maximum for name, limits in link.writable.items()} == {"v.setpoint": 500, "v.mode": None}
    link.write("v.setpoint", 300)
    link.write("v.mode", 1)
    assert chip.contents[3] == b"\x9f"
    assert read(link) == {"v.setpoint": (300, 0), "v.mode": (1, 0), "v.state": (9, 0)}


@pytest.mark.parametrize(("tag", "reason"), [("v.state", "read only"), ("v.mod", "did you mean 'v.mode'"), ("v", "v")])
def test_what_may_not_be_written_is_refused(tag: str, reason: str) -> None:
    chip, link = valve()
    with pytest.raises(LinkRefused, match=reason):
        link.write(tag, 1)
    assert chip.written == []


def test_a_command_to_a_chip_that_does_not_answer_is_a_timeout() -> None:
    chip, link = valve()
    chip.failure = errno.EREMOTEIO
    with pytest.raises(LinkTimeout, match=r"v.setpoint = 1: the chip does not acknowledge"):
        link.write("v.setpoint", 1)


def test_a_register_that_the_chip_does_not_acknowledge_is_bad_alone() -> None:
    class Picky(FakeBus):
        def transfer(self, messages: Sequence[Message]) -> list[bytes]:
            if isinstance(messages[0], Write) and messages[0].data == b"\x04":
                raise OSError(errno.EREMOTEIO, "")
            return super().transfer(messages)

    link = linked(Picky({0x20: FakeChip({3: b"\xff"})}), v={"address": 0x20, "registers": VALVE})
    said = read(link)
    assert said["v.state"] == (None, Quality.BAD_NO_COMMUNICATION)
    assert said["v.mode"] == (7, Quality.GOOD)


def test_the_setup_of_a_chip_is_written_first_and_again_when_it_is_gone() -> None:
    chip = FakeChip({1: b"\x07"})
    setup = [{"register": 0x20, "value": 0x0147, "width": 2}, {"register": 0x30, "value": 1, "check": False}]
    link = linked(FakeBus({0x20: chip}), a={"address": 0x20, "registers": {"v": {"register": 1}}, "setup": setup})
    assert read(link) == {"a.v": (7, 0)}
    writes = [b"\x20\x01\x47", b"\x30\x01"]
    assert [data for data in chip.written if len(data) > 1] == writes
    read(link)
    chip.power_cycle()
    assert read(link) == {"a.v": (7, 0)}
    assert [data for data in chip.written if len(data) > 1] == writes * 2


def test_a_chip_that_does_not_hold_its_setup_says_so() -> None:
    chip = FakeChip({1: b"\x07"})
    chip.read_only = {0x20}
    setup = [{"register": 0x20, "value": 1}]
    link = linked(FakeBus({0x20: chip}), a={"address": 0x20, "registers": {"v": {"register": 1}}, "setup": setup})
    assert read(link) == {"a.v": (None, Quality.BAD_DEVICE_FAILURE)}


# --- PEC, wide pointers, blocks, muxes --------------------------------------------------------------------------------


def test_a_packet_error_code_is_written_and_checked() -> None:
    chip = FakeChip({1: b"\x07"}, pec=True)
    bus = FakeBus({0x20: chip})
    link = linked(bus, a={"address": 0x20, "pec": True, "registers": {"v": {"register": 1, "writable": True}}})
    assert read(link) == {"a.v": (7, 0)}
    link.write("a.v", 9)
    assert read(link) == {"a.v": (9, 0)}
    # SMBus 3.2 by hand: CRC-8 of 40 01 09 (address and write, register, data)
    assert bus.transfers[1] == [Write(0x20, b"\x01\x09" + bytes([crc_by_hand(b"\x40\x01\x09")]))]
    chip.pec = False  # its answers then end with a byte that is none
    chip.put(2, b"\x55")
    assert read(link) == {"a.v": (None, Quality.BAD_DECODING)}


def crc_by_hand(data: bytes) -> int:
    """Polynomial division of the whole message, bit by bit."""
    number = int.from_bytes(data, "big") << 8
    for bit in range(number.bit_length() - 1, 7, -1):
        if number >> bit & 1:
            number ^= 0x107 << bit - 8
    return number


def test_registers_may_have_numbers_of_two_bytes() -> None:
    chip = FakeChip({0x1234: b"\x07"}, pointer_bytes=2)
    link = linked(FakeBus({0x20: chip}), a={"address": 0x20, "pointer": 2, "registers": {"v": {"register": 0x1234}}})
    assert read(link) == {"a.v": (7, 0)}


@pytest.mark.parametrize("pec", [False, True])
def test_an_smbus_block_is_as_long_as_its_first_byte_says(pec: bool) -> None:
    said = b"\x03abc"
    check = bytes([crc_by_hand(b"\x40\x09\x41" + said)]) if pec else b""
    name = {"name": {"register": 9, "type": "string", "width": 8, "block": True}}
    chip = FakeChip(answers=[(said + check).ljust(9 + pec, b"\xff")])
    link = linked(FakeBus({0x20: chip}), a={"address": 0x20, "pec": pec, "registers": name})
    assert read(link) == {"a.name": ("abc", 0)}
    chip.answers = [b"\xff" * (9 + pec)]
    assert read(link) == {"a.name": (None, Quality.BAD_DECODING)}


def test_chips_of_one_address_are_told_apart_by_their_mux() -> None:
    mux = FakeChip()
    behind = {1: FakeChip({1: b"\x11"}), 4: FakeChip({1: b"\x44"}), 8: FakeChip({1: b"\x88"})}

    class Muxed(FakeBus):
        def transfer(self, messages: Sequence[Message]) -> list[bytes]:
            if messages[0].address == 0x20:
                self.chips[0x20] = behind[mux.written[-1][0]]
            return super().transfer(messages)

    registers = {"v": {"register": 1}}
    chips = {
        f"c{at}": {"address": 0x20, "mux": {"address": 0x70, "channel": at}, "registers": registers} for at in (0, 2, 3)
    }
    link = linked(Muxed({0x70: mux}), **chips)
    assert read(link) == {"c0.v": (0x11, 0), "c2.v": (0x44, 0), "c3.v": (0x88, 0)}


def test_the_other_muxes_are_closed_where_a_chip_of_the_same_address_is_behind_them() -> None:
    muxes = {0x70: FakeChip(), 0x71: FakeChip()}
    registers = {"v": {"register": 1}}
    chips = {
        "a": {"address": 0x20, "mux": {"address": 0x70, "channel": 1}, "registers": registers},
        "b": {"address": 0x20, "mux": {"address": 0x71, "channel": 2}, "registers": registers},
    }
    link = linked(FakeBus({**muxes, 0x20: FakeChip()}), **chips)
    read(link)
    assert (muxes[0x70].written, muxes[0x71].written) == ([b"\x02", b"\0"], [b"\0", b"\x04"])


# --- settings ---------------------------------------------------------------------------------------------------------

GOOD = {"address": 0x76, "profile": "bme280"}
REGISTERS = {"registers": {"v": {"register": 1}}}


@pytest.mark.parametrize(
    ("chips", "path", "cure"),
    [
        ({}, "chips", "at least one chip"),
        ({"a": {"profile": "bme280"}}, "chips.a.address", "is missing"),
        ({"a": {"address": 0x78, "profile": "bme280"}}, "chips.a.address", "at least 3 and at most 119"),
        ({"a": {"address": 0x76}}, "chips.a.profile", "write a profile, or registers"),
        ({"a": {"address": 0x76, "profile": "bme288"}}, "chips.a.profile", "did you mean 'bme280'"),
        ({"a": GOOD | {"settings": {"mode": "x"}}}, "chips.a.settings.mode", "normal, forced"),
        ({"a": GOOD | {"settings": {"moed": "x"}}}, "chips.a.settings.moed", "did you mean 'mode'"),
        ({"a": {"address": 9, "settings": {"a": 1}} | REGISTERS}, "chips.a.settings", "needs a profile"),
        ({"a": GOOD | {"pec": True}}, "chips.a.pec", "has no PEC"),
        ({"a": GOOD | {"pointer": 2}}, "chips.a.pointer", "takes 1 byte"),
        ({"a": GOOD | {"setup": [{"register": 1, "value": 1}]}}, "chips.a.setup", "needs registers"),
        ({"a": GOOD | {"registers": {"humidity": {"register": 1}}}}, "chips.a.registers.humidity", "rename it"),
        ({"a": {"address": 9, "registers": {"v": {"register": 256}}}}, "chips.a.registers.v.register", "pointer = 2"),
        (
            {"a": {"address": 9, "setup": [{"register": 1, "value": 256}]} | REGISTERS},
            "chips.a.setup[0].value",
            "does not fit",
        ),
        ({"a": GOOD, "b": GOOD}, "chips.b.address", "a has this address too"),
        (
            {"a": GOOD, "b": GOOD | {"mux": {"address": 0x70, "channel": 1}}},
            "chips.b.address",
            "a has this address too",
        ),
        (
            {"a": GOOD | {"mux": {"address": 0x77, "channel": 1}}, "b": {"address": 0x77} | REGISTERS},
            "chips.b.address",
            "a mux of this bus has this address",
        ),
        ({"a": GOOD | {"mux": {"address": 0x20, "channel": 1}}}, "chips.a.mux.address", "at least 112"),
        ({"a": GOOD | {"mux": {"address": 0x70, "channel": 8}}}, "chips.a.mux.channel", "at most 7"),
        ({"a.b": GOOD}, "chips.a.b", "no dot"),
    ],
)
def test_a_wrong_bus_is_one_problem_with_its_path_and_cure(chips: dict[str, Any], path: str, cure: str) -> None:
    with pytest.raises(SettingsError) as error:
        build(Settings, {"bus": "1", "chips": chips}, "device.x")
    (problem,) = error.value.problems
    assert problem.path == f"device.x.{path}"
    assert cure in problem.cure


def test_closing_twice_is_fine() -> None:
    bus, link = two()
    link.close()
    link.close()
    assert bus.closed == 2
