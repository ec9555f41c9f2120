"""Answers on their way back to whoever asked, and those that were given before. Bounded, both."""

from collections import OrderedDict, deque
from dataclasses import replace

from actors.steering.rates import Rate
from transports.requests.answers import Answer, packed
from transports.uplinks import Asked, Asking

WAITING_MOST = 256  # for the uplink
EARLIER_MOST = 256  # that are told again
VALUE_MOST = 4096  # bytes of an answer that is kept with its value
SELDOM_PER_S = 20  # answers to what anybody could have sent

Key = tuple[str, str]  # principal, nonce


class Replies:
    """Those of one uplink of the gateway."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._waiting: deque[tuple[Asked, bytes]] = deque(maxlen=WAITING_MOST)
        self._earlier: OrderedDict[Key, Answer] = OrderedDict()
        self._rates: dict[str, Rate] = {}

    def say(self, asked: Asked, answer: Answer) -> None:
        """To be sent; where too many wait, the oldest never is."""
        self._waiting.append((asked, packed(answer, self._gateway)))

    def say_seldom(self, asked: Asked, answer: Answer, principal: str, now: float) -> None:
        """To be sent, unless so many were lately: to somebody who proved nothing (""), or to a principal whose message
        was good once, and anybody could have kept it."""
        if self._rates.setdefault(principal, Rate(SELDOM_PER_S, 1.0)).allows(now):
            self.say(asked, answer)

    def send(self, uplink: Asking) -> None:
        """Hand them over. May raise UplinkDown; one that was lost so can be asked for again."""
        while self._waiting:
            uplink.answer(*self._waiting.popleft())

    def keep(self, key: Key, answer: Answer) -> None:
        """It can be told again."""
        if len(packed(answer, self._gateway)) > VALUE_MOST:
            answer = replace(answer, value=None)
        self._earlier[key] = answer
        while len(self._earlier) > EARLIER_MOST:
            self._earlier.popitem(last=False)

    def earlier(self, key: Key) -> Answer | None:
        """What was answered the first time, as far as it is known."""
        return self._earlier.get(key)
