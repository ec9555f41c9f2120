"""The answer on a serial line: where it begins and ends in what is heard after a request.

    rule              the answer is
    rtu               the first whole Modbus RTU answer to that request, CRC included; what lies before it is noise
    until:<hex>       all up to the delimiter, which belongs to it: until:0d0a
    bytes:<n>         the first n bytes
    none              not awaited: a broadcast

With `echo`, the adapter hears what it sends: the answer begins after the request's own copy. A write's answer is often
equal to its request, so an echo that nobody takes off would confirm what no slave has heard.

A decider: chunks in, an answer out; any split into chunks gives the same. What is held is bounded.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from transports import rtu_frames

MOST_BYTES = 4096  # of one request or answer
_RTU_HELD_BYTES = 2 * rtu_frames.MOST_BYTES  # noise, and an answer behind it

Place: TypeAlias = tuple[int, int]  # where an answer begins and ends
Find: TypeAlias = Callable[[bytes], Place | None]


def find_by(rule: str, request: bytes) -> Find | None:
    """How to find the answer in what was heard; None where none is awaited. Raises ValueError, saying what is wrong."""
    if not 0 < len(request) <= MOST_BYTES:
        raise ValueError(f"a request must have from 1 to {MOST_BYTES} bytes, not {len(request)}")
    match rule.split(":"):
        case ["none"]:
            return None
        case ["rtu"]:
            return _rtu(request)
        case ["until", text] if re.fullmatch("([0-9a-fA-F]{2}){1,16}", text):
            return _until(bytes.fromhex(text))
        case ["bytes", text] if re.fullmatch("[0-9]{1,4}", text) and 0 < int(text) <= MOST_BYTES:
            return _count(int(text))
    raise ValueError(f"the end of an answer must be rtu, none, until:<hex> or bytes:<1..{MOST_BYTES}>, not {rule!r}")


def _rtu(request: bytes) -> Find:
    if not rtu_frames.known(request):
        raise ValueError(
            f"{request[:16].hex(' ')} is no Modbus RTU request with a good CRC of which the answer is known"
        )
    if request[0] == rtu_frames.BROADCAST:
        raise ValueError("a broadcast (unit 0) has no answer: its rule is none")

    def find(heard: bytes) -> Place | None:
        begin = heard.find(request[:1])
        while begin >= 0:
            length = rtu_frames.answer_length(request, heard[begin : begin + rtu_frames.MOST_BYTES])
            if length is not None and rtu_frames.is_answer(request, heard[begin : begin + length]):
                return begin, begin + length
            begin = heard.find(request[:1], begin + 1)
        return None

    return find


def _until(delimiter: bytes) -> Find:
    def find(heard: bytes) -> Place | None:
        at = heard.find(delimiter)
        return (0, at + len(delimiter)) if at >= 0 else None

    return find


def _count(size: int) -> Find:
    return lambda heard: (0, size) if len(heard) >= size else None


class Awaited:
    """What is heard in one turn. `noise_bytes` are those that belong to neither an echo nor the answer."""

    def __init__(self, request: bytes, rule: str, echo: bool = False) -> None:
        self._request, self._find = request, find_by(rule, request)
        self._most = _RTU_HELD_BYTES if rule == "rtu" else MOST_BYTES
        self._heard = b""
        self._echo_due = echo
        self._dropped = 0
        self.noise_bytes = 0

    @property
    def expected(self) -> bool:
        """Whether there is an answer to wait for."""
        return self._find is not None

    def feed(self, chunk: bytes) -> bytes | None:
        """The answer, when this chunk completes it. Nothing is fed after that."""
        self._heard += chunk
        if self._echo_due and not self._took_off_echo():
            self._bound(len(self._request) + self._most)
            return None
        place = self._find(self._heard) if self._find is not None else None
        if place is None:
            self._bound(self._most)
            return None
        begin, end = place
        self.noise_bytes = self._dropped + begin + len(self._heard) - end
        return self._heard[begin:end]

    def gave_up(self) -> str:
        """It did not come: what was heard instead, in words; "" when that is nothing. Counts it as noise."""
        heard = self._dropped + len(self._heard)
        self.noise_bytes = heard
        if self._echo_due and heard:
            return f"; what came ({self._shown}) is not the echo of the request: is echo = true right?"
        if self._heard == self._request:
            return "; only its own echo came: if the adapter hears what it sends, set echo = true"
        return f"; {heard} bytes came that are no answer to it ({self._shown})" if heard else ""

    @property
    def _shown(self) -> str:
        return f"{self._heard[:16].hex(' ')}{' ...' if len(self._heard) > 16 else ''}"

    def _took_off_echo(self) -> bool:
        at = self._heard.find(self._request)
        if at < 0:
            return False
        self._dropped += at
        self._heard = self._heard[at + len(self._request) :]
        self._echo_due = False
        return True

    def _bound(self, most: int) -> None:
        surplus = len(self._heard) - most
        if surplus > 0:
            self._dropped += surplus
            self._heard = self._heard[surplus:]
