"""One connection of the JetStream uplink, in the loop: from the list of servers to messages on their way.

a server lets us in ──> the stream is there, or made ──> what was stuck passes ──> what is doubtful is looked for
  └─ none does             └─ not, or cannot have our messages    └─ not yet           └──> Opened ──> courier
"""

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from transports.errors import UplinkDown
from transports.loop_thread import Inbox
from transports.uplinks import Asked, Identity
from transports.uplinks._jetstream.api import Api
from transports.uplinks._jetstream.courier import Courier, Ended
from transports.uplinks._jetstream.line import Access, hang_up, in_words
from transports.uplinks._jetstream.opening import pass_stuck, settle_doubts, usable_stream
from transports.uplinks._jetstream.settings import Settings
from transports.uplinks._jetstream.stream import Stream, warnings
from transports.uplinks._jetstream.subjects import filled
from transports.uplinks._jetstream.words import Held, denied, of_connection

REQUESTS_MOST = 32
REQUEST_MOST_BYTES = 256 * 1024
_DENIED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"', re.IGNORECASE)
_LOOKING = ".stream.msg.get."


@dataclass(frozen=True, slots=True)
class Opened:
    """Messages may be sent: to which server, how large they may be (headers and all), and to which stream."""

    server: str
    max_bytes: int
    stream: Stream
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that does not work, though messages go."""

    text: str


@dataclass(frozen=True, slots=True)
class Stirred:
    """There is a request."""


class Session:
    """What happens to it are events in the inbox; requests are in `requests`. All methods are called in the loop."""

    def __init__(
        self, settings: Settings, identity: Identity, access: Access, inbox: "Inbox[object]", requests: Inbox[Asked]
    ) -> None:
        self._settings, self._access = settings, access
        self._fields = {"gateway": identity.gateway, "uplink": identity.uplink}
        self._request_subject = filled(settings.request_subject, self._fields)
        self._inbox, self._requests = inbox, requests
        self._server = ""
        self._may_look = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: Client | None = None
        self.courier: Courier | None = None

    def begin(self) -> None:
        """Open it: Opened will be in the inbox, or Ended."""
        self._spawn(self._open())

    def answer(self, to: str, body: bytes) -> None:
        """Have an answer on its way."""
        if self._client is not None:
            self._spawn(self._client.publish(to, body))

    async def close(self) -> None:
        """Await the answers that are still to come, and say farewell."""
        if self.courier is not None:
            await self.courier.drained()
        if self._client is not None:
            await self._client.close()

    def hang_up(self) -> None:
        """Close the socket at once."""
        if self._client is not None:
            hang_up(self._client)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._inbox.put(Ended(self._known(error)))

    def _known(self, error: BaseException) -> BaseException:
        if isinstance(error, nats.errors.Error):
            return UplinkDown(of_connection(str(error), self._server))
        return error  # UplinkDown; or what nobody expected, of which the actor dies

    # --- towards Opened ----------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        settings, past = self._settings, self._settings.past
        past.trying = None
        client = self._client = await self._entered()
        api = Api(client, settings.domain, settings.ack_timeout_s)
        stream = await usable_stream(api, settings, self._fields, self._server)
        await pass_stuck(client, past, settings.stream, settings.ack_timeout_s)
        notes = list(warnings(stream))
        try:
            await settle_doubts(client, api, past, settings.stream, settings.ack_timeout_s)
        except Held:
            if self._may_look:
                raise
            past.doubtful = []
            notes.append("repetitions after long outages are not noticed: allow publishing to $JS.API.STREAM.MSG.GET.*")
        self.courier = Courier(client, api, self._inbox, settings)
        await self.courier.begin(self._spawn)
        if self._request_subject:
            await client.subscribe(self._request_subject, cb=self._requested)
        most = min(client.max_payload, stream.max_message_bytes if stream.max_message_bytes > 0 else client.max_payload)
        self._inbox.put(Opened(self._server, most, stream, tuple(notes)))

    async def _entered(self) -> Client:
        servers, wrong = self._settings.servers, []
        for at in range(len(servers)):
            self._server = servers[(self._settings.past.turn + at) % len(servers)]
            try:
                return await self._access.enter(self._server, self._failed, self._ended)
            except UplinkDown as down:
                wrong.append(str(down))
        raise UplinkDown("; ".join(wrong))

    # --- what the server says on its own -----------------------------------------------------------------------------

    async def _failed(self, error: Exception) -> None:
        refusal = _DENIED.search(str(error))
        if refusal is not None:
            self._denied(*refusal.groups())
        elif not isinstance(error, (nats.errors.Error, OSError)):
            self._inbox.put(Ended(error))  # raised by one of our own callbacks; of others the end follows

    def _denied(self, kind: str, subject: str) -> None:
        """nats-py tells subjects in small letters."""
        publishing, small = kind.lower() == "publish", subject.lower()
        said = denied(self._server, f"{'publish' if publishing else 'subscribe'} to {subject}")
        trying = self._settings.past.trying
        if _LOOKING in small:
            self._may_look = False
        elif publishing and self.courier is not None:
            if not self.courier.denied(small, said):
                self._inbox.put(Warned(str(said)))  # an answer to a request
        elif publishing or small != self._request_subject.lower():
            about = trying if trying is not None and trying.subject.lower() == small else None
            self._inbox.put(Ended(said, about))
        else:
            self._inbox.put(Warned(str(said)))

    async def _ended(self) -> None:
        error = (self._client.last_error if self._client else None) or nats.errors.UnexpectedEOF()
        self._inbox.put(Ended(UplinkDown(in_words(error, self._server))))

    # --- commands ----------------------------------------------------------------------------------------------------

    async def _requested(self, message: Msg) -> None:
        if len(message.data) > REQUEST_MOST_BYTES or not self._requests.put(Asked(message.data, message.reply)):
            self._inbox.put(Warned("requests come faster than they are answered, or are too large; some are dropped"))
        self._inbox.put(Stirred())
