"""The kernel's word that a network interface has changed: a cable that is pulled is seen within milliseconds.

A netlink socket (rtnetlink(7)) that hears of links and addresses. Read is only which interface a message is about:
containers come and go by the dozen, and are nobody's business here. Whoever hears of one looks at the interface itself
(cards.py), which also serves when the kernel had more to say than there was room for (ENOBUFS).

    nlmsghdr                                     ifinfomsg, ifaddrmsg (linux/rtnetlink.h, linux/if_addr.h)
    length 4  type 2  flags 2  seq 4  port 4     4 of other things, index 4
"""

import errno
import socket
import struct
from collections.abc import Iterator

_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100  # linux/rtnetlink.h
_GROUPS = _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR
_MESSAGE_BYTES = 65536
_LENGTH, _INDEX = struct.Struct("=I"), struct.Struct("=i")
_HEADER_BYTES, _INDEX_AT, _ALIGN = 16, 20, 4


class Watch:
    """Its descriptor is readable when something has changed since `heard`. Raises OSError when there is no netlink."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        try:
            self._socket.bind((0, _GROUPS))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """What to wait on."""
        return self._socket.fileno()

    def heard(self) -> frozenset[int] | None:
        """Take everything that waits: the interfaces (index) that it is about; None when it may be any."""
        found: set[int] = set()
        is_whole = True
        while True:
            try:
                found.update(indexes(self._socket.recv(_MESSAGE_BYTES)))
            except BlockingIOError:
                return frozenset(found) if is_whole else None
            except OSError as lost:
                if lost.errno != errno.ENOBUFS:
                    raise
                is_whole = False

    def close(self) -> None:
        """Hear no more. May be called twice."""
        self._socket.close()


def indexes(messages: bytes) -> Iterator[int]:
    """The interfaces that some netlink messages are about."""
    at = 0
    while at + _INDEX_AT + _INDEX.size <= len(messages):
        yield _INDEX.unpack_from(messages, at + _INDEX_AT)[0]
        (length,) = _LENGTH.unpack_from(messages, at)
        at += max(_HEADER_BYTES, (length + _ALIGN - 1) // _ALIGN * _ALIGN)
