"""To which server, when, and with which certificates: what surrounds the connections of one uplink.

    line = road.open(now, will)      a Line under way, or None while a second since the last attempt has not passed
    road.arrived(line, now)          it is ready
    why = road.leave(line, now)      each step: why to go elsewhere in order, "" to stay
    road.ended(line)                 it is over, by no will of ours

What must outlive a connection is in the settings' `past`. The first server is asked whether it is there in a thread of
its own, by TCP and TLS, while the connection to a backup goes on.
"""

from typing import Any

from transports.clock import Clock
from transports.errors import SettingsError
from transports.interfaces.dialing import bound_connection
from transports.tls import client_context, path_of
from transports.uplinks import Identity, _certificates
from transports.uplinks._certificates import Dated
from transports.uplinks._mqtt import walk
from transports.uplinks._mqtt.connection import Connection
from transports.uplinks._mqtt.entrance import Entrance, Server, Will
from transports.uplinks._mqtt.line import Line
from transports.uplinks._opening import Opening
from transports.uplinks._rotation import Rotation

_CERTIFICATES_EVERY_S = 3600.0
NEVER = float("inf")
_GO_ELSEWHERE = (0x88, 0x89, 0x8B, 0x9C, 0x9D)


class Road:
    """Of one connect() of an uplink."""

    def __init__(self, settings: Connection, identity: Identity, clock: Clock) -> None:
        self._settings, self._identity, self._clock = settings, identity, clock
        self._past = settings.past
        self._rotation: Rotation | None = None
        self._arrived = False
        self._asking: Opening[bool] | None = None
        self._ask_at = NEVER
        self._certificates: tuple[Dated, ...] = ()
        self._read_at = NEVER

    @property
    def server(self) -> Server:
        """The one whose turn it is."""
        servers = self._settings.servers
        return servers[self._past.walk.at % len(servers)]

    @property
    def free_at(self) -> float:
        """When `open` gives a line (monotonic s)."""
        return self._past.not_before

    def open(self, now: float, will: Will | None, entrance: Entrance | None = None) -> Line | None:
        """Raises UplinkDown when what it needs cannot be read."""
        if now < self._past.not_before:
            return None
        self._past.attempted(now)
        if self._settings.tls:
            self._rotation = _rotation(self._settings, now)
        line = Line(self.server, entrance or self._settings.entrance(self._identity), will, self._clock)
        self._read_certificates(line, now)  # ours: one that has expired may be why nobody lets us in
        return line

    def arrived(self, line: Line, now: float, serves: bool = True) -> None:
        """The server has let us in; with `serves` that is enough."""
        self._arrived = True
        self._past.walk = walk.connected(self._past.walk, now, self._settings.fail_back_after_s)
        self._ask_at = self._past.walk.ask_at
        if serves:
            self.serves()
        self._read_certificates(line, now)

    def serves(self) -> None:
        """The server does what it is there for."""
        self._past.walk = walk.served(self._past.walk)

    def ended(self, line: Line, in_vain: bool = False) -> None:
        """It is over, by no will of ours; who had not arrived, or `in_vain`, tries the next server."""
        self.close()
        if not self._arrived or in_vain or line.code in _GO_ELSEWHERE:
            self._past.walk = walk.failed(self._past.walk, len(self._settings.servers))

    def walk_on(self) -> None:
        """Let the next attempt be at the next server, for a reason of the caller's own."""
        self._past.walk = walk.failed(self._past.walk, len(self._settings.servers))

    def leave(self, line: Line, now: float) -> str:
        """Why the connection should be ended in order; "" to stay."""
        if now >= self._read_at:
            self._read_certificates(line, now)
        if self._is_replaced(now):
            return f"{line.server.place}: the certificate was replaced; connecting anew with it"
        if self._first_is_back(now):
            return f"{line.server.place}: the first server, {self.server.place}, is there again; going back to it"
        return ""

    def next_look(self) -> float:
        """When `leave` must be asked again."""
        return min(self._rotation.look_at if self._rotation else NEVER, self._ask_at, self._read_at)

    def standing(self, line: Line | None) -> dict[str, Any]:
        """For `holdfast status`: the server, and warnings."""
        said: dict[str, Any] = {"server": (line.server if line else self.server).place}
        if len(self._settings.servers) > 1:
            said["backup"] = self._past.walk.at > 0
        if line and line.offers and line.offers.client_id:
            said["client_id"] = line.offers.client_id
        return said

    def warnings(self) -> list[str]:
        """What stays so until somebody does something."""
        tls, now_s = self._settings.tls, self._clock.utc_ns() / 1e9
        told = [f"tls.verify is false: whoever answers at {self.server.place} is believed"]
        return (told if tls and not tls.verify else []) + _certificates.warnings(self._certificates, now_s)

    def notices(self) -> list[str]:
        """What an operator must hear of once, since the last call."""
        notices = list(self._past.notices)
        self._past.notices.clear()
        return notices

    def close(self) -> None:
        """Nothing is waited for any more. May be called twice."""
        asking, self._asking = self._asking, None
        if asking:
            asking.abandon()
        self._ask_at = NEVER

    def _is_replaced(self, now: float) -> bool:
        if self._rotation is None or now < self._rotation.look_at:
            return False
        try:
            return self._rotation.changed(now)
        except (ValueError, SettingsError) as broken:
            self._past.say(str(broken))
            return False

    def _first_is_back(self, now: float) -> bool:
        if self._asking is None:
            if now >= self._ask_at:
                self._ask_at = now + 1.0  # looked at again then: its descriptor is not waited for
                self._asking = Opening(f"{self._identity.uplink} first server", self._ask_first, lambda _: None)
            return False
        if not self._asking.done():
            self._ask_at = now + 1.0
            return False
        asking, self._asking = self._asking, None
        try:
            answered = asking.result()
        except (OSError, ValueError):
            answered = False
        self._past.walk = walk.asked(self._past.walk, answered, now, self._settings.fail_back_after_s)
        self._ask_at = self._past.walk.ask_at
        return answered

    def _ask_first(self) -> bool:
        """In the helper thread. Raises OSError and ValueError."""
        settings, first = self._settings, self._settings.servers[0]
        timeout_s = settings.connect_timeout_s
        with bound_connection(first.host, first.port, timeout_s, self._identity.interface) as sock:
            if settings.tls:
                try:
                    context = client_context(settings.tls)
                except SettingsError as wrong:
                    raise ValueError(str(wrong)) from wrong
                context.wrap_socket(sock, server_hostname=first.host).close()
        return True

    def _read_certificates(self, line: Line, now: float) -> None:
        self._read_at = now + _CERTIFICATES_EVERY_S
        self._certificates = tuple(_dated(self._settings, line))
        now_s = self._clock.utc_ns() / 1e9
        new, said = _certificates.notices(self._certificates, self._past.certificates, now_s)
        self._past.tell_of(said)
        for notice in new:
            self._past.say(notice)


def _rotation(settings: Connection, now: float) -> Rotation | None:
    try:
        return Rotation(settings.tls, now) if settings.tls and settings.tls.files() else None
    except SettingsError:
        return None  # the connection itself will say so


def _dated(settings: Connection, line: Line) -> list[Dated]:
    """What can be read of it: what cannot be is no reason to end a connection that stands."""
    tls, peer, found = settings.tls, line.peer_certificate, list[Dated]()
    if tls is None:
        return found
    try:
        if tls.certificate:
            found += _certificates.of_chain(path_of(tls.certificate))
        if tls.ca:
            found += _certificates.of_authorities(path_of(tls.ca), peer)
        found += _certificates.of_peer(peer, line.server.place)
    except (OSError, ValueError, SettingsError):
        pass
    return found
