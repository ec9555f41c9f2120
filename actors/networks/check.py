"""The checks of one link for one uplink: when, how long waited for, and what they say.

    due ──> a connection under way (probe.py) ──taken──> good
                  └── refused, unreachable, or not within check_timeout ──> bad, and soon again

While messages of the uplink arrive they are the check, and nothing is probed. A probe runs alone: one that is stuck in
the resolver counts as bad at each period, and no other is begun beside it, be the cable pulled meanwhile or not.
However often the interface comes and goes, two looks are some way apart: each costs a thread, and bytes.
"""

from collections.abc import Callable, Sequence
from math import inf

from actors.networks import standing
from actors.networks.settings import UPLINK, Settings
from actors.networks.standing import Standing
from transports.clock import Clock
from transports.interfaces.probe import Server, probe
from transports.mailbox import Mailbox, Timer
from transports.sockets import address_of
from transports.uplinks._opening import Opening

SOON = 0.25  # of a period: while it is not yet given up, a bad check is followed by the next no sooner than this
NEVER_S = inf  # a pace: nothing may pass, not even a check
LATE_S = 0.2  # beyond the time-out: the thread has its own


class Check:
    """Calls `changed()` whenever `standing` says something new. `period_s` may be set at any time."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        link: Settings,
        servers: Sequence[Server],
        changed: Callable[[], None],
    ) -> None:
        self._mailbox, self._clock, self._link, self._changed = mailbox, clock, link, changed
        self._servers = servers if link.check == UPLINK else (address_of(link.check),)
        self.standing = Standing(since=clock.now())
        self.period_s = link.check_period_s
        self._begun = -inf
        self._timer: Timer | None = None
        self._probe: Opening[bool] | None = None
        self._is_stale = False  # what is under way was begun before the cable was pulled

    def soon(self) -> None:
        """Look now, unless a look is under way, or was begun a moment ago: then a moment later."""
        when = max(self._clock.now(), self._begun + self._link.check_period_s * SOON)
        if self._probe is None and self.period_s < NEVER_S and (self._timer is None or when < self._timer.at):
            self._at(when)

    def pace(self, period_s: float) -> None:
        """Look so often from now on."""
        due, before, self.period_s = self._begun + period_s, self.period_s, period_s
        if self._probe is not None:
            return
        if period_s == NEVER_S:
            self._at(NEVER_S)
        elif period_s < before and (self._timer is None or due < self._timer.at):
            self._at(max(due, self._clock.now()))

    def fared(self, well: bool) -> None:
        """The uplink's own connection over this link: its messages arrive, or it was lost."""
        if well:
            self._tell(standing.good(self.standing, self._clock.now()))
            if self._probe is None:
                self._at(self._clock.now() + self.period_s / 2)
        else:
            self.soon()

    def cut(self, why: str) -> None:
        """The cable is gone; whatever is under way says nothing any more."""
        self._at(NEVER_S)
        self._is_stale = self._probe is not None
        self._tell(standing.cut(self.standing, self._clock.now(), why))

    def mended(self) -> None:
        """The cable is there again."""
        self._tell(standing.mended(self.standing))
        self.soon()
        if self._probe is not None:
            self._at(max(self._clock.now(), self._patience_ends))

    def end(self) -> None:
        """Look no more."""
        self._at(NEVER_S)
        looked, self._probe = self._probe, None
        if looked is not None:
            self._mailbox.forget(looked.fileno())
            looked.abandon()

    @property
    def _patience_ends(self) -> float:
        return self._begun + self._link.check_timeout_s + LATE_S

    def _at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._mailbox.at(when, self._due) if when < NEVER_S else None

    def _due(self) -> None:
        self._timer = None
        now = self._clock.now()
        if self.standing.cut:
            return
        if self._probe is not None:
            self._bad(now, f"no answer for {now - self._begun:.0f} s; can the name of the server be resolved?")
            self._at(now + self.period_s)
            return
        link = self._link
        self._begun = now
        self._probe = probe(f"check of {link.interface}", self._servers, link.check_timeout_s, link.interface)
        self._mailbox.when_readable(self._probe.fileno(), self._over)
        self._at(self._patience_ends)

    def _over(self) -> None:
        looked, self._probe = self._probe, None
        assert looked is not None
        self._mailbox.forget(looked.fileno())
        now = self._clock.now()
        if self._is_stale:
            looked.abandon()
            self._is_stale = False
            self._at(NEVER_S)
            self.soon()
            return
        try:
            looked.result()
        except (OSError, ValueError) as failed:
            self._bad(self._begun, (failed.strerror if isinstance(failed, OSError) else "") or str(failed))
            self._at(max(now, self._begun + self.period_s * (SOON if self.standing.up else 1)))
        else:
            self._at(self._begun + self.period_s)
            self._tell(standing.good(self.standing, now))

    def _bad(self, began: float, why: str) -> None:
        self._tell(standing.bad(self.standing, began, why, self._link.fail_after))

    def _tell(self, now: Standing) -> None:
        self.standing = now
        self._changed()
