"""A mailbox: the inbox of one actor, which is a ZeroMQ socket, and its ways to other mailboxes.

                      ┌──────────────── the actor's own thread ────────────────┐
    others ──ipc────> │ ROUTER  NAME.ipc ┐                                     │
    this process ───> │ local queue      ├─ one poll ─> get() ─> the actor     │
    timers, files ──> │ heap, fds        ┘                                     │
                      │ DEALER to OTHER ───────────────────────── tell, ask ───┼──> OTHER.ipc
                      └────────────────────────────────────────────────────────┘

It has the methods that pykka asks of an inbox (`put`, `get`, `empty`). Only `put` may be called from another thread.
Everything that happens comes out of `get` as an envelope, also timers and readable files, so that a failure in any of
them is the actor's failure.

Sending is not acceptance. A name that nobody listens to raises Down at once; what was queued for a process that then
dies is gone. Whoever needs more asks for an answer, or uses the spool. An answer travels back on the connection that
the question came by.
"""

import heapq
import itertools
import os
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, cast

import zmq
from pykka._envelope import Envelope

from transports.alarm import Alarm
from transports.clock import Clock
from transports.errors import AskTimeout, Down, HoldfastError, NotUnderstood
from transports.messages import Message, Reply, pack, unpack
from transports.names import Ownership, endpoint, listens, mailbox_path, own

MAX_AT_ONCE = 64  # messages taken from one socket before the others are looked at again
HANDSHAKE_MS = 250  # how long a living peer may take to accept a connection
_EVENT = struct.Struct("=H")  # zmq_socket_monitor(3): 16 bits of event, 32 of value; pyzmq's parser imports asyncio
HIGH_WATER = 10_000  # messages a socket may hold; payload-heavy senders bound themselves by bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A message and who sent it; an answer goes back to `sender`. `asked` tells that one is awaited."""

    sender: str
    message: Message
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """Something to do in the actor's thread: a timer that is due, a file that is ready."""

    what: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Leave:
    """The process was asked to end: finish what was promised, then stop."""


@dataclass(frozen=True, slots=True)
class PeerUp(Message):
    """A watched peer accepted the connection (again)."""

    name: str


@dataclass(frozen=True, slots=True)
class PeerDown(Message):
    """A watched peer's connection is gone; what it had not answered will not be answered."""

    name: str


@dataclass(order=True, slots=True)
class Timer:
    """A thing to do at a monotonic time, once; `cancel` makes it nothing, also when its time has come already."""

    at: float
    number: int
    what: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        self.what = None

    def fire(self) -> None:
        what, self.what = self.what, None
        if what is not None:
            what()


@dataclass(slots=True)
class _Asked:
    then: Callable[[Any], None]
    failed: Callable[[HoldfastError], None]
    to: str
    timer: Timer


class _Answer:
    """Where pykka puts the result of a message that came by `ask` from another process."""

    def __init__(self, mailbox: "Mailbox", sender: bytes, ask: int) -> None:
        self._mailbox, self._sender, self._ask = mailbox, sender, ask

    def set(self, value: Any = None) -> None:
        self._mailbox.answer(self._sender, self._ask, Reply(value))

    def set_exception(self, exc_info: Any = None) -> None:
        import sys

        error = (exc_info or sys.exc_info())[1]
        self._mailbox.answer(self._sender, self._ask, Reply(None, f"{type(error).__name__}: {error}"))


class Mailbox:
    """See the module's note. Made anywhere, opened in the actor's thread, used only there."""

    def __init__(self) -> None:
        self._local: deque[Envelope[Any]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poller = zmq.Poller()
        self._poller.register(self._wake, zmq.POLLIN)
        self._handlers: dict[Any, Callable[[], None]] = {self._wake: self._woken}
        self._alarm = Alarm()
        self._armed_for = inf
        self._poller.register(self._alarm.fileno(), zmq.POLLIN)
        self._handlers[self._alarm.fileno()] = self._rang
        self._timers: list[Timer] = []
        self._numbers = itertools.count(1)
        self._peers: dict[str, zmq.Socket[bytes]] = {}
        self._monitors: dict[str, zmq.Socket[bytes]] = {}
        self._watched: set[str] = set()
        self._asked: dict[int, _Asked] = {}
        self._owner: Ownership | None = None
        self._thread = 0
        self.handled = 0

    # --- life --------------------------------------------------------------------------------------------------------

    def open(self, run_dir: Path, name: str, clock: Clock, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        """Take the name and listen. Raises AlreadyRunning when a live process has it."""
        self._owner = own(run_dir / f"{name}.lock", f"the name {name!r}")
        self._run_dir, self._name, self._clock, self._context = run_dir, name, clock, context
        self._thread = threading.get_ident()
        self._router = self._socket(zmq.ROUTER)
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._router.bind(endpoint(mailbox_path(run_dir, name)))
        self._listen(self._router, self._routed)

    def close(self) -> None:
        """Let go of everything; what is still queued has a moment to leave."""
        for name in list(self._peers):
            self._disconnect(name)
        if self._owner is not None:
            self._router.close()
            self._owner.release()

    # --- pykka's side ------------------------------------------------------------------------------------------------

    def put(self, envelope: "Envelope[Any]", /) -> None:
        """Queue something from within this process; from any thread."""
        self._local.append(envelope)
        if threading.get_ident() != self._thread:
            os.eventfd_write(self._wake, 1)

    def empty(self) -> bool:
        return not self._local

    def get(self) -> "Envelope[Any]":
        """The next thing to do; waits for it."""
        while not self._local:
            self._poll()
        self.handled += 1
        return self._local.popleft()

    # --- speaking ----------------------------------------------------------------------------------------------------

    def tell(self, to: str, item: Message) -> None:
        """Send, without an answer. Raises Down when nobody of that name listens or its queue is full."""
        self._send(to, pack(item))

    def offer(self, to: str, item: Message) -> bool:
        """Send if that takes no waiting at all: for data, whose sender keeps it until it is acknowledged."""
        socket = self._peers.get(to) or self._connected(to)
        try:
            socket.send_multipart(pack(item), zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return False
        return True

    def ask(
        self,
        to: str,
        item: Message,
        timeout_s: float,
        then: Callable[[Any], None],
        failed: Callable[[HoldfastError], None],
    ) -> None:
        """Send, and have one of `then(value)`, `failed(error)` called in this actor within `timeout_s`."""
        number = next(self._numbers)
        try:
            self._send(to, pack(item, number))
        except Down as down:
            self._call(lambda error=down: failed(error))  # type: ignore[misc]
            return
        timer = self.at(self._clock.now() + timeout_s, lambda: self._overdue(number, timeout_s))
        self._asked[number] = _Asked(then, failed, to, timer)

    def back(self, to: str, item: Message) -> None:
        """Answer somebody who wrote to this mailbox, on its own connection. Raises Down when that is gone."""
        self._route(to.encode(), pack(item))

    def answer(self, sender: bytes, number: int, reply: Reply) -> None:
        """The answer to an ask; a caller that is gone does not need it."""
        import contextlib

        with contextlib.suppress(Down):
            self._route(sender, pack(reply, number))

    # --- waiting -----------------------------------------------------------------------------------------------------

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        """Do something at a monotonic time."""
        timer = Timer(when, next(self._numbers), what)
        heapq.heappush(self._timers, timer)
        return timer

    def when_readable(self, descriptor: int, what: Callable[[], None], writable: bool = False) -> None:
        """Call `what` whenever the descriptor is readable (and, if asked, writable), until `forget`."""

        def call() -> None:
            if self._handlers.get(descriptor) is handler:  # not forgotten since it was seen to be ready
                what()

        def handler() -> None:
            self._call(call)

        self._poller.register(descriptor, zmq.POLLIN | (zmq.POLLOUT if writable else 0))
        self._handlers[descriptor] = handler

    def forget(self, descriptor: "int | zmq.Socket[bytes]") -> None:
        """Stop watching a descriptor; harmless when it is not watched."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poller.unregister(descriptor)

    def watch(self, name: str) -> None:
        """Connect to `name` and deliver PeerUp and PeerDown about that connection from now on."""
        if name not in self._watched:
            self._disconnect(name)
            self._watched.add(name)
            self._connected(name)

    # --- the one poll ------------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        self._due()
        patience_ms = 0 if self._local else self._patience_ms()  # a timer that is always due must not deafen the actor
        for ready, _ in self._poller.poll(patience_ms):
            handler = self._handlers.get(ready)
            if handler is not None:
                handler()
        self._due()

    def _due(self) -> None:
        now = self._clock.now() if self._timers else 0.0
        while self._timers and (self._timers[0].what is None or self._timers[0].at <= now):
            timer = heapq.heappop(self._timers)
            if timer.what is not None:
                self._call(timer.fire)

    def _patience_ms(self) -> int | None:
        """How long to poll at most. The alarm is the exact clock; the poll's own milliseconds only back it up."""
        if not self._timers:
            return None
        first = self._timers[0].at
        wait_s = max(0.0, first - self._clock.now())
        if first != self._armed_for:
            self._armed_for = first
            self._alarm.ring_in(wait_s)
        return int(wait_s * 1000) + 1

    def _rang(self) -> None:
        self._armed_for = inf
        self._alarm.heard()

    def _call(self, what: Callable[[], None]) -> None:
        self._local.append(Envelope(Call(what)))

    def _woken(self) -> None:
        os.eventfd_read(self._wake)

    def _listen(self, socket: "zmq.Socket[bytes]", handler: Callable[[], None]) -> None:
        self._poller.register(socket, zmq.POLLIN)
        self._handlers[socket] = handler

    def _routed(self) -> None:
        for _ in range(MAX_AT_ONCE):
            try:
                sender, *frames = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._arrived(sender, frames)

    def _dealt(self, name: str, socket: "zmq.Socket[bytes]") -> None:
        for _ in range(MAX_AT_ONCE):
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._arrived(name.encode(), frames)

    def _arrived(self, sender: bytes, frames: list[bytes]) -> None:
        try:
            item, ask = unpack(frames)
        except NotUnderstood:
            return  # not from this house; a stranger on a 0700 socket is not worth a death
        if isinstance(item, Reply):
            self._replied(ask, item)
            return
        answer = cast(Any, _Answer(self, sender, ask)) if ask else None
        self._local.append(Envelope(Letter(sender.decode("utf-8", "replace"), item, bool(ask)), reply_to=answer))

    def _replied(self, number: int, reply: Reply) -> None:
        asked = self._asked.pop(number, None)
        if asked is None:
            return
        asked.timer.cancel()
        if reply.error:
            self._call(lambda: asked.failed(HoldfastError(reply.error)))
        else:
            self._call(lambda: asked.then(reply.value))

    def _overdue(self, number: int, timeout_s: float) -> None:
        asked = self._asked.pop(number, None)
        if asked is not None:
            asked.failed(AskTimeout(f"{asked.to} did not answer within {timeout_s:g} s"))

    def _monitored(self, name: str, monitor: "zmq.Socket[bytes]") -> None:
        for _ in range(MAX_AT_ONCE):
            try:
                frame, _endpoint = monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            (event,) = _EVENT.unpack_from(frame)
            change: Message = PeerDown(name) if event == zmq.EVENT_DISCONNECTED else PeerUp(name)
            if isinstance(change, PeerDown):
                self._abandon(name)
            self._local.append(Envelope(Letter(name, change)))

    def _abandon(self, name: str) -> None:
        for number, asked in list(self._asked.items()):
            if asked.to == name:
                del self._asked[number]
                asked.timer.cancel()
                self._call(lambda failed=asked.failed: failed(Down(name)))  # type: ignore[misc]

    # --- sockets -----------------------------------------------------------------------------------------------------

    def _socket(self, kind: int) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 300)
        socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
        return socket

    def _connected(self, name: str) -> "zmq.Socket[bytes]":
        socket = self._socket(zmq.DEALER)
        socket.setsockopt(zmq.ROUTING_ID, self._name.encode())
        socket.setsockopt(zmq.IMMEDIATE, 1)  # queue only for a peer that is there
        socket.setsockopt(zmq.RECONNECT_IVL, 5)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self._peers[name] = socket
        self._listen(socket, lambda: self._dealt(name, socket))
        if name in self._watched:  # attached before the connection is made, or its first event is missed
            monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
            self._monitors[name] = monitor
            self._listen(monitor, lambda: self._monitored(name, monitor))
        socket.connect(endpoint(mailbox_path(self._run_dir, name)))
        return socket

    def _disconnect(self, name: str) -> None:
        socket = self._peers.pop(name, None)
        if socket is not None:
            self.forget(socket)
            socket.disable_monitor()
            socket.close()
        monitor = self._monitors.pop(name, None)
        if monitor is not None:
            self.forget(monitor)
            monitor.close(linger=0)

    def _send(self, to: str, frames: list[bytes]) -> None:
        socket = self._peers.get(to) or self._connected(to)
        try:
            socket.send_multipart(frames, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            if not listens(mailbox_path(self._run_dir, to)) or not socket.poll(HANDSHAKE_MS, zmq.POLLOUT):
                raise Down(to) from None
            socket.send_multipart(frames, zmq.NOBLOCK, copy=True)

    def _route(self, to: bytes, frames: list[bytes]) -> None:
        try:
            self._router.send_multipart([to, *frames], zmq.NOBLOCK, copy=True)
        except zmq.ZMQError as gone:
            raise Down(to.decode("utf-8", "replace")) from gone
