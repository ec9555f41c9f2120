"""How a link stands for one uplink, by what its checks and its cable say: a decider.

      fail_after bad checks, or the cable is gone
up ─────────────────────────────────────────────────> down
   <─────────────────────────────────────────────────
      one good check: it lives (choosing.py wants more before it is gone back to)
"""

from dataclasses import dataclass, replace
from math import inf


@dataclass(frozen=True, slots=True)
class Standing:
    """`since` is when it became what it is, `why` what the last bad check said. `good_at` is the last good check,
    `good_since` from when on all were good (inf: none was, or the last was not); `failing_since` the first of the bad
    ones in a row (inf: the last was good). `cut`: the cable or the radio link is gone. Times are monotonic seconds."""

    up: bool = True
    why: str = ""
    since: float = 0.0
    failures: int = 0
    good_at: float = -inf
    good_since: float = inf
    failing_since: float = inf
    cut: bool = False


def good(standing: Standing, now: float) -> Standing:
    """A check went well, or the uplink's own messages arrive. While the cable is gone that is an old story."""
    if standing.cut:
        return standing
    return Standing(
        since=standing.since if standing.up else now,
        good_at=now,
        good_since=now if standing.good_since == inf else standing.good_since,
    )


def bad(standing: Standing, now: float, why: str, fail_after: int) -> Standing:
    """A check that began at or before `now` failed."""
    failures = standing.failures + 1
    fails = replace(
        standing,
        why=why,
        failures=failures,
        good_since=inf,
        failing_since=min(standing.failing_since, now),
    )
    return replace(fails, up=False, since=now) if standing.up and failures >= fail_after else fails


def cut(standing: Standing, now: float, why: str) -> Standing:
    """Nothing can pass: no cable, no radio link, no interface."""
    gone = replace(standing, why=why, good_since=inf, failing_since=min(standing.failing_since, now), cut=True)
    return replace(gone, up=False, since=now) if standing.up else gone


def mended(standing: Standing) -> Standing:
    """The cable is there again; the next good check makes it up."""
    return replace(standing, cut=False)
