"""Room on the disk: made by giving up the oldest where the policy is to, and each loss announced in its own topic.

    write ──disk full──> shed the oldest ──> write ──> ...      nothing to shed: SpoolFull, and nothing was taken
                              └──> Dropped ──> a GAP in the topic, as soon as it can be written

What was given up stays to be announced when the spool is lost and opened again: it is gone from the disk.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from transports import codec
from transports.clock import Clock
from transports.errors import SpoolFull
from transports.names import SPOOLER
from transports.samples import Gap
from transports.spool import GAP, Dropped, Hole, Settings, Spool
from transports.spool.settings import Policy

log = logging.getLogger("holdfast.spooler")
T = TypeVar("T")
GIVES_WAY = (Policy.DROP_OLDEST, Policy.THIN)  # the policies whose topics give up their oldest when the disk is full


class Room:
    """Of one open spool. `unsaid` is its owner's list of what is still to be announced."""

    def __init__(self, spool: Spool, settings: Settings, clock: Clock, unsaid: list[tuple[Dropped, str]]) -> None:
        self._spool, self._settings, self._clock, self._unsaid = spool, settings, clock, unsaid

    def write(self, topic: str, what: Callable[[], T]) -> T:
        """Do it, giving up the oldest for as long as the disk is full. Raises SpoolFull when nothing is left to give up
        or the topic's own quota is used up: then nothing of it was done."""
        while True:
            try:
                return what()
            except SpoolFull as full:
                if full.quota or not self._made(topic):
                    raise

    def given_up(self, dropped: Iterable[Dropped], detail: str = "") -> None:
        """Records are gone: say so in the log now, and in their topic when `announce` is called."""
        for each in dropped:
            log.warning(
                "%s: %d records were given up (%s)%s", each.topic, each.count, each.reason, detail and f" {detail}"
            )
            before, said = self._unsaid[-1] if self._unsaid else (None, "")
            if before and said == detail and (joined := _joined(before, each)):
                self._unsaid[-1] = joined, detail
            else:
                self._unsaid.append((each, detail))

    def announce(self) -> set[str]:
        """Append what is to be announced; the topics that got something. What finds no room is tried again later."""
        told = set()
        while self._unsaid:
            dropped, detail = self._unsaid[0]
            last, _ = self._spool.producer(dropped.topic, SPOOLER)
            payload = codec.pack(gap_of(dropped, detail))
            try:
                self._spool.append(dropped.topic, SPOOLER, last + 1, [payload], self._clock.utc_ns(), kind=GAP)
            except SpoolFull:
                break
            del self._unsaid[0]
            told.add(dropped.topic)
        return told

    def _made(self, topic: str) -> bool:
        """Whether something could be given up: of the topic itself, or of the one that takes most."""
        stat = self._spool.stat()
        others = sorted((each for each in stat if each != topic), key=lambda each: -stat[each].bytes)
        return any(self._shed(each) for each in (topic, *others) if self._settings.quota(each).policy in GIVES_WAY)

    def _shed(self, topic: str) -> bool:
        try:
            self.given_up(self._spool.shed(topic))
        except SpoolFull:
            return False
        return True


def gap_of(missing: Hole | Dropped, detail: str = "") -> Gap:
    """Missing records of a topic as a gap that travels north: their seq are the spool's."""
    source = f"spool/{missing.topic}/{missing.first.epoch}"
    first, last = missing.first.seq, missing.last.seq
    return Gap(source, missing.reason, missing.since_ns, missing.until_ns, first, last, missing.count, detail)


def _joined(one: Dropped, other: Dropped) -> Dropped | None:
    """Neighbours as one; None for those that are none."""
    same = (one.topic, one.reason, one.last.epoch) == (other.topic, other.reason, other.first.epoch)
    if not same or one.last.seq + 1 != other.first.seq:
        return None
    return replace(one, last=other.last, count=one.count + other.count, until_ns=max(one.until_ns, other.until_ns))
