"""To a stream of NATS JetStream: a message counts as delivered when the stream has acknowledged it.

    [uplink.cloud]
    type = "jetstream"
    servers = ["tls://nats-1.example.com:4222", "tls://nats-2.example.com:4222", "tls://nats-3.example.com:4222"]
    stream = "HOLDFAST"
    creds = { file = "/etc/holdfast/gateway.creds" }
    create_stream = { replicas = 3, max_age = "30d" }

    waiting ──pause over──> opening ──a server, the stream, old doubts──> online ──> gone
       └───────────────────────┴── not let in, too late, no stream, lost, close ──┘

Nothing missing: what the stream has not acknowledged stays in the spool. Nothing twice: each message has an id made of
what is in it (`Nats-Msg-Id`: gateway, topic, epoch, seq), so that the stream recognises it for `duplicate_window`;
what was acknowledged is remembered, and what had no answer when a connection was lost is looked for in the stream
before it is sent again, however long that took and in whatever company. Only when the uplink's own process is killed,
the id and the window are all there is. In order: of a subject one message is on its way at a time (`ordered`), for
what follows a message that a dying leader has lost would overtake it; several devices go at the same time, and one
device with much to say goes faster with `batch_records`.

When the stream is full, has no leader, or we may not publish, nothing else is tried than the message that met it, once
a second at most and less often as time goes by; the rest waits in the spool. What is larger than the server's
`max_payload` or the stream's `max_msg_size` is set aside.
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any

from transports.clock import Clock, MachineClock
from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.loop_thread import Inbox, LoopThread
from transports.uplinks import Asked, Identity, Outgoing
from transports.uplinks._jetstream.courier import Ended, Taken
from transports.uplinks._jetstream.line import Access
from transports.uplinks._jetstream.message import Parcel, parcel
from transports.uplinks._jetstream.session import REQUESTS_MOST, Opened, Session, Warned
from transports.uplinks._jetstream.settings import Settings
from transports.uplinks._jetstream.subjects import SUBJECT_MAX_BYTES
from transports.uplinks._jetstream.words import Held

__all__ = ["EXTRA", "JetstreamUplink", "Settings", "connect"]

EXTRA = "jetstream"
FAREWELL_S = 1.0
_SLACK_S = 5.0  # so much later than its own time-outs an answer or an error must be here
_API_CALLS = 4  # so many questions are asked one after the other before messages go
_EVENTS_MOST = 1 << 20  # more than any window: one event for each message, and some for the connection
_UNVERIFIED = "tls.verify is false: whoever answers is believed"


def connect(settings: Settings, identity: Identity) -> "JetstreamUplink":
    """An uplink that begins to connect with its first step, or when the pause after the last try is over."""
    return JetstreamUplink(settings, identity, MachineClock())


class _State(Enum):
    WAITING = "waiting"
    OPENING = "opening"
    ONLINE = "online"
    GONE = "gone"


class JetstreamUplink:
    """One connection to one server; an Uplink, Telling and Asking (transports/uplinks). `taken` may still be asked when
    it has ended."""

    def __init__(self, settings: Settings, identity: Identity, clock: Clock) -> None:
        self._settings, self._identity, self._clock = settings, identity, clock
        self._past = settings.past
        self._inbox: Inbox[object] = Inbox(_EVENTS_MOST)
        self._requests: Inbox[Asked] = Inbox(REQUESTS_MOST)
        self._thread: LoopThread | None = None
        self._session: Session | None = None
        self._opened: Opened | None = None
        self._state, self._reason = _State.WAITING, ""
        self._taken: list[int] = []
        self._warnings: list[str] = []
        self._told = 0
        self._in_flight = 0
        self._stirred_at = clock.now()

    def fileno(self) -> int:
        """Readable when an answer or a request has come."""
        return self._inbox.fileno()

    def wants_write(self) -> bool:
        """Never: the loop writes."""
        return False

    def ready(self) -> bool:
        """Whether the stream takes messages."""
        return self._state is _State.ONLINE

    def step(self, now: float) -> None:
        """Take note of what the loop has done; begin, when it is time."""
        if self._state is _State.GONE:
            raise UplinkDown(self._reason)
        if self._state is _State.WAITING and now >= self._past.not_before:
            self._open(now)
        events = self._inbox.take()
        self._stirred_at = now if events else self._stirred_at
        for event in events:
            self._heed(event)
        if now >= self._patience_ends():
            raise self._end(UplinkDown(f"{self._where()}: neither an answer nor an error; it hangs"))

    def send(self, message: Outgoing) -> None:
        """Hand one message over. Raises UplinkRefused when it is too large, or when it must be sent in parts."""
        if self._state is not _State.ONLINE or self._thread is None:
            raise UplinkDown(self._reason or f"{self._where()}: not connected yet")
        assert self._session is not None
        assert self._session.courier is not None
        made = parcel(message, self._settings.subject, self._settings.stream, self._identity)
        known = self._past.known.has_all(made.places)
        if not known:
            self._refuse_unsendable(made)
        if not self._in_flight:
            self._stirred_at = self._clock.now()
        self._in_flight += 1
        courier = self._session.courier
        self._thread.loop.call_soon_threadsafe(courier.confirm if known else courier.carry, made)

    def taken(self) -> Sequence[int]:
        """The tickets that the stream has acknowledged, in the order of its answers."""
        taken, self._taken = self._taken, []
        return taken

    def next_step(self, now: float) -> float:
        """When a pause ends, or patience."""
        return self._past.not_before if self._state is _State.WAITING else self._patience_ends()

    def close(self, farewell: bool = True) -> None:
        """End it. With a farewell the answers that are due are awaited, FAREWELL_S at most."""
        if farewell and self._state is _State.ONLINE and self._thread and self._session:
            with suppress(TimeoutError):
                self._thread.run(self._session.close(), FAREWELL_S)
        self._hang_up()
        self._state, self._reason = _State.GONE, self._reason or "closed"

    # --- Telling and Asking ------------------------------------------------------------------------------------------

    def standing(self) -> Mapping[str, Any]:
        """Which server and stream, as they were when the connection began, and what an operator should know."""
        warnings = [*([_UNVERIFIED] if self._settings.tls and not self._settings.tls.verify else []), *self._warnings]
        if self._opened is None:
            return {"stream": self._settings.stream, "warnings": warnings}
        stream = self._opened.stream
        return {
            "server": self._opened.server,
            "stream": stream.name,
            "replicas": stream.replicas,
            "leader": stream.leader,
            "storage": stream.storage,
            "duplicate_window_s": stream.window_s,
            "max_message_bytes": self._opened.max_bytes,
            "requests_dropped": self._requests.refused,
            "warnings": warnings,
        }

    def notices(self) -> Sequence[str]:
        """Warnings since the last call."""
        news, self._told = self._warnings[self._told :], len(self._warnings)
        return news

    def asked(self) -> Sequence[Asked]:
        """The requests that have come; whoever may publish to `request_subject` may have sent them."""
        return self._requests.take()

    def answer(self, asked: Asked, body: bytes) -> None:
        """To where the request wanted its answer, if it did."""
        if self._state is not _State.ONLINE or self._thread is None or self._session is None:
            raise UplinkDown(self._reason or f"{self._where()}: not connected")
        if asked.reply:
            self._thread.loop.call_soon_threadsafe(self._session.answer, asked.reply, body)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _open(self, now: float) -> None:
        self._past.begun(now)
        try:
            access = Access(self._settings, self._identity)
        except (OSError, SettingsError) as wrong:
            raise self._end(UplinkDown(f"what the connection needs cannot be read: {wrong}")) from wrong
        self._thread = LoopThread(f"{self._identity.uplink} jetstream")
        self._session = Session(self._settings, self._identity, access, self._inbox, self._requests)
        self._thread.loop.call_soon_threadsafe(self._session.begin)
        self._state, self._stirred_at = _State.OPENING, now

    def _heed(self, event: object) -> None:
        match event:
            case Taken(ticket):
                self._taken.append(ticket)
                self._in_flight -= 1
            case Opened():
                self._opened, self._state = event, _State.ONLINE
                self._warnings += event.warnings
            case Warned(text) if text not in self._warnings:
                self._warnings.append(text)
            case Ended(error, about):
                if isinstance(error, UplinkRefused) and about is not None:
                    self._past.refused.refuse(about.digest, str(error))
                    error = UplinkDown(str(error))
                elif isinstance(error, Held) and about is not None:
                    self._past.stuck = about
                raise self._end(error)

    def _refuse_unsendable(self, made: Parcel) -> None:
        if self._past.known.has_some(made.places):
            raise UplinkRefused("some of its records are in the stream already; the others go one by one")
        if self._past.refused and made.digest in self._past.refused:
            raise UplinkRefused(self._past.refused[made.digest])
        most = self._opened.max_bytes if self._opened else 0
        if made.total_bytes > most:
            cure = "make batch_bytes smaller, or raise max_payload of the servers (max_msg_size of the stream)"
            raise UplinkRefused(f"a message of {made.total_bytes} bytes; {most} are taken there: {cure}")
        if len(made.subject.encode()) > SUBJECT_MAX_BYTES:
            raise UplinkRefused(f"a subject of {len(made.subject.encode())} bytes; NATS carries {SUBJECT_MAX_BYTES}")

    def _patience_ends(self) -> float:
        settings = self._settings
        if self._state is _State.OPENING:
            tries_s = settings.connect_timeout_s * len(settings.servers)
            return self._stirred_at + tries_s + settings.ack_timeout_s * _API_CALLS + _SLACK_S
        return self._stirred_at + settings.ack_timeout_s + _SLACK_S if self._in_flight else float("inf")

    def _where(self) -> str:
        return self._opened.server if self._opened else ", ".join(self._settings.servers)

    def _end(self, error: BaseException) -> BaseException:
        """Close everything; the error to raise."""
        if isinstance(error, UplinkDown):
            self._past.failed(self._clock.now(), random.random())
        self._hang_up()
        self._state, self._reason = _State.GONE, str(error)
        return error  # one that nobody expected is no UplinkDown: let it crash, with its traceback

    def _hang_up(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None and self._session is not None:
            with suppress(RuntimeError):
                thread.loop.call_soon_threadsafe(self._session.hang_up)
            thread.close()
            if self._session.courier is not None:
                self._past.left(flight for flight, _ in self._session.courier.flying.values())
        self._taken += [event.ticket for event in self._inbox.take() if isinstance(event, Taken)]
        self._inbox.close()
        self._requests.close()
