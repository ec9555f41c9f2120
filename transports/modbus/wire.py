"""A way to a Modbus device: one request at a time, and its answer or why there is none.

link ──ask(unit, request)──> TcpWire     MBAP frames on a connection          wire_tcp.py
                             RtuWire     RTU frames on a port or connection   wire_rtu.py, ports.py
                             LineWire    RTU frames on a shared line          wire_line.py
"""

from typing import Protocol


class Wire(Protocol):
    """Requests and answers are messages without framing (pdu.py); an answer fits its request."""

    def ask(self, unit: int, request: bytes) -> bytes:
        """The answer, which may be a refusal. Raises LinkTimeout when none came in time, LinkDown."""
        ...

    def tell(self, unit: int, request: bytes) -> None:
        """Send what nobody answers: a broadcast on a serial line. Raises LinkTimeout, LinkDown."""
        ...

    def close(self) -> None:
        """Give it back. May be called twice; never raises."""
        ...
