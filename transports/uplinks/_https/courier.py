"""Several messages on their way at a time, in the loop: which may go now, and what became of each.

    carry ──> its device's turn ──> a free connection ──> alone, until one was taken ──> post ──> event in the inbox

The first that is not taken ends it: those that wait are not sent, those on their way may still arrive. The end after a
refusal is told when the others are answered, so that they need not be repeated.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.loop_thread import Inbox
from transports.uplinks import Outgoing
from transports.uplinks._https.answers import Held
from transports.uplinks._https.client import Client
from transports.uplinks._https.past import Past
from transports.uplinks._https.settings import Settings


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message, what tells its payload from others, and the key that the server knows it by."""

    message: Outgoing
    digest: bytes
    key: str


@dataclass(frozen=True, slots=True)
class Greeted:
    """The server is there; the status it greeted with."""

    status: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The message of this ticket was taken."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Refused:
    """This message can never be taken."""

    parcel: Parcel
    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more is sent: UplinkDown, or what nobody expected."""

    error: BaseException


Event = Greeted | Taken | Refused | Ended


class Courier:
    """Of one connection. All methods are called in the loop."""

    def __init__(self, client: Client, past: Past, inbox: Inbox[Event], settings: Settings) -> None:
        self._client, self._past, self._inbox = client, past, inbox
        self._ordered, self._timeout_s, self._url = settings.ordered, settings.timeout_s, settings.url
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slots, self._first = asyncio.Semaphore(settings.connections), asyncio.Lock()
        self._stopped = False
        self._refusal = ""

    def greet(self) -> None:
        """See whether the server is there."""
        self._begin(self._greeted())

    def carry(self, parcel: Parcel) -> None:
        """Send it as soon as it may go."""
        self._begin(self._carried(parcel))

    async def drained(self) -> None:
        """Send nothing more, and wait for the answers that are still to come."""
        self._stopped = True
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end(error)
        if self._refusal and not self._tasks:
            why, self._refusal = self._refusal, ""
            self._inbox.put(Ended(UplinkDown(why)))

    async def _greeted(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._inbox.put(Greeted(await self._client.greet()))
        except (UplinkDown, SettingsError, TimeoutError) as wrong:
            self._end(self._in_words(wrong))

    async def _carried(self, parcel: Parcel) -> None:
        async with self._turn(parcel.message), self._slots:
            if not self._past.proven:
                async with self._first:
                    if not self._past.proven:
                        await self._posted(parcel)
                        return
            await self._posted(parcel)

    def _turn(self, message: Outgoing) -> AbstractAsyncContextManager[None]:
        if not self._ordered:
            return nullcontext()
        return self._turns.setdefault(message.fields["device"], asyncio.Lock())

    async def _posted(self, parcel: Parcel) -> None:
        if self._stopped:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.post(parcel.message, parcel.key)
        except UplinkRefused as refused:
            self._stopped, self._refusal = True, str(refused)
            self._inbox.put(Refused(parcel, str(refused)))
        except (UplinkDown, SettingsError, TimeoutError) as wrong:
            self._end(self._in_words(wrong))
        else:
            self._past.succeeded()
            self._inbox.put(Taken(parcel.message.ticket))

    def _in_words(self, wrong: Exception) -> UplinkDown:
        if isinstance(wrong, UplinkDown):
            return wrong
        if isinstance(wrong, TimeoutError):
            within = f"no whole answer within {self._timeout_s:g} s"
            return Held(f"{self._url}: {within}; is the server overloaded, or the line too slow?")
        return Held(str(wrong))

    def _end(self, error: BaseException) -> None:
        self._stopped = True
        self._inbox.put(Ended(error))
