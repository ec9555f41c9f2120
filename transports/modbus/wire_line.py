"""Modbus RTU on a shared serial line: another process owns the port and gives each device its turns (lines.py)."""

from pathlib import Path

from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.lines import LineClient, open_line
from transports.modbus import pdu
from transports.rtu_frames import with_crc

_CRC_BYTES = 2


class LineWire:
    """A membership of the line."""

    def __init__(self, client: LineClient, timeout_s: float) -> None:
        self._client, self._timeout_s = client, timeout_s

    def ask(self, unit: int, request: bytes) -> bytes:
        answer = self._exchange(unit, request, "rtu")[1:-_CRC_BYTES]
        wrong = pdu.misfit(request, answer)
        if wrong:
            raise LinkTimeout(wrong)
        return answer

    def tell(self, unit: int, request: bytes) -> None:
        self._exchange(unit, request, "none")

    def close(self) -> None:
        self._client.close()

    def _exchange(self, unit: int, request: bytes, rule: str) -> bytes:
        try:
            urgent = request[0] not in pdu.READ.values()  # a command does not wait for others' readings
            return self._client.exchange(with_crc(bytes((unit,)) + request), rule, self._timeout_s, urgent)
        except LinkRefused as wrong:
            raise LinkDown(f"the line takes no Modbus request: {wrong}") from wrong


def open_line_wire(line: str, unit: int, timeout_s: float) -> LineWire:
    """Become a member of a line, by the path of its socket, which a running gateway has put in place of its name.

    Raises LinkDown.
    """
    if "/" not in line:
        raise LinkDown(f"the line {line} has no owner here: its devices are read by a running gateway (holdfast run)")
    return LineWire(open_line(Path(line), f"unit {unit}"), timeout_s)
