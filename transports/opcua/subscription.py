"""A subscription: the server looks at variables and tells what has changed.

Two publish requests are always under way, so that the server never waits for one. Each answer goes to `deliver`, which
says whether there was room for it: while there is none, no more is asked for, and the server keeps what its queues hold
(and marks what they do not: the Overflow bit of a status code). A server that says nothing, not even "still here", for
longer than it promised is gone.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from asyncua import ua

from transports.errors import LinkDown
from transports.opcua.answers import MOST_ITEMS, Monitored, Notice, Subscribed, monitored_results, notice, subscribed
from transports.opcua.learning import Point
from transports.opcua.reasons import STRANGE, code_of, error_of, named, told
from transports.opcua.requests import ATTRIBUTES
from transports.opcua.sequence import Sequence as Numbers
from transports.opcua.sequence import heard
from transports.opcua.session import Session
from transports.opcua.settings import Settings
from transports.opcua.tags import TagSettings
from transports.opcua.values import BOOLEAN, DOUBLE
from transports.samples import DataType

log = logging.getLogger("holdfast.opcua")
_UNDER_WAY = 2
_LONGEST_S = 86_400.0  # what a server may promise to be silent for; the session's watch sees it die before
_LIFETIMES = 10  # keep-alive intervals without a request, after which the server gives the subscription up
_TOO_MANY_REQUESTS, _NO_SUBSCRIPTION, _TIMEOUT = 0x8078_0000, 0x8079_0000, 0x800A_0000
_NUMERIC = (DataType.INT64, DataType.UINT64, DataType.FLOAT64, *(k for k in DataType if k.name.endswith("_ARRAY")))
Deliver = Callable[[Notice], Awaitable[None]]


class Subscription:
    """One subscription of a session. `missed` counts the notifications that never came."""

    def __init__(self, session: Session, made: Subscribed, timeout_s: float) -> None:
        self._session, self.id = session, made.id
        promised_s = made.publishing_ms / 1000 * max(made.keepalive_count, 1)
        self._patience_s = timeout_s + (promised_s if 0 <= promised_s <= _LONGEST_S else _LONGEST_S)
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []
        self._numbers = Numbers()

    @property
    def missed(self) -> int:
        """How many notifications never came."""
        return self._numbers.missed

    async def run(self, deliver: Deliver) -> None:
        """Hand over every notification, in order, until the session ends. Raises LinkDown, LinkTimeout."""
        under_way = deque(self._asked() for _ in range(_UNDER_WAY))
        try:
            while under_way:
                said = await self._next(under_way)
                if said is not None:
                    self._note(said)
                    await deliver(said)
                    under_way.append(self._asked())
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        raise LinkDown(f"{self._session.where}: takes no publish request at all")

    def _asked(self) -> "asyncio.Task[bytes]":
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements, self._acknowledge = self._acknowledge, []
        return asyncio.get_running_loop().create_task(self._session.ask_raw(request, 0))

    async def _next(self, under_way: "deque[asyncio.Task[bytes]]") -> Notice | None:
        """The next notification; None where the server takes fewer requests at once than were sent."""
        first = under_way[0]
        await asyncio.wait({first}, timeout=self._patience_s)
        if not first.done():
            raise LinkDown(f"{self._session.where}: the subscription has been silent for {self._patience_s:g} s")
        under_way.popleft()
        try:
            return notice(first.result())
        except (*STRANGE, TimeoutError) as failed:
            if code_of(failed) == _TOO_MANY_REQUESTS and under_way:
                return None
            if code_of(failed) == _TIMEOUT:
                under_way.append(self._asked())
                return None
            raise error_of(self._session.where, "from the subscription", failed) from failed

    def _note(self, said: Notice) -> None:
        """Keep the numbers; raises LinkDown where the server has ended the subscription."""
        if said.ended is not None and said.ended >= 0x8000_0000:
            raise LinkDown(f"{self._session.where}: the server ended the subscription ({named(said.ended)})")
        missed = self._numbers.missed
        self._numbers = heard(self._numbers, said.sequence, said.keepalive)
        if self._numbers.missed > missed:
            log.warning("%s: %d notifications never came", self._session.where, self._numbers.missed - missed)
        if not said.keepalive:
            self._acknowledge.append(ua.SubscriptionAcknowledgement(said.subscription, said.sequence))


async def subscribe(session: Session, settings: Settings) -> Subscription:
    """A subscription that watches nothing yet."""
    interval_s = settings.publishing_s
    keepalive = max(1, math.ceil(settings.timeout_s / interval_s))
    request = ua.CreateSubscriptionRequest()
    request.Parameters.RequestedPublishingInterval = interval_s * 1000
    request.Parameters.RequestedMaxKeepAliveCount = keepalive
    request.Parameters.RequestedLifetimeCount = _LIFETIMES * keepalive
    request.Parameters.MaxNotificationsPerPublish = MOST_ITEMS
    request.Parameters.PublishingEnabled = True
    answer = await session.ask(request, "when subscribing")
    with told(session.where, "when subscribing"):
        return Subscription(session, subscribed(answer), settings.timeout_s)


async def monitor(
    session: Session,
    subscription: Subscription,
    points: Mapping[int, Point],
    tags: Sequence[TagSettings],
    settings: Settings,
) -> dict[int, int]:
    """Have the server watch these points (by the numbers of their tags); status codes of those that it does not."""
    wanted = list(points)
    refused: dict[int, int] = {}
    for begin in range(0, len(wanted), session.at_once["monitor"]):
        some = wanted[begin : begin + session.at_once["monitor"]]
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = subscription.id
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToCreate = [_item(at, points[at], tags[at], settings) for at in some]
        answer = await session.ask(request, "when subscribing")
        with told(session.where, "when subscribing"):
            results = monitored_results(answer, len(some))
        refused |= {at: made.status for at, made in zip(some, results, strict=True) if _is_refused(made)}
    return refused


def _item(at: int, point: Point, tag: TagSettings, settings: Settings) -> ua.MonitoredItemCreateRequest:
    sampling_s = next(s for s in (tag.sampling_s, settings.sampling_s, settings.publishing_s) if s is not None)
    wanted = ua.MonitoringParameters()
    wanted.ClientHandle = at
    wanted.SamplingInterval = sampling_s * 1000
    wanted.QueueSize = tag.queue_size or settings.queue_size
    wanted.DiscardOldest = True
    deadband = settings.deadband if tag.deadband is None else tag.deadband
    if deadband and point.tag.type in _NUMERIC and BOOLEAN < point.built_in <= DOUBLE:
        change = ua.DataChangeTrigger.StatusValue
        wanted.Filter = ua.DataChangeFilter(change, ua.DeadbandType.Absolute, deadband)
    item = ua.MonitoredItemCreateRequest()
    item.ItemToMonitor = ua.ReadValueId(point.node, ATTRIBUTES.Value)
    item.MonitoringMode = ua.MonitoringMode.Reporting
    item.RequestedParameters = wanted
    return item


def _is_refused(made: Monitored) -> bool:
    return made.status >= 0x8000_0000
