"""Whether somebody takes connections on a TCP port, found out without waiting for it."""

import errno
import select
import socket
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from transports.clock import Clock
from transports.mailbox import Mailbox

ANSWER_WITHIN_S = 1.0  # of one knock, also where packets are swallowed


class Port:
    """One of them; `knock` as often as wanted, at most one connection is on its way."""

    def __init__(self, address: tuple[str, int], mailbox: Mailbox, clock: Clock) -> None:
        self._address, self._mailbox, self._clock = address, mailbox, clock
        self._socket: socket.socket | None = None
        self._until = 0.0
        self._addresses: deque[Address] = deque()

    @property
    def name(self) -> str:
        host, port = self._address
        return f"{host}:{port}"

    def knock(self, opened: Callable[[], None]) -> None:
        """Try to connect, if that is not being tried already; `opened` is called when it was taken."""
        if self._socket is not None and self._clock.now() < self._until:
            return
        self.close()
        if not self._addresses:
            self._addresses.extend(_resolved(*self._address))
        if self._addresses:
            self._call(self._addresses[0], opened)
            self._addresses.rotate(-1)  # "localhost" has two, and a program may listen on one of them only

    def is_taken(self) -> bool:
        """Whether somebody on this very machine takes connections there; never waits. Of other machines: no."""
        return any(_taken(family, address) for family, address in _resolved(*self._address) if _local(address))

    def close(self) -> None:
        """Give up what is on its way."""
        caller, self._socket = self._socket, None
        if caller is not None:
            self._mailbox.forget(caller.fileno())
            caller.close()

    def _call(self, address: "Address", opened: Callable[[], None]) -> None:
        family, sockaddr = address
        self._socket = caller = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._until = self._clock.now() + ANSWER_WITHIN_S
        if caller.connect_ex(sockaddr) in (0, errno.EINPROGRESS):
            self._mailbox.when_readable(caller.fileno(), lambda: self._answered(caller, opened), writable=True)
        else:
            self.close()

    def _answered(self, caller: socket.socket, opened: Callable[[], None]) -> None:
        taken = not caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) and not _itself(caller)
        self.close()
        if taken:
            opened()


Address = tuple[socket.AddressFamily, Any]


def _resolved(host: str, port: int) -> list[Address]:
    """Where that is; nowhere as long as the name is not known. A name of the network may take the resolver's time."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


def _local(address: Any) -> bool:
    return ip_address(address[0].partition("%")[0]).is_loopback


def _taken(family: socket.AddressFamily, address: Any) -> bool:
    """On the loopback the kernel has made the connection, or refused it, before it returns."""
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as caller:
        if caller.connect_ex(address) not in (0, errno.EINPROGRESS):
            return False
        _, ready, _ = select.select([], [caller], [], 0.0)
        return bool(ready) and not caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) and not _itself(caller)


def _itself(caller: socket.socket) -> bool:
    """The kernel gave this socket the very port that it calls, and it reached itself (tcp simultaneous open)."""
    return bool(caller.getsockname() == _peer(caller))


def _peer(caller: socket.socket) -> Any:
    try:
        return caller.getpeername()
    except OSError:  # it was closed again at once: somebody was there
        return None
