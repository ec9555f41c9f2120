"""The socket on which a line's members ask, and their connections.

A connection begins with the member's name (Hello), which is answered; after that come its requests, one at a time. A
member that connects again takes the place of its former connection: its process was started anew. Whoever says
something else, or does not take its answers, is no member any more.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transports.errors import NotUnderstood
from transports.line_messages import MOST_BYTES, Hello, Outcome, Reply, Request, pack, unpack_asking
from transports.mailbox import Mailbox
from transports.names import listening

MOST_MEMBERS = 256  # a line has at most 247 addresses
_MOST_CONNECTIONS = 2 * MOST_MEMBERS  # of members, and of those who have not said who they are
_BACKLOG = 128


@dataclass(slots=True, eq=False)
class Guest:
    """One connection; `name` is that of the member, once it has said it."""

    socket: socket.socket
    name: str = ""

    def say(self, reply: Reply) -> None:
        """Answer it. One that is gone, or does not take its answers, is hung up on, and then heard to have left."""
        try:
            self.socket.send(pack(reply))
        except OSError:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


class Members:
    """`welcome(name)` says why a member cannot be one now ("" when it can); `asked` and `left` hear what happens."""

    def __init__(
        self,
        path: Path,
        mailbox: Mailbox,
        welcome: Callable[[str], str],
        asked: Callable[[Guest, Request], None],
        left: Callable[[Guest], None],
    ) -> None:
        self._path, self._mailbox = path, mailbox
        self._welcome, self._asked, self._left = welcome, asked, left
        self._guests: dict[int, Guest] = {}  # by descriptor
        self._named: dict[str, Guest] = {}
        self._listener = listening(path, socket.SOCK_SEQPACKET, _BACKLOG)
        mailbox.when_readable(self._listener.fileno(), self._ask_in)

    def close(self) -> None:
        """Let everybody go; what the kernel has taken, they can still read."""
        self._mailbox.forget(self._listener.fileno())
        self._listener.close()
        self._path.unlink(missing_ok=True)
        for guest in list(self._guests.values()):
            self._forget(guest)

    # --- who comes and goes ------------------------------------------------------------------------------------------

    def _ask_in(self) -> None:
        try:
            newcomer = self._listener.accept()[0]
        except BlockingIOError:
            return  # it went away again
        if len(self._guests) >= _MOST_CONNECTIONS:
            newcomer.close()
            return
        newcomer.setblocking(False)
        guest = Guest(newcomer)
        self._guests[newcomer.fileno()] = guest
        self._mailbox.when_readable(newcomer.fileno(), lambda: self._hear(guest))

    def _hear(self, guest: Guest) -> None:
        try:
            packet = guest.socket.recv(MOST_BYTES)
            said = unpack_asking(packet)
        except BlockingIOError:
            return
        except (OSError, NotUnderstood):  # no byte at all is the end of the connection
            self._part_with(guest)
            return
        if isinstance(said, Hello):
            self._introduced(guest, said.member)
        elif guest.name:
            self._asked(guest, said)
        else:
            self._part_with(guest)

    def _introduced(self, guest: Guest, name: str) -> None:
        if guest.name:
            self._part_with(guest)
            return
        full = len(self._named) >= MOST_MEMBERS and name not in self._named
        why = f"the line has {MOST_MEMBERS} members already" if full else self._welcome(name)
        if why:
            guest.say(Reply(0, Outcome.DOWN, why.encode()))
            self._part_with(guest)
            return
        former = self._named.get(name)
        if former is not None:
            self._part_with(former)
        guest.name = name
        self._named[name] = guest
        guest.say(Reply(0, Outcome.ANSWER))

    def _part_with(self, guest: Guest) -> None:
        if self._forget(guest) and guest.name:
            self._left(guest)

    def _forget(self, guest: Guest) -> bool:
        """Whether it was still there."""
        if self._guests.pop(guest.socket.fileno(), None) is None:
            return False
        self._mailbox.forget(guest.socket.fileno())
        if self._named.get(guest.name) is guest:
            del self._named[guest.name]
        guest.socket.close()
        return True
