"""The demo from the first process to the last line.

    start: processes, witness, gateway ──> watch: show, mend ──> finish: devices stop, everything is delivered ──> count

One loop waits for one queue, into which the witness's thread and the signals put what happened.
"""

import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue

from rich.console import Console

from supervisors.demo.attendant import UNDER_WAY_S, Attendant
from supervisors.demo.board import Board, board, plain
from supervisors.demo.ledger import Ledger
from supervisors.demo.processes import Processes, start_around, start_gateway
from supervisors.demo.scene import STRAIGHT, Scene, scene
from supervisors.demo.view import Row, Values, View, rows
from supervisors.demo.witness import Disconnected, Heard, Seen, Subscribed, Witness
from transports.clock import Clock, MachineClock
from transports.errors import HoldfastError

START_WITHIN_S = 30.0
SETTLE_WITHIN_S = 30.0
TICK_S = 0.5
GLANCE_S = 0.1


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Ctrl-C, SIGTERM, or the terminal was closed."""


Inbox = SimpleQueue[Seen | Interrupted]


def play(duration_s: float | None, broker: str, keep: bool) -> int:
    """See the package's `demo`."""
    console, clock, inbox = Console(), MachineClock(), Inbox()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: inbox.put(Interrupted()))
    with ExitStack() as at_end:
        place = at_end.enter_context(scene(keep))
        processes = Processes(place, clock)
        at_end.callback(processes.kill)
        show = Show(place, processes, inbox, clock)
        at_end.callback(show.close)
        show.start(broker)
        show.watch(board(console, place), duration_s)
        last_lines = show.finish()
        plain(console, [f"kept {place.directory}", *last_lines] if keep else last_lines)
        return 1 if show.ledger.lost else 0


class Show:
    """Everything that goes on, held together."""

    def __init__(self, place: Scene, processes: Processes, inbox: Inbox, clock: Clock) -> None:
        self.ledger = Ledger(STRAIGHT)
        self._place, self._processes, self._inbox, self._clock = place, processes, inbox, clock
        self._attendant = Attendant(place.run_dir, clock)
        self._values = Values()
        self._witness: Witness | None = None
        self._board: Board | None = None
        self._subscribed = self._ending = False
        self._stage, self._deadline = "starting", inf

    # --- the three parts ---------------------------------------------------------------------------------------------

    def start(self, broker: str) -> None:
        """Start everything; the witness listens before the gateway delivers. Raises HoldfastError when one does not."""
        start_around(self._place, self._processes, broker)
        self._witness = Witness(self._place.broker_port, self._inbox.put)
        self._await(lambda: self._subscribed, "broker")
        self._await(self._place.serial_line.exists, "thermometer")
        start_gateway(self._place, self._processes)
        self._await(self._attendant.has_settled, "gateway")

    def watch(self, board: Board, duration_s: float | None) -> None:
        """Show what goes on, and start again what ended, until it is time or somebody ends it."""
        self._board, self._stage = board, "running"
        self._deadline = inf if duration_s is None else self._clock.now() + duration_s
        while not self._ending and self._clock.now() < self._deadline:
            self._tick()
            self._listen(min(self._clock.now() + TICK_S, self._deadline))

    def finish(self) -> list[str]:
        """Have everything that was read delivered, end the gateway, and count: the last lines."""
        self._stage, self._deadline = "finishing", inf
        self._until(self._attendant.has_settled, SETTLE_WITHIN_S)
        before = self._rows()
        for kind, topic in (("device", "raw"), ("aggregator", "out")):
            self._stop(kind, topic)
        self._take_at_its_word()
        view = self._view(before)
        if self._board is not None:
            self._board.show(view, self._clock.now())
            self._board.close()
        self._processes.end("gateway")
        return [f"the plant was read {self.ledger.scans('plant')} times; {view.delivered()}", view.last_line()]

    def close(self) -> None:
        """Let go of the terminal and of the broker."""
        if self._board is not None:
            self._board.close()
        if self._witness is not None:
            self._witness.close()

    def _stop(self, kind: str, topic: str) -> None:
        """Stop the processes of a kind, and wait until all that they wrote to a topic has been read."""
        self._until(lambda: self._attendant.stop(kind), SETTLE_WITHIN_S)
        stopped = self._clock.now()
        self._until(lambda: self._attendant.is_empty(topic, stopped), SETTLE_WITHIN_S)

    def _take_at_its_word(self) -> None:
        """What the gateway says that it has delivered must have come."""
        last = self._attendant.last_delivered()
        if last is not None:
            self._until(lambda: self.ledger.last("out") >= last, UNDER_WAY_S)
            self.ledger.promised("out", last)

    # --- waiting -----------------------------------------------------------------------------------------------------

    def _listen(self, until: float) -> None:
        """Handle what happens until then; returns early when the end was asked for."""
        was_ending = self._ending
        while self._ending == was_ending:
            try:
                event = self._inbox.get(timeout=max(0.0, until - self._clock.now()))
            except Empty:
                return
            self._handle(event)

    def _handle(self, event: Seen | Interrupted) -> None:
        match event:
            case Heard(payload):
                record = json.loads(payload)
                if self.ledger.heard(record):
                    self._values.heard(record)
            case Subscribed():
                self._subscribed = True
            case Disconnected():
                self._subscribed = False
                self.ledger.looked_away()
            case Interrupted():
                if self._ending or self._stage == "starting":
                    raise KeyboardInterrupt
                self._ending = True

    def _until(self, done: Callable[[], bool], within_s: float) -> bool:
        """Go on until `done`, or for so long; whether it was done."""
        deadline = self._clock.now() + within_s
        while self._clock.now() < deadline:
            self._tick()
            if done():
                return True
            self._listen(self._clock.now() + GLANCE_S)
        return False

    def _await(self, done: Callable[[], bool], name: str) -> None:
        if not self._until(done, START_WITHIN_S):
            words = self._processes.last_words(name)
            raise HoldfastError(f"the {name} did not start within {START_WITHIN_S:g} s\n{words}".rstrip())

    def _tick(self) -> None:
        self._processes.mend()
        self._attendant.look()
        if self._board is not None:
            self._board.show(self._view(self._rows()), self._clock.now())

    # --- showing -----------------------------------------------------------------------------------------------------

    def _rows(self) -> list[Row]:
        return rows(list(self._processes.all.values()), self._attendant.children())

    def _view(self, rows: list[Row]) -> View:
        """This moment."""
        ledger = self.ledger
        return View(
            rows=rows,
            values=self._values.shown(),
            readings=ledger.readings,
            records=ledger.records,
            repeated=ledger.repeated,
            gaps=ledger.gaps,
            unseen=ledger.unseen,
            waiting=self._attendant.waiting(),
            lost=ledger.lost,
            left_s=None if self._deadline == inf else max(0.0, self._deadline - self._clock.now()),
            stage=self._stage,
        )
