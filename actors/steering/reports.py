"""Which refusals and looks are audited one by one, and which are only counted: pure.

A stranger can send as many requests as they like, and the record of what people did must not be pushed out by it. So of
each kind (who, verb, outcome) the first ALONE in an hour are told, all kinds together no more than TOTAL; the rest is
counted, and told as one line each hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from transports.messages import Requested

HOUR_S = 3600.0
ALONE = 3
TOTAL = 60
KINDS = 200  # that are counted apart; more are counted together
Kind = tuple[str, str, str]


@dataclass(slots=True)
class _Counted:
    told: int = 0
    more: int = 0
    last: Requested | None = None


@dataclass(slots=True)
class Reports:
    """What happened in the hour that began at `since` (monotonic seconds)."""

    since: float
    kinds: dict[Kind, _Counted] = field(default_factory=dict)
    told: int = 0

    def said(self, report: Requested, cause: str) -> Iterator[Requested]:
        """It happened: the report itself, or nothing for now."""
        kind = (report.who, report.verb, cause)
        counted = self.kinds.get(kind)
        if counted is None:
            counted = self.kinds.setdefault(kind if len(self.kinds) < KINDS else ("", "", ""), _Counted())
        if counted.told < ALONE and self.told < TOTAL:
            counted.told += 1
            self.told += 1
            yield report
        else:
            counted.more += 1
            counted.last = report

    def passed(self, now: float) -> Iterator[Requested]:
        """Time has passed: what was counted in the hour that is over."""
        if now - self.since < HOUR_S:
            return
        yield from self.closed()
        self.since, self.told = now, 0

    def closed(self) -> Iterator[Requested]:
        """Everything that was counted and not told; in a flood of kinds, the most frequent."""
        counted = sorted((each for each in self.kinds.values() if each.last), key=lambda each: -each.more)
        for each in counted[:TOTAL]:
            assert each.last is not None
            yield replace(each.last, result=f"{each.last.result} (and {each.more - 1} more like it within an hour)")
        if rest := sum(each.more for each in counted[TOTAL:]):
            yield Requested("several", "requests", result=f"{rest} more of other kinds, refused or only read")
        self.kinds.clear()
