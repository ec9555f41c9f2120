"""An edge node: what its connection, its devices' records and the hosts bring about. A decider.

Its rules are tables: phases.py (the connection) and standings.py (a device); what it may commit is in proofs.py.

    will = node.connecting(at)                 each CONNECT: the Will to give to the server node.server
    orders = node.connected(at, most)          CONNACK has come; the server carries messages of `most` bytes
    orders = node.received(topic, ...)         a message has come: STATE, NCMD, DCMD
    node.examine(record)                       before the first record of a message
    orders = node.record(ticket, record, at)   while node.ready; the ticket of a message goes with its last record
    asked = node.asked()                       something that the server must answer is being written
    node.answered(asked, at)                   its answer has come: PINGRESP, PUBACK, SUBACK, UNSUBACK
    orders = node.due(at)                      at node.next_due() at the latest
    node.taken()                               the tickets that may be committed
    node.lost()                                the connection is gone; or orders = node.leave(why, at)

Orders are to be carried out in their order. What the MQTT client itself must do: set the clean session flag
(tck-id-principles-persistence-clean-session-311), with MQTT 5 clean start and a session expiry interval of 0
(tck-id-principles-persistence-clean-session-50); there a HangUp is a DISCONNECT with the reason 0x04, with Will
(tck-id-payloads-ndeath-will-message-publisher-disconnect-mqtt50). A HangUp counts as a failed attempt for the wait
before the next: servers of which each says that the host is offline would else be walked without a pause.

Gaps have no word in Sparkplug: each becomes a value of the node's own metric `Gap`, in the words of the format `json`.
Hosts tell repetitions (delivery is at least once) by metric and timestamp, which is of ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transports.errors import NotUnderstood, UplinkDown
from transports.payloads import OutRecord
from transports.samples import Gap, Tag
from transports.sparkplug import host, phases
from transports.sparkplug.commands import asked as asked_for
from transports.sparkplug.host import Host
from transports.sparkplug.orders import HangUp, Moment, Order, Publish, Refusal, Subscribe
from transports.sparkplug.phases import Do, Event, Phase
from transports.sparkplug.proofs import Confirm, Proofs
from transports.sparkplug.telling import Telling
from transports.sparkplug.topics import Address, Verb, state_topic
from transports.sparkplug.voice import SEQ_NUMBERS, Voice


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What an edge node is told. `host_id`: the primary host that is waited for, "" for none.

    `servers`: how many there are to walk. `host_wait_s`: so long nothing may be heard of the host on one of several.
    `by_exception`: what has not changed is not sent. `max_message_bytes` divides data, not births.
    """

    address: Address
    gateway: str
    host_id: str = ""
    servers: int = 1
    host_wait_s: float = 30.0
    confirm: Confirm = Confirm.PROVEN
    hold_s: float = 0.0
    by_exception: bool = True
    max_message_bytes: int = 256 * 1024
    max_metrics: int = 100_000


class EdgeNode:
    """See the module's note. `server` is the index of the server to connect to."""

    def __init__(self, settings: NodeSettings, bd_seq: int = 0) -> None:
        self._settings = settings
        self._voice = Voice(settings.address, settings.max_message_bytes)
        self._telling = Telling(self._voice, settings.gateway, settings.by_exception, settings.max_metrics)
        self._proofs = Proofs(settings.confirm, settings.hold_s)
        self._phase, self._host = Phase.OFFLINE, Host()
        self._wait_ends: float | None = None
        self._bd_seq, self._next_bd_seq = bd_seq, bd_seq
        self.server = 0

    @property
    def phase(self) -> Phase:
        """Where the connection stands; for `status`."""
        return self._phase

    @property
    def ready(self) -> bool:
        """Whether records may be sent: the births are out."""
        return self._phase is Phase.BORN

    @property
    def bd_seq(self) -> int:
        """The number of the present connection, or of the last: the next CONNECT has the one after it."""
        return self._bd_seq

    @property
    def unproven(self) -> int:
        """How many messages were sent that no answer has proven yet: while there are any, ask."""
        return self._proofs.unproven

    # --- the connection ----------------------------------------------------------------------------------------------

    def connecting(self, at: Moment) -> Publish:
        """The Will for a CONNECT. Each gets a bdSeq of its own (tck-id-topics-nbirth-bdseq-increment)."""
        self._bd_seq, self._next_bd_seq = self._next_bd_seq, (self._next_bd_seq + 1) % SEQ_NUMBERS
        self._host = Host()
        self._proofs.lost()
        self._happened(Event.DIALLED, at)
        return self._voice.ndeath(self._bd_seq, at.utc_ms)

    def connected(self, at: Moment, most_bytes: int | None = None) -> list[Order]:
        """The server let us in; it carries payloads of `most_bytes`, None: of any size."""
        wanted = self._settings.max_message_bytes
        self._voice.max_bytes = wanted if most_bytes is None else min(wanted, most_bytes)
        if not self._settings.host_id:
            return self._happened(Event.LET_IN, at)
        if self._settings.servers > 1:
            self._wait_ends = at.now + self._settings.host_wait_s
        return self._happened(Event.LET_IN_EARLY, at)

    def lost(self, at: Moment) -> None:
        """The connection broke, or was refused: the server publishes our Will if there was one."""
        self._happened(Event.LOST, at)

    def leave(self, why: str, at: Moment) -> list[Order]:
        """End the connection in order."""
        return self._happened(Event.LEAVING, at, why)

    def received(self, topic: str, payload: bytes, retained: bool, at: Moment, *, births: bool = True) -> list[Order]:
        """A message on a topic that was subscribed to.

        `births` is False while those of before are still on their way out: a host that asks for them gets these, and
        whoever asks without end does not fill our memory.
        """
        if self._settings.host_id and topic == state_topic(self._settings.host_id):
            return self._heard_state(topic, payload, at)
        command = self._settings.address.command(topic)
        if command is None:
            return []
        if retained:  # commands are never retained (tck-id-payloads-ncmd-retain): it would come with each connection
            return [Refusal(topic, "", "a retained command is not done: clear it on the server")]
        verb, device = command
        asked = asked_for(verb, self._telling.device(device), self._telling.by_alias, topic, payload)
        return [*asked.answers, *(self._happened(Event.REBIRTH, at) if asked.rebirth and births else ())]

    def _heard_state(self, topic: str, payload: bytes, at: Moment) -> list[Order]:
        try:
            state = host.read_state(payload)
        except NotUnderstood as wrong:
            return [Refusal(topic, "", str(wrong))]
        self._host, heeded = host.heard(self._host, state)
        if not heeded:
            return []
        if state.online:
            return self._happened(Event.HOST_ONLINE, at)
        if self._phase is Phase.WAITING and self._settings.servers == 1:
            return []
        return self._happened(Event.HOST_OFFLINE, at, f"the primary host {self._settings.host_id} is offline")

    def _happened(self, event: Event, at: Moment, why: str = "") -> list[Order]:
        was, (self._phase, steps) = self._phase, phases.step(self._phase, event)
        orders: list[Order] = []
        for do in steps:
            orders += self._done(do, at, why or event.value)
        if was is not self._phase:
            self._wait_ends = self._wait_ends if self._phase is Phase.WAITING else None
        if was is Phase.BORN and self._phase is not Phase.BORN:
            self._telling.over()
            if event is not Event.LEAVING:  # then the answer to our NDEATH still proves what left before it
                self._proofs.lost()
        return orders

    def _done(self, do: Do, at: Moment, why: str) -> list[Order]:
        match do:
            case Do.SUBSCRIBE:
                return self._subscriptions()
            case Do.BIRTH:
                return self._births(at)
            case Do.DEATH:
                return [self._voice.ndeath(self._bd_seq, at.utc_ms)]
            case Do.HANG_UP:
                return [HangUp(why)]
            case Do.WALK:
                self.server = (self.server + 1) % self._settings.servers
                return []

    def _subscriptions(self) -> list[Order]:
        address, host_id = self._settings.address, self._settings.host_id
        topics = [address.of_node(Verb.NCMD), address.of_all_devices(Verb.DCMD)]
        return [Subscribe(topic) for topic in [*topics, *([state_topic(host_id)] if host_id else [])]]

    def _births(self, at: Moment) -> list[Order]:
        return [self._voice.nbirth(self._bd_seq, at.utc_ms), *self._telling.births(at)]

    # --- what the devices say ----------------------------------------------------------------------------------------

    def announced(self, name: str, tags: Sequence[Tag], at: Moment) -> Sequence[Order]:
        """The tags of a device are known. Raises UplinkRefused when they are too many."""
        return self._telling.announced(name, tags, at, self.ready)

    def examine(self, record: OutRecord) -> None:
        """Raises UplinkRefused when a record can never be sent: before those it travels with have been."""
        if not isinstance(record.item, Gap):
            self._telling.examine(record.item)

    def record(self, ticket: int | None, record: OutRecord, at: Moment) -> Sequence[Order]:
        """Publish a record of the spool; `taken` will name its ticket (None: more of its message follows).

        Raises UplinkDown when not `ready`, UplinkRefused when it can never be sent: then nothing has changed.
        """
        if not self.ready:
            raise UplinkDown(f"no session with the hosts: {self._phase.value}")
        item, telling = record.item, self._telling
        said = telling.gap(record, item, at) if isinstance(item, Gap) else telling.batch(record, item, at)
        if ticket is not None:
            self._proofs.sent(ticket)
        return said

    # --- time and proof ----------------------------------------------------------------------------------------------

    def asked(self) -> int:
        """Something that the server must answer is being written; keep the number for `answered`."""
        return self._proofs.asked()

    def answered(self, asked: int, at: Moment) -> None:
        """The answer has come: the connection lived after everything before the question was sent."""
        self._proofs.answered(asked, at.now)
        self._proofs.due(at.now)

    def taken(self) -> list[int]:
        """The tickets that may be committed since the last call."""
        return self._proofs.taken()

    def next_due(self) -> float | None:
        """When `due` must be called (monotonic seconds)."""
        dues = (self._wait_ends, self._proofs.next_due(), self._telling.next_due())
        return min([due for due in dues if due is not None], default=None)

    def due(self, at: Moment) -> Sequence[Order]:
        """What has waited long enough."""
        self._proofs.due(at.now)
        if self._wait_ends is not None and self._wait_ends <= at.now:
            return self._happened(Event.HOST_MISSING, at)
        return self._telling.due(at)
