"""The plan behaves as Erlang/OTP's supervisor does, but for what it documents."""

import pytest

from supervisors.spec import Strategy
from tests.otp.campaign import Campaign
from tests.otp.conftest import GENERATED, Asked
from tests.otp.differences import SIGNS, documented
from tests.otp.machine import Machine
from tests.otp.scenarios import Scenario
from tests.otp.told import StepTold
from tests.otp.written import ALIKE, WRITTEN

SHOWN = 5


def shown(result: Campaign, count: int) -> str:
    return "\n\n".join(str(verdict) for verdict in result.undocumented[:count])


def test_forty_scenarios_are_taken_from_the_documented_behaviour() -> None:
    assert len(ALIKE) >= 40
    assert len({scenario.name for scenario in WRITTEN}) == len(WRITTEN)


@pytest.mark.parametrize("number", range(len(WRITTEN)), ids=lambda number: WRITTEN[number].name.replace(" ", "-"))
def test_written(number: int, held_against: Campaign) -> None:
    verdict = held_against.verdicts[number]
    assert not verdict.wrong, str(verdict)


def test_generated_scenarios_are_the_same_up_to_documented_differences(held_against: Campaign) -> None:
    generated = Campaign(held_against.verdicts[len(WRITTEN) :])
    assert len(generated.verdicts) == GENERATED
    assert not generated.undocumented, f"{shown(generated, SHOWN)}\n{generated}"


def test_most_generated_scenarios_are_compared_to_the_end(held_against: Campaign) -> None:
    verdicts = held_against.verdicts[len(WRITTEN) :]
    assert sum(verdict.difference == "" for verdict in verdicts) > 0.8 * len(verdicts)


def test_the_differences_met_are_those_of_the_documentation(held_against: Campaign) -> None:
    assert set(held_against.met) == set(documented()) == set(SIGNS)


def test_the_last_line_tells_how_many_scenarios_and_undocumented_differences(held_against: Campaign) -> None:
    wrong = len(held_against.undocumented)
    last = str(held_against).splitlines()[-1]
    assert last == f"{len(WRITTEN) + GENERATED} scenarios, {wrong} undocumented differences"


def test_the_survivors_are_the_same_when_news_overtake_the_orders(asked: Asked, held_against: Campaign) -> None:
    """OTP hears of one death at a time; ours come in while processes are being stopped and started."""
    tried = 0
    for verdict, answer in zip(held_against.verdicts, asked.answers, strict=True):
        if verdict.difference == "" and not _scripted(verdict.scenario):
            assert survivors(verdict.scenario, answer) == [told.alive for told in answer], str(verdict)
            tried += 1
    assert tried > 300


def _scripted(scenario: Scenario) -> bool:
    """Starts that are counted come to something else when there are more or fewer of them."""
    return any(worker.starts for worker in scenario.workers().values())


def survivors(scenario: Scenario, answer: list[StepTold]) -> list[frozenset[str]]:
    machine = Machine(scenario, answer[0].at, prompt=True)
    steps = zip(scenario.acts, answer[1:], strict=True)
    return [machine.begin().told.alive, *(machine.act(act, told).told.alive for act, told in steps)]


def test_all_strategies_are_generated(asked: Asked) -> None:
    strategies = {sup.strategy for scenario in asked.scenarios for sup in scenario.sups().values()}
    assert strategies == set(Strategy)
