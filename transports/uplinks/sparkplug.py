"""To Sparkplug B hosts (Ignition and others) over an MQTT server: the gateway is an edge node, its devices are devices.

    [uplink.scada]
    type = "sparkplug"
    host = "broker.example.com"
    group_id = "plant 7"
    edge_node_id = "press-line"        # the gateway's name if left out
    host_id = "scada-1"                # births and data wait until this primary host is online
    backup = [{ host = "b.example.com" }]

Hosts see every tag with its type, unit and quality (NBIRTH, DBIRTH), what changes (DDATA), and at once when a device or
the gateway is lost (DDEATH, NDEATH). The form is Sparkplug's own: `payload` and `compress` have no meaning here.

Data travels at QoS 0, which nobody acknowledges. With `confirm = "proven"` it is forgotten when the server has answered
a question that was asked after it, so has read it, on the same connection, and the primary host, if one is named, was
not said to be offline before. `hold` waits longer, for a host that dies without a word. Rules: transports/sparkplug.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from transports.clock import Clock, MachineClock
from transports.errors import UplinkDown
from transports.sparkplug.phases import Phase
from transports.sparkplug.proofs import Confirm
from transports.uplinks import Asked, Identity, Outgoing
from transports.uplinks._sparkplug.settings import Settings
from transports.uplinks._sparkplug.talk import Talk
from transports.uplinks._sparkplug.way import Way

__all__ = ["OWN_FORM", "Settings", "SparkplugUplink", "connect"]

OWN_FORM = True


def connect(settings: Settings, identity: Identity) -> "SparkplugUplink":
    """An uplink whose connection is under way. Raises UplinkDown when its secrets or certificates cannot be read."""
    return SparkplugUplink(settings, identity, MachineClock())


class SparkplugUplink:
    """One connection to one server; an Uplink that is Telling and Asking (transports/uplinks)."""

    def __init__(self, settings: Settings, identity: Identity, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._life = settings.life(identity)
        self._node = self._life.node
        self._way = Way(settings, identity, self._life, clock)
        self._road = self._way.road
        self._talk: Talk | None = None
        self._over = ""
        self._taken: list[int] = []
        self._open(clock.now())

    # --- the connection ----------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """The line's descriptor, -1 while there is no line."""
        return self._talk.line.fileno() if self._talk else -1

    def wants_write(self) -> bool:
        """Whether bytes wait for the server to read."""
        return self._talk is not None and self._talk.line.wants_write()

    def ready(self) -> bool:
        """Whether the births are out: hosts know what data will be about."""
        return self._talk is not None and self._talk.line.ready and self._node.ready

    def step(self, now: float) -> None:
        """All I/O that is possible now, and what follows from what came."""
        if self._over:
            raise UplinkDown(self._over)
        talk = self._talk or self._open(now)
        if talk is None:
            return
        with self._while_it_stands(talk):
            talk.line.step(now)
            if talk.enter():
                self._road.arrived(talk.line, now)
            talk.heed()
            talk.carry_out(self._node.due(self._life.now()))
            if talk.is_let_in and (why := self._road.leave(talk.line, now)):
                talk.carry_out(self._node.leave(why, self._life.now()))
            talk.ask(now)
            self._collect()

    def next_step(self, now: float) -> float:
        """What is due first: the line, a question, the session, a look around, or tickets that are to be told."""
        if self._taken:
            return now
        if self._talk is None:
            return self._road.free_at
        dues: list[float | None] = [self._road.next_look(), self._node.next_due(), *self._talk.next_due(now)]
        earliest: float = min(due for due in dues if due is not None)
        return earliest

    def close(self, farewell: bool = True) -> None:
        """End it. With a farewell the node dies in order, in bounded time; without, the server publishes its Will."""
        talk = self._talk
        if farewell and not self._over and talk is not None and talk.line.ready:
            with suppress(UplinkDown):
                talk.carry_out(self._node.leave("stopped", self._life.now()))
        self._end("closed")

    # --- records through it ------------------------------------------------------------------------------------------

    def send(self, message: Outgoing) -> None:
        """Publish a message's records, in their order. Raises UplinkRefused before any has been."""
        talk = self._talk
        if talk is None or not self.ready():
            raise UplinkDown(self._over or f"{self._road.server.place}: no session with the hosts yet")
        for record in message.records:
            self._node.examine(record)
        at, last = self._life.now(), len(message.records) - 1
        with self._while_it_stands(talk):
            for number, record in enumerate(message.records):
                talk.carry_out(self._node.record(message.ticket if number == last else None, record, at))
            talk.data_left(at.now)
            self._collect()

    def taken(self) -> Sequence[int]:
        """The tickets that may be committed, in the order in which they left."""
        taken, self._taken = self._taken, []
        return taken

    # --- beside a way out --------------------------------------------------------------------------------------------

    def standing(self) -> Mapping[str, Any]:
        """For `holdfast status`."""
        waits = self._node.phase is Phase.WAITING
        return {
            **self._road.standing(self._talk.line if self._talk else None),
            "phase": self._node.phase.value,
            "waits_for": f"the primary host {self._settings.host_id} to be online" if waits else "",
            "primary_host": self._settings.host_id,
            "bd_seq": self._node.bd_seq,
            "unproven": self._node.unproven,
            "refused_commands": self._life.refusals,
            "warnings": [*self._road.warnings(), *(self._talk.warnings if self._talk else ())],
        }

    def notices(self) -> Sequence[str]:
        """What an operator must hear of once."""
        return [*self._road.notices(), *self._life.notices.taken()]

    def asked(self) -> Sequence[Asked]:
        """Writes that hosts ask for, where `commands` lets them."""
        return self._life.desk.taken()

    def answer(self, asked: Asked, body: bytes) -> None:
        """Sparkplug has no answers: the host sees what became of it in the metric's next value."""

    # --- beginning and end -------------------------------------------------------------------------------------------

    def _open(self, now: float) -> Talk | None:
        try:
            line = self._way.open(now)
        except UplinkDown as down:
            self._end(str(down))
            raise
        self._talk = Talk(line, self._life, self._settings, self._clock) if line else None
        return self._talk

    @contextmanager
    def _while_it_stands(self, talk: Talk) -> Iterator[None]:
        """When the connection ends, so does the session."""
        try:
            yield
        except UplinkDown as down:
            talk.over()
            self._end(str(down))
            raise

    def _end(self, why: str) -> None:
        if self._over:
            return
        self._over = why
        if self._is_proven:
            self._collect()
        self._node.taken()  # what was sent and perhaps not written comes again
        self._node.lost(self._life.now())
        if self._talk is not None:
            self._talk.line.hang_up()
            self._road.ended(self._talk.line)
        self._road.close()

    @property
    def _is_proven(self) -> bool:
        return self._settings.confirm == Confirm.PROVEN.value

    def _collect(self) -> None:
        """Without proof, what counts must have been written at least."""
        if self._is_proven or not self.wants_write():
            self._taken += self._node.taken()
