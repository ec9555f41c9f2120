"""To a server over HTTPS, a POST or PUT for each message: it counts as delivered when the whole answer 2xx has come.

    [uplink.cloud]
    type = "https"
    url = "https://cloud.example.com/ingest/{gateway}"
    auth = { type = "bearer", token = { file = "/etc/holdfast/cloud.token" } }
    batch_records = 500
    batch_wait = "1s"
    compress = "gzip"

    waiting ──pause over──> opening ──token, TLS, greeting──> online ──> gone
       └───────────────────────┴── not let in, too late, lost, refused, close ──┘

HTTP has no session, so each connection begins with a greeting, by default HEAD: any answer to it, even 404 or 405,
shows that name, TLS and client certificate are right. Several requests are on their way at a time (`connections`), of
one device one at a time, so that its order is kept; `ordered = false` gives that up.

What the answers mean is in _https/answers.py. A message whose answer was lost comes again with the same
`Idempotency-Key`: a server that remembers keys takes it once. After a failure a second passes at least before the next
try, and messages go one at a time until one is taken; `Retry-After` is heeded up to `max_retry_after`. A message that
the server can never take (400, 413, 415, 422) is refused when it comes again, and then goes where such messages go.
Certificates are verified always. Plain HTTP is for servers on this machine.
"""

import random
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum

from transports.clock import Clock, MachineClock
from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.loop_thread import Inbox, LoopThread
from transports.uplinks import Identity, Outgoing
from transports.uplinks._https.answers import Held, concerns_all
from transports.uplinks._https.bodies import digest_of, idempotency_key, key_instead
from transports.uplinks._https.client import Client
from transports.uplinks._https.courier import Courier, Ended, Event, Greeted, Parcel, Refused, Taken
from transports.uplinks._https.settings import Settings

__all__ = ["EXTRA", "HttpsUplink", "Settings", "connect"]

EXTRA = "https"
FAREWELL_S = 1.0
_CLOSE_S = 1.0
_SLACK_S = 5.0  # so much later than its own time-outs an answer or an error must be here
_EVENTS_MOST = 1 << 20  # more than any window: one event for each message, and one for the end


def connect(settings: Settings, identity: Identity) -> "HttpsUplink":
    """An uplink that begins to connect with its first step, or when a pause is over that was asked for."""
    return HttpsUplink(settings, identity, MachineClock())


class _State(Enum):
    WAITING = "waiting"
    OPENING = "opening"
    ONLINE = "online"
    GONE = "gone"


class HttpsUplink:
    """One connection to one server; an Uplink (transports/uplinks). `taken` may still be asked when it has ended."""

    def __init__(self, settings: Settings, identity: Identity, clock: Clock) -> None:
        self._settings, self._identity, self._clock = settings, identity, clock
        self._past = settings.past
        self._inbox: Inbox[Event] = Inbox(_EVENTS_MOST)
        self._thread: LoopThread | None = None
        self._client: Client | None = None
        self._courier: Courier | None = None
        self._state, self._reason = _State.WAITING, ""
        self._taken: list[int] = []
        self._in_flight = 0
        self._stirred_at = clock.now()

    def fileno(self) -> int:
        """Readable when an answer has come."""
        return self._inbox.fileno()

    def wants_write(self) -> bool:
        """Never: the loop writes."""
        return False

    def ready(self) -> bool:
        """Whether the server has greeted us."""
        return self._state is _State.ONLINE

    def step(self, now: float) -> None:
        """Take note of what the loop has done; begin, when it is time."""
        if self._state is _State.GONE:
            raise UplinkDown(self._reason)
        if self._state is _State.WAITING and now >= self._past.not_before:
            self._open(now)
        events = self._inbox.take()
        self._stirred_at = now if events else self._stirred_at
        self._heed(events)
        if now >= self._patience_ends():
            raise self._end(Held(f"{self._settings.url}: its requests have stopped without an answer or an error"))

    def send(self, message: Outgoing) -> None:
        """Hand one message over. Raises UplinkRefused when the server has refused it before."""
        if self._state is not _State.ONLINE or self._thread is None or self._courier is None:
            raise UplinkDown(self._reason or f"{self._settings.url}: not connected yet")
        digest = digest_of(message)
        if digest in self._past.refused:
            raise UplinkRefused(self._past.refused[digest])
        key = idempotency_key(self._identity, message, digest)
        if key in self._past.spoiled:
            key = key_instead(key)
        if not self._in_flight:
            self._stirred_at = self._clock.now()
        self._in_flight += 1
        self._thread.loop.call_soon_threadsafe(self._courier.carry, Parcel(message, digest, key))

    def taken(self) -> Sequence[int]:
        """The tickets that were answered 2xx, in the order of the answers."""
        taken, self._taken = self._taken, []
        return taken

    def next_step(self, now: float) -> float:
        """When a pause ends, or patience."""
        return self._past.not_before if self._state is _State.WAITING else self._patience_ends()

    def close(self, farewell: bool = True) -> None:
        """End it. With a farewell the answers that are due are awaited, FAREWELL_S at most."""
        if farewell and self._state is _State.ONLINE and self._thread and self._courier:
            with suppress(TimeoutError):
                self._thread.run(self._courier.drained(), FAREWELL_S)
        self._hang_up()
        self._state, self._reason = _State.GONE, self._reason or "closed"

    def _open(self, now: float) -> None:
        try:
            self._client = Client(self._settings, self._identity, self._past, self._clock)
        except (OSError, SettingsError) as wrong:
            raise self._end(Held(f"what the connection needs cannot be read: {wrong}")) from wrong
        self._thread = LoopThread(f"{self._identity.uplink} https")
        self._courier = Courier(self._client, self._past, self._inbox, self._settings)
        self._thread.loop.call_soon_threadsafe(self._courier.greet)
        self._state, self._stirred_at = _State.OPENING, now

    def _heed(self, events: Sequence[Event]) -> None:
        ended: BaseException | None = None
        for event in events:
            match event:
                case Taken(ticket):
                    self._taken.append(ticket)
                    self._in_flight -= 1
                case Refused(parcel, why):
                    self._past.refuse(parcel.digest, parcel.key, why)
                case Greeted(status):
                    still = self._past.still(status)
                    ended = Held(still, status=status) if still else ended
                    self._state = _State.ONLINE
                case Ended(error):
                    ended = ended or error
        if ended is not None:
            raise self._end(ended)

    def _patience_ends(self) -> float:
        if self._state is _State.OPENING or self._in_flight:
            return self._stirred_at + self._settings.timeout_s + _SLACK_S
        return float("inf")

    def _end(self, error: BaseException) -> BaseException:
        """Close everything; the error to raise."""
        if isinstance(error, Held):
            if concerns_all(error.status):
                self._past.complained(error.status, str(error))
            self._past.failed(self._clock.now(), error.again_in_s, random.random())
        self._hang_up()
        self._state, self._reason = _State.GONE, str(error)
        return error  # one that nobody expected is no UplinkDown: let it crash, with its traceback

    def _hang_up(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            if self._client is not None:
                with suppress(TimeoutError, OSError, RuntimeError):
                    thread.run(self._client.aclose(), _CLOSE_S)
            thread.close()
        self._taken += [event.ticket for event in self._inbox.take() if isinstance(event, Taken)]
        self._inbox.close()
