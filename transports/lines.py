"""A member's end of a shared serial line: the port has one owner, which each slave's process asks for a turn.

    device process ── exchange(request, "rtu", timeout_s) ──NAME.line──> owner (actors/line.py) ── the port ── slaves
                   <────────── answer, or why there is none ───────────

Blocking, without a thread, and every wait has an end: for its turn a request waits QUEUE_S at most, then as long as
the answer may take. All members wait in one queue of the owner's, which is fair to those that answer and asks those
that do not only now and then (actors/lines/turns.py).
"""

import socket
from contextlib import suppress
from pathlib import Path

from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkTimeout, NotUnderstood
from transports.line_answers import find_by
from transports.line_messages import MOST_BYTES, NAME_BYTES, Hello, Outcome, Reply, Request, pack, unpack_reply

QUEUE_S = 4.0  # for a turn; with it, one exchange is shorter than the silence by which a process counts as hung (10 s)
WELCOME_S = 2.0  # the owner's loop never waits for the line, so this is long
MARGIN_S = 1.0  # beyond the owner's own bounds, before the owner itself counts as hung
_NUMBERS = 2**32 - 1


def line_path(run_dir: Path, name: str) -> Path:
    """Where the owner of a line listens; what a device's setting `line` becomes at run time."""
    return run_dir / f"{name}.line"


def open_line(path: Path, member: str) -> "LineClient":
    """Become a member of the line; a former connection of that member is closed by the owner.

    Raises LinkDown when nobody owns the line, when its port is lost, and when the member is on probation (it did not
    answer) and not to be probed yet.
    """
    if not 0 < len(member.encode()) <= NAME_BYTES:
        raise ValueError(f"a member's name must have from 1 to {NAME_BYTES} bytes: {member!r:.80}")
    line = path.stem
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    connection.settimeout(WELCOME_S)
    try:
        connection.connect(str(path))
    except OSError as nobody:  # also a path that is too long
        connection.close()
        why = f"nobody owns the line {line} ({nobody}): is [line.{line}] running? See holdfast status {line}"
        raise LinkDown(why) from nobody
    client = LineClient(connection, line)
    client.introduce(member)
    return client


class LineClient:
    """An open connection to the owner of a line. Used by one thread."""

    def __init__(self, connection: socket.socket, line: str, clock: Clock | None = None) -> None:
        self._connection: socket.socket | None = connection
        self._line, self._clock = line, clock or MachineClock()
        self._number = 0

    def introduce(self, member: str) -> None:
        """Tell the owner who this is, and wait for its welcome; see `open_line`, which has done it."""
        try:
            self._send(pack(Hello(member)))
            reply = self._reply(0, self._clock.now() + WELCOME_S)
        except LinkTimeout as hung:
            self.close()
            raise LinkDown(str(hung)) from hung
        if reply.outcome is not Outcome.ANSWER:
            self.close()
            raise reply.error or LinkDown(f"{self._line} refused")

    def exchange(self, request: bytes, answer: str, timeout_s: float, urgent: bool = False) -> bytes:
        """Send `request` on the line, alone, and return the answer, without the noise around it.

        `answer` says how its end is found: "rtu", "until:<hex of the delimiter>", "bytes:<n>", or "none" for a
        broadcast, which returns b"" when it is sent. `timeout_s` is the wait on the line, which the line's own
        `timeout` bounds. An `urgent` request goes before others' ordinary ones.

        Raises LinkTimeout: no or only a damaged answer came in time, the turn did not come in time, or (at once) the
        member is on probation and not to be probed yet. LinkDown: the port or the owner is gone; open the line again.
        LinkRefused: the line has no way to ask that. ValueError: a rule or a request that cannot be.
        """
        find_by(answer, request)
        self._number = self._number % _NUMBERS + 1
        self._send(pack(Request(self._number, request, answer, timeout_s, urgent)))
        reply = self._reply(self._number, self._clock.now() + QUEUE_S + timeout_s + MARGIN_S)
        if reply.error is not None:
            raise reply.error
        return reply.body

    def close(self) -> None:
        """Leave the line. May be called twice; never raises."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def _send(self, packet: bytes) -> None:
        try:
            self._open().settimeout(MARGIN_S)
            self._open().send(packet)
        except TimeoutError as full:
            raise self._down("takes no more requests: it hangs") from full
        except OSError as gone:
            raise self._down(f"is gone ({gone})") from gone

    def _reply(self, number: int, deadline: float) -> Reply:
        """The owner's answer to that request; answers to requests that were given up are passed over."""
        while (left_s := deadline - self._clock.now()) > 0:
            try:
                self._open().settimeout(left_s)
                reply = unpack_reply(self._open().recv(MOST_BYTES))
            except TimeoutError:
                break
            except (OSError, NotUnderstood) as gone:  # no byte at all is the end of the connection
                raise self._down("is gone") from gone
            if reply.number == number:
                return reply
        raise LinkTimeout(f"the owner of the line {self._line} did not answer; see holdfast status {self._line}")

    def _open(self) -> socket.socket:
        if self._connection is None:
            raise LinkDown(f"the connection to the line {self._line} is closed")
        return self._connection

    def _down(self, how: str) -> LinkDown:
        self.close()
        return LinkDown(f"the owner of the line {self._line} {how}; see holdfast status {self._line}")
