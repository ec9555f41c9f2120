"""Messages on their way to a stream, in the loop: which may go now, and what became of each.

    carry ──> its subject's turn ──> publish, with a place for the answer ──> answer, or late ──> event in the inbox

Of a subject one message is on its way at a time (`ordered`): when a stream's leader dies, messages that followed each
other may be lost and the next one taken by the new leader; sent again, they would stand behind it. The first that is
not taken ends everything; what was on its way stays in `flying`.

nats-py's own publish_async is not used: an error that the stream answers never reaches its caller (2.16).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import count
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from transports.errors import HoldfastError, UplinkDown
from transports.loop_thread import Inbox
from transports.uplinks._jetstream.api import Api, document
from transports.uplinks._jetstream.message import Parcel
from transports.uplinks._jetstream.settings import Settings
from transports.uplinks._jetstream.words import late, nobody, verdict

NO_RESPONDERS = "503"


@dataclass(frozen=True, slots=True)
class Taken:
    """The message of this ticket is in the stream."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more is sent; `parcel` is the message that it is about, if it is about one."""

    error: BaseException
    parcel: Parcel | None = None


Flight = tuple[Parcel, float]


class Courier:
    """Of one connection. All methods are called in the loop; `flying` may be looked at when that has ended."""

    def __init__(self, client: Client, api: Api, inbox: "Inbox[object]", settings: Settings) -> None:
        self._client, self._api, self._inbox = client, api, inbox
        self._stream, self._past = settings.stream, settings.past
        self._ordered, self._timeout_s = settings.ordered, settings.ack_timeout_s
        self.flying: dict[str, Flight] = {}
        self._unconfirmed: list[Parcel] = []
        self._waiting: dict[str, deque[Parcel]] = {}
        self._ready: asyncio.Queue[tuple[str, Parcel]] = asyncio.Queue()
        self._numbers = count()
        self._answers = client.new_inbox()
        self._timer: asyncio.TimerHandle | None = None
        self._drained = asyncio.Event()
        self._stopped = False

    async def begin(self, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Listen to answers, and have written what may go."""
        self._spawn = spawn
        await self._client.subscribe(f"{self._answers}.*", cb=self._answered)
        spawn(self._write())

    def confirm(self, parcel: Parcel) -> None:
        """It is in the stream, as we know: count it as taken when the stream answers us at all."""
        self._unconfirmed.append(parcel)
        if len(self._unconfirmed) == 1:
            self._spawn(self._confirm_all())

    def carry(self, parcel: Parcel) -> None:
        """Send it as soon as it may go."""
        if self._ordered and (line := self._waiting.get(parcel.subject)) is not None:
            line.append(parcel)
            return
        if self._ordered:
            self._waiting[parcel.subject] = deque()
        self._leave(parcel)

    async def drained(self) -> None:
        """Send nothing more, and wait for the answers that are still to come."""
        self._waiting.clear()
        self._drained.clear()
        if self.flying:
            await self._drained.wait()

    def denied(self, small: str, said: UplinkDown) -> bool:
        """We may not publish to a subject, in small letters; whether one of these is on its way there."""
        parcel = next((parcel for parcel, _ in self.flying.values() if parcel.subject.lower() == small), None)
        if parcel is not None:
            self._end(said, parcel)
        return parcel is not None

    def _leave(self, parcel: Parcel) -> None:
        if self._stopped:
            return
        number, now = str(next(self._numbers)), asyncio.get_running_loop().time()
        self.flying[number] = parcel, now + self._timeout_s
        self._ready.put_nowait((number, parcel))
        if self._timer is None:
            self._look_later(now + self._timeout_s)

    async def _confirm_all(self) -> None:
        while self._unconfirmed:
            count = len(self._unconfirmed)
            wrong = verdict(await self._api.stream(self._stream), f"stream {self._stream}")
            if wrong is not None:
                raise wrong
            for parcel in self._unconfirmed[:count]:
                self._inbox.put(Taken(parcel.ticket))
            del self._unconfirmed[:count]

    async def _write(self) -> None:
        while True:
            number, parcel = await self._ready.get()
            to, headers = f"{self._answers}.{number}", dict(parcel.headers)
            await self._client.publish(parcel.subject, parcel.payload, to, headers)

    async def _answered(self, message: Msg) -> None:
        number = message.subject.rpartition(".")[2]
        parcel, _ = self.flying.get(number, (None, 0.0))
        if parcel is None or self._stopped:
            return
        wrong = self._wrong(message, self._where(parcel))
        if wrong is not None:
            self._end(wrong, parcel)
            return
        del self.flying[number]
        self._past.succeeded(parcel)
        self._inbox.put(Taken(parcel.ticket))
        self._next(parcel.subject)
        if not self.flying:
            self._drained.set()

    @staticmethod
    def _wrong(message: Msg, where: str) -> HoldfastError | None:
        if message.headers and message.headers.get("Status") == NO_RESPONDERS:
            return nobody(where, asks_api=False)
        try:
            return verdict(document(message.data), where)
        except UplinkDown as unreadable:
            return unreadable

    def _next(self, subject: str) -> None:
        line = self._waiting.get(subject)
        if line:
            self._leave(line.popleft())
        elif line is not None:
            del self._waiting[subject]

    def _look_later(self, at: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(at, self._look)

    def _look(self) -> None:
        """Is the oldest late? All have the same patience, so they become late in their order."""
        self._timer = None
        parcel, until = next(iter(self.flying.values()), (None, 0.0))
        if parcel is None:
            return
        if until > asyncio.get_running_loop().time():
            self._look_later(until)
        else:
            self._end(late(self._where(parcel), self._timeout_s), parcel)

    def _where(self, parcel: Parcel) -> str:
        return f"stream {self._stream}, {parcel.subject}"

    def _end(self, error: BaseException, parcel: Parcel | None) -> None:
        if not self._stopped:
            self._stopped = True
            self._inbox.put(Ended(error, parcel))
