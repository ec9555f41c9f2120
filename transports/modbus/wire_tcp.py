"""Modbus TCP on an open connection: an answer is known by its transaction number.

An answer that comes too late is passed over by that number. "No answer" (LinkTimeout) is told from "something that is
no answer" (LinkDown): after the latter nobody knows where the next frame begins.
"""

import socket
from contextlib import suppress

from transports.clock import Clock
from transports.errors import LinkDown, LinkTimeout, NotUnderstood
from transports.modbus import pdu
from transports.modbus.mbap import first_frame, framed

_MOST_UNASKED_BYTES = 4096  # an answer has at most 260; some late ones may lie before it


class TcpWire:
    """One connection, one request at a time."""

    def __init__(self, connection: socket.socket, timeout_s: float, clock: Clock) -> None:
        self._connection: socket.socket | None = connection
        self._timeout_s, self._clock = timeout_s, clock
        self._transaction, self._heard = 0, b""

    def ask(self, unit: int, request: bytes) -> bytes:
        self._transaction = self._transaction + 1 & 0xFFFF
        deadline = self._clock.now() + self._timeout_s
        self._send(framed(self._transaction, unit, request))
        heard_bytes = 0
        while (answer := self._answer(unit, request)) is None:
            chunk = self._hear(deadline, heard_bytes)
            heard_bytes += len(chunk)
            if heard_bytes > _MOST_UNASKED_BYTES:
                raise LinkDown("what arrived is not Modbus: more bytes than any answer has")
            self._heard += chunk
        return answer

    def tell(self, unit: int, request: bytes) -> None:
        self.ask(unit, request)  # on TCP the unit 0 is the device itself, and answers

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def _answer(self, unit: int, request: bytes) -> bytes | None:
        """The answer among the frames that have arrived; earlier ones are passed over."""
        try:
            while (frame := first_frame(self._heard)) is not None:
                self._heard = self._heard[frame.end :]
                if frame.transaction == self._transaction and frame.unit == unit:
                    return _fitting(request, frame.message)
        except NotUnderstood as noise:
            raise LinkDown(str(noise)) from noise
        return None

    def _send(self, frame: bytes) -> None:
        connection = self._open()
        try:
            connection.settimeout(self._timeout_s)
            connection.sendall(frame)
        except OSError as gone:  # also a time-out: a part of a frame may have gone
            raise LinkDown(f"the connection takes no request ({gone})") from gone

    def _hear(self, deadline: float, heard_bytes: int) -> bytes:
        connection = self._open()
        try:
            connection.settimeout(max(deadline - self._clock.now(), 0.001))
            chunk = connection.recv(_MOST_UNASKED_BYTES)
        except TimeoutError as late:
            if heard_bytes:
                raise LinkDown("what arrived is not the answer to what was asked") from late
            raise LinkTimeout(f"no answer within {self._timeout_s:g} s") from late
        except OSError as gone:
            raise LinkDown(f"the connection is lost ({gone})") from gone
        if not chunk:
            raise LinkDown("the device closed the connection")
        return chunk

    def _open(self) -> socket.socket:
        if self._connection is None:
            raise LinkDown("the connection is closed")
        return self._connection


def _fitting(request: bytes, answer: bytes) -> bytes:
    wrong = pdu.misfit(request, answer)
    if wrong:
        raise LinkDown(wrong)
    return answer
