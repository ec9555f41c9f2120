"""The root's own door: a ROUTER that the system's refusals cannot end. It speaks ZMTP itself (zmtp.py).

    NAME.ipc ──accept──> connections ──one epoll──> messages, by who sent them
                  │
                  └─ no descriptor left: a reserve is given up for the newcomer; without one, newcomers wait a moment

libzmq ends the whole process when accept(2) on an ipc socket fails with EMFILE or ENOMEM (4.3.5: `ipc_listener.cpp`,
an assertion). For any other process that is one restart; for the root it is the end of all. It is also quicker: nothing
is handed over by a thread. A name that connects again takes over from its older connection (ROUTER_HANDOVER), an answer
to somebody who is gone raises Down (ROUTER_MANDATORY).
"""

import errno
import os
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from transports.errors import Down, NotUnderstood
from transports.names import listening
from transports.reserve import Reserve
from transports.waiting import Waiting
from transports.zmtp import HELLO, Hearing, packed

BACKLOG = 512  # newcomers that may wait while the root is at something else
AT_ONCE = 64  # connections served before anything else has its turn
RECEIVE_BYTES = 64 * 1024  # taken from one of them
UNSENT_BYTES = 16 * 1024 * 1024  # that wait for a peer that does not read, before it counts as gone
HANDSHAKE_S = 30.0  # who has not said READY by then makes room for others
PAUSE_S = 0.1  # before newcomers are asked in again, when there was no descriptor for them
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


@dataclass(slots=True, eq=False)
class _Peer:
    socket: socket.socket
    hearing: Hearing = field(default_factory=Hearing)
    unsent: bytearray = field(default_factory=bytearray)
    identity: bytes = b""


class Door:
    """See the module's note. `arrived(sender, frames)` is called within the poll."""

    def __init__(self, path: Path, waiting: Waiting, arrived: Callable[[bytes, list[bytes]], None]) -> None:
        self._waiting, self._arrived = waiting, arrived
        self._peers: dict[int, _Peer] = {}  # by descriptor
        self._named: dict[bytes, _Peer] = {}
        self._strangers: dict[int, float] = {}  # descriptor -> when it came; in that order
        self._reserve = Reserve()
        self._listener = listening(path, socket.SOCK_STREAM, BACKLOG)
        self._ready = select.epoll()
        self._ready.register(self._listener, select.EPOLLIN)
        waiting.listen(self._ready.fileno(), self._serve)

    def send(self, to: bytes, frames: Sequence[bytes]) -> None:
        """Say something to a peer that has connected. Raises Down when it is gone, or does not read."""
        peer = self._named.get(to)
        if peer is None:
            raise Down(to.decode("utf-8", "replace"))
        if not self._say(peer, packed(frames)):
            self._part_with(peer)
            raise Down(to.decode("utf-8", "replace"))

    def close(self) -> None:
        """Close all; what the kernel has taken, the peers can still read."""
        self._waiting.forget(self._ready.fileno())
        for peer in list(self._peers.values()):
            self._part_with(peer)
        self._ready.close()
        self._listener.close()
        self._reserve.close()

    # --- the one epoll -----------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        for descriptor, events in self._ready.poll(0, AT_ONCE):
            if descriptor == self._listener.fileno():
                self._ask_in()
                continue
            peer = self._peers.get(descriptor)  # it may have been parted with a moment ago
            if peer is not None and not self._attend(peer, events):
                self._part_with(peer)

    def _attend(self, peer: _Peer, events: int) -> bool:
        """Whether it is still there."""
        if events & select.EPOLLOUT and not self._say(peer, b""):
            return False
        return not events & ~select.EPOLLOUT or self._hear(peer)

    def _hear(self, peer: _Peer) -> bool:
        try:
            data = peer.socket.recv(RECEIVE_BYTES)
            messages = peer.hearing.heard(data)
        except BlockingIOError:
            return True
        except (OSError, NotUnderstood):  # not from this house; a stranger on a 0700 socket is not worth a death
            return False
        self._name(peer)
        for frames in messages:
            self._arrived(peer.identity, frames)
        return bool(data)

    def _say(self, peer: _Peer, data: bytes) -> bool:
        """Send what waited and this, as much as there is room for; the rest waits. Whether the peer is still there."""
        if len(peer.unsent) + len(data) > UNSENT_BYTES:
            return False
        waited = bool(peer.unsent)
        peer.unsent += data
        try:
            sent = peer.socket.send(peer.unsent)
        except BlockingIOError:
            sent = 0
        except OSError as refused:
            if refused.errno not in (errno.ENOBUFS, errno.ENOMEM):
                return False
            sent = 0
        del peer.unsent[:sent]
        if bool(peer.unsent) != waited:
            self._ready.modify(peer.socket, select.EPOLLIN | (select.EPOLLOUT if peer.unsent else 0))
        return True

    # --- who comes and goes ------------------------------------------------------------------------------------------

    def _ask_in(self) -> None:
        self._forget_strangers()
        try:
            newcomer = self._accepted()
        except BlockingIOError:
            return  # it went away again
        except OSError:
            self._pause()
            return
        peer = _Peer(newcomer)
        try:
            newcomer.setblocking(False)
            self._ready.register(newcomer, select.EPOLLIN)
        except OSError:  # no memory, or too many watches
            newcomer.close()
            return
        self._peers[newcomer.fileno()] = peer
        self._strangers[newcomer.fileno()] = self._waiting.clock.now()
        if not self._say(peer, HELLO):
            self._part_with(peer)

    def _accepted(self) -> socket.socket:
        try:
            return self._listener.accept()[0]
        except OSError as refused:
            if refused.errno not in _NO_DESCRIPTOR or not self._reserve.give_up_one():
                raise
            return self._listener.accept()[0]

    def _pause(self) -> None:
        """Nobody can be asked in now; those who knock wait in the kernel."""
        self._ready.unregister(self._listener)
        self._waiting.at(self._waiting.clock.now() + PAUSE_S, self._resume)

    def _resume(self) -> None:
        with suppress(ValueError, OSError):  # closed meanwhile
            self._ready.register(self._listener, select.EPOLLIN)

    def _forget_strangers(self) -> None:
        late = self._waiting.clock.now() - HANDSHAKE_S
        for descriptor, came in list(self._strangers.items()):
            if came > late:
                return
            self._part_with(self._peers[descriptor])

    def _name(self, peer: _Peer) -> None:
        """Its READY is here: from now on it can be spoken to, and an older connection of that name no more."""
        identity = peer.hearing.identity
        if peer.identity or identity is None:
            return
        self._strangers.pop(peer.socket.fileno(), None)
        peer.identity = identity or b"\0" + os.urandom(4)  # as ZeroMQ names those without a name
        older = self._named.pop(peer.identity, None)
        self._named[peer.identity] = peer
        if older is not None:
            self._part_with(older)

    def _part_with(self, peer: _Peer) -> None:
        descriptor = peer.socket.fileno()
        if self._peers.pop(descriptor, None) is None:
            return
        self._strangers.pop(descriptor, None)
        if self._named.get(peer.identity) is peer:
            del self._named[peer.identity]
        peer.socket.close()  # which also ends the watch on it
        self._reserve.refill()
