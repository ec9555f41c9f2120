"""Feeds systemd's watchdog while the root proves that it works: each round asks, and only answers feed.

    timer ──> round ──Status──> run_dir/root.ipc ──> the loop ──> answer ──┐
                └─────ping────> the zygote ──> answer ─────────────────────┴──> proofs (pure) ──due──> WATCHDOG=1

Four rounds in the time that systemd allows, a proof may be two rounds old: one answer may be late, and what has stopped
working is restarted within one and a half times WatchdogSec. Without WATCHDOG_USEC nothing is asked.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisors.notify import Notify
from supervisors.proofs import Proof, Proofs, due, fed, overdue, planted, proven
from transports.clock import Clock
from transports.errors import HoldfastError
from transports.mailbox import Mailbox
from transports.messages import Status
from transports.names import ROOT, listens, mailbox_path

log = logging.getLogger("holdfast.watchdog")
ROUND_S = 0.25  # a round at the shortest: more would be work for its own sake
EXCUSE_S = 120.0  # to replace a zygote: a few tries on a slow disk, with the back-off between them


@dataclass(frozen=True, slots=True)
class Line:
    """What can be asked about the zygote of the moment."""

    ping: Callable[[], None]
    answered: Callable[[], float]  # when one last did (monotonic)
    replaced: Callable[[], bool]  # whether another one is on its way


class Watchdog:
    """See the module's note. `heard` is told each answer to Status, for whoever wants to say how things are."""

    def __init__(
        self,
        notify: Notify,
        clock: Clock,
        mailbox: Mailbox,
        run_dir: Path,
        zygote: Line,
        heard: Callable[[Any], None] = lambda _: None,
        excuse_s: float = EXCUSE_S,
    ) -> None:
        self._notify, self._clock, self._mailbox, self._zygote, self._heard = notify, clock, mailbox, zygote, heard
        self._socket = mailbox_path(run_dir, ROOT)
        self._round_s = max((notify.watchdog_s or 0.0) / 4, ROUND_S)
        self._proofs: Proofs = planted(clock.now(), 2 * self._round_s, excuse_s)
        self._starving: Sequence[Proof] = ()

    def begin(self) -> None:
        """Ask from now on, where somebody wants to know."""
        if self._notify.watchdog_s is not None:
            now = self._clock.now()
            self._proofs = planted(now, self._proofs.limit_s, self._proofs.excuse_s)
            self._mailbox.offer(ROOT, Status())  # makes the connection, which only the running loop can accept
            self._mailbox.at(now + ROUND_S, self._round)

    def _round(self) -> None:
        now = self._clock.now()
        self._mailbox.at(now + self._round_s, self._round)
        self._proofs = proven(self._proofs, Proof.LOOP, now)
        self._look(now)
        self._zygote.ping()
        if self._can_be_found():
            self._mailbox.ask(ROOT, Status(), self._proofs.limit_s, self._answered, _unanswered)

    def _can_be_found(self) -> bool:
        """Whether its path leads to the control socket, as an operator goes: somebody may have deleted the file."""
        try:
            return listens(self._socket)
        except OSError:  # no descriptor to try it with: the question will tell
            return True

    def _answered(self, status: Any) -> None:
        now = self._clock.now()
        self._proofs = proven(self._proofs, Proof.CONTROL, now)
        self._look(now)
        self._heard(status)

    def _look(self, now: float) -> None:
        """Feed, if that is due; say so when it ceases to be or is again."""
        replaced = self._zygote.replaced()
        self._proofs = proven(self._proofs, Proof.ZYGOTE, self._zygote.answered())
        if due(self._proofs, now, replaced):
            self._notify.feed()
            self._proofs = fed(self._proofs, now)
        starving = overdue(self._proofs, now, replaced)
        if starving and not self._starving:
            log.error("no sign of life from %s: the watchdog is not fed", " and ".join(starving))
        elif self._starving and not starving:
            log.warning("the watchdog is fed again")
        self._starving = starving


def _unanswered(_: HoldfastError) -> None:
    """The proof of this round is missing; that is all there is to it."""
