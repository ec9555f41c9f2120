"""Holds one side against the other, step by step, up to the first divergence."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from tests.otp.differences import Place, name_of
from tests.otp.erlang import Answer
from tests.otp.machine import Machine, NeverQuiet
from tests.otp.scenarios import Scenario
from tests.otp.told import StepTold


@dataclass(frozen=True, slots=True)
class Verdict:
    """`difference` is the documented one that was met, "" when both sides agreed to the end, None: undocumented."""

    scenario: Scenario
    difference: str | None
    step: int = 0
    otp: Sequence[StepTold] = ()
    ours: Sequence[StepTold] = ()
    problem: str = ""

    @property
    def wrong(self) -> bool:
        """Whether this is a bug, on one of the sides or in the documentation."""
        if self.difference is None:
            return True
        return self.scenario.meets is not None and self.difference != self.scenario.meets

    def __str__(self) -> str:
        """The scenario and both traces up to the divergence, for people."""
        acts = ["start", *map(str, self.scenario.acts)]
        met = "an undocumented difference" if self.difference is None else self.difference or "no difference"
        lines = [f"{self.scenario.name}: {met}: {self.problem}", f"  {self.scenario.root}"]
        for act, otp, ours in zip_longest(acts[: self.step + 1], self.otp[: self.step + 1], self.ours, fillvalue="?"):
            lines += [f"  {act}", f"    OTP  {otp}", f"    plan {ours}"]
        return "\n".join(lines)


def compared(scenario: Scenario, otp: Answer) -> Verdict:
    """What OTP did against what the plan does."""
    machine = Machine(scenario, otp[0].at)
    workers = frozenset(scenario.workers())
    ours: list[StepTold] = []
    for number, told in enumerate(otp):
        act = scenario.acts[number - 1] if number else None
        try:
            played = machine.begin() if act is None else machine.act(act, told)
        except NeverQuiet as endless:
            return Verdict(scenario, None, number, otp, ours, str(endless))
        ours.append(played.told)
        problem = divergence(told, played.told, workers)
        if problem:
            place = Place(scenario, number, otp, played, machine)
            return Verdict(scenario, name_of(place), number, otp, ours, problem)
    return Verdict(scenario, "", len(otp) - 1, otp, ours)


def divergence(otp: StepTold, ours: StepTold, workers: frozenset[str]) -> str:
    """What is first not the same; "" when everything is."""
    for theirs, mine in zip_longest(otp.of(workers), ours.entries):
        if str(theirs) != str(mine):
            return f"OTP: {theirs}, plan: {mine}"
    if otp.alive != ours.alive:
        theirs_only, ours_only = sorted(otp.alive - ours.alive), sorted(ours.alive - otp.alive)
        return f"alive in OTP only: {theirs_only}, in the plan only: {ours_only}"
    anew = otp.anew - workers
    if anew != ours.anew:
        return f"supervisors that ended and live: {sorted(anew)} in OTP, {sorted(ours.anew)} in the plan"
    return ""
