"""The plan's orders, carried out: processes asked for, signalled, and what people are to be told."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from supervisors import plan
from supervisors.births import Births
from supervisors.host import Home, spec_path, write_home
from supervisors.house import House
from supervisors.life import Life
from supervisors.plan import Child, GiveUp, Kill, Order, Report, Start, Stop
from supervisors.records.events import ChildHung, ChildUnkillable, SupervisorGaveUp, say
from supervisors.spec import ChildSpec
from supervisors.volume import Volume


@dataclass(frozen=True, slots=True)
class Errands:
    """`child` is how one stands, `last_ends` how it ended before; `refused` is told, later, that it cannot be made."""

    house: House
    births: Births
    volume: Volume
    lives: Mapping[str, Life]
    last_ends: Mapping[str, str]
    child: Callable[[str], Child]
    refused: Callable[[str, int, str], None]
    written: dict[str, tuple[ChildSpec, str]] = field(default_factory=dict)

    def run(self, order: Order) -> None:
        """Carry it out; nothing here waits."""
        match order:
            case Start(name, token):
                self._start(name, token)
            case Stop(name, token):
                self._signal(name, token, signal.SIGTERM)
            case Kill(name, token, stacks):
                self._signal(name, token, signal.SIGABRT if stacks else signal.SIGKILL)
            case Report(name, _):
                if name in self.lives:
                    say(ChildUnkillable(name, self.lives[name].process.pid, plan.UNKILLABLE_S))
            case GiveUp(name, why):
                say(SupervisorGaveUp(name, why))

    def forget(self, name: str) -> None:
        """It has left the tree."""
        self.written.pop(name, None)
        spec_path(self.house.run_dir, name).unlink(missing_ok=True)

    def _start(self, name: str, token: int) -> None:
        try:
            self._have_it_written(name)
        except (OSError, TypeError, ValueError, OverflowError) as refused:  # no room, or a value without a form
            self.refused(name, token, f"its spec cannot be written: {refused}")
            return
        self.births.ask(name, token, self.last_ends.get(name, ""))

    def _have_it_written(self, name: str) -> None:
        """Its spec, if that is another than the last one: a restart seldom needs the disk."""
        spec, level, house = self.child(name).spec, self.volume.of(name), self.house
        before = self.written.get(name)
        if before is None or before[0] is not spec or before[1] != level or not spec_path(house.run_dir, name).exists():
            home = Home(spec.kind, spec.table, house.gateway, str(house.data_dir), house.heartbeat_s, level)
            write_home(house.run_dir, name, home)
            self.written[name] = spec, level

    def _signal(self, name: str, token: int, number: int) -> None:
        life = self.lives.get(name)
        if life is not None and life.token == token:
            if number == signal.SIGABRT:
                say(ChildHung(name, life.process.pid, self.child(name).reason))
            life.process.send(number)
        else:
            self.births.withdraw(token)
