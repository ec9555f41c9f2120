"""How often something may happen: at most so many times in any span. Pure."""

from collections import deque


class Rate:
    """`most` times in any `span_s`."""

    def __init__(self, most: int, span_s: float) -> None:
        self._most, self._span_s = most, span_s
        self._times: deque[float] = deque()

    def allows(self, now: float) -> bool:
        """Whether it may happen now; then it counts as having happened. `now` is in monotonic seconds."""
        while self._times and now - self._times[0] >= self._span_s:
            self._times.popleft()
        if len(self._times) >= self._most:
            return False
        self._times.append(now)
        return True
