"""TCP connections that leave through a given network interface (SO_BINDTODEVICE, socket(7)).

A bound socket uses only the routes of its interface, whatever the table prefers; the interface needs a route to the
far end of its own (a default route with a higher metric will do). Since Linux 5.7 anybody may bind a socket that is not
bound yet; before that it takes CAP_NET_RAW. Names are resolved by the system's resolver, which is not bound.
"""

import asyncio
import errno
import socket
from contextlib import ExitStack

from transports.clock import MachineClock

_CURES = {
    errno.EPERM: "the kernel lets only CAP_NET_RAW bind a socket to the interface {}; Linux 5.7 and later let anybody",
    errno.ENODEV: "there is no network interface {}; look at `ip link` and at `interface` of the link",
}
_LEAST_S = 0.001  # a time-out of 0 would make a socket that does not wait


def bind_to(made: socket.socket, interface: str) -> None:
    """Have whatever this socket sends leave through `interface`; "" changes nothing. Raises OSError with the cure."""
    if not interface:
        return
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    except OSError as refused:
        cure = _CURES.get(refused.errno or 0)
        if cure is None:
            raise
        raise OSError(refused.errno, cure.format(repr(interface))) from refused


def bound_socket(family: int, interface: str) -> socket.socket:
    """A TCP socket bound to the interface. Raises OSError."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        bind_to(made, interface)
    except OSError:
        made.close()
        raise
    return made


def bound_connection(host: str, port: int, timeout_s: float, interface: str) -> socket.socket:
    """A connection through `interface` ("": any) to the first address of `host` that answers; they share `timeout_s`.

    It blocks, and so it does for as long as the name takes to be resolved. The socket keeps a time-out. Raises OSError.
    """
    clock = MachineClock()
    deadline, failed = clock.now() + timeout_s, OSError(f"{host} has no address")
    every = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for at, (family, _, _, _, address) in enumerate(every):
        made = bound_socket(family, interface)
        made.settimeout(max(_LEAST_S, (deadline - clock.now()) / (len(every) - at)))
        try:
            made.connect(address)
        except OSError as wrong:
            made.close()
            failed = wrong
        else:
            made.settimeout(max(_LEAST_S, deadline - clock.now()))
            return made
    raise failed


async def dialled(host: str, port: int, timeout_s: float, interface: str) -> socket.socket:
    """The same in an asyncio loop, for `create_connection(sock=...)`. Raises OSError, TimeoutError among them."""
    loop = asyncio.get_running_loop()
    failed, deadline = OSError(f"{host} has no address"), loop.time() + timeout_s
    async with asyncio.timeout_at(deadline):
        every = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for at, (family, _, _, _, address) in enumerate(every):
        ends = loop.time() + max(_LEAST_S, (deadline - loop.time()) / (len(every) - at))
        with ExitStack() as stack:  # cancelled, nobody else knows of this socket
            made = stack.enter_context(bound_socket(family, interface))
            made.setblocking(False)
            try:
                async with asyncio.timeout_at(ends):
                    await loop.sock_connect(made, address)
            except OSError as wrong:  # TimeoutError is one
                failed = wrong
            else:
                stack.pop_all()
                return made
    raise failed
