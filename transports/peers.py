"""The ways to other mailboxes: a DEALER socket to each name that is written to, and who of them is there.

A name that nobody listens to raises Down at once; what was queued for a process that then dies is gone. A connection
that is watched tells when it is made and when it is lost. To who is `patient`, a name is also Down when the system has
no descriptor for a way to it, and a watch that cannot begin for that begins later; for anybody else it is an error.

The root answers a handshake in its own loop (door.py), not in a thread beside it. So what is for the root waits in the
socket until it has a moment: it must listen when it is written to first, and nobody outlives it after that.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zmq

from transports.errors import Down
from transports.messages import Message
from transports.names import ROOT, endpoint, listens, mailbox_path
from transports.waiting import Waiting

MAX_AT_ONCE = 64  # messages taken from one socket before the others are looked at again
HANDSHAKE_MS = 250  # how long a living peer may take to accept a connection
_EVENT = struct.Struct("=H")  # zmq_socket_monitor(3): 16 bits of event, 32 of value; pyzmq's parser imports asyncio
WATCH_AGAIN_S = 1.0  # after the system had no descriptor for it
HIGH_WATER = 10_000  # messages a socket may hold; payload-heavy senders bound themselves by bytes


@dataclass(frozen=True, slots=True)
class PeerUp(Message):
    """A watched peer accepted the connection (again)."""

    name: str


@dataclass(frozen=True, slots=True)
class PeerDown(Message):
    """A watched peer's connection is gone; what it had not answered will not be answered."""

    name: str


def bounded(context: "zmq.Context[zmq.Socket[bytes]]", kind: int) -> "zmq.Socket[bytes]":
    """A new socket that holds no more than HIGH_WATER, and whose end waits for nobody."""
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 300)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
    return socket


class Peers:
    """The ways of the mailbox `name`. What comes in goes to `arrived(sender, frames)`, news of a watched peer to
    `changed(PeerUp or PeerDown)`; both are called within the poll."""

    def __init__(
        self,
        run_dir: Path,
        name: str,
        context: "zmq.Context[zmq.Socket[bytes]]",
        waiting: Waiting,
        arrived: Callable[[bytes, list[bytes]], None],
        changed: Callable[[PeerUp | PeerDown], None],
        patient: bool = False,
    ) -> None:
        self._run_dir, self._name, self._context, self._waiting = run_dir, name, context, waiting
        self._arrived, self._changed, self._patient = arrived, changed, patient
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._monitors: dict[str, zmq.Socket[bytes]] = {}
        self._watched: set[str] = set()
        self._up: set[str] = set()  # those of them that have accepted, and are not lost since

    def send(self, to: str, frames: list[bytes]) -> None:
        """Send, waiting for a handshake if need be. Raises Down when nobody listens or its queue is full."""
        socket = self._sockets.get(to) or self._reached(to)
        try:
            socket.send_multipart(frames, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            if not self._listens(to) or not socket.poll(HANDSHAKE_MS, zmq.POLLOUT):
                raise Down(to) from None
            socket.send_multipart(frames, zmq.NOBLOCK, copy=True)

    def offer(self, to: str, frames: list[bytes]) -> bool:
        """Send if that takes no waiting at all; whether it did."""
        try:
            socket = self._sockets.get(to) or self._reached(to)
            socket.send_multipart(frames, zmq.NOBLOCK, copy=True)
        except (zmq.Again, Down):
            return False
        return True

    def watch(self, name: str) -> None:
        """Connect to `name` and tell of that connection from now on."""
        if name not in self._watched:
            self._disconnect(name)
            self._watched.add(name)
            try:
                self._reached(name)
            except Down:
                self._watched.discard(name)
                self._waiting.at(self._waiting.clock.now() + WATCH_AGAIN_S, lambda: self.watch(name))

    def close(self) -> None:
        """Let go of all; what is still queued has a moment to leave."""
        for name in list(self._sockets):
            self._disconnect(name)

    def _reached(self, name: str) -> "zmq.Socket[bytes]":
        """A new way to `name`, or none at all."""
        try:
            if name == ROOT and not self._listens(name):
                raise Down(name)
            return self._connected(name)
        except zmq.ZMQError as refused:
            self._disconnect(name)
            if self._patient:
                raise Down(name) from refused
            raise

    def _listens(self, name: str) -> bool:
        try:
            return listens(mailbox_path(self._run_dir, name))
        except OSError as refused:
            if self._patient:
                raise Down(name) from refused
            raise

    def _connected(self, name: str) -> "zmq.Socket[bytes]":
        socket = bounded(self._context, zmq.DEALER)
        socket.setsockopt(zmq.ROUTING_ID, self._name.encode())
        socket.setsockopt(zmq.IMMEDIATE, name != ROOT)  # queue only for a peer that is there
        socket.setsockopt(zmq.RECONNECT_IVL, 5)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self._sockets[name] = socket
        self._waiting.listen(socket, lambda: self._dealt(name, socket))
        if name in self._watched:  # attached before the connection is made, or its first event is missed
            monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
            self._monitors[name] = monitor
            self._waiting.listen(monitor, lambda: self._monitored(name, monitor))
        socket.connect(endpoint(mailbox_path(self._run_dir, name)))
        return socket

    def _disconnect(self, name: str) -> None:
        self._up.discard(name)
        socket = self._sockets.pop(name, None)
        if socket is not None:
            self._waiting.forget(socket)
            socket.disable_monitor()
            socket.close()
        monitor = self._monitors.pop(name, None)
        if monitor is not None:
            self._waiting.forget(monitor)
            monitor.close(linger=0)

    def _dealt(self, name: str, socket: "zmq.Socket[bytes]") -> None:
        for _ in range(MAX_AT_ONCE):
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._arrived(name.encode(), frames)

    def _monitored(self, name: str, monitor: "zmq.Socket[bytes]") -> None:
        for _ in range(MAX_AT_ONCE):
            try:
                frame, _endpoint = monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            (event,) = _EVENT.unpack_from(frame)
            self._turned(name, event != zmq.EVENT_DISCONNECTED)

    def _turned(self, name: str, up: bool) -> None:
        """Tell it, unless it is no change: a connection that ends before its handshake (to a process that is just being
        ended, whose listening socket still takes some) was never one."""
        if up != (name in self._up):
            self._up ^= {name}
            self._changed(PeerUp(name) if up else PeerDown(name))
