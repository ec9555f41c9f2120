"""The kernel's word that a network interface has changed: a cable that is pulled is seen within milliseconds.

A netlink socket (rtnetlink(7)) that hears of links and addresses. What the messages say is not read: whoever hears one
looks at the interfaces themselves (cards.py), which also serves when the kernel had more to say than there was room for
(ENOBUFS).
"""

import errno
import socket

_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100  # linux/rtnetlink.h
_GROUPS = _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR
_MESSAGE_BYTES = 65536


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

    def heard(self) -> None:
        """Take everything that waits."""
        while True:
            try:
                self._socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError as lost:
                if lost.errno != errno.ENOBUFS:
                    raise

    def close(self) -> None:
        """Hear no more. May be called twice."""
        self._socket.close()
