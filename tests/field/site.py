"""The site: the gateway's configuration (site.toml), its far ends, and what is expected of each device.

A stream's period is the device's own, or for one that talks by itself the simulator's interval, rounded up where it
waits for the gateway or for itself in between. Graces come from what is configured: the longest wait before a lost
device is opened again (1 s), a time-out, a period. On the RS-485 line the waits are the line's own and double (the
port: 0.5 s to 5 s; a slave on probation: 1 s to 30 s, each moved by a fifth), so the last of them is as long as the
outage was, 1.2 times at most.
"""

import os
import socket
import tty
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tests.field.ends import Broker, FarEnd, Fault, Process, Program, simulator
from tests.field.periods import Grace
from tests.field.readings import Stream
from tests.peers.mosquitto import Mosquitto

HERE = Path(__file__).parent
REOPEN = Grace(2.5)  # the longest wait (1 s), connecting, a time-out and a period
LINE = Grace(3.0, 1.2)
ADC = Grace(4.5)  # an ADS1115 measures one of its four inputs between two readings
TOLD_S = 2.0  # one whose death only its silence tells (1 s) is dead for longer than that and the age of a status
PUBLISHED_S = (
    0.45  # what simulators are told that wait so long between two rounds; a round itself takes the rest of 0.5
)


@dataclass(frozen=True)
class Expected:
    """A stream, how often it has to come, on which far ends it depends, and how long it may take to heal."""

    stream: Stream
    period_s: float
    far_ends: tuple[str, ...] = ()
    grace: Grace = REOPEN

    @property
    def name(self) -> str:
        """The device, and what of it where its tags are those of several things."""
        thing = self.stream.tags[0].rpartition(".")[0]
        return f"{self.stream.device} {thing}".strip()


def expected(device: str, tags: str, period_s: float, *far_ends: str, known_by: str = "") -> Expected:
    return Expected(Stream(device, tuple(tags.split()), known_by), period_s, far_ends)


LINES = "temp hum level"
EXPECTED = (
    expected("control", "n level0 level1 level2", 0.25),
    expected("machine", "cpu_percent memory_available", 1.0),
    expected("demo", "n level0 level1 level2", 0.25, "demo"),
    expected("plc", "sine temperature ms setpoint", 0.25, "plc"),
    expected("converter", "seconds fine register0 on0", 0.5, "converter"),
    Expected(Stream("slave-1", ("sine", "ms", "fine", "low0")), 0.5, ("slave-1", "adapter"), LINE),
    Expected(Stream("slave-2", ("sine", "ms", "fine", "low0")), 0.5, ("slave-2", "adapter"), LINE),
    expected("scale", LINES, 0.25, "scale"),
    expected("gauge", LINES, 0.5, "gauge"),
    expected("oven", LINES, 0.25, "oven"),
    expected("scanner", LINES, 0.25, "scanner"),
    expected("meter", LINES, 0.25, "meter"),
    expected("ship", "rmc_latitude rmc_longitude", 0.5, "ship"),
    expected("ship", "gga_latitude gga_longitude", 0.5, "ship"),
    expected("heatpump", "temperature energy ts on setpoint", 0.5, "heatpump"),
    expected("loggers", "cellar.temperature cellar.energy cellar.on", 0.5, "loggers"),
    expected("hall-devices", "lamp.temperature lamp.battery lamp.state", 0.5, "broker"),
    expected("hall-devices", "plug.power plug.energy", 0.5, "broker"),
    expected("hall-devices", "shelly1-a1.device_temperature", 0.5, "broker"),
    expected("hall-devices", "shellyplus1-b2.output shellyplus1-b2.chip_temperature", 0.5, "broker"),
    expected("plant", "temperature pressure count clock wave", 0.5, "plant"),
    expected("cabinet", "air.temperature supply.current cold.temperature memory.setpoint", 0.5, "cabinet"),
    Expected(Stream("cabinet", ("inputs.ain0",)), 2.0, ("cabinet",), ADC),
    expected("talker", "n sine cosine up", 0.25, "talker", known_by="n"),
)
BLE = (
    expected("floor", "kitchen.temperature kitchen.humidity", 0.5, "floor"),
    expected("floor", "sauna.temperature", 0.5, "floor"),
    expected("floor", "press.force", 0.5, "floor"),
    expected("floor", "press.cycles", 0.5, "floor"),
)
PORTS = ("plc", "converter", "oven", "scanner", "meter", "ship", "heatpump", "loggers", "broker", "plant")


class Site:
    """All far ends, with their files in `room`, until `close`; `bus` is a private D-Bus, "" where there is none."""

    def __init__(self, room: Path, bus: str) -> None:
        self.room, self.notes = room, room / "acknowledged"
        self._ports, self._bus, self._held = {name: unused_port() for name in PORTS}, bus, ExitStack()
        self.output = room / "output.ndjson"
        self.expected = EXPECTED + (BLE if bus else ())
        self.ends: Mapping[str, FarEnd] = {end.name: end for end in self._ends()}
        self.control = Process(room / "control.log", "-m", "tests.field.control")

    @property
    def devices(self) -> frozenset[str]:
        """Their names."""
        return frozenset(each.stream.device for each in self.expected)

    def devices_of(self, end: str) -> frozenset[str]:
        """Those that depend on that far end."""
        return frozenset(each.stream.device for each in self.expected if end in each.far_ends)

    def config(self) -> str:
        """The gateway's configuration."""
        files = {name: str(self.room / name) for name in ("demo", "line", "scale", "gauge", "cabinet", "talker")}
        ble = Template((HERE / "ble.toml").read_text()).substitute(bus=self._bus) if self._bus else ""
        values = {**files, **self._ports, "output": self.output, "ble": ble}
        return Template((HERE / "site.toml").read_text()).substitute(values)

    def close(self) -> None:
        """End everything."""
        self.control.kill()
        for end in self.ends.values():
            end.end()
        self._held.close()

    def _ends(self) -> Iterator[FarEnd]:
        port = self._ports
        yield FarEnd("demo", Fault(self.room / "demo"))
        yield self._simulated("plc", "modbus", port=port["plc"])
        yield self._simulated("converter", "modbus", port=port["converter"], framing="rtu")
        yield from self._line()
        yield self._simulated("scale", "serial", self.room / "scale", period="250ms")
        yield self._simulated("gauge", "serial", self.room / "gauge", says="answers")
        yield self._simulated("oven", "tcp", says="answers", listen=f"127.0.0.1:{port['oven']}")
        yield self._silent("scanner", "tcp", period="250ms", connect=f"127.0.0.1:{port['scanner']}")
        yield self._simulated("meter", "udp", says="answers", listen=f"127.0.0.1:{port['meter']}")
        yield self._silent("ship", "udp", says="nmea", period="500ms", to=f"127.0.0.1:{port['ship']}")
        yield self._simulated("heatpump", "http", port=port["heatpump"])
        yield self._posting()
        yield self._broker()
        yield self._simulated("plant", "opcua", port=port["plant"], period=f"{PUBLISHED_S}s")
        yield self._simulated("cabinet", "i2c", socket=str(self.room / "cabinet"))
        yield self._talking()
        if self._bus:
            yield self._simulated("floor", "ble", bus=self._bus, interval=f"{PUBLISHED_S}s")

    def _simulated(self, end: str, simulated: str, link: Path | None = None, **settings: str | int) -> FarEnd:
        return FarEnd(end, simulator(self._log(end), simulated, link, **settings))

    def _silent(self, end: str, simulated: str, **settings: str | int) -> FarEnd:
        return FarEnd(end, simulator(self._log(end), simulated, None, **settings), least_dead_s=TOLD_S)

    def _line(self) -> Iterator[FarEnd]:
        """Two slaves, each a process on a terminal that outlives it, and the adapter to which both are wired."""
        masters = []
        for unit in (1, 2):
            master, terminal = os.openpty()
            for descriptor in (master, terminal):
                self._held.callback(os.close, descriptor)
            tty.setraw(terminal)
            masters.append(master)
            dead = list(range(1, unit))  # the simulator has all units up to the last
            port = os.ttyname(terminal)
            yield self._simulated(f"slave-{unit}", "modbus", serial=port, baud=115200, units=unit, dead_units=f"{dead}")
        link = self.room / "line"
        words = ["-m", "tests.field.hub", str(link), *map(str, masters)]
        yield FarEnd("adapter", Process(self._log("adapter"), *words, descriptors=masters, link=link))

    def _posting(self) -> FarEnd:
        """A logger that posts through a tap. It waits for the answer in between: 400 ms and what durability takes."""
        way = unused_port()
        url = f"http://127.0.0.1:{way}/ingest/cellar"
        logger = simulator(self._log("logger"), "http", post_to=url, every="400ms")
        return FarEnd("loggers", self._tap("http", way, self._ports["loggers"]), logger, least_dead_s=TOLD_S)

    def _broker(self) -> FarEnd:
        """The broker, the tap through which the gateway hears it, and what publishes there."""
        port = unused_port()
        things = simulator(self._log("things"), "mqtt", port=port, every=f"{PUBLISHED_S}s")
        mosquitto = Broker(Mosquitto(self.room, port=port))
        return FarEnd("broker", mosquitto, self._tap("mqtt", self._ports["broker"], port), things)

    def _tap(self, protocol: str, here: int, there: int) -> Process:
        words = ["-m", "tests.field.tap", protocol, str(here), str(there), str(self.notes)]
        return Process(self._log(f"tap-{protocol}"), *words)

    def _talking(self) -> FarEnd:
        pid_file = self.room / "talker.pid"
        words = ["-m", "tests.field.talker", str(pid_file), str(self.notes)]
        return FarEnd("talker", Program(self.room / "talker", pid_file, *words))

    def _log(self, name: str) -> Path:
        return self.room / f"{name}.log"


def unused_port() -> int:
    """A port that nobody uses, below those that the kernel gives to whoever connects.

    Among those a gateway that dials a dead far end again and again would one day be given the very port that it dials,
    and be connected to itself; and others would take the port while the far end is dead.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = first - 1 - int.from_bytes(os.urandom(2)) % 12_000
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            try:
                stream.bind(("127.0.0.1", port))
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
