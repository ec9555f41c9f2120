"""What can be written in a table `[line.NAME]`: a serial line with many slaves, and the manners on it."""

from dataclasses import dataclass

from transports.parity import PARITIES
from transports.settings import duration, setting

SILENT_CHARACTERS = 3.5  # of silence end an RTU frame (MODBUS over Serial Line 1.02, section 2.5.1.1)
LEAST_SILENCE_S = 0.00175  # the same section: fixed above 19200 baud


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One port, which this gateway alone reads. Its devices say `line = "NAME"`."""

    port: str = setting(help="path of the port", example="/dev/serial/by-id/usb-FTDI_FT232R-if00-port0")
    baud: int = setting(9600, ge=50, le=4_000_000, help="bits per second")
    data_bits: int = setting(8, ge=5, le=8, help="data bits of a character; Modbus RTU needs 8")
    parity: str = setting("none", choices=tuple(PARITIES), help="parity bit")
    stop_bits: float = setting(1.0, choices=(1, 1.5, 2), help="stop bits (Linux sends 2 for 1.5)")
    echo: bool = setting(False, help="the adapter hears what it sends (two wires): its own request is taken off")
    turnaround_s: float = duration(
        0.0, ge=0, le=10.0, help="least silence between two frames; 3.5 characters it is always, as Modbus wants"
    )
    late_s: float = duration(
        "20ms", ge=0, le=10.0, help="silence awaited after a time-out, so that a late answer is nobody else's"
    )
    timeout_s: float = duration("1s", le=60.0, help="longest that one answer may hold the line, whatever a device says")

    @property
    def character_s(self) -> float:
        """How long one character takes: start bit, data, parity, stop."""
        return (1 + self.data_bits + (self.parity != "none") + self.stop_bits) / self.baud

    @property
    def silence_s(self) -> float:
        """What lies between two frames at least."""
        return max(SILENT_CHARACTERS * self.character_s, LEAST_SILENCE_S, self.turnaround_s)
