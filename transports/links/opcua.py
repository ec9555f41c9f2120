"""OPC UA: variables of a server, told by it when they change, or read in turn.

    [device.line]
    driver = "opcua"
    url = "opc.tcp://192.168.1.10:4840"
    [device.line.tags]
    speed    = { node = "ns=2;s=Line.Speed", unit = "rpm" }
    setpoint = { node = "nsu=urn:maker:plc;s=Line.Setpoint", writable = true, min = 0, max = 120 }

With `mode = "subscribe"` the server looks at each variable every `sampling_interval`, keeps up to `queue_size` values,
and tells them every `publishing_interval`; `deadband` is the least change of a number that counts. What the server's
queue could not hold is marked by it: the Overflow bit (0x480) in the next value's quality. With `mode = "poll"` all is
read at the device's `period`, or at a tag's own. A tag may have another mode than its device; polled tags beside
subscribed ones are read every `poll_period`. `holdfast browse` writes the table of tags from what the server has.

Types are the server's. Whole numbers of any width are int64 or uint64, Float and Double float64, a DateTime int64
(nanoseconds since 1970, UTC), a Guid, NodeId, QualifiedName or LocalizedText is text, an enumeration its number; arrays
of numbers, times and truth values are arrays, a matrix its items in their order. A null string is an empty one. A
variable of another type, or of none that can be known, is Bad, the others live; it is looked for again every 30 s.

Quality is the server's status code, all 32 bits of it. The time is the source's (exact to the 100 ns that OPC UA has);
where none is given the server's, else the gateway's; `clock = "server"` or "gateway" passes the first over. Values of
one time make one scan: where each variable has a time of its own, "server" or "gateway" make fewer scans.

Security: `security = "sign-and-encrypt"` needs the gateway's own `certificate` and `key`, and somebody to believe:
`server_certificate`, a file or a fingerprint, or the folder `trusted`. Nobody is believed at first sight: the error
shows the fingerprint of the server that answered, to be compared with the one that the server itself shows. With
`verify = false` whoever answers is believed, and the log says so each time. Everything expired is refused.

A server is gone when it does not answer within `timeout`, also when it hangs; all is restored after the reconnection:
session, subscription, and the present values with the times of their sources. Notifications that never came are counted
and logged. Values are written as the server's type, exactly or not at all; the answer Bad... is a refusal.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress

from transports.clock import MachineClock
from transports.errors import HoldfastError, LinkDown, LinkTimeout, SettingsError
from transports.loop_thread import Inbox, LoopThread
from transports.opcua.browsing import MOST, OBJECTS, find
from transports.opcua.listing import table_of_found
from transports.opcua.reading import NOTICES, Server, opened
from transports.opcua.security import Identity
from transports.opcua.session import Session
from transports.opcua.settings import Settings
from transports.samples import Scan, Tag, Value
from transports.writing import Limits

EXTRA = "opcua"
__all__ = ["EXTRA", "PolledServer", "Settings", "SubscribedServer", "browse", "connect"]

_CONNECT = 3  # connecting takes more answers than one; all of them together so many times `timeout` at most
_CLOSE_S = 2.0
_BROWSE_S = 120.0
_MARGIN_S = 0.2  # the loop's own time-out comes first: it knows what was not answered


class _Link:
    """A connected server."""

    def __init__(self, settings: Settings, loop: LoopThread, server: Server) -> None:
        self._settings, self._loop, self._server = settings, loop, server
        self.tags: tuple[Tag, ...] = tuple(point.tag for point in server.points)
        named = {name: tag.limits for name, tag in settings.tags.items()}
        self.writable: Mapping[str, Limits] = {name: limits for name, limits in named.items() if limits is not None}
        self._closed = False

    def write(self, tag: str, value: Value) -> None:
        """Raises LinkRefused with the server's answer, LinkTimeout where nobody knows what became of it, LinkDown."""
        self._check()
        try:
            self._loop.run(self._server.write(tag, value), self._settings.timeout_s + _MARGIN_S)
        except TimeoutError as late:
            raise LinkTimeout(f"{self._settings.where}: no answer to a write") from late

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            with suppress(TimeoutError, HoldfastError):
                self._loop.run(self._server.session.close(), _CLOSE_S)
            self._loop.close()
            self._server.inbox.close()

    def _check(self) -> None:
        """Raises LinkDown when the session has ended."""
        if self._closed or self._server.session.ended:
            raise LinkDown(self._server.session.ended or f"{self._settings.where}: closed")


class PolledServer(_Link):
    """A server that is asked: tags with a period of their own apart from the others."""

    def __init__(self, settings: Settings, loop: LoopThread, server: Server) -> None:
        super().__init__(settings, loop, server)
        self._numbers = settings.polled()
        self.paces = tuple(period_s for period_s in self._numbers if period_s is not None)

    def read(self) -> Sequence[Scan]:
        return self._read(self._numbers.get(None, ()))

    def read_pace(self, period_s: float) -> Sequence[Scan]:
        """The tags of that period."""
        return self._read(self._numbers[period_s])

    def _read(self, numbers: Sequence[int]) -> Sequence[Scan]:
        self._check()
        try:
            return self._loop.run(self._server.read(numbers), self._settings.timeout_s + _MARGIN_S)
        except TimeoutError as late:
            raise LinkTimeout(f"{self._settings.where}: no answer within {self._settings.timeout_s:g} s") from late


class SubscribedServer(_Link):
    """A server that tells what changes; what is polled beside comes the same way."""

    def fileno(self) -> int:
        """Readable when the server has told something, and when it is gone."""
        return self._server.inbox.fileno()

    def read(self) -> Sequence[Scan]:
        """What has come, oldest first; what came before a loss first, and the loss at the next call."""
        scans = [scan for some in self._server.inbox.take() for scan in some]
        if not scans:
            self._check()
        elif self._server.session.ended:
            self._server.inbox.put([])
        return scans


def connect(settings: Settings) -> PolledServer | SubscribedServer:
    """Log in, learn the types and subscribe. Raises LinkDown with the cure."""
    with ExitStack() as undo:
        inbox: Inbox[list[Scan]] = Inbox(NOTICES)
        undo.callback(inbox.close)
        loop = LoopThread("opcua")
        undo.callback(loop.close)
        session = Session(settings, _identity(settings), lambda: inbox.put([]))
        try:
            server = loop.run(opened(settings, session, inbox, MachineClock()), _CONNECT * settings.timeout_s)
        except (TimeoutError, LinkTimeout) as late:
            reason = str(late) if isinstance(late, LinkTimeout) else f"{settings.where}: not done in time"
            raise LinkDown(f"{reason}; is it an OPC UA server that is not busy, and is timeout long enough?") from late
        except HoldfastError as failed:
            raise failed if isinstance(failed, LinkDown) else LinkDown(str(failed)) from failed
        undo.pop_all()
    return SubscribedServer(settings, loop, server) if settings.listens else PolledServer(settings, loop, server)


def browse(settings: Settings, root: str = OBJECTS, depth: int = 10, most: int = MOST) -> str:
    """The variables below a node as lines of TOML for the table `tags`. Raises LinkDown, LinkRefused."""
    with ExitStack() as undo:
        loop = LoopThread("opcua")
        undo.callback(loop.close)
        session = Session(settings, _identity(settings), lambda: None)
        try:
            found = loop.run(find(session, root, depth, most), _BROWSE_S)
        except TimeoutError as late:
            raise LinkDown(f"{settings.where}: not done within {math.ceil(_BROWSE_S)} s; browse less at once") from late
    return table_of_found(found)


def _identity(settings: Settings) -> Identity | None:
    if not settings.secured:
        return None
    try:
        return settings.identity()
    except (OSError, ValueError, TypeError, SettingsError) as wrong:
        raise LinkDown(f"{settings.where}: certificate and key cannot be used ({wrong})") from wrong
