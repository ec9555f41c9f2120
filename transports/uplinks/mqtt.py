"""To an MQTT broker, 3.1.1 or 5: a message counts as delivered when its PUBACK has come.

    [uplink.cloud]
    type = "mqtt"
    host = "broker.example.com"
    protocol = "5"
    tls = { ca = "/etc/holdfast/ca.pem" }

    waiting ──a second since the last attempt──> connecting ──let in, subscribed──> ready ──> gone
                                                      └── refused, lost, silent, close ──────┘

Status: `status_topic` holds a retained {"state": "online" | "offline", "gateway", "uplink", "since"}. Offline is said
at a farewell, or by the broker itself as our Last Will; then `since` is null, for nobody can know.

The session is clean: the spool is the only buffer, and what was not acknowledged is sent again from there. A broker
that lives but leaves our oldest message without an answer for `ack_timeout`, counted from when it became the oldest, is
given up: a slow line that brings one PUBACK after the other is kept, and one lost PUBACK among many is noticed. So it
must be longer than the largest message takes on a slow line, as must `keepalive`.

`qos = 2` counts at PUBCOMP. MQTT answers nothing to QoS 0: such messages count when the broker has answered a question
that was asked after them (the end of a subscription that never was). That shows that it lived and had read so far; what
it did with them nobody knows.

On MQTT 5 the broker says why it refuses a message. One that it can never take (payload format, too large) is set aside
when it comes again. For any other reason (not authorized, quota, topic) nothing is set aside: the connection ends, and
the next ones, one a second at most, first try that very message, until it is taken. MQTT 3.1.1 has no word for it: a
broker then takes the message and drops it, or hangs up. Therefore use `protocol = "5"` wherever it is spoken.

`confirm = "application"`: the spool forgets a record only when the application that reads it has said so on
`confirm_topic`, so that not even a broker that dies with what it acknowledged loses anything.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from transports.clock import Clock, MachineClock
from transports.errors import NotUnderstood, UplinkDown, UplinkRefused
from transports.uplinks import Asked, Identity, Outgoing, _topics
from transports.uplinks._mqtt.client import status
from transports.uplinks._mqtt.confirm import claims_in
from transports.uplinks._mqtt.entrance import Ack, Arrived, Said
from transports.uplinks._mqtt.envelopes import Envelopes, digest_of
from transports.uplinks._mqtt.flights import Flight, Flights
from transports.uplinks._mqtt.gate import Gate, set_aside
from transports.uplinks._mqtt.line import Line
from transports.uplinks._mqtt.reasons import is_of_the_message, unpublished
from transports.uplinks._mqtt.requests import Requests, answer
from transports.uplinks._mqtt.road import Road
from transports.uplinks._mqtt.settings import Settings

__all__ = ["MqttUplink", "Settings", "connect"]

_ALIAS_BYTES = 3


def connect(settings: Settings, identity: Identity) -> "MqttUplink":
    """An uplink whose connection is under way. Raises UplinkDown when its secrets or certificates cannot be read."""
    return MqttUplink(settings, identity, MachineClock())


class MqttUplink:
    """One connection to one broker; an Uplink (transports/uplinks), Telling, Gathering and Asking.

    `taken` may still be asked when it has ended.
    """

    def __init__(self, settings: Settings, identity: Identity, clock: Clock) -> None:
        self._settings, self._identity, self._clock = settings, identity, clock
        self._past = settings.past
        fields = settings.fields(identity)
        self._status_topic = _topics.filled(settings.status_template, fields)
        by_application = settings.confirm == "application"
        self._confirm_topic = _topics.filled(settings.confirm_topic, fields) if by_application else ""
        self._request_topic = _topics.filled(settings.request_topic, fields)
        self._now = clock.now()
        self._road = Road(settings, identity, clock)
        self._requests = Requests(_topics.filled(settings.response_topic, fields))
        self._flights = Flights(settings.qos, by_application, self._now)
        self._gate = Gate(self._past, self._confirm_topic, self._request_topic)
        self._envelopes: Envelopes | None = None  # when the server has let us in
        self._status_mid = 0
        self._gathers = False
        self._served = False  # the server has answered a message
        self._ready = False
        self._reason = ""
        self._line: Line | None = None
        self._open(self._now)

    def fileno(self) -> int:
        """The socket, or while it is being made a descriptor that becomes readable when it stands."""
        return self._line.fileno() if self._line else -1

    def wants_write(self) -> bool:
        """Whether bytes wait for the broker to read."""
        return self._line is not None and self._line.wants_write()

    def ready(self) -> bool:
        """Whether the broker has let us in, and takes what it refused before."""
        return self._ready

    def step(self, now: float) -> None:
        """All I/O that is possible now, and the limits of patience."""
        self._now = now
        if self._reason:
            raise UplinkDown(self._reason)
        line = self._line or self._open(now)
        if line is None:
            return
        try:
            line.step(now)
        except UplinkDown as down:
            self._collect(line)
            raise self._lost(str(down)) from down
        for ack in self._collect(line):
            self._heed(line, ack)
        self._go_on(line, now)

    def send(self, message: Outgoing) -> None:
        """Hand one message over. Raises UplinkRefused for one that the broker, or MQTT, can never carry."""
        line, envelopes = self._line, self._envelopes
        if not self._ready or line is None or envelopes is None:
            raise UplinkDown(self._reason or f"{self._road.server.place}: not connected yet")
        said = envelopes.around(message)
        if self._past.refused and (why := self._past.refused.get(digest_of(said, message))):
            raise UplinkRefused(why)
        try:
            line.must_fit(said.topic, said.payload, said.properties, _ALIAS_BYTES if envelopes.numbers else 0)
            mid = line.put(envelopes.aliased(said))
            if not self._gathers:
                line.flush()
        except UplinkDown as down:
            raise self._lost(str(down)) from down
        self._flights.sent(mid, Flight(message, said), self._now)

    def flush(self) -> None:
        """Write what was sent, together."""
        self._gathers = True
        if self._line is not None:
            try:
                self._line.flush()
            except UplinkDown as down:
                raise self._lost(str(down)) from down

    def taken(self) -> Sequence[int]:
        """The tickets that count as delivered, in the order in which they did."""
        return self._flights.taken()

    def next_step(self, now: float) -> float:
        """What the line must do, patience, a question to be asked, or a look at certificates and servers."""
        line = self._line
        if line is None:
            return self._road.free_at
        if self._flights.unasked:
            return now
        return min(line.next_step(now), self._patience_ends(), self._road.next_look())

    def close(self, farewell: bool = True) -> None:
        """End it. Without a farewell the broker publishes our Last Will; with one it takes a second at most."""
        line = self._line
        if line and farewell:
            with suppress(UplinkDown):
                self._ask(line)
            line.close(self._status("offline") if self._ready else ())
            self._collect(line)
        self._end("closed")

    def standing(self) -> Mapping[str, Any]:
        """Which server, and what stays so until somebody does something."""
        return {**self._road.standing(self._line), "warnings": [*self._road.warnings(), *self._gate.warnings]}

    def notices(self) -> Sequence[str]:
        """Certificates that end soon, and what came that could not be used."""
        return self._road.notices()

    def asked(self) -> Sequence[Asked]:
        """Commands from above, since the last call."""
        return self._requests.asked()

    def answer(self, asked: Asked, body: bytes) -> None:
        """Publish the answer, where the request says. Raises UplinkDown."""
        if self._line is None or not self._ready:
            raise UplinkDown(self._reason or f"{self._road.server.place}: not connected yet")
        with suppress(UplinkRefused):  # larger than the server carries: nobody hears whether it arrived
            self._line.publish(*answer(asked, body, self._settings.protocol == "5"))

    # --- becoming ready ----------------------------------------------------------------------------------------------

    def _open(self, now: float) -> Line | None:
        will = self._status("offline", known=False)
        self._line = self._road.open(now, will[0] if will else None)
        return self._line

    def _go_on(self, line: Line, now: float) -> None:
        if line.ready and self._envelopes is None:
            self._enter(line, now)
        if self._gate.is_open and not self._ready:
            self._ready = True
            self._say_online(line)
        if self._flights.failed:
            raise self._refused(line)
        if why := self._road.leave(line, now):
            raise self._leave(line, why)
        self._ask(line)
        if now >= self._patience_ends():
            raise self._lost(f"{line.server.place}: {self._what_was_awaited(now)}")

    def _say_online(self, line: Line) -> None:
        for said in self._status("online"):
            try:
                self._status_mid = line.publish(*said)
            except UplinkRefused as refused:
                self._gate.warn(f"{line.server.place}: {self._status_topic}: {refused}")

    def _enter(self, line: Line, now: float) -> None:
        assert line.offers is not None
        self._road.arrived(line, now, serves=False)
        self._envelopes = Envelopes(self._settings, self._identity, line.offers)
        self._gate.enter(line, now + self._settings.ack_timeout_s)
        if line.offers.max_qos < self._settings.qos:
            self._gate.warn(f"{line.server.place} carries QoS {line.offers.max_qos} at most: that is used")
        if self._settings.retain and not line.offers.retain:
            self._gate.warn(f"{line.server.place} keeps no retained messages: they are sent without")

    def _heed(self, line: Line, ack: Ack) -> None:
        """An answer to something of our own."""
        if ack.mid == self._status_mid and ack.is_failure:
            self._gate.warn(f"{line.server.place}: {unpublished(self._status_topic, ack.code or 0, ack.said)}")
        if why := self._gate.heard(ack, line.server.place):
            line.close()
            self._collect(line)
            raise self._lost(why)

    # --- what comes back ---------------------------------------------------------------------------------------------

    def _collect(self, line: Line) -> Sequence[Ack]:
        """Take note of what has come; the answers, for whoever waits for one."""
        acks = line.acked()
        if self._flights.heard(acks, self._now) and not self._served:
            self._served = True
            self._road.serves()
        for message in line.messages():
            self._arrived(message)
        if dropped := line.overflowed() + self._requests.dropped:
            self._requests.dropped = 0
            self._past.say(f"{dropped} messages to us were dropped, they came too fast", once="flood")
        return acks

    def _ask(self, line: Line) -> None:
        if self._flights.unasked:
            self._flights.asked(line.ask())

    def _arrived(self, message: Arrived) -> None:
        if not message.topic:
            return  # no text: what we did not configure is "", too
        if message.topic == self._request_topic:
            self._requests.came(message)
        elif message.topic == self._confirm_topic and not message.retain:  # a retained one may be of a spool of old
            try:
                self._flights.told(claims_in(message.payload, self._identity.gateway), self._now)
            except NotUnderstood as wrong:
                self._past.say(f"what came to {message.topic} {wrong}: it is ignored", once=str(wrong)[:12])

    # --- the end -----------------------------------------------------------------------------------------------------

    def _refused(self, line: Line) -> UplinkDown:
        """The broker does not take a message: the others are awaited, then it is set aside, or held."""
        line.close(() if all(is_of_the_message(ack) for _, ack in self._flights.failed) else self._status("offline"))
        self._collect(line)
        return self._lost(set_aside(self._past, self._flights.failed, line.server.place))

    def _leave(self, line: Line, why: str) -> UplinkDown:
        """End it in order, with everything answered that is on its way."""
        line.close(self._status("offline"))
        self._collect(line)
        return self._end(why)

    def _lost(self, reason: str) -> UplinkDown:
        """It has ended, or must, by no will of ours."""
        if self._line is not None and not self._reason:
            self._road.ended(self._line, in_vain=not self._served and (not self._ready or self._flights.are_owed))
        return self._end(reason)

    def _end(self, reason: str) -> UplinkDown:
        line = self._line
        if line is not None:
            line.hang_up()
            self._collect(line)
        self._road.close()
        self._ready, self._reason = False, self._reason or reason
        return UplinkDown(self._reason)

    def _patience_ends(self) -> float:
        if not self._ready:
            return self._gate.ends
        return self._flights.patience_ends(self._settings.ack_timeout_s, self._settings.confirm_timeout_s)

    def _what_was_awaited(self, now: float) -> str:
        if not self._ready:
            return f"lives, but does not answer our subscriptions within {self._settings.ack_timeout_s:g} s"
        return self._flights.what_was_awaited(now, self._settings.ack_timeout_s)

    def _status(self, state: str, known: bool = True) -> tuple[Said, ...]:
        """What is said of us; nothing where no topic is for it."""
        if not self._status_topic:
            return ()
        payload = status(state, self._identity, self._clock.utc_ns() if known else None)
        return (Said(self._status_topic, payload, min(1, self._settings.qos), self._settings.status_retain),)
