"""What the shipped profiles make of a device's registers: the values that its document gives for them.

The far end is pymodbus's server with registers as the documents print them, read through the driver as a gateway does.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from supervisors.configuration.config import load
from transports.clock import MachineClock
from transports.links.modbus import ModbusLink, connect
from transports.loop_thread import LoopThread
from transports.samples import Quality, Value, batch_of

WITHIN_S = 10.0
REGISTERS = 41_000  # beyond the last that any of them has
Bytes = Mapping[int, str]  # address on the wire -> what follows from there, in hex


@dataclass(frozen=True)
class Example:
    """Registers of a device, and what they mean. What is not given, and the whole other table, is 0."""

    registers: Bytes
    means: Mapping[str, Value]
    table: str = "holding"


def f32(*numbers: float) -> str:
    return struct.pack(f">{len(numbers)}f", *numbers).hex()


def low_first(*numbers: int) -> str:
    """32-bit numbers, the lower register first, as Carlo Gavazzi sends them."""
    words = (struct.pack(">i", number) for number in numbers)
    return "".join((word[2:] + word[:2]).hex() for word in words)


EXAMPLES = {
    # "Volts 1 ... 43 66 33 34 (= 230.2)", the protocol's own example of a query; the rest by its table
    "sdm630": Example(
        {0: "43663334", 12: f32(1500.5), 52: f32(-4200.0), 70: f32(50.0), 72: f32(1234.5), 342: "0000", 356: f32(7.25)},
        {"voltage_l1": 230.2, "power_l1": 1500.5, "power": -4200.0, "energy_import": 1234.5, "energy_export_l3": 7.25},
        "input",
    ),
    "sdm120": Example(
        {0: "43663334", 6: f32(4.5), 30: f32(0.5), 70: f32(49.96875), 78: f32(3.5)},
        {"voltage": 230.2, "current": 4.5, "power_factor": 0.5, "frequency": 49.96875, "reactive_energy_export": 3.5},
        "input",
    ),
    "em340": Example(
        {
            0: low_first(2304),
            12: low_first(5001),
            40: low_first(-12345),
            49: "03b7",
            51: "01f4",
            52: low_first(1234567),
        },
        {
            "voltage_l1": 230.4,
            "current_l1": 5.001,
            "power": -1234.5,
            "power_factor": 0.951,
            "frequency": 50.0,
            "energy_import": 123456.7,
        },
        "input",
    ),
    "iem3000": Example(
        {2999: f32(16.0), 3059: f32(12.5), 3203: "000000000012d687", 3109: f32(50.0), 3525: "0000000000000001"},
        {"current_l1": 16.0, "power": 12500.0, "energy_import": 1234.567, "frequency": 50.0, "energy_import_l3": 0.001},
    ),
    "umg96rm": Example(
        {19000: f32(229.5), 19026: f32(-900.0), 19068: f32(2_500_000.0), 19120: f32(3.5)},
        {"voltage_l1": 229.5, "power": -900.0, "energy_import": 2500.0, "current_thd_l3": 3.5},
    ),
    "pac3200": Example(
        {1: f32(231.5), 55: f32(50.0), 65: f32(1500.0), 801: struct.pack(">d", 123456789.0).hex()},
        {"voltage_l1": 231.5, "frequency": 50.0, "power": 1500.0, "energy_import_t1": 123456.789},
    ),
    # Sizes, resolutions and signs of the mapping tables
    "b23": Example(
        {0x5000: "0000000000012d68", 0x5B00: "00000900", 0x5B14: "fffffc18", 0x5B2C: "1388", 0x5B3A: "fc19"},
        {"energy_import": 771.6, "voltage_l1": 230.4, "power": -10.0, "frequency": 50.0, "power_factor": -0.999},
    ),
    # "If the actual output current is 5.24 A, the value ... is 524" (FC 300 Design Guide, example 1); 16-10 in 10 W
    "fc302": Example(
        {16139: "0000020c", 16099: "000000dc", 16129: "01f4", 16169: "fffffa24", 16159: "fff6", 16029: "0f0f"},
        {
            "motor_current": 5.24,
            "power": 2200.0,
            "output_frequency": 50.0,
            "speed": -1500,
            "torque": -1.0,
            "status_word": 0x0F0F,
            "fault": True,
            "running": True,
        },
    ),
    "atv312": Example(
        {3201: "0637fe0c00f50051002d00100fa7", 3209: "0049", 8606: "2310", 9630: "0064"},
        {
            "status_word": 0x0637,
            "fault": False,
            "output_frequency": -50.0,
            "reference_frequency": 24.5,
            "motor_current": 8.1,
            "torque_relative": 45,
            "running": True,
            "mains_voltage": 400.7,
            "drive_thermal": 73,
            "fault_code": 0x2310,
            "motor_thermal": 100,
        },
    ),
    # "0xFF33, converted to decimal -205, the actual temperature is -20.5"; "0x222 ... 546 ... 54.6 %"
    "xy-md02": Example({1: "ff33", 2: "0222"}, {"temperature": -20.5, "humidity": 54.6}, "input"),
    # "182 -> 18.2 degrees"
    "pta8d08": Example(
        {0: "00b6", 7: "ff9c", 32: "042d"},
        {"temperature_ch0": 18.2, "temperature_ch7": -10.0, "resistance_ch0": 106.9},
    ),
    "victron-gx": Example(
        {817: "0190", 820: "ff38", 840: "0205", 841: "ffce", 843: "0050", 844: "0002"},
        {
            "consumption_power_l1": 400,
            "grid_power_l1": -200,
            "battery_voltage": 51.7,
            "battery_current": -5.0,
            "battery_charge": 80,
            "battery_state": 2,
        },
    ),
    "fronius": Example(
        {40071: f32(12.5), 40091: f32(8600.0), 40101: f32(4_000_000.0), 40117: "0004"},
        {"current": 12.5, "power": 8600.0, "energy_production": 4000.0, "operating_state": 4},
    ),
}


def table(registers: Bytes) -> Sequence[SimData]:
    """A whole table, with these registers in it."""
    words = [0] * REGISTERS
    for address, data in registers.items():
        for at, word in enumerate(struct.iter_unpack(">H", bytes.fromhex(data)), address):
            (words[at],) = word
    return [SimData(0, values=words, datatype=DataType.REGISTERS)]  # type: ignore[arg-type]


@contextmanager
def served(example: Example) -> Iterator[int]:
    """A device with these registers; the port that it listens on."""
    loop = LoopThread("far-end")
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    holding, inputs = (table(example.registers if example.table == each else {}) for each in ("holding", "input"))
    device = SimDevice(0, (bits, bits, holding, inputs))  # type: ignore[arg-type]

    async def begin() -> ModbusTcpServer:
        server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        return server

    server = loop.run(begin(), WITHIN_S)
    try:
        yield server.transport.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    finally:
        loop.run(server.shutdown(), WITHIN_S)
        loop.close()


@contextmanager
def read_with(profile: str, example: Example, home: Path) -> Iterator[ModbusLink]:
    """A link to such a device, configured by the profile alone."""
    with served(example) as port:
        (home / "gateway.toml").write_text(
            f'[device.one]\nprofile = "{profile}"\nhost = "127.0.0.1"\nport = {port}\ntimeout = "5s"\n'
        )
        (device,) = load(home / "gateway.toml").devices
        link = connect(device.settings)
        try:
            yield link
        finally:
            link.close()


def readings(link: ModbusLink) -> dict[str, tuple[Value, int]]:
    """Every tag's value and status code, those with a period of their own as well."""
    found: dict[str, tuple[Value, int]] = {}
    for scans in (link.read(), *map(link.read_pace, link.paces)):
        for scan in scans:
            batch = batch_of("one", MachineClock().utc_ns(), [scan])  # type: ignore[list-item]
            _, values, codes = next(batch.rows())
            told = [codes] * len(values) if isinstance(codes, int) else codes
            found |= {tag.name: pair for tag, pair in zip(scan.tags, zip(values, told, strict=True), strict=True)}
    return found


@pytest.mark.parametrize("profile", EXAMPLES)
def test_registers_read_as_the_values_that_the_document_gives(profile: str, tmp_path: Path) -> None:
    example = EXAMPLES[profile]
    with read_with(profile, example, tmp_path) as link:
        read = readings(link)
    assert {code for _, code in read.values()} == {Quality.GOOD}
    assert set(read) == {tag.name for tag in link.tags}
    for tag, meant in example.means.items():
        value = read[tag][0]
        assert value == (meant if isinstance(meant, int) else pytest.approx(meant, rel=1e-7)), tag
        assert type(value) is type(meant), tag


def test_every_shipped_profile_has_an_example() -> None:
    from transports.profiles import FOLDER

    assert set(EXAMPLES) == {file.stem for file in FOLDER.glob("*.toml")}


def test_what_a_profile_lets_one_write_arrives_in_the_devices_own_number(tmp_path: Path) -> None:
    with read_with("xy-md02", EXAMPLES["xy-md02"], tmp_path) as link:
        assert set(link.writable) == {"temperature_correction", "humidity_correction"}
        link.write("temperature_correction", -1.5)
        assert readings(link)["temperature_correction"][0] == -1.5
        assert link.writable["temperature_correction"].refusal(10.5) == "must be at most 10"
