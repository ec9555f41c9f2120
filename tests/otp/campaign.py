"""Many scenarios on both sides, and what came of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.otp.compare import Verdict, compared
from tests.otp.erlang import Answer
from tests.otp.scenarios import Scenario


@dataclass(frozen=True, slots=True)
class Campaign:
    """`met` counts the documented differences; `undocumented` is what disagrees with the documentation."""

    verdicts: Sequence[Verdict]

    @property
    def met(self) -> Counter[str]:
        return Counter(verdict.difference for verdict in self.verdicts if verdict.difference)

    @property
    def undocumented(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.wrong]

    def __str__(self) -> str:
        """The last line says it all."""
        alike = sum(verdict.difference == "" for verdict in self.verdicts)
        lines = [f"{alike:6} the same to the end"]
        lines += [f"{number:6} until a documented difference: {name}" for name, number in self.met.most_common()]
        last = f"{len(self.verdicts)} scenarios, {len(self.undocumented)} undocumented differences"
        return "\n".join([*lines, last])


def campaign(scenarios: Sequence[Scenario], answers: Sequence[Answer]) -> Campaign:
    return Campaign([compared(scenario, answer) for scenario, answer in zip(scenarios, answers, strict=True)])
