"""Plays the processes of a scenario for the plan: carries its orders out and brings it the news, until all is quiet.

The machine is as sequential as OTP's supervisor, whose mailbox is a queue: what follows from one event is carried out
before the next news is heard, and a failed restart (OTP's message to itself to try again) takes its place behind the
news that are already there. Time is what OTP's trace says; a deaf process lets its grace pass.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from supervisors import plan
from supervisors.plan import Child, GiveUp, Kill, Order, Phase, Start, Step, Stop, Tree
from supervisors.plan import End as Ended
from supervisors.plan.tree import UP
from tests.otp import scenarios as of
from tests.otp.scenarios import Act, Scenario, Worker, spec
from tests.otp.told import GONE, START, Entry, StepTold

ENDS = {of.CRASHED: Ended.ABNORMAL, of.NORMAL: Ended.NORMAL, of.SHUTDOWN: Ended.SHUTDOWN}
HASTE_S = 1e-6  # between two events
SURELY_QUIET = 2000  # events; a step that needs more never ends


@dataclass(frozen=True, slots=True)
class Played:
    """One step of the plan: what it did, who gave up in it, and the tree before and after."""

    told: StepTold
    gave_up: frozenset[str]
    before: Tree
    after: Tree
    now: float


class NeverQuiet(Exception):
    """The plan orders and orders."""


class Machine:
    """One tree. A `prompt` machine is not sequential: all news are told at once, and orders wait for their turn."""

    def __init__(self, scenario: Scenario, now: float, *, prompt: bool = False) -> None:
        self.scenario = scenario
        self.prompt = prompt
        self.workers = scenario.workers()
        self.now = now
        self.tree = plan.planted(spec(scenario.root), (), now)
        self.processes: dict[str, int] = {}
        self.starts: Counter[str] = Counter()
        self.entries: list[Entry] = []
        self.work: deque[Order | Callable[[], None]] = deque()
        self.gave_up: set[str] = set()
        self.ended: set[str] = set()  # supervisors

    def begin(self) -> Played:
        return self._played(self.now, lambda: self._feed(plan.passed(self.tree, self.now)))

    def act(self, act: Act, otp: StepTold) -> Played:
        """One step, at the times at which OTP did it."""

        def acts() -> None:
            self._feed(plan.passed(self.tree, self.now))
            self._act(act, otp)

        return self._played(otp.at, acts)

    def _played(self, at: float, happens: Callable[[], None]) -> Played:
        before, self.entries, self.gave_up, self.ended = self.tree, [], set(), set()
        self.now = max(self.now, at)
        happens()
        self._until_quiet()
        alive = frozenset(name for name, child in self.tree.children.items() if child.phase is Phase.RUNNING)
        told = StepTold(at, tuple(self.entries), alive, alive & self.ended, listed=frozenset(self.tree.children))
        return Played(told, frozenset(self.gave_up), before, self.tree, self.now)

    # --- what happens ---------------------------------------------------------------------------------------------

    def _act(self, act: Act, otp: StepTold) -> None:
        known = self.tree.children
        match act:
            case of.Crash(names, how):
                self._crash([name for name in names if name in self.processes], how, otp)
            case of.StopIt(name) if name in known:
                self._feed(plan.asked_stop(self.tree, name, self.now))
            case of.StartIt(name) if name in known:
                self._feed(plan.asked_start(self.tree, name, self.now))
            case of.RemoveIt(name) if name in known and known[name].phase not in plan.LIVE:  # OTP refuses others
                self._feed(plan.asked_remove(self.tree, name, self.now))
            case of.Add(parent, node) if parent in known and known[parent].phase in UP and node.name not in known:
                self._feed(plan.asked_add(self.tree, parent, spec(node), self.now))
            case of.End():
                self._feed(plan.asked_shutdown(self.tree, self.now))

    def _crash(self, names: Sequence[str], how: str, otp: StepTold) -> None:
        times = {entry.name: entry.at for entry in reversed(otp.entries) if entry.kind == GONE}
        for name in names:
            self.now = max(self.now, times.get(name, self.now))
            self.work.append(partial(self._died, name, self.processes[name], ENDS[how]))
            self._gone(name, how)

    def _feed(self, step: Step) -> None:
        before = self.tree
        self.tree, orders = step
        for name in before.members.keys() & self.tree.members.keys():
            if _has_ended(before.children[name], self.tree.children[name]):
                self.ended.add(name)
        self.now += HASTE_S
        if self.prompt:
            self.work.extend(orders)
        else:
            self.work.extendleft(reversed(orders))

    # --- what is ordered ------------------------------------------------------------------------------------------

    def _until_quiet(self) -> None:
        for _ in range(SURELY_QUIET):
            if not self.work:
                return
            self._carry_out(self.work.popleft())
        raise NeverQuiet(f"{self.scenario.name}: {self.entries[-10:]}")

    def _carry_out(self, order: Order | Callable[[], None]) -> None:
        match order:
            case Start(name, token):
                self._start(self.workers[name], token)
            case Stop(name, token) | Kill(name, token) if name not in self.processes:
                self._died(name, token, Ended.ABNORMAL)  # it is dead already; that news is not waited for
            case Stop(name, token) if self.processes.get(name) == token:
                if self.workers[name].manner == of.DEAF:
                    self.work.appendleft(partial(self._lets_grace_pass, name))
                else:
                    self._obeyed(name, token)
            case Kill(name, token) if self.processes.get(name) == token:
                self._gone(name, "killed")
                self._feed(plan.died(self.tree, name, token, "SIGKILL", Ended.ABNORMAL, self.now))
            case GiveUp(name):
                self.gave_up.add(name)
            case news if callable(news):
                news()

    def _start(self, worker: Worker, token: int) -> None:
        name, number = worker.name, self.starts[worker.name]
        self.starts[name] += 1
        outcome = worker.starts[number] if number < len(worker.starts) else of.OK
        self.entries.append(Entry(START, name, outcome, self.now))
        match outcome:
            case of.OK | of.DIES:
                self.processes[name] = token
                self._feed(plan.became_ready(self.tree, name, token, self.now))
                if outcome == of.DIES:
                    self.work.append(partial(self._died, name, token, Ended.ABNORMAL))
                    self._gone(name, of.CRASHED)
            case of.HALTED:
                self._feed(plan.asked_stop(self.tree, name, self.now))
                self._died(name, token, Ended.ABNORMAL)
            case of.IGNORE:
                self._died(name, token, Ended.IGNORED)
            case _ if self.tree.children[self.tree.parents[name]].phase is Phase.STARTING:
                self._died(name, token, Ended.ABNORMAL)
            case _:
                self.work.append(partial(self._died, name, token, Ended.ABNORMAL))

    def _died(self, name: str, token: int, end: Ended) -> None:
        self._feed(plan.died(self.tree, name, token, "it ended", end, self.now))

    def _obeyed(self, name: str, token: int) -> None:
        untidy = self.workers[name].manner == of.UNTIDY
        self._gone(name, of.CRASHED if untidy else of.SHUTDOWN)
        self._died(name, token, Ended.ABNORMAL if untidy else Ended.SHUTDOWN)

    def _lets_grace_pass(self, name: str) -> None:
        self.now = max(self.now, self.tree.children[name].due)
        self._feed(plan.passed(self.tree, self.now))

    def _gone(self, name: str, how: str) -> None:
        del self.processes[name]
        self.entries.append(Entry(GONE, name, how, self.now))


def _has_ended(was: Child, now: Child) -> bool:
    """Whether this supervisor went down between two moments, though it may be up again."""
    rose = was.phase is Phase.STARTING and now.phase is Phase.RUNNING
    return was.phase in UP and not rose and (now.phase not in UP or now.since != was.since)
