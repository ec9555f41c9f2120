"""Can any of these servers be reached through this interface? Asked by a TCP connection that is closed at once.

So an uplink would begin, and no far end minds it: a greeting of MQTT under another name would count as a client, need
credentials and wake a Last Will, and one under the uplink's own name would throw the uplink itself out. A connection
costs about 400 bytes on the wire.
"""

import os
import selectors
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain, zip_longest
from typing import Any

from transports.clock import MachineClock
from transports.interfaces.dialing import bound_socket
from transports.uplinks._opening import Opening

Server = tuple[str, int]  # host and port
MOST_ADDRESSES = 6  # of all servers together, tried side by side


def probe(name: str, servers: Sequence[Server], timeout_s: float, interface: str) -> "Opening[bool]":
    """A look under way, in a thread of its own that ends with it; its `result` raises the OSError of `reach`."""
    return Opening(name, lambda: reach(servers, timeout_s, interface), lambda _: None)


def reach(servers: Sequence[Server], timeout_s: float, interface: str) -> bool:
    """True when one of the servers took a connection. Raises OSError: of the last that failed, or TimeoutError."""
    clock = MachineClock()
    ends = clock.now() + timeout_s
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:
        failed: OSError = TimeoutError(f"no answer within {timeout_s:g} s")
        for family, address in _addresses(servers):
            made = stack.enter_context(bound_socket(family, interface))
            made.setblocking(False)
            try:
                made.connect(address)
            except BlockingIOError:
                waiting.register(made, selectors.EVENT_WRITE)
            except OSError as wrong:
                failed = wrong
            else:
                return True
        while waiting.get_map() and (left_s := ends - clock.now()) > 0:
            for key, _ in waiting.select(left_s):
                assert isinstance(key.fileobj, socket.socket)
                code = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return True
                failed = OSError(code, os.strerror(code))
                waiting.unregister(key.fileobj)
        raise TimeoutError(f"no answer within {timeout_s:g} s") if waiting.get_map() else failed


def _addresses(servers: Sequence[Server]) -> list[tuple[int, Any]]:
    """Family and address of each; the first of every server come first."""
    found: list[list[tuple[int, Any]]] = []
    failed: OSError | None = None
    for host, port in servers:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as wrong:
            failed = OSError(f"the name {host!r} cannot be resolved ({wrong})")
        else:
            found.append([(family, address) for family, _, _, _, address in infos])
    if not found and failed is not None:
        raise failed
    turns = chain.from_iterable(zip_longest(*found))
    return [each for each in turns if each is not None][:MOST_ADDRESSES]
