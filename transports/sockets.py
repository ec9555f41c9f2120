"""Sockets: addresses as they are written, who may connect, and how a far end that vanished is found."""

import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from transports.errors import LinkDown


def address_of(text: str) -> tuple[str, int]:
    """Host and port of "0.0.0.0:4001" or "[::]:4001". Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(text)
    if (":" in host) != (host.startswith("[") and host.endswith("]")):
        raise ValueError(text)
    return host.strip("[]"), int(port)


def wrong_address(text: str) -> str | None:
    """What is wrong with an address to listen on."""
    try:
        address_of(text)
    except ValueError:
        return 'must be an address and a port, such as "0.0.0.0:4001", "127.0.0.1:4001" or "[::]:4001"'
    return None


def wrong_networks(texts: Sequence[str]) -> str | None:
    """What is wrong with a list of who may connect."""
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            return f'must be addresses or networks, such as "192.168.1.7" or "192.168.1.0/24"; {text!r:.40} is none'
    return None


class Allowed:
    """Who may speak: anybody where no network is named."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(text) for text in networks]

    def admits(self, host: str) -> bool:
        """Whether this numeric address is in one of the networks; an IPv4 address in IPv6's clothes is itself."""
        if not self._networks:
            return True
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def source_of(address: tuple[Any, ...]) -> str:
    """The text that `address_of` reads, of a socket's address; IPv4 mapped into IPv6 is shown as IPv4."""
    host, port = str(address[0]).removeprefix("::ffff:"), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(source: str) -> str:
    """The host of such a text."""
    return source.rpartition(":")[0].strip("[]")


def opened(where: str, cure: str, make: Callable[[], socket.socket]) -> socket.socket:
    """The socket that `make` opens, which no longer waits. Raises LinkDown with the cure."""
    try:
        made = make()
    except (OSError, UnicodeError) as failed:  # UnicodeError: a host name that DNS cannot carry
        raise LinkDown(f"{where}: {failed}; {cure}") from failed
    made.setblocking(False)
    return made


def listening_socket(text: str, kind: socket.SocketKind) -> socket.socket:
    """A bound socket of that kind (SOCK_STREAM listens). Raises OSError."""
    host, port = address_of(text)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind)
    try:
        if kind is socket.SOCK_STREAM:  # connections that an earlier run had may still be remembered
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        if kind is socket.SOCK_STREAM:
            made.listen()
    except OSError:
        made.close()
        raise
    return made


def watch_over(connection: socket.socket, dead_after_s: float) -> None:
    """Have the kernel end a connection whose far end has not answered for about that time (at least 3 s).

    Idle: keepalive asks after half of it and then twice more (tcp(7)). Busy: TCP_USER_TIMEOUT limits how long what was
    sent may stay unacknowledged.
    """
    every_s = max(1, round(dead_after_s / 4))
    options = (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),  # Nagle's algorithm would hold a request back
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2 * every_s),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every_s),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(dead_after_s * 1000)),
    )
    for level, option, value in options:
        connection.setsockopt(level, option, value)


def reason(wrong: OSError) -> str:
    """What the system says, in words."""
    return wrong.strerror or os.strerror(wrong.errno or 0)
