"""A device on a serial line: a pseudo-terminal that speaks lines, NMEA 0183, or answers when asked.

    holdfast simulate serial says=answers link=/tmp/scale

    [device.scale]
    driver = "serial"
    port = "/tmp/scale"
    request = "MEAS?\\n"
    pattern = 'T=(?P<temp>\\S+) H=(?P<hum>\\d+) L=(?P<level>\\S+)'
    writes = { level = "SET L {value}\\n" }

Without `request` for says = "lines"; `format = "nmea"` for says = "nmea". Faults: silence, timeout, garbage, slow:2s,
and down, which unplugs it until the file says something else; then it has another terminal, which `link` names.
"""

import os
import select
import tty
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transports.errors import LinkDown
from transports.settings import setting
from transports.simulated_voice import VoiceSettings
from transports.simulators import Announce
from transports.simulators._speaking import speak
from transports.streams import Chunk, is_ready

_CHUNK_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Settings(VoiceSettings):
    """A device, and the name of its port."""

    link: str = setting("", help="path that names its port, also after it was plugged in anew", example="/tmp/scale")


def serve(settings: Settings, announce: Announce) -> None:
    """Speaks until it is ended. Raises LinkDown when the link cannot be made."""
    line = Line(settings.link)
    line.be_there(True)
    try:
        announce(f"speaking on {settings.link or line.path}")
        speak(line, settings)
    finally:
        line.be_there(False)


class Line:
    """A pseudo-terminal, and the link that names it, while the device is there."""

    def __init__(self, link: str) -> None:
        self._link, self.path = link, ""
        self._held: tuple[int, int] | None = None  # our end, and the driver's: one that nobody holds is hung up

    def heard(self, timeout_s: float) -> Sequence[Chunk]:
        if self._held is None:
            select.poll().poll(timeout_s * 1000)
            return []
        master, _ = self._held
        return [Chunk("", os.read(master, _CHUNK_BYTES))] if is_ready(master, timeout_s) else []

    def say(self, data: bytes, source: str | None = None) -> None:
        if self._held is not None:
            with suppress(BlockingIOError):  # nobody reads
                os.write(self._held[0], data)

    def be_there(self, there: bool) -> None:
        if there and self._held is None:
            self._plug_in()
        elif not there and self._held is not None:
            for descriptor in self._held:
                os.close(descriptor)
            self._held = None
            if self._link:
                Path(self._link).unlink(missing_ok=True)

    def _plug_in(self) -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._held, self.path = (master, slave), os.ttyname(slave)
        if self._link:
            _name(Path(self._link), self.path)


def _name(link: Path, path: str) -> None:
    """Have the link name that terminal, whatever an earlier one named. Raises LinkDown."""
    if link.exists() and not link.is_symlink():
        raise LinkDown(f"{link}: is there and no link; give another path")
    fresh = link.with_name(f".{link.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(path)
        fresh.replace(link)
    except OSError as failed:
        raise LinkDown(f"{link}: cannot be made ({failed.strerror}); give a path in a directory of yours") from failed
