"""What the operator hears of once, and not more than a log bears: hosts may send nonsense without end. A decider."""

from collections import OrderedDict, deque

MOST = 20  # notices a minute; what is more is counted
PER_S = 60.0
REMEMBERED = 256
_TEXT_MOST = 500


class Notices:
    """Of one uplink, for the life of its process."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque(maxlen=MOST + 1)
        self._said: OrderedDict[str, None] = OrderedDict()
        self._since = float("-inf")
        self._count = self._left_out = 0

    def say(self, text: str, now: float) -> None:
        """Tell the operator, unless he was told just that not long ago, or is told too much already."""
        text = text[:_TEXT_MOST]
        if text in self._said:
            self._said.move_to_end(text)
            return
        if now - self._since >= PER_S:
            self._begin(now)
        self._count += 1
        if self._count > MOST:
            self._left_out += 1
            return
        self._remember(text)
        self._waiting.append(text)

    def forget(self, text: str) -> None:
        """It is not so any more: when it is again, that is news."""
        self._said.pop(text[:_TEXT_MOST], None)

    def taken(self) -> list[str]:
        """What is to be told since the last call."""
        told = list(self._waiting)
        self._waiting.clear()
        return told

    def _begin(self, now: float) -> None:
        """A new minute."""
        if self._left_out:
            self._waiting.append(f"{self._left_out} more notices were left out: too many in a minute")
        self._since, self._count, self._left_out = now, 0, 0

    def _remember(self, text: str) -> None:
        self._said[text] = None
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
