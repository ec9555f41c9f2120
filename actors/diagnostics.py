"""The gateway's own voice: an actor that looks at root, spooler, crash reports and machine, and keeps what is new.

    each watch_period   ask the root; crash reports        a record of what has changed, one of each death
    each host_period    the machine; ask the spooler       a record of the machine
    each period         a record of everything, changed or not

It is a producer like a device, named `diagnostics`, and asks only what costs the others next to nothing.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.diagnosing import facts, telling
from actors.diagnosing.crash_reports import Crash, CrashReports
from actors.diagnosing.facts import Facts
from actors.diagnosing.machine import Machine
from actors.diagnosing.settings import Settings
from actors.diagnosing.telling import Told
from actors.producing.outbox import Entry, Outbox
from actors.producing.producer import Producer
from actors.producing.records import covered
from actors.routes import OUT
from transports import codec
from transports.building import build
from transports.errors import HoldfastError, LinkDown
from transports.messages import Ledger, Message, Status
from transports.names import ROOT, SPOOLER
from transports.samples import DataType, Gap, Scan, Tag, batch_of

log = logging.getLogger("holdfast.diagnostics")
ANSWER_WITHIN_S = 5.0
SPOOL_WITHIN_S = 1.0  # how long the first look waits for the spool, so that a gap comes before it
LEAVE_WITHIN_S = 3.0
OUTBOX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Work:
    """What the process is told: the table [diagnostics], where the data lies, and how records are packed."""

    settings: Mapping[str, Any]
    data_dir: str
    compress: bool = False


@dataclass(slots=True)
class Tally:
    """What it tells of itself."""

    records: int = 0
    samples: int = 0
    crashes: int = 0
    unanswered: int = 0


class Diagnostics(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._work, self._settings = work, build(Settings, work.settings, "diagnostics")
        self._tally, self._told, self._seq = Tally(), Told(), 1
        self._tree: Facts | None = None
        self._ledger: Facts | None = None
        self._machine: Machine | None = None
        self._all_at = -inf

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        place, data_dir = self.place, Path(self._work.data_dir)
        boxes = {OUT: Outbox(place.name, codec.pack, OUTBOX_BYTES)}
        self._producer = Producer(self.mailbox, place.name, place.session, boxes, self._met_spool)
        self._reports, self._has_met = CrashReports(data_dir / "crashes"), False
        try:
            self._machine = Machine(data_dir)
        except LinkDown as blind:
            log.warning("the machine itself cannot be read: %s", blind)
        self._first = self.mailbox.at(place.clock.now() + SPOOL_WITHIN_S, self._look)

    def on_message(self, sender: str, message: Message) -> Any:
        return None if self._producer.hear(message) else NotImplemented

    def leave(self) -> None:
        """Go when what was told is durable, or when it takes too long."""
        self._producer.finish(self.stop, self.place.clock.now() + LEAVE_WITHIN_S)

    def state(self) -> Mapping[str, Any]:
        account = self._producer.accounts()[OUT]
        return {
            **asdict(self._tally),
            "waiting": self._producer.waiting,
            "waiting_samples": account.waiting,
            "dropped_samples": account.dropped,
            "ledger": {OUT: asdict(account)},
        }

    def _met_spool(self, topic: str, last_pseq: int, time_ns: int) -> None:
        """The first word from the spool: what was told last, and when. Deaths since then are still to be told."""
        if last_pseq:
            reason = self.place.last_end or "the gateway was not running"
            gap = Gap(self.place.name, f"process ended: {reason}", time_ns, self.place.clock.utc_ns())
            self._producer.outboxes[topic].announce(gap)
        self._reports.since(time_ns)
        self._has_met = True
        if self._first.what is not None:
            self._look()

    # --- looking -----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._first.cancel()
        self._each(self._settings.host_period_s, self._look_at_machine)
        self._each(self._settings.watch_period_s, self._look_at_tree)

    def _each(self, period_s: float, what: Callable[[], None]) -> None:
        what()
        self.mailbox.at(self.place.clock.now() + period_s, partial(self._each, period_s, what))

    def _look_at_tree(self) -> None:
        self._ask(ROOT, Status(), self._saw_tree, self._no_tree)
        for crash in self._reports.new() if self._has_met else ():
            self._tell_of(crash)

    def _saw_tree(self, status: Mapping[str, Any]) -> None:
        self._tree = facts.of_tree(status)
        self._tell_news()

    def _look_at_machine(self) -> None:
        self._ask(SPOOLER, Ledger(), self._saw_ledger, self._no_ledger)
        if self._machine is not None:
            self._keep(self._machine.read())

    def _saw_ledger(self, answer: Mapping[str, Any]) -> None:
        if answer.get("disk"):
            self._no_ledger()  # it has no rows to answer with
        else:
            self._ledger = facts.of_ledger(answer["rows"])
            self._tell_news()

    def _no_tree(self) -> None:
        """It is asked again anyway."""

    def _no_ledger(self) -> None:
        """What was known stays; where nothing was, nothing is waited for."""
        self._ledger = self._ledger or Facts()

    def _ask(
        self, whom: str, question: Message, then: Callable[[Mapping[str, Any]], None], without: Callable[[], None]
    ) -> None:
        def unanswered(why: HoldfastError) -> None:
            self._tally.unanswered += 1
            log.debug("%s", why)
            without()

        self.mailbox.ask(whom, question, ANSWER_WITHIN_S, then, unanswered)

    # --- telling -----------------------------------------------------------------------------------------------------

    def _tell_news(self) -> None:
        """What has changed, or everything when it is time for that. Nothing before both have answered once."""
        if self._tree is None or self._ledger is None:
            return
        now = self.place.clock.now()
        due = now - self._all_at >= self._settings.period_s
        self._told, news = (telling.everything if due else telling.changed)(self._told, self._tree | self._ledger)
        if due:
            self._all_at = now
        time_ns = self.place.clock.utc_ns()
        for tags, values in telling.scans(news):
            self._keep(Scan(time_ns, tags, values))

    def _tell_of(self, crash: Crash) -> None:
        self._tally.crashes += 1
        tag, values = Tag(f"crash/{crash.name}", DataType.STRING), [crash.summary]
        self._keep(Scan(crash.time_ns, (tag,), values))

    def _keep(self, scan: Scan) -> None:
        batch = batch_of(self.place.name, self._seq, [scan])
        self._seq += 1
        self._tally.records += 1
        self._tally.samples += batch.samples
        payload = codec.pack(batch, codec.LEVEL if self._work.compress else 0)
        self._producer.add(OUT, Entry((payload,), covered(batch, batch), count=1, counts=(batch.samples,)))
