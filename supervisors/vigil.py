"""The root's vigil over the signs of life of its children: who has been silent for too long hangs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from supervisors.life import Life
from transports.clock import Clock
from transports.mailbox import Mailbox, Timer
from transports.messages import Beat

STALL_S = 0.5  # a look that comes this late was not late by chance: the loop itself stood still


@dataclass(frozen=True, slots=True)
class Watch:
    """What the vigil asks and tells: monotonic seconds, names, tokens."""

    patience_s: Callable[[str], float]  # how long a child may be silent
    looked: Callable[[float], None]  # time has passed
    hung: Callable[[str, int, float], None]


class Vigil:
    """Looks at `lives` every `every_s`, and earlier when asked to."""

    def __init__(self, clock: Clock, mailbox: Mailbox, lives: Mapping[str, Life], every_s: float, watch: Watch) -> None:
        self._clock, self._mailbox, self._lives, self._every_s, self._watch = clock, mailbox, lives, every_s, watch
        self._next = Timer(inf, 0, None)
        self._excused = False  # the last look came too late to blame anybody

    def begin(self) -> None:
        """Look now, and from now on."""
        self._next = self._mailbox.at(self._clock.now(), self._look)

    def not_after(self, when: float) -> None:
        """Look at that time at the latest: something is due then."""
        if when < self._next.at:
            self._at(when)

    def no_slower_than(self, every_s: float) -> None:
        """A child is there whose silence must be noticed earlier than that of the others."""
        self._every_s = min(self._every_s, every_s)

    def heard(self, name: str, beat: Beat) -> None:
        """A sign of life; one of an older incarnation says nothing."""
        life = self._lives.get(name)
        if life is not None and life.token == beat.token:
            life.last_beat, life.progress, life.state = self._clock.now(), beat.progress, beat.state

    def _at(self, when: float) -> None:
        self._next.cancel()
        self._next = self._mailbox.at(when, self._look)

    def _look(self) -> None:
        """Let time have passed, then look over the signs of life; then again a little later."""
        now = self._clock.now()
        stalled_s = now - self._next.at
        self._excused = stalled_s > STALL_S and not self._excused
        self._at(now + self._every_s)
        if self._excused:  # nobody's silence: what the children said meanwhile is still unread
            for life in self._lives.values():
                life.last_beat = min(now, life.last_beat + stalled_s)
            return
        self._watch.looked(now)
        for name, life in list(self._lives.items()):
            if life.ready and now - life.last_beat > self._watch.patience_s(name):
                self._watch.hung(name, life.token, now)
