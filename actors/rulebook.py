"""The process of the rules: follows the live feed of the devices that rules name, and commands what follows.

See actors/rules/__init__.py for the parts and the invariants. One reading at a time: each rule that needs it is judged,
alone; what one rule cannot do keeps no other from doing it.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.rules.book import Book
from actors.rules.memory import boot_id, remembered, written
from actors.rules.orders import Order, Orders
from actors.rules.readings import Readings
from actors.rules.rule import Action, rule_of
from actors.rules.settings import Settings
from actors.rules.standing import Standing
from transports import codec
from transports.building import build
from transports.errors import NotUnderstood
from transports.expressions import ExpressionError, Reference
from transports.feed import Live, Subscriber
from transports.mailbox import Timer
from transports.messages import Command, Message, Outcome, Rules
from transports.samples import Batch, Value

log = logging.getLogger("holdfast.rules")
UNKNOWN, EXPIRED = "unknown", "expired"
LEAST_S = 0.005  # whatever is due already, the next look leaves room for what devices say


@dataclass(frozen=True, slots=True)
class Work:
    """What the process of the rules is told: each rule's table, the devices there are, and where it remembers."""

    rules: Mapping[str, Mapping[str, Any]]
    devices: Sequence[str]
    memory: str


class Rulebook(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._memory, self._boot = Path(work.memory), boot_id()
        settings = {name: build(Settings, table, f"rule.{name}") for name, table in work.rules.items()}
        before = remembered(self._memory, settings, self._boot, place.clock.now())
        self._books = {
            name: Book(
                rule_of(name, each, work.devices), before.standings.get(name, Standing(since_s=place.clock.now()))
            )
            for name, each in settings.items()
        }
        wanted = (reference for book in self._books.values() for reference in book.rule.references)
        self._readings = Readings(wanted, place.clock.now())
        self._needed_by: dict[Reference, list[Book]] = {}
        for book in self._books.values():
            for reference in book.rule.references:
                self._needed_by.setdefault(reference, []).append(book)
        self._orders = Orders()
        for device, command in before.sent:
            self._orders.add(command.origin.removeprefix("rule:"), device, command, place.clock.now(), told=True)
        self._alarm: Timer | None = None
        self._missed = self._damaged = 0

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        place = self.place
        self._feed = Subscriber(place.context, place.run_dir)
        for device in {reference.device for reference in self._needed_by}:
            self._feed.follow(device)
        self.mailbox.when_readable(self._feed.socket, self._listen)
        self._wake()

    def end(self) -> None:
        self.mailbox.forget(self._feed.socket)
        self._feed.close()

    def on_message(self, sender: str, message: Message) -> Any:
        match message:
            case Outcome(key=key, outcome=outcome, detail=detail):
                self._ended(sender, key, outcome, detail)
            case Rules():
                return [book.told(self._readings, self.place.clock.now()) for book in self._books.values()]
            case _:
                return NotImplemented
        return None

    def state(self) -> Mapping[str, Any]:
        now, books = self.place.clock.now(), self._books.values()
        return {
            "rules": len(self._books),
            "true": sum(book.standing.is_true for book in books),
            "quarantined": sum(bool(book.trouble(now)) for book in books),
            "acted": sum(book.acted for book in books),
            "on_the_way": len(self._orders.on_the_way()),
            "missed": self._missed,
            "damaged": self._damaged,
        }

    # --- what devices say --------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for live in self._feed.receive(0):
            batch = self._batch(live)
            if batch is not None:
                now = self.place.clock.now()
                changed = {id(book): book for each in self._readings.take(batch, now) for book in self._needed_by[each]}
                self._judge(changed.values())
        self._wake()

    def _batch(self, live: Live) -> Batch | None:
        if live.missed and not self._missed:
            log.warning("%d readings of %s went by unseen: the machine is too busy", live.missed, live.name)
        self._missed += live.missed
        try:
            item = codec.unpack(live.payload)
        except NotUnderstood as damaged:
            self._damaged += 1
            log.error("a reading of %s is passed over: %s", live.name, damaged)
            return None
        return item if isinstance(item, Batch) else None

    # --- what follows ------------------------------------------------------------------------------------------------

    def _judge(self, books: Iterable[Book]) -> None:
        now = self.place.clock.now()
        for book in books:
            if book.until_s <= now:
                self._judge_one(book, now)

    def _judge_one(self, book: Book, now: float) -> None:
        before = book.standing
        try:
            actions = book.judged(self._readings, now, self._orders.of(book.rule.name))
        except ExpressionError as wrong:
            self._quarantine(book, str(wrong), now)
            return
        for at, (action, value) in enumerate(actions):
            self._orders.add(book.rule.name, action.device, self._command(book, at, action, value, now), now)
        if actions or book.standing.phase is not before.phase:
            self._remember()
        if actions:
            self._tell()

    def _command(self, book: Book, at: int, action: Action, value: Value, now: float) -> Command:
        """Its key is that of this action of this rule for ever, whoever tells it again."""
        name, until_s = book.rule.name, now + book.rule.settings.ttl_s
        key = f"{name}:{self.place.session:x}:{book.standing.count}.{at}"
        return Command(key, action.tag, value, until_s, f"rule:{name}", why=action.text, lasting=False)

    def _tell(self) -> None:
        """Never wait for a device that does not take it: it is told again."""
        now = self.place.clock.now()
        for order in self._orders.to_tell(now):
            self._orders.went(order, self.mailbox.offer(order.device, order.command), now)

    def _ended(self, device: str, key: str, outcome: str, detail: str) -> None:
        order = self._orders.ended(device, key)
        if order is not None:
            self._remember()
            self._over(order, outcome, detail)
            self._judge([book] if (book := self._books.get(order.rule)) is not None else [])
            self._tell()
            self._wake()

    def _over(self, order: Order, outcome: str, detail: str) -> None:
        book, action = self._books.get(order.rule), order.command.why
        if outcome != "done":
            log.warning("rule %s: %s: %s: %s", order.rule, action, outcome, detail)
        if book is not None and book.heard(action, outcome, detail, self.place.clock.now()):
            log.error("rule %s is in trouble: %s", order.rule, book.trouble(self.place.clock.now()))

    def _quarantine(self, book: Book, why: str, now: float) -> None:
        if why != book.why:
            log.error("rule %s is quarantined: %s", book.rule.name, why)
        book.failed(why, now)

    def _remember(self) -> None:
        standings = {name: (book.rule.settings, book.standing) for name, book in self._books.items()}
        try:
            written(self._memory, standings, self._orders.on_the_way(), self._boot)
        except OSError as refused:  # a fan must run though the disk is full; after a crash it may be told twice
            log.error("what the rules did cannot be remembered: %s: %s", self._memory, refused.strerror)

    # --- time --------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Look again when the next thing is due, though no device says anything."""
        now, orders = self.place.clock.now(), self._orders
        dues = (book.next_due(self._readings, now, orders.of(book.rule.name)) for book in self._books.values())
        due = min([*dues, orders.next_due()], default=inf)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due < inf:
            self._alarm = self.mailbox.at(max(due, now + LEAST_S), self._look)

    def _look(self) -> None:
        self._alarm = None
        now = self.place.clock.now()
        for order in self._orders.given_up(now):
            self._over(
                order, *((UNKNOWN, "its device told no outcome") if order.told else (EXPIRED, "its device was away"))
            )
        self._judge(self._books.values())
        self._tell()
        self._wake()
