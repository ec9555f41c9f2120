"""When the next message may leave, so that a published limit per second is never passed: a decider.

Limits of cloud brokers (AWS IoT Core: 100 messages/s, 512 KiB/s a connection) are counted over any second, not on the
average. A token bucket of N would let 2N leave in one second: N saved up and N that come in. So there is a log of what
left and when, and a message waits until, with it, no window of `WINDOW_S` has more than the limit:

    now - WINDOW_S ├── 12 ── 30 ── 58 ──┤ now     100 of 100: the next leaves when the 12 are out of the window

The window is longer than a second because the network is not even: what left 1.05 s apart may arrive 1.00 s apart.
The rate that is reached is therefore 95 % of the limit. The log is kept in slots, so its size does not grow with the
rate; what left in a slot counts from the slot's last moment.

A message that is larger than the limit leaves alone, and what follows waits for as long as it would have taken at that
rate. With that a limit below one message a second needs no rule of its own.
"""

from collections import deque

WINDOW_S = 1.05
SLOT_S = 0.005
LIVE_ONLY = 0.1  # of a limit for all that backfill leaves free: a fresh message finds room at once
OVERHEAD_BYTES = 128  # of a message beside its payload, as far ends count it: topic and header


class Cap:
    """One limit of so much a second; 0 is none."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._log: deque[tuple[float, float]] = deque()  # (when it leaves the window, how much), by time
        self._sum = 0.0
        self._slot_ends = 0.0

    def free_at(self, amount: float, now: float, share: float = 1.0) -> float:
        """When so much may leave (monotonic seconds; `now` or earlier: at once), using this share of the limit."""
        if not self._per_s:
            return now
        self._forget(now)
        left, at = self._sum, now
        for expires, old in self._log:
            if left + amount <= self._per_s * share:
                break
            left, at = left - old, expires
        return at

    def left(self, amount: float, now: float) -> None:
        """So much has left."""
        if not self._per_s:
            return
        self._forget(now)
        self._sum += amount
        expires = now + WINDOW_S * max(1.0, amount / self._per_s)
        if self._log:
            expires = max(expires, self._log[-1][0])
        if self._log and now < self._slot_ends:
            self._log[-1] = expires, self._log[-1][1] + amount
        else:
            self._log.append((expires, amount))
            self._slot_ends = now + SLOT_S

    def filled(self, now: float) -> None:
        """As much has left as may."""
        if self._per_s:
            self.left(max(1.0, self._per_s), now)

    def _forget(self, now: float) -> None:
        log = self._log
        while log and log[0][0] <= now:
            self._sum -= log.popleft()[1]
        if not log:
            self._sum = 0.0


class Pacing:
    """The limits of one uplink: for all messages, and for those of the backlog besides."""

    def __init__(
        self,
        max_messages_per_s: float = 0.0,
        max_bytes_per_s: float = 0.0,
        backfill_messages_per_s: float = 0.0,
        backfill_bytes_per_s: float = 0.0,
    ) -> None:
        self._all = Cap(max_messages_per_s), Cap(max_bytes_per_s)
        self._backfill = Cap(backfill_messages_per_s), Cap(backfill_bytes_per_s)
        self.unlimited = not any((max_messages_per_s, max_bytes_per_s, backfill_messages_per_s, backfill_bytes_per_s))

    def free_at(self, payload_bytes: int, backfill: bool, now: float) -> float:
        """When a message may leave (monotonic seconds); not later than `now`: at once."""
        if self.unlimited:
            return now
        amounts = 1, payload_bytes + OVERHEAD_BYTES
        share = 1.0 - LIVE_ONLY if backfill else 1.0
        times = [cap.free_at(amount, now, share) for cap, amount in zip(self._all, amounts, strict=True)]
        if backfill:
            times += [cap.free_at(amount, now) for cap, amount in zip(self._backfill, amounts, strict=True)]
        return max(times)

    def left(self, payload_bytes: int, backfill: bool, now: float) -> None:
        """A message has left."""
        if self.unlimited:
            return
        amounts = 1, payload_bytes + OVERHEAD_BYTES
        for caps in (self._all, self._backfill) if backfill else (self._all,):
            for cap, amount in zip(caps, amounts, strict=True):
                cap.left(amount, now)

    def begun(self, now: float) -> None:
        """A process begins, and nobody knows what its predecessor sent just now: as much as was allowed."""
        for cap in (*self._all, *self._backfill):
            cap.filled(now)
