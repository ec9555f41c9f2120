"""A reloader over the real plan and the real disk; the processes are made up: of the children, and the one that reads.

Whoever is started is ready at once, but for those in `sick`, who die again and again, and those in `slow`, who are
never ready. Whoever is stopped ends at once, but for those in `stuck`.
"""

import random
from pathlib import Path
from types import TracebackType
from typing import Any

from supervisors import plan
from supervisors.configuration import tree
from supervisors.plan import End, Kill, Order, Phase, Start, Step, Stop
from supervisors.records.events import Event
from supervisors.reload import acts
from supervisors.reload.changes import Act
from supervisors.reload.history import Entry, History
from supervisors.reload.opening import history_of, opened, recorded
from supervisors.reload.reader import Then
from supervisors.reload.reading import reading
from supervisors.reload.reloader import Reloader
from supervisors.reload.texts import Source
from supervisors.reload.trial import Hands
from tests.transports.desk import Desk
from transports.clock import Clock
from transports.mailbox import Mailbox
from transports.messages import Reload

CONFIG = """[gateway]
name = "site"
[supervision]
backoff_first = "50ms"
backoff_ceiling = "100ms"
intensity = 1000
[uplink.local]
type = "file"
path = "/tmp/x"
[device.press-1]
driver = "sim"
tags = { level = { wave = "sine" } }
[device.press-2]
driver = "sim"
tags = { level = { wave = "sine" } }
"""


class ReaderHere:
    """Reads in the loop itself, what takes a process of its own a quarter of a second (test_reading.py)."""

    def __init__(self, source: Source, scratch: Path, clock: Clock, mailbox: Mailbox) -> None:
        self._source, self._scratch, self._clock, self._mailbox = source, scratch, clock, mailbox

    def read(self, text_file: Path, then: Then) -> None:
        told = reading(text_file, self._source, self._scratch)
        self._mailbox.at(self._clock.now(), lambda: then(told))


class Site:
    """`home` has gateway.toml, `data` and `run`. `started` are the names of all that were ever started."""

    def __init__(self, home: Path, text: str = CONFIG) -> None:
        self.config = home / "gateway.toml"
        if not self.config.exists():
            self.config.write_text(text)
        self.sick: set[str] = set()
        self.slow: set[str] = set()
        self.stuck: set[str] = set()
        self.held: set[str] = set()
        self.deaf: set[str] = set()
        self.started: list[str] = []
        self.said: list[Event] = []
        self.notified: list[bool] = []
        self.preloaded: list[str] = []
        self.desk = Desk(home / "run")
        self.opening = opened(Source(self.config, home / "data", home / "run"))
        self.number = recorded(self.opening, "root", self.desk.clock.utc_ns())
        self.tree = plan.planted(tree.root(self.opening.gateway), (), self.desk.clock.now())
        self.reloader = Reloader(self.opening, self.number, self._hands(), self.desk.clock, self.desk.mailbox)
        self._look()
        self.started.clear()

    def _hands(self) -> Hands:
        return Hands(
            children=lambda: self.tree.children,
            ending=lambda: self.tree.ending,
            do=self._do,
            reaches=lambda name: name not in self.deaf,
            say=self.said.append,
            preload=self.preloaded.extend,
            notify=self.notified.append,
        )

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.desk.__exit__(kind, error, at)

    @property
    def history(self) -> History:
        return history_of(self.opening.gateway.data_dir)

    @property
    def entries(self) -> list[Entry]:
        return self.history.entries()

    def write(self, *replacements: tuple[str, str], more: str = "") -> bytes:
        """Change the file, as an operator does; the text."""
        text = self.config.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        self.config.write_text(text + more)
        return self.config.read_bytes()

    def ask(self, within_s: float = 1.0, **wish: Any) -> dict[str, Any]:
        """`holdfast reload`: the one answer to it."""
        answers: list[dict[str, Any]] = []
        self.reloader.request(Reload(within_s, **wish), answers.append)
        self.desk.until(lambda: answers)
        assert len(answers) == 1
        return answers[0]

    def ended(self) -> dict[str, Any]:
        """The status of the last reload when it is over."""
        self.desk.until(lambda: self.status["phase"] == "idle")
        return self.status

    @property
    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = self.reloader.status()["reload"]
        return told

    @property
    def in_force(self) -> dict[str, Any]:
        told: dict[str, Any] = self.reloader.status()["config"]
        return told

    def table(self, name: str) -> dict[str, Any]:
        return dict(self.tree.children[name].spec.table)

    def running(self) -> list[str]:
        return [n for n, c in self.tree.children.items() if c.phase is Phase.RUNNING and c.spec.rules is None]

    def let_go(self) -> None:
        """Those that were stuck end after all."""
        stuck, self.stuck = self.stuck, set()
        for name in stuck:
            self._died(name, self.tree.children[name].token)

    # --- the machine -------------------------------------------------------------------------------------------------

    def decide(self, step: Step) -> None:
        self.tree, orders = step
        for order in orders:
            self._carry_out(order)

    def _do(self, act: Act) -> None:
        self.decide(acts.done(self.tree, act, self.held, self.desk.clock.now()))

    def _carry_out(self, order: Order) -> None:
        match order:
            case Start(name, token):
                self.started.append(name)
                if name in self.sick:
                    self.desk.after(0.0, lambda: self._died(name, token))
                elif name not in self.slow:
                    self.desk.after(0.0, lambda: self._ready(name, token))
            case Stop(name, token) | Kill(name, token, _):
                if name not in self.stuck:
                    self.desk.after(0.0, lambda: self._died(name, token))

    def _ready(self, name: str, token: int) -> None:
        if name in self.tree.children:
            self.decide(plan.became_ready(self.tree, name, token, self.desk.clock.now()))

    def _died(self, name: str, token: int) -> None:
        if name in self.tree.children:
            now = self.desk.clock.now()
            self.decide(plan.died(self.tree, name, token, "it is sick", End.ABNORMAL, now, random.random()))

    def _look(self) -> None:
        self.decide(plan.passed(self.tree, self.desk.clock.now()))
        self.desk.after(0.02, self._look)
