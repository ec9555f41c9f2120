"""An I2C bus with chips on it, behind a Unix socket that the driver i2c takes in place of a bus.

    holdfast simulate i2c socket=/tmp/i2c-1.sock

    [device.cabinet]
    driver = "i2c"
    bus = "/tmp/i2c-1.sock"
    [device.cabinet.chips]
    air     = { address = 0x76, profile = "bme280" }
    dew     = { address = 0x44, profile = "sht31" }
    inputs  = { address = 0x48, profile = "ads1115" }
    supply  = { address = 0x40, profile = "ina219" }
    cold    = { address = 0x18, profile = "mcp9808" }
    precise = { address = 0x49, profile = "tmp117" }
    memory  = { address = 0x50, registers = { setpoint = { register = 0, width = 2, writable = true } } }

A chip is written "name = kind @ address", one behind a TCA9548A "name = kind @ address / mux : channel". The text
of the file named by `faults` makes chips misbehave; transports/chips/models/bus.py lists how.
"""

import logging
import re
import selectors
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transports.chips.models import ads1115, bme280, ina219, mcp9808, pcf8570, sht31, tmp117
from transports.chips.models.bus import Make, Place, SimulatedBus, faults_of
from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, NotUnderstood, Problem
from transports.faults import fault_in
from transports.i2c.packets import MOST_PACKET_BYTES, answer, asked
from transports.i2c.target import Channel
from transports.settings import nearest, setting
from transports.simulators import Announce

log = logging.getLogger("holdfast.simulators.i2c")
MODELS: Mapping[str, Make] = {
    "ads1115": ads1115.Ads1115,
    "bme280": bme280.Bme280,
    "ina219": ina219.Ina219,
    "mcp9808": mcp9808.Mcp9808,
    "pcf8570": pcf8570.Pcf8570,
    "sht31": sht31.Sht31,
    "tmp117": tmp117.Tmp117,
}
_MOST_CLIENTS = 64
_NUMBER = r"(0x[0-9a-fA-F]{1,2}|[0-9]{1,3})"
_CHIP = re.compile(rf"\s*([\w-]+)\s*=\s*(\w+)\s*@\s*{_NUMBER}\s*(?:/\s*{_NUMBER}\s*:\s*([0-7])\s*)?")
_USUAL = (
    "air = bme280 @ 0x76",
    "dew = sht31 @ 0x44",
    "inputs = ads1115 @ 0x48",
    "supply = ina219 @ 0x40",
    "cold = mcp9808 @ 0x18",
    "precise = tmp117 @ 0x49",
    "memory = pcf8570 @ 0x50",
)


@dataclass(frozen=True)
class Settings:
    """Where it serves, and what is on the bus."""

    socket: str = setting("i2c-1.sock", help="path of the Unix socket to serve at")
    chips: tuple[str, ...] = setting(_USUAL, help="what is on the bus", example='["air = bme280 @ 0x76"]')
    faults: str = setting("", help="path of a file whose text says how chips misbehave")

    def problems(self, path: str) -> Iterator[Problem]:
        """Each chip is of the form above, and of a kind that there is."""
        for at, text in enumerate(self.chips):
            found = _CHIP.fullmatch(text)
            if found is None:
                cure = 'must be of the form "name = kind @ address" or "name = kind @ address / mux : channel"'
                yield Problem(f"{path}.chips[{at}]", repr(text)[:60], cure)
            elif found[2] not in MODELS:
                cure = f"unknown kind of chip; {nearest(found[2], list(MODELS))}"
                yield Problem(f"{path}.chips[{at}]", repr(text)[:60], cure)

    def placed(self) -> Mapping[str, tuple[Place, Make]]:
        """The chips by their names."""
        found = [match for text in self.chips if (match := _CHIP.fullmatch(text))]
        return {match[1]: (_place(match), MODELS[match[2]]) for match in found}


def serve(settings: Settings, announce: Announce) -> None:
    """Serve until KeyboardInterrupt. Raises LinkDown when the socket cannot be opened."""
    path = Path(settings.socket).absolute()
    with _listening(path) as listener:
        try:
            server = _Server(listener, settings, MachineClock())
            announce(f"listening on {path}")
            server.run()
        finally:
            path.unlink(missing_ok=True)


class _Server:
    """One loop over all clients; a request is answered at once."""

    def __init__(self, listener: socket.socket, settings: Settings, clock: Clock) -> None:
        self._bus, self._clock = SimulatedBus(settings.placed()), clock
        self._faults, self._fault_text = Path(settings.faults) if settings.faults else None, ""
        self._listener, self._selector = listener, selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)

    def run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._welcome()
                elif isinstance(key.fileobj, socket.socket) and not self._served(key.fileobj):
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()

    def _welcome(self) -> None:
        client, _ = self._listener.accept()
        client.setblocking(False)
        if len(self._selector.get_map()) > _MOST_CLIENTS:
            client.close()
        else:
            self._selector.register(client, selectors.EVENT_READ)

    def _served(self, client: socket.socket) -> bool:
        """Whether the client is to be kept: it is there, speaks this protocol, and takes its answers."""
        try:
            packet = client.recv(MOST_PACKET_BYTES)
            number, messages = asked(packet)
        except (OSError, NotUnderstood):
            return False
        self._look_for_faults()
        if self._bus.hangs:
            return True
        try:
            reply = answer(number, 0, self._bus.transfer(messages, self._clock.utc_ns() / 1e9))
        except OSError as failed:
            reply = answer(number, failed.errno or 0, [])
        try:
            client.send(reply)
        except OSError:
            return False
        return True

    def _look_for_faults(self) -> None:
        try:
            text = fault_in(self._faults)
            if text != self._fault_text:
                self._fault_text = text
                self._bus.suffer(faults_of(text))
        except (LinkDown, ValueError) as wrong:
            log.warning("%s", wrong)


def _listening(path: Path) -> socket.socket:
    """A socket at that path, in place of what an ended simulator left there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # of a socket that nobody serves, but also of what is no socket at all
            if path.is_socket():
                path.unlink(missing_ok=True)
        except OSError:
            pass  # binding it will say what is wrong
        else:
            raise LinkDown(f"{path}: another simulator serves there; end it, or choose another socket")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(str(path))
        listener.listen()
    except OSError as failed:
        with suppress(OSError):
            listener.close()
        why = failed.strerror or str(failed)
        cure = "choose a path of at most 107 bytes in a folder of yours"
        raise LinkDown(f"{path}: cannot be served ({why}); {cure}") from failed
    return listener


def _place(match: re.Match[str]) -> Place:
    behind = Channel(int(match[4], 0), int(match[5])) if match[4] else None
    return Place(int(match[3], 0), behind)
