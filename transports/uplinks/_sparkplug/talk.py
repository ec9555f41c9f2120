"""What is said over one line, and heard: the orders of the session (transports/sparkplug) become packets in turn.

A line that ends raises UplinkDown through everything here; whoever holds both tells the session.
"""

from collections.abc import Sequence

from transports.clock import Clock
from transports.errors import UplinkDown, UplinkRefused
from transports.sparkplug.orders import HangUp, Order, Publish, Refusal, Subscribe, Write
from transports.sparkplug.phases import Phase
from transports.uplinks._mqtt.entrance import Ack
from transports.uplinks._mqtt.line import Line
from transports.uplinks._mqtt.reasons import unsubscribed
from transports.uplinks._sparkplug.life import Life
from transports.uplinks._sparkplug.questions import Questions
from transports.uplinks._sparkplug.settings import Settings

_AROUND_BYTES = 512  # what a packet has beside a payload, but for its topic


class Talk:
    """Over one line. `warnings` hold as long as it does; `is_let_in`: the server has greeted us."""

    def __init__(self, line: Line, life: Life, settings: Settings, clock: Clock) -> None:
        self.line, self._life, self._node = line, life, life.node
        self._settings, self._clock = settings, clock
        self._questions = Questions()
        self._topics: dict[int, str] = {}  # subscriptions that are not answered yet
        self._births_leave = False
        self.is_let_in = False
        self.warnings: list[str] = []

    # --- what comes --------------------------------------------------------------------------------------------------

    def enter(self) -> bool:
        """Begin the session when the server has let us in. Whether that is now."""
        offers = self.line.offers
        if self.is_let_in or not self.line.ready or offers is None:
            return False
        self.is_let_in = True
        self._carry_out_births(self._node.connected(self._life.now(), offers.max_packet_bytes - _AROUND_BYTES))
        if self._node.phase is Phase.WAITING:
            self._life.notices.say(self._waiting_for(), self._clock.now())
        return True

    def heed(self) -> None:
        """Messages first: a host that went before the server answered has not got what the answer proves."""
        at = self._life.now()
        self._births_leave = self._births_leave and self.line.wants_write()
        for message in self.line.messages():
            births = not self._births_leave
            orders = self._node.received(message.topic, message.payload, message.retain, at, births=births)
            self._carry_out_births(orders)
        self._take_answers()
        if lost := self.line.overflowed():
            self._life.refused(f"{lost} messages came faster than they could be read, and were dropped")

    def over(self) -> None:
        """The line has ended: what was answered by then counts, unless a word of the host may have come before it."""
        if not self.line.messages():
            self._take_answers()

    def _take_answers(self) -> None:
        for ack in self.line.acked():
            self._answered(ack)

    def _answered(self, ack: Ack) -> None:
        topic = self._topics.pop(ack.mid, None)
        if topic is not None and ack.is_failure:
            warning = f"{self.line.server.place}: {unsubscribed(topic, ack.code or 0, ack.said)}"
            self.warnings.append(warning)
            self._life.notices.say(warning, self._clock.now())
        number = self._questions.answered(ack.mid)
        if number is not None:
            self._node.answered(number, self._life.now())

    # --- what is said ------------------------------------------------------------------------------------------------

    def carry_out(self, orders: Sequence[Order]) -> None:
        """Raises UplinkDown when the line ends, by an order too."""
        for order in orders:
            match order:
                case Publish():
                    self._publish(order)
                case Subscribe(topic, qos):
                    self._topics[self.line.subscribe(topic, qos)] = topic
                case HangUp(why):
                    raise self._hung_up(why)
                case Write():
                    self._put(order)
                case Refusal(topic, what, why):
                    self._life.refused(f"{topic}: {what}: {why}" if what else f"{topic}: {why}")

    def data_left(self, now: float) -> None:
        """A message with data was carried out."""
        if self._node.unproven:
            self._questions.sent()
        self.ask(now)

    def ask(self, now: float) -> None:
        """Ask the server for a sign of life, when that is due; and be patient only so long."""
        if self._questions.is_due(now):
            self._questions.asked(self.line.ask(), self._node.asked(), now)
        ends = self._patience_ends()
        if ends is not None and now >= ends:
            place, timeout_s = self.line.server.place, self._settings.ack_timeout_s
            raise self.line.lost(f"{place}: lives, but a question is unanswered for {timeout_s:g} s")

    def next_due(self, now: float) -> list[float | None]:
        """When `ask` is due (monotonic seconds), and the line."""
        return [self.line.next_step(now), self._questions.next_due(), self._patience_ends()]

    def _carry_out_births(self, orders: Sequence[Order]) -> None:
        self.carry_out(orders)
        if self._node.ready and any(isinstance(order, Publish) for order in orders):
            self._births_leave = True
            self._life.notices.forget(self._waiting_for())

    def _publish(self, order: Publish) -> None:
        try:
            mid = self.line.publish(order.topic, order.payload, order.qos, order.retain)
        except UplinkRefused as refused:  # only a birth can be: data is divided
            cure = "a birth cannot be divided: give the device fewer tags, or raise the server's limit"
            raise self.line.lost(f"{order.topic}: {refused}; {cure}") from refused
        if order.qos:
            self._questions.asked(mid, self._node.asked(), self._clock.now())

    def _put(self, write: Write) -> None:
        why = self._life.desk.put(write)
        if why:
            self._life.refused(f"a host asks to write {write.device}.{write.tag}: {why}")

    def _hung_up(self, why: str) -> UplinkDown:
        """Everything is written, and answered; then DISCONNECT, on MQTT 5 with the Will."""
        self.line.close(with_will=self.line.entrance.is_5)
        self._take_answers()
        return UplinkDown(why)

    def _waiting_for(self) -> str:
        return f"waits for the primary host {self._settings.host_id} to be online"

    def _patience_ends(self) -> float | None:
        since = self._questions.unanswered_since()
        return None if since is None else since + self._settings.ack_timeout_s
