"""One chip of a bus through its life: found, configured, read, lost, found again.

    NEW ──configure──> SET ──read──> a look              a failure, or settings that are gone ──> NEW

What follows a failure is decided here for one chip alone; the others of the bus do not notice.
"""

import errno
import logging
from dataclasses import dataclass

from transports.chips import BAD_WAITING_FOR_INITIAL_DATA, Chip, Look
from transports.errors import LinkRefused
from transports.i2c.port import quality_of, reason_of, was_garbled
from transports.i2c.target import Target
from transports.quality import Quality
from transports.samples import Tag

log = logging.getLogger("holdfast.i2c")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a turn of a chip brought, and when that was measured (UTC ns). `silent`: the chip did not answer."""

    look: Look
    time_ns: int
    silent: bool = False


class Station:
    """See the module's note. `tags` are named within the device."""

    def __init__(self, name: str, chip: Chip, target: Target) -> None:
        self.name, self.chip, self.late = name, chip, chip.late
        self.tags = tuple(Tag(f"{name}.{tag.name}", tag.type, tag.unit) for tag in chip.tags)
        self.reason = ""  # why there are no values; "" while there are
        self.holds_the_bus = self.was_passed_over = False
        self._target, self._set, self._turn_ns = target, False, 0

    def take_turn(self, now_ns: int) -> Outcome:
        """Read it once; configure it before where that is due. Raises LinkDown when the bus is gone."""
        self.holds_the_bus = self.was_passed_over = False
        try:
            look = self._look()
        except LinkRefused as other:
            self._set = False
            self._note(str(other))
            return Outcome(self._bad(Quality.BAD_DEVICE_FAILURE), now_ns)
        except OSError as failed:
            self._set = self._set and was_garbled(failed)
            self._turn_ns = now_ns  # what came garbled may have started the next measurement all the same
            self.holds_the_bus = failed.errno == errno.ETIMEDOUT
            self._note(reason_of(failed))
            return Outcome(self._bad(quality_of(failed)), now_ns, silent=not was_garbled(failed))
        return Outcome(look, self._stamp(look, now_ns))

    def passed_over(self, now_ns: int) -> Outcome:
        """There was no time left for it: another chip holds the bus. Silent only if it held the bus itself before."""
        self.was_passed_over = True
        return Outcome(self._bad(Quality.BAD_TIMEOUT), now_ns, silent=self.holds_the_bus)

    def _look(self) -> Look:
        self._target.select()
        if self._set:
            look = self._read()
            if look is not None:
                return look
            self._note("lost its settings (was it without power?); it is configured again")
        self._set = False
        readable = self.chip.configure(self._target)
        self._set = True
        if not readable:
            return self._bad(BAD_WAITING_FOR_INITIAL_DATA)
        look = self._read()
        if look is None:
            raise LinkRefused("does not hold what its setup writes; is check = false right for one of its registers?")
        return look

    def _read(self) -> Look | None:
        look = self.chip.read(self._target)
        if look is not None and look.codes and BAD_WAITING_FOR_INITIAL_DATA not in look.codes:
            self._note("")
        return look

    def _stamp(self, look: Look, now_ns: int) -> int:
        """When it was measured: now, or when the reading before started it."""
        measured_ns = self._turn_ns if look.late else now_ns
        if look.at != ():
            self._turn_ns = now_ns
        return measured_ns or now_ns

    def _bad(self, quality: int) -> Look:
        return Look([None] * len(self.tags), [quality] * len(self.tags))

    def _note(self, reason: str) -> None:
        """Log when a chip is lost and when it is back, not at each reading."""
        if reason == self.reason:
            return
        if reason:
            log.warning("%s (0x%02x) %s", self.name, self._target.address, reason)
        else:
            log.info("%s (0x%02x) is read again", self.name, self._target.address)
        self.reason = reason
