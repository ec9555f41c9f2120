"""Which requests have been seen, so that none is executed twice: bounded, and safe whatever the clock does. Pure.

What is forgotten, because it has expired or there are too many, leaves a floor behind: the latest time at which any of
the forgotten expired. A request that expires no later than its principal's floor may be one of them, and is refused. So
neither a flood nor a clock that is set back makes an old request a new one.

    {"p": principal, "n": nonce, "e": expires (UTC ns), "d": digest of the text, "t": whether its sender said `e`}
    {"p": principal, "f": floor (UTC ns)}

Requests without a time of their own (only open ones) are forgotten without a floor, an hour after they came, by a clock
that nobody sets: one that is set ahead would make them new.
"""

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from transports.errors import NotUnderstood

EACH_MOST = 5_000  # of one principal


@dataclass(frozen=True, slots=True)
class Now:
    """The time in UTC, and as it would be if nobody had set the clock since this process began."""

    utc_ns: int
    steady_ns: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came: whose, its nonce, when it expires (by the steady clock, when its sender did not say), what
    tells its text from others."""

    principal: str
    nonce: str
    expires_ns: int
    digest: str
    is_timed: bool = True


@dataclass(slots=True)
class _Known:
    """What is known of one principal's requests."""

    seen: dict[str, Seen] = field(default_factory=dict)
    by_end: list[tuple[int, str]] = field(default_factory=list)  # a heap
    floor_ns: int = 0
    newest_ns: int = 0


class Nonces:
    """See the module's note."""

    def __init__(self, most: int = EACH_MOST) -> None:
        self._most = most
        self._of: dict[str, _Known] = {}

    def find(self, principal: str, nonce: str) -> Seen | None:
        """The request that came under this nonce before."""
        known = self._of.get(principal)
        return known.seen.get(nonce) if known is not None else None

    def floor_ns(self, principal: str) -> int:
        """What expires no later than this may have been seen and forgotten."""
        known = self._of.get(principal)
        return known.floor_ns if known is not None else 0

    def newest_ns(self, principal: str) -> int:
        """The latest time at which a request that was seen expires."""
        known = self._of.get(principal)
        return max(known.newest_ns, known.floor_ns) if known is not None else 0

    def add(self, seen: Seen) -> None:
        """One more; the one that expires first makes room where there is none."""
        known = self._of.setdefault(seen.principal, _Known())
        known.seen[seen.nonce] = seen
        heapq.heappush(known.by_end, (seen.expires_ns, seen.nonce))
        if seen.is_timed:
            known.newest_ns = max(known.newest_ns, seen.expires_ns)
        while len(known.seen) > self._most:
            self._drop(known)

    def raise_floor(self, principal: str, floor_ns: int) -> None:
        """Whatever expires up to then may have been seen."""
        known = self._of.setdefault(principal, _Known())
        known.floor_ns = max(known.floor_ns, floor_ns)

    def passed(self, now: Now) -> None:
        """Forget what has expired, or a little later: what expires first goes first."""
        for known in self._of.values():
            while known.by_end and _is_over(known, now):
                self._drop(known)

    def lines(self) -> Iterator[bytes]:
        """All that is known, to be read again."""
        for principal, known in self._of.items():
            if known.floor_ns:
                yield floor_line(principal, known.floor_ns)
            yield from map(line, known.seen.values())

    def read(self, text: bytes) -> None:
        """Take in a line. Raises NotUnderstood for anything else."""
        try:
            said = json.loads(text)
            if "f" in said:
                self.raise_floor(str(said["p"]), int(said["f"]))
            else:
                self.add(Seen(str(said["p"]), str(said["n"]), int(said["e"]), str(said["d"]), bool(said["t"])))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as wrong:
            raise NotUnderstood(f"no line about a request: {wrong!r:.80}") from wrong

    def _drop(self, known: _Known) -> None:
        """The first in the heap; of a nonce that was used again, an entry of before says nothing."""
        expires_ns, nonce = heapq.heappop(known.by_end)
        seen = known.seen.get(nonce)
        if seen is None or seen.expires_ns != expires_ns:
            return
        del known.seen[nonce]
        if seen.is_timed:
            known.floor_ns = max(known.floor_ns, seen.expires_ns)


def _is_over(known: _Known, now: Now) -> bool:
    """Whether the first in the heap has expired, or is an entry of before."""
    expires_ns, nonce = known.by_end[0]
    seen = known.seen.get(nonce)
    if seen is None or seen.expires_ns != expires_ns:
        return True
    return expires_ns < (now.utc_ns if seen.is_timed else now.steady_ns)


def line(seen: Seen) -> bytes:
    """A request as a line of the file."""
    said = {"p": seen.principal, "n": seen.nonce, "e": seen.expires_ns, "d": seen.digest, "t": seen.is_timed}
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def floor_line(principal: str, floor_ns: int) -> bytes:
    """A floor as a line of the file."""
    return json.dumps({"p": principal, "f": floor_ns}, separators=(",", ":")).encode() + b"\n"
