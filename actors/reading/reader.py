"""The reading of one device: its link is opened, read on time or when it speaks, given up when lost, opened again.

CLOSED ──connect──> OPEN ──LinkDown, or timeouts in a row──> CLOSED, open again after a back-off
                      │ due, or readable: read ──> take(batches)
                      └── no answer, silence, loss ──> take(Bad samples)
"""

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from actors.reading.receipts import Receipts
from actors.reading.silence import Silence
from actors.reading.timetable import Timetable
from transports.backoff import Backoff
from transports.clock import Clock
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.links import Link, Listening, Paced
from transports.mailbox import Mailbox
from transports.samples import Batch, Quality, Scan, Tag, all_bad, batch_of

log = logging.getLogger("holdfast.device")
TIMEOUTS_IN_A_ROW = 3  # then the connection itself is suspected and made anew


@dataclass(slots=True)
class Tally:
    """What a device tells of its link."""

    connected: bool = False
    timeouts: int = 0
    refused: int = 0
    reopened: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a device is read: every `period_s`, or when it speaks; 0 s of silence are never too long."""

    period_s: float
    silent_after_s: float
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class Hearer:
    """Who is told: of what was read (with its mark), of a device that was never met, of a link that came or went.

    `is_full` says whether so much waits to become durable that a device which keeps its readings had better keep them;
    `marks` which reads are not durable yet.
    """

    take: Callable[[Sequence[Batch], int], None]
    unmet: Callable[[str], None]
    came: Callable[[], None]
    lost: Callable[[str], None]
    is_full: Callable[[], bool]
    marks: Callable[[], Iterable[int]]


class Reader:
    """See the module's note. `connect` opens a link or raises LinkDown; `link` is the open one, None without."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        source: str,
        connect: Callable[[], Link],
        manner: Manner,
        hearer: Hearer,
    ) -> None:
        self._mailbox, self._clock, self._source = mailbox, clock, source
        self._connect, self._manner, self._hearer = connect, manner, hearer
        self._timetable = Timetable(mailbox, clock, manner.period_s, self._read)
        self._receipts = Receipts(hearer.marks)
        self._silence = Silence(mailbox, clock, manner.silent_after_s, self._fallen_silent)
        self._attempts = self._timeouts_in_a_row = 0
        self._tags: tuple[Tag, ...] | None = None  # what it was last known to say
        self._leaving = self._held_back = False
        self.link: Link | None = None
        self.tally = Tally()

    @property
    def overruns(self) -> int:
        """Due times that passed while a read took too long."""
        return self._timetable.overruns

    # --- the connection ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect and begin to read; when that fails, again later."""
        if self._leaving:
            return
        try:
            link = self._connect()
        except (LinkDown, LinkTimeout) as down:
            self.lose(str(down))
            return
        if self.tally.last_error or self.tally.reopened:
            log.warning("connected again")
        self.link, self._tags = link, link.tags
        self.tally.connected, self.tally.last_error = True, ""
        self.tally.reopened += 1
        self._timeouts_in_a_row = 0
        self._receipts.connected(link)
        if isinstance(link, Listening):
            self._silence.heard()
            self._listen()
        else:
            self._timetable.begin(link.paces if isinstance(link, Paced) else ())
        self._hearer.came()

    def lose(self, why: str, quality: int = Quality.BAD_NOT_CONNECTED) -> None:
        """The device cannot be reached: say so, once in the log and as Bad samples, and try again later."""
        if why != self.tally.last_error:
            log.warning("%s", why)
        self.tally.connected, self.tally.last_error = False, why
        self._close()
        self._say_bad(why, quality)
        self._hearer.lost(why)
        delay_s = self._manner.backoff.delay_s(self._attempts, random.random())
        self._attempts += 1
        self._mailbox.at(self._clock.now() + delay_s, self.open)

    def leave(self) -> None:
        """Read no more. A link that waits for receipts stays open until it had them, or `close`."""
        self._leaving = True
        self._timetable.end()
        self._silence.end()
        link: object = self.link
        if not self._receipts.wanted:
            self._close()
        elif isinstance(link, Listening):
            self._mailbox.forget(link.fileno())

    def close(self) -> None:
        """The end: what is durable is told, the link closed."""
        self._receipts.look()
        self._close()

    def progressed(self) -> None:
        """More is durable than before."""
        self._receipts.look()
        if self._held_back and not self._leaving and not self._hearer.is_full():
            self._listen()

    def _close(self) -> None:
        link, self.link = self.link, None
        self._timetable.end()
        self._silence.end()
        self._receipts.lost()
        self._held_back = False
        if link is not None:
            if isinstance(link, Listening):
                self._mailbox.forget(link.fileno())
            link.close()

    def _say_bad(self, why: str, quality: int) -> None:
        if self._tags:
            self._hearer.take([all_bad(self._source, 0, self._tags, self._clock.utc_ns(), quality)], 0)
        elif self._tags is None and not self._attempts:
            self._hearer.unmet(why)

    # --- listening ---------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Read whenever the link has something; one that waits for receipts only while there is room for it."""
        link: object = self.link
        if isinstance(link, Listening):
            self._held_back = self._receipts.wanted and self._hearer.is_full()
            if self._held_back:
                self._mailbox.forget(link.fileno())
            else:
                self._mailbox.when_readable(link.fileno(), self._heard)

    def _heard(self) -> None:
        self._read(None)
        if self._receipts.wanted and self._hearer.is_full():
            self._listen()

    def _fallen_silent(self) -> None:
        if self._held_back:  # it is not listened to, because nothing more can be kept
            self._silence.heard()
            return
        why = f"silent for {self._manner.silent_after_s:g} s"
        log.warning("%s", why)
        self.tally.last_error = why
        self._say_bad(why, Quality.BAD_NO_COMMUNICATION)

    # --- reading -----------------------------------------------------------------------------------------------------

    def read_out_of_turn(self) -> None:
        """Read a polled device now, all its tags: what it says is a reading like any other."""
        link = self.link
        if link is not None and not isinstance(link, Listening):
            for pace_s in (None, *(link.paces if isinstance(link, Paced) else ())):
                self._read(pace_s)

    def _read(self, pace_s: float | None) -> None:
        link = self.link
        if link is None:
            return
        self._receipts.reading()
        try:
            said = link.read_pace(pace_s) if pace_s is not None and isinstance(link, Paced) else link.read()
        except LinkTimeout as late:
            self._timed_out(str(late))
        except LinkRefused as refused:
            self.tally.refused += 1
            self.tally.last_error = str(refused)
            self._say_bad(str(refused), Quality.BAD_NOT_READABLE)
        except LinkDown as down:
            self.lose(str(down))
        else:
            self._said(link, said)

    def _said(self, link: Link, said: Sequence[Scan] | Batch) -> None:
        self._attempts = self._timeouts_in_a_row = 0
        self._tags = link.tags
        batches = [said] if isinstance(said, Batch) else batches_of(self._source, said)
        if batches:
            self.tally.last_error = ""
            self._silence.heard() if isinstance(link, Listening) else None
            self._hearer.take(batches, self._receipts.mark)
        self._receipts.look()

    def _timed_out(self, why: str) -> None:
        self.tally.timeouts += 1
        self.tally.last_error = why
        self._timeouts_in_a_row += 1
        if self._timeouts_in_a_row >= TIMEOUTS_IN_A_ROW:
            self.lose(f"{why} ({TIMEOUTS_IN_A_ROW} times in a row)", Quality.BAD_TIMEOUT)
        else:
            self._say_bad(why, Quality.BAD_TIMEOUT)


def batches_of(source: str, scans: Sequence[Scan]) -> list[Batch]:
    """Neighbouring scans of the same tags as one batch each."""
    batches, begin = [], 0
    for at in range(1, len(scans) + 1):
        if at == len(scans) or scans[at].tags is not scans[begin].tags:
            batches.append(batch_of(source, 0, scans[begin:at]))
            begin = at
    return batches
