"""Modbus RTU on a port of one's own, or through a converter that passes RTU bytes over TCP.

RTU has no transaction number: nothing in an answer says to which of two equal requests it belongs. So before a request
the line is silent for 3.5 characters, and what lies there is thrown away; and after a request that nobody answered, the
next one waits up to one time-out more for the answer that may still come. An answer must come from the unit that was
asked, to the function, of the length that was asked for, with a good checksum: the rest is noise, and passed over.
After noise the line finds itself by its silences, so noise is a LinkTimeout, never the end of the connection.
"""

from dataclasses import dataclass

from transports.clock import Clock
from transports.errors import LinkDown, LinkTimeout
from transports.line_answers import Awaited
from transports.modbus import pdu
from transports.modbus.ports import Port, wait
from transports.rtu_frames import with_crc

TURNAROUND_S = 0.1  # what a broadcast gives the units to carry it out (Modbus over Serial Line 1.02, section 2.4.1)
FASTEST_BAUD = 19_200  # from there on the silence is fixed (section 2.5.1.1)
FIXED_SILENCE_S = 0.001_75
_MOST_UNASKED_BYTES = 4096
_CRC_BYTES = 2


@dataclass(frozen=True, slots=True)
class Times:
    """How long things take on one line: an answer at most, a character, the silence between frames."""

    timeout_s: float
    character_s: float = 0.0
    silence_s: float = 0.0


def silence_s(baud: int, character_s: float) -> float:
    """How long a line must be silent before a frame: 3.5 characters, 1.75 ms above 19200 baud."""
    return 3.5 * character_s if baud <= FASTEST_BAUD else FIXED_SILENCE_S


@dataclass(slots=True)
class _Doubt:
    """An unanswered request whose answer may still come, and until when it is waited for."""

    awaited: Awaited
    until: float


class RtuWire:
    """One port, one request at a time. With `echo` the adapter hears what it sends."""

    def __init__(self, port: Port, times: Times, clock: Clock, echo: bool = False) -> None:
        self._port, self._times, self._clock, self._echo = port, times, clock, echo
        self._silent_at = clock.now() + times.silence_s
        self._doubt: _Doubt | None = None

    def ask(self, unit: int, request: bytes) -> bytes:
        self._settle()
        frame = with_crc(bytes((unit,)) + request)
        self._send(frame)
        awaited = Awaited(frame, "rtu", self._echo)
        deadline = self._clock.now() + self._times.timeout_s
        answer = self._answer(awaited, request, deadline)
        if answer is None:
            self._doubt = _Doubt(Awaited(frame, "rtu"), deadline + self._times.timeout_s)
            raise LinkTimeout(f"no answer within {self._times.timeout_s:g} s{awaited.gave_up()}")
        return answer

    def tell(self, unit: int, request: bytes) -> None:
        self._settle()
        self._send(with_crc(bytes((unit,)) + request))
        self._silent_at += TURNAROUND_S

    def close(self) -> None:
        self._port.close()

    def _answer(self, awaited: Awaited, request: bytes, deadline: float) -> bytes | None:
        heard_bytes = 0
        while (left_s := deadline - self._clock.now()) > 0:
            chunk = self._hear(left_s)
            heard_bytes += len(chunk)
            if heard_bytes > _MOST_UNASKED_BYTES:
                raise LinkDown("what arrived is not Modbus: more bytes than any answer has; is the baud rate right?")
            frame = awaited.feed(chunk) if chunk else None
            if frame is not None and not pdu.misfit(request, frame[1:-_CRC_BYTES]):
                return frame[1:-_CRC_BYTES]
        return None

    def _settle(self) -> None:
        """Return when the line is silent and no late answer is to be expected any more."""
        give_up = self._clock.now() + 2 * self._times.timeout_s
        while wait(self._port, self._silent_until() - self._clock.now()):
            chunk = self._hear(0.0)
            if self._doubt is not None and self._doubt.awaited.feed(chunk) is not None:
                self._doubt = None
            if self._clock.now() > give_up:
                raise LinkTimeout("the line is never silent; does another master talk on it?")
        self._doubt = None

    def _silent_until(self) -> float:
        return max(self._silent_at, self._doubt.until) if self._doubt is not None else self._silent_at

    def _hear(self, timeout_s: float) -> bytes:
        if not wait(self._port, timeout_s):
            return b""
        chunk = self._port.read()
        self._silent_at = self._clock.now() + self._times.silence_s
        return chunk

    def _send(self, frame: bytes) -> None:
        self._port.write(frame)
        on_the_line_s = len(frame) * self._times.character_s
        self._silent_at = self._clock.now() + on_the_line_s + self._times.silence_s
