"""A mailbox: the inbox of one actor, which is a ZeroMQ socket, and all that it says to other mailboxes.

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

Its parts: `waiting.py` is the one poll, `peers.py` the DEALER sockets, `router.py` the ROUTER, `asks.py` what still
awaits an answer. Whoever has a mailbox finds all that comes out of it here.

The root's mailbox differs in one thing: no refusal of the system, least of all a lack of descriptors, ends it. It has
its own door (`door.py`) in place of the ROUTER, and whom it cannot reach for want of a descriptor is Down. Any other
process is better started anew than kept without descriptors, so there such an error stays what it is.
"""

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import zmq
from pykka._envelope import Envelope

from transports.asks import Asks
from transports.clock import Clock
from transports.door import Door
from transports.errors import Down, HoldfastError, NotUnderstood
from transports.messages import Message, Reply, pack, unpack
from transports.names import ROOT, Ownership, mailbox_path, own
from transports.peers import PeerDown, Peers, PeerUp
from transports.router import Router
from transports.waiting import Call, Source, Timer, Waiting

__all__ = ["Call", "Leave", "Letter", "Mailbox", "PeerDown", "PeerUp", "Timer"]


@dataclass(frozen=True, slots=True)
class Letter:
    """A message and who sent it; an answer goes back to `sender`. `asked` tells that one is awaited."""

    sender: str
    message: Message
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """The process was asked to end: finish what was promised, then stop."""


class _Answer:
    """Where pykka puts the result of a message that came by `ask` from another process."""

    def __init__(self, mailbox: "Mailbox", sender: bytes, ask: int) -> None:
        self._mailbox, self._sender, self._ask = mailbox, sender, ask

    def set(self, value: Any = None) -> None:
        self._mailbox.answer(self._sender, self._ask, Reply(value))

    def set_exception(self, exc_info: Any = None) -> None:
        error = (exc_info or sys.exc_info())[1]
        self._mailbox.answer(self._sender, self._ask, Reply(None, f"{type(error).__name__}: {error}"))


class Mailbox:
    """See the module's note. Made anywhere, opened in the actor's thread, used only there."""

    def __init__(self) -> None:
        self._waiting = Waiting()
        self._queue = self._waiting.queue
        self._asks = Asks(self._waiting)
        self._owner: Ownership | None = None
        self.handled = 0

    # --- life --------------------------------------------------------------------------------------------------------

    def open(self, run_dir: Path, name: str, clock: Clock, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        """Take the name and listen. Raises AlreadyRunning when a live process has it."""
        self._owner = own(run_dir / f"{name}.lock", f"the name {name!r}")
        is_root, path = name == ROOT, mailbox_path(run_dir, name)
        self._waiting.begin(clock, steadfast=is_root)
        self._peers = Peers(run_dir, name, context, self._waiting, self._arrived, self._changed, patient=is_root)
        self._inlet: Door | Router = (
            Door(path, self._waiting, self._arrived) if is_root else Router(path, context, self._waiting, self._arrived)
        )

    def close(self) -> None:
        """Let go of everything; what is still queued has a moment to leave."""
        if self._owner is not None:
            self._peers.close()
            self._inlet.close()
            self._owner.release()
            self._waiting.close()
            self._owner = None

    # --- pykka's side ------------------------------------------------------------------------------------------------

    def put(self, envelope: "Envelope[Any]", /) -> None:
        """Queue something from within this process; from any thread."""
        self._waiting.put(envelope)

    def empty(self) -> bool:
        return not self._queue

    def get(self) -> "Envelope[Any]":
        """The next thing to do; waits for it."""
        while not self._queue:
            self._waiting.poll()
        self.handled += 1
        return self._queue.popleft()

    # --- speaking ----------------------------------------------------------------------------------------------------

    def tell(self, to: str, item: Message) -> None:
        """Send, without an answer. Raises Down when nobody of that name listens or its queue is full."""
        self._peers.send(to, pack(item))

    def offer(self, to: str, item: Message) -> bool:
        """Send if that takes no waiting at all: for data, whose sender keeps it until it is acknowledged."""
        return self._peers.offer(to, pack(item))

    def ask(
        self,
        to: str,
        item: Message,
        timeout_s: float,
        then: Callable[[Any], None],
        failed: Callable[[HoldfastError], None],
    ) -> None:
        """Send, and have one of `then(value)`, `failed(error)` called in this actor within `timeout_s`."""
        number = self._asks.number()
        try:
            self._peers.send(to, pack(item, number))
        except Down as down:
            self._waiting.call(lambda error=down: failed(error))  # type: ignore[misc]
            return
        self._asks.sent(number, to, timeout_s, then, failed)

    def back(self, to: str, item: Message) -> None:
        """Answer somebody who wrote to this mailbox, on its own connection. Raises Down when that is gone."""
        self._inlet.send(to.encode(), pack(item))

    def answer(self, sender: bytes, number: int, reply: Reply) -> None:
        """The answer to an ask; a caller that is gone does not need it."""
        with contextlib.suppress(Down):
            self._inlet.send(sender, pack(reply, number))

    # --- waiting -----------------------------------------------------------------------------------------------------

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        """Do something at a monotonic time."""
        return self._waiting.at(when, what)

    def when_readable(self, source: Source, what: Callable[[], None], writable: bool = False) -> None:
        """Call `what` whenever the descriptor or socket is readable (and, if asked, writable), until `forget`."""
        self._waiting.when_readable(source, what, writable)

    def forget(self, source: Source) -> None:
        """Stop watching a descriptor or socket; harmless when it is not watched."""
        self._waiting.forget(source)

    def watch(self, name: str) -> None:
        """Connect to `name` and deliver PeerUp and PeerDown about that connection from now on."""
        self._peers.watch(name)

    # --- hearing -----------------------------------------------------------------------------------------------------

    def _arrived(self, sender: bytes, frames: list[bytes]) -> None:
        try:
            item, ask = unpack(frames)
        except NotUnderstood:
            return  # not from this house; a stranger on a 0700 socket is not worth a death
        if isinstance(item, Reply):
            self._asks.replied(ask, item)
            return
        answer = cast(Any, _Answer(self, sender, ask)) if ask else None
        self._queue.append(Envelope(Letter(sender.decode("utf-8", "replace"), item, bool(ask)), reply_to=answer))

    def _changed(self, change: PeerUp | PeerDown) -> None:
        if isinstance(change, PeerDown):
            self._asks.abandon(change.name)
        self._queue.append(Envelope(Letter(change.name, change)))
