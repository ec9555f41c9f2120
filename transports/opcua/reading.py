"""What a connected driver does with its server: read some tags, write one, and hand over what a subscription brings.

The server's loop runs `Server`; the driver's calls come from the device's thread through `LoopThread.run`.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack

from transports.clock import Clock
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.loop_thread import Inbox
from transports.opcua.answers import Notice
from transports.opcua.learning import BAD_NODE_ID_UNKNOWN, Point, learn
from transports.opcua.reasons import named
from transports.opcua.scans import Columns, Said, scans_of
from transports.opcua.session import Session
from transports.opcua.settings import Settings
from transports.opcua.subscription import monitor, subscribe
from transports.opcua.values import DataValue
from transports.opcua.writing import variant_of
from transports.samples import Scan, Value
from transports.settings import nearest

log = logging.getLogger("holdfast.opcua")
NOTICES = 16  # that may wait for the device's process; then the server is asked for no more
_ROOM_S = 0.02  # how soon it is looked again whether there is room
_LOOK_AGAIN_S = 30.0  # for variables that the server did not have
_BAD_TIMEOUT = 0x800A_0000


class Server:
    """An open session and the points of its tags, by number."""

    def __init__(
        self, settings: Settings, session: Session, points: Sequence[Point], inbox: Inbox[list[Scan]], clock: Clock
    ) -> None:
        self._settings, self.session, self.points = settings, session, tuple(points)
        self.inbox, self._clock = inbox, clock
        self._tags = dict(settings.tags)
        self._columns = Columns([point.tag for point in points])
        self._numbers = {point.tag.name: at for at, point in enumerate(points)}
        self._lacking = {at for at, point in enumerate(points) if point.status}

    async def read(self, numbers: Sequence[int]) -> list[Scan]:
        """What these tags are now."""
        there = [at for at in numbers if self.points[at].status == 0]
        nodes = [node for at in there if (node := self.points[at].node) is not None]
        said = await self.session.read(nodes)
        return self._scans([*zip(there, said, strict=True), *self._not_to_be_had(numbers)])

    async def write(self, name: str, value: Value) -> None:
        """Set one tag. Raises LinkRefused with the reason."""
        point = self._writable(name)
        try:
            variant = variant_of(point.built_in, point.array, value)
        except ValueError as wrong:
            raise LinkRefused(f"{name} = {value!r:.40}: {wrong}") from wrong
        if point.node is None:
            raise LinkRefused(f"{name}: {point.reason}")
        status = await self.session.write(point.node, variant)
        if status >= 0x8000_0000:
            error = LinkTimeout if status == _BAD_TIMEOUT else LinkRefused
            raise error(f"{name} = {value!r:.40}: {self.session.where} answered {named(status)}")
        if status:
            log.warning("%s: %s was written, and answered by %s", self.session.where, name, named(status))

    async def listen(self) -> None:
        """Begin to tell the inbox of everything that is subscribed to, and of what is polled beside it."""
        polled = self._settings.polled()
        asked = {at for numbers in polled.values() for at in numbers}
        watched = {at: point for at, point in enumerate(self.points) if at not in asked and not point.status}
        subscription = await subscribe(self.session, self._settings)
        refused = await monitor(self.session, subscription, watched, list(self._tags.values()), self._settings)
        self._tell_refused(refused)
        bad = [(at, _nothing(status)) for at, status in refused.items()]
        lacking = self._not_to_be_had(range(len(self.points)))
        if bad or lacking:
            await self._put(self._scans([*bad, *lacking]))
        self.session.spawn(subscription.run(self._deliver))
        for period_s, numbers in polled.items():
            self.session.spawn(self._poll(numbers, period_s or self._settings.poll_period_s))

    async def look_again(self) -> None:
        """Look for what the server did not have; when some is there, the connection is to be made anew."""
        while not self.session.ended:
            await asyncio.sleep(_LOOK_AGAIN_S)
            names = [self.points[at].tag.name for at in sorted(self._lacking)]
            found = await learn(self.session, {name: self._tags[name] for name in names}) if names else []
            now = [point.tag.name for point in found if point.status == 0]
            if now:
                raise LinkDown(
                    f"{self.session.where} has {', '.join(now[:3])} now; it is connected anew to read that, too"
                )

    def _writable(self, name: str) -> Point:
        tag = self._tags.get(name)
        if tag is None:
            raise LinkRefused(f"{name}: no such tag; {nearest(name, list(self._tags))}")
        if not tag.writable:
            raise LinkRefused(f"{name}: read only; set writable = true where it is configured")
        point = self.points[self._numbers[name]]
        if point.status or not point.built_in:
            raise LinkRefused(f"{name}: {point.reason or 'its type at the server is not known'}")
        return point

    async def _deliver(self, said: Notice) -> None:
        known = len(self.points)
        values = [(at, data) for at, data in said.values if at < known]
        for at, data in values:
            (self._lacking.add if data.status == BAD_NODE_ID_UNKNOWN else self._lacking.discard)(at)
        if values:
            await self._put(self._scans(values))

    async def _poll(self, numbers: Sequence[int], period_s: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        there = [at for at in numbers if not self.points[at].status]
        while not self.session.ended:
            await self._put(await self.read(there))
            due = max(due + period_s, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _put(self, scans: list[Scan]) -> None:
        while scans and not self.inbox.put(scans) and not self.session.ended:
            await asyncio.sleep(_ROOM_S)

    def _scans(self, said: Iterable[Said]) -> list[Scan]:
        return scans_of(self._columns, said, self._settings.clock, self._clock.utc_ns())

    def _not_to_be_had(self, numbers: Iterable[int]) -> list[Said]:
        return [(at, _nothing(self.points[at].status)) for at in numbers if self.points[at].status]

    def _tell_refused(self, refused: dict[int, int]) -> None:
        for at, status in list(refused.items())[:5]:
            log.warning("%s does not watch %s: %s", self.session.where, self.points[at].tag.name, named(status))
        if len(refused) > 5:
            log.warning("%s does not watch %d more", self.session.where, len(refused) - 5)


async def opened(settings: Settings, session: Session, inbox: Inbox[list[Scan]], clock: Clock) -> Server:
    """The server, with what it has of the tags. Raises LinkDown, LinkTimeout."""
    async with AsyncExitStack() as undo:
        undo.push_async_callback(session.close)  # a server has few sessions: none may be left behind
        await session.open()
        server = Server(settings, session, await learn(session, settings.tags), inbox, clock)
        _tell_lacking(server)
        session.watch()
        session.spawn(server.look_again())
        if settings.listens:
            await server.listen()
        undo.pop_all()
    return server


def _tell_lacking(server: Server) -> None:
    lacking = [point for point in server.points if point.status]
    for point in lacking[:5]:
        log.warning("%s: %s is Bad: %s", server.session.where, point.tag.name, point.reason)
    if len(lacking) > 5:
        log.warning("%s: %d more are Bad", server.session.where, len(lacking) - 5)


def _nothing(status: int) -> DataValue:
    return DataValue(0, False, None, status, None, None)
