"""A bus behind a Unix socket: where `holdfast simulate i2c` serves."""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress

from transports.clock import Clock
from transports.errors import LinkDown, NotUnderstood
from transports.i2c.packets import MOST_PACKET_BYTES, answered, request
from transports.i2c.port import Message, Read, judged


class RemotePort:
    """A connection to a bus that is served."""

    def __init__(self, connection: socket.socket, path: str, timeout_s: float, clock: Clock) -> None:
        self._connection, self._path, self._timeout_s, self._clock = connection, path, timeout_s, clock
        self._number = 0

    def transfer(self, messages: Sequence[Message]) -> list[bytes]:
        self._number = (self._number + 1) & 0xFFFF
        deadline = self._clock.now() + self._timeout_s
        try:
            self._connection.settimeout(self._timeout_s)
            self._connection.send(request(self._number, messages))
            code, read = self._answer(deadline)
        except TimeoutError as late:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from late
        except OSError as failed:
            raise judged(failed, self._path) from failed
        except NotUnderstood as wrong:
            raise LinkDown(f"{self._path}: {wrong}; is it an I2C simulator that serves there?") from wrong
        if code:
            raise judged(OSError(code, os.strerror(code)), self._path)
        if [len(each) for each in read] != [each.size for each in messages if isinstance(each, Read)]:
            raise LinkDown(f"{self._path}: the answer is not what was asked; is it an I2C simulator that serves there?")
        return read

    def close(self) -> None:
        with suppress(OSError):
            self._connection.close()

    def _answer(self, deadline: float) -> tuple[int, list[bytes]]:
        """The answer of this number; what came too late for an earlier one is passed over."""
        while (left_s := deadline - self._clock.now()) > 0:
            self._connection.settimeout(left_s)
            packet = self._connection.recv(MOST_PACKET_BYTES)
            if not packet:
                raise LinkDown(f"{self._path}: the simulator has ended; start it again (holdfast simulate i2c)")
            number, code, read = answered(packet)
            if number == self._number:
                return code, read
        raise TimeoutError


def open_remote(path: str, timeout_s: float, clock: Clock) -> RemotePort:
    """The bus served at that path. Raises LinkDown with the cure."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(timeout_s)
    try:
        connection.connect(path)
    except OSError as failed:
        connection.close()
        why = failed.strerror or str(failed)
        raise LinkDown(f"{path}: no simulated bus is served there ({why}); start it: holdfast simulate i2c") from failed
    return RemotePort(connection, path, timeout_s, clock)
