"""The base of all actors: a pykka actor whose inbox is a ZeroMQ mailbox, with a heartbeat from its own loop.

Its life: `on_start` opens the mailbox and calls `begin` (the subclass's own start), then tells the root that it is
ready; each message from another actor calls `on_message`; `on_stop` calls `end`. Any exception in any of them is the
death of the process, with a crash report: an actor never limps on.
"""

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any

import pykka
import zmq

from transports.clock import Clock
from transports.errors import Down, NotUnderstood
from transports.mailbox import Call, Leave, Letter, Mailbox, Timer
from transports.messages import Beat, Level, Message, Ready
from transports.names import ROOT

log = logging.getLogger("holdfast.actor")
EARLY = 0.6  # of a heartbeat: from then on it is given when the actor is awake for something else


@dataclass(frozen=True, slots=True)
class Place:
    """Where an actor lives: its name, the run directory, the clock, and which incarnation of the name it is.

    `token` is the root's number for this incarnation; `session` is unique for it also across runs of the gateway.
    `last_end` says how the incarnation before ended ("" for the first one of this run).
    """

    name: str
    run_dir: Path
    clock: Clock
    context: "zmq.Context[zmq.Socket[bytes]]"
    token: int
    session: int
    heartbeat_s: float = 1.0
    last_end: str = ""


class Fate:
    """How an actor ended, for whoever waits for it: `over` is set at its very end, `error` before when it failed.

    An actor that is `alone` in its process runs in the thread that starts it, and `start` returns when it is over:
    a thread more would cost memory in each of hundreds of processes. `reference` is the way to it meanwhile.
    """

    def __init__(self, alone: bool = False) -> None:
        self.alone = alone
        self.over = threading.Event()
        self.error: BaseException | None = None
        self.reference: pykka.ActorRef[Any] | None = None


class Actor(pykka.ThreadingActor):
    """See the module's note. Its end is told through `fate`."""

    use_daemon_thread = True
    ready_at_once = True  # False: when `begin` has returned it is still on the way, and calls `ready` itself

    def __init__(self, place: Place, fate: Fate) -> None:
        super().__init__()
        self.place, self.fate = place, fate
        fate.reference = self.actor_ref
        self._next_beat: Timer | None = None
        self._early_beat = inf  # none before the actor is ready

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @property
    def mailbox(self) -> Mailbox:
        assert isinstance(self.actor_inbox, Mailbox)
        return self.actor_inbox

    # --- for subclasses ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Get ready to work; returning means being ready, unless `ready_at_once` is False."""

    def ready(self) -> None:
        """Tell the root that the work is being done, and give signs of life from now on."""
        self.mailbox.tell(ROOT, Ready(self.place.token, os.getpid()))
        self._beat()

    def on_message(self, sender: str, message: Message) -> Any:
        """Handle one message; what is returned answers an `ask`. NotImplemented refuses it, which is not fatal."""
        return NotImplemented

    def leave(self) -> None:
        """Asked to end: finish what was promised, in bounded time, then `stop`. By default there is nothing."""
        self.stop()

    def end(self) -> None:
        """Let go of what `begin` took; called on an orderly stop only."""

    def state(self) -> Mapping[str, Any]:
        """What this actor tells of itself with each heartbeat: plain values for `holdfast status`."""
        return {}

    # --- pykka's hooks -----------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        place = self.place
        self.mailbox.open(place.run_dir, place.name, place.clock, place.context)
        self.begin()
        if self.ready_at_once:
            self.ready()

    def on_receive(self, message: Any) -> Any:
        try:
            answer = self._received(message)
        except SystemExit as left:  # pykka would take it for an orderly stop
            raise RuntimeError(f"{self.place.name} called sys.exit({left.code!r})") from left
        if self.place.clock.now() >= self._early_beat:  # awake anyway: a beat now saves waking up for it
            self._beat()
        return answer

    def _received(self, message: Any) -> Any:
        if isinstance(message, Call):
            return message.what()
        if isinstance(message, Letter):
            return self._handled(message)
        if isinstance(message, Leave):
            return self.leave()
        raise NotUnderstood(f"{self.place.name} was handed {message!r:.80}")

    def _handled(self, letter: Letter) -> Any:
        if isinstance(letter.message, Level):
            return log_from(letter.message.level)
        value = self.on_message(letter.sender, letter.message)
        if value is not NotImplemented:
            return value
        refusal = f"{self.place.name} does not take {type(letter.message).__name__} (from {letter.sender})"
        if letter.asked:
            raise NotUnderstood(refusal)
        log.warning(refusal)
        return None

    def on_stop(self) -> None:
        self.end()
        self.mailbox.close()

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super()._handle_failure(exception_type, exception_value, traceback)
        self.fate.error = exception_value

    def _start_actor_loop(self) -> None:
        if self.fate.alone:
            self._actor_loop()
        else:
            super()._start_actor_loop()

    def _actor_loop(self) -> None:
        try:
            super()._actor_loop()
        except SystemExit as left:  # a stranger's module that calls sys.exit() in `begin`
            self.fate.error = left
        finally:
            self.fate.over.set()

    def _beat(self) -> None:
        place = self.place
        now = place.clock.now()
        if self._next_beat is not None:
            self._next_beat.cancel()
        self._next_beat = self.mailbox.at(now + place.heartbeat_s, self._beat)
        self._early_beat = now + EARLY * place.heartbeat_s
        try:
            self.mailbox.tell(ROOT, Beat(place.token, self.mailbox.handled, self.state()))
        except Down:
            return  # without a root this process is about to end; the kernel sees to that


def log_from(level: str) -> None:
    """Log from this level on, in the whole process; its log says so, whatever was left out before. A level that does
    not exist changes nothing, and is said too."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        log.warning("there is no log level %.40r", level)
        return
    logging.getLogger().setLevel(logging.INFO)
    log.info("logs from %s on", level.upper())
    logging.getLogger().setLevel(number)
