"""Some points of a Modbus device that are read together: one scan a read, one request a block.

A block that the device refuses is split (findings.py), in this read as far as SEARCH requests go, the rest in
the next ones; what is not known yet is Bad with the device's reason, as is what was set aside. Only a read in which
nothing was refused tries again what was found before, so that a search is never disturbed by its own doubts.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from transports.clock import Clock
from transports.errors import LinkTimeout
from transports.modbus import pdu
from transports.modbus.exceptions import named, quality_of
from transports.modbus.findings import (
    AGAIN_S,
    Findings,
    Trial,
    blocks_of,
    next_trial_at,
    pieces,
    refused,
    trials,
    tried,
)
from transports.modbus.plan import Block
from transports.modbus.tags import Point
from transports.modbus.values import Decoder, decoder, may_fail
from transports.samples import Quality, Scan, Tag

log = logging.getLogger("holdfast.modbus")
SEARCH = 16  # requests that one read spends on finding what is refused, beside those of its plan
TRIALS = 2  # requests that one read spends on trying again
_NAMES_SAID = 5

Ask = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Part:
    """A block, ready to be asked."""

    block: Block
    request: bytes
    decode: Decoder
    run: slice | None  # where its members stand side by side in the scan
    may_fail: bool


@dataclass(slots=True)
class _Row:
    """A scan that is being filled: a value and a status code for each point, and when the first answer came."""

    values: list[Any]
    codes: list[int]
    time_ns: int = 0


class Reading:
    """The plan for some points, and what their device turned out to refuse."""

    def __init__(self, points: Sequence[Point], max_gap: int, ask: Ask, where: str, clock: Clock) -> None:
        self.tags = tuple(Tag(point.name, point.type, point.unit) for point in points)
        self._points, self._max_gap = tuple(points), max_gap
        self._ask, self._where, self._clock = ask, where, clock
        self._findings = Findings()
        self._complaints: dict[Block, int] = {}
        self._compile()

    def read(self) -> Scan:
        """One scan of all points. Raises what asking raises."""
        row = _Row([None] * len(self._points), list(self._codes))
        before = self._findings
        self._read_blocks(row)
        if self._findings is not before:
            self._learned(before)
        elif not self._parts or self._clock.now() >= self._next_trial_at:
            self._try_again()
        time_ns = row.time_ns or self._clock.utc_ns()
        return Scan(time_ns, self.tags, row.values, row.codes if any(row.codes) else Quality.GOOD)

    def _read_blocks(self, row: _Row) -> None:
        waiting, left = deque(self._parts), SEARCH
        while waiting:
            part = waiting.popleft()
            answer = self._ask(part.request)
            row.time_ns = row.time_ns or self._clock.utc_ns()  # on a shared line its turn may have come late
            code = pdu.refusal(answer)
            if not code:
                self._fill(row, part, answer)
                continue
            for place in part.block.members:
                row.codes[place] = quality_of(code)
            smaller = self._refused(part.block, code)
            if len(smaller) <= left:
                left -= len(smaller)
                waiting.extendleft(self._part(block) for block in reversed(smaller))

    def _fill(self, row: _Row, part: _Part, answer: bytes) -> None:
        values, members = part.decode(answer[2:]), part.block.members
        if part.run is not None:
            row.values[part.run] = values
        else:
            for place, value in zip(members, values, strict=True):
                row.values[place] = value
        if part.may_fail or row.codes[members[0]]:
            for place, value in zip(members, values, strict=True):
                row.codes[place] = Quality.BAD_DECODING if value is None else Quality.GOOD
        if self._complaints and self._complaints.pop(part.block, 0):
            log.info("%s answers again for %s", self._where, part.block)

    def _refused(self, block: Block, code: int) -> tuple[Block, ...]:
        """Learn from it; what is to be asked in place of the block, nothing when that taught nothing."""
        findings = refused(self._findings, self._points, block, code, self._clock.now())
        if findings is self._findings:
            self._complain(block, code)
            return ()
        self._findings = findings
        return pieces(self._points, block, findings)

    def _complain(self, block: Block, code: int) -> None:
        """Log when a block's refusal comes or changes, not at each read."""
        if self._complaints.get(block, 0) != code:
            self._complaints[block] = code
            log.warning("%s refuses to read %s: %s", self._where, block, named(code))

    # --- what was found ----------------------------------------------------------------------------------------------

    def _try_again(self) -> None:
        before = self._findings
        for trial in trials(before, self._points, self._max_gap, self._clock.now(), TRIALS):
            code = self._try(trial)
            self._findings = tried(self._findings, trial, code, self._clock.now())
        if self._findings is not before:
            self._learned(before)

    def _try(self, trial: Trial) -> int:
        block = trial.block
        request = pdu.read(block.register, block.address, block.count)
        with suppress(*(LinkTimeout,) if self._parts else ()):
            return pdu.refusal(self._ask(request))
        return _SILENT  # it answers everything else

    def _learned(self, before: Findings) -> None:
        now_aside, then_aside = self._findings.aside, before.aside
        for code in sorted({now_aside[place].code for place in now_aside.keys() - then_aside.keys()}):
            places = [at for at in now_aside if at not in then_aside and now_aside[at].code == code]
            self._say(logging.WARNING, f"refuses %s: {named(code)}; tried again every {AGAIN_S / 60:g} min", places)
        self._say(logging.INFO, "answers again for %s", sorted(then_aside.keys() - now_aside.keys()))
        self._next_trial_at = next_trial_at(self._findings)
        if now_aside.keys() != then_aside.keys() or self._findings.cuts.keys() != before.cuts.keys():
            self._compile()

    def _say(self, level: int, what: str, places: Sequence[int]) -> None:
        if places:
            names = [self._points[place].name for place in sorted(places)]
            more = f" and {len(names) - _NAMES_SAID} more" if len(names) > _NAMES_SAID else ""
            log.log(level, f"%s {what}", self._where, ", ".join(names[:_NAMES_SAID]) + more)

    def _compile(self) -> None:
        blocks = blocks_of(self._points, self._max_gap, self._findings)
        self._parts = [self._part(block) for block in blocks]
        self._complaints = {block: code for block, code in self._complaints.items() if block in blocks}
        self._codes = [0] * len(self._points)
        for place, aside in self._findings.aside.items():
            self._codes[place] = quality_of(aside.code)
        self._next_trial_at = next_trial_at(self._findings)

    def _part(self, block: Block) -> _Part:
        request = pdu.read(block.register, block.address, block.count)
        first, count = block.members[0], len(block.members)
        run = slice(first, first + count) if list(block.members) == list(range(first, first + count)) else None
        return _Part(block, request, decoder(self._points, block), run, may_fail(self._points, block))


_SILENT = 11  # as a gateway says of a device that does not answer
