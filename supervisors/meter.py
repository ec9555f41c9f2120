"""What the children use, looked at a few at a time, and what follows when it is too much."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from supervisors.limits import Standing, Usage, counts_descriptors, judged, limited, renewed
from supervisors.records.events import LimitSoft, say
from supervisors.spec import Limits
from supervisors.usage import Usages
from transports.clock import Clock
from transports.mailbox import Mailbox


class Meter:
    """Watches processes by name. `limits` are those of a child, `below` the memory (bytes) of processes that it has
    itself; `overran` is told who must be restarted, and why."""

    def __init__(
        self,
        clock: Clock,
        mailbox: Mailbox,
        limits: Callable[[str], Limits],
        below: Callable[[str], int],
        overran: Callable[[str, str], None],
    ) -> None:
        self._clock, self._mailbox = clock, mailbox
        self._limits, self._below, self._overran = limits, below, overran
        self._usages = Usages(clock)
        self._standings: dict[str, Standing] = {}
        self._pids: dict[str, int] = {}

    def begin(self) -> None:
        """Look from now on."""
        self._look()

    def watch(self, name: str, pid: int) -> None:
        """A process is there, perhaps the successor of another."""
        self._pids[name] = pid
        self._standings[name] = renewed(self._standings.get(name, Standing()))
        self._usages.watch(name, pid, counts_descriptors(self._limits(name)))

    def forget(self, name: str, for_good: bool = False) -> None:
        """The process has ended; `for_good` says that none will follow."""
        self._pids.pop(name, None)
        self._usages.forget(name)
        if for_good:
            self._standings.pop(name, None)

    @property
    def usages(self) -> Mapping[str, Usage]:
        """What each process used when it was last looked at."""
        last = {name: self._usages.last(name) for name in self._pids}
        return {name: self._whole(name, usage) for name, usage in last.items() if usage is not None}

    def _whole(self, name: str, usage: Usage) -> Usage:
        return replace(usage, rss_bytes=usage.rss_bytes + self._below(name))

    @property
    def alarms(self) -> Mapping[str, list[str]]:
        """Who uses more of what than the soft limits allow."""
        return {name: sorted(standing.over) for name, standing in self._standings.items() if standing.over}

    def _look(self) -> None:
        now = self._clock.now()
        for name, usage in self._usages.look(now):
            limits = self._limits(name)
            if limited(limits):
                self._judge(name, limits, self._whole(name, usage), now)
        self._mailbox.at(now + self._usages.pause_s, self._look)

    def _judge(self, name: str, limits: Limits, usage: Usage, now: float) -> None:
        self._standings[name], verdict = judged(limits, self._standings[name], usage, now)
        for crossed in verdict.crossed:
            say(LimitSoft(name, self._pids[name], str(crossed.what), crossed.used, crossed.soft, crossed.over))
        if verdict.overran:
            self._overran(name, verdict.overran)
