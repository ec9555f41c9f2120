"""Clients of a TCP server as one stream: so many at once, each heard in its turn, none waited for.

    listener ─accept─> may it? is there room? ─> clients ─one read each─> chunks, by their source
                            └ turned away, counted

When all places are taken, a newcomer gets that of a client of which nothing has made sense yet, or the place of an
older connection from its own address (a device that was switched off and on). Otherwise it is turned away.
"""

import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from transports.errors import LinkDown, LinkRefused
from transports.sockets import Allowed, host_of, reason, source_of, watch_over
from transports.streams import Chunk

_CHUNK_BYTES = 16 * 1024  # of one client at a time: a fast one does not keep the others waiting
_UNREAD_BYTES = 64 * 1024  # of commands that a client may leave unread before it is let go
_MOST_ACCEPTED = 16  # at a time


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    source: str
    fits: bool = False

    @property
    def host(self) -> str:
        return host_of(self.source)


class Clients:
    """A listening socket and those who are connected to it: a Stream (transports/streams.py)."""

    def __init__(self, name: str, listener: socket.socket, most: int, allowed: Allowed, dead_after_s: float) -> None:
        self.name, self.turned_away = name, 0
        self._listener, self._most, self._allowed, self._dead_after_s = listener, most, allowed, dead_after_s
        self._clients: dict[int, _Client] = {}  # by descriptor, in the order of their coming
        self._left: list[Chunk] = []
        self._epoll = select.epoll()
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port, *_ = self._listener.getsockname()
        return host, port

    def fileno(self) -> int:
        return -1 if self._epoll.closed else self._epoll.fileno()

    def receive(self) -> Sequence[Chunk]:
        """One chunk of each client that has said something, and who has left."""
        if self._epoll.closed:
            raise LinkDown(f"{self.name}: closed; connect again")
        chunks: list[Chunk] = []
        for descriptor, _ in self._epoll.poll(0):
            if descriptor == self._listener.fileno():
                self._accept()
            elif descriptor in self._clients:
                chunks += self._heard(self._clients[descriptor])
        left, self._left = self._left, []
        return chunks + left

    def send(self, data: bytes) -> None:
        """To every client, without waiting: one that does not take all of it at once is let go. LinkRefused: nobody."""
        taken = [self._sent(client, data) for client in list(self._clients.values())]
        if not any(taken):
            raise LinkRefused(f"{self.name}: nobody is connected who takes a command; nothing was sent")

    def forget(self) -> None:
        """Who talks by himself is not asked: there is nothing to forget."""

    def fits(self, source: str) -> None:
        for client in self._clients.values():
            client.fits |= client.source == source

    def close(self) -> None:
        for client in list(self._clients.values()):
            self._let_go(client)
        self._epoll.close()
        with suppress(OSError):
            self._listener.close()

    # --- one client --------------------------------------------------------------------------------------------------

    def _heard(self, client: _Client) -> list[Chunk]:
        try:
            data = client.connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return []
        except OSError:  # reset, or not answered for too long
            data = b""
        if data:
            return [Chunk(client.source, data)]
        self._let_go(client)
        return []

    def _sent(self, client: _Client, data: bytes) -> bool:
        try:
            whole = client.connection.send(data) == len(data)
        except OSError:
            whole = False
        if not whole:
            self._let_go(client)
        return whole

    def _let_go(self, client: _Client) -> None:
        with suppress(OSError):
            self._epoll.unregister(client.connection.fileno())
        self._clients.pop(client.connection.fileno(), None)
        with suppress(OSError):
            client.connection.close()
        self._left.append(Chunk(client.source, b""))

    # --- newcomers ---------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(_MOST_ACCEPTED):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:  # gone again before it was looked at
                continue
            except OSError as wrong:  # no descriptor is left, for one
                raise LinkDown(f"{self.name}: no client can be accepted ({reason(wrong)})") from wrong
            self._admit(connection, source_of(address))

    def _admit(self, connection: socket.socket, source: str) -> None:
        newcomer = _Client(connection, source)
        if not self._allowed.admits(newcomer.host) or not self._has_room_for(newcomer):
            self.turned_away += 1
            connection.close()
            return
        connection.setblocking(False)
        with suppress(OSError):  # it may have gone again already: reading will tell
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
            watch_over(connection, self._dead_after_s)
        self._clients[connection.fileno()] = newcomer
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _has_room_for(self, newcomer: _Client) -> bool:
        if len(self._clients) < self._most:
            return True
        replaceable = [client for client in self._clients.values() if not client.fits]
        replaceable += [client for client in self._clients.values() if client.host == newcomer.host]
        if not replaceable:
            return False
        self._let_go(replaceable[0])
        return True
