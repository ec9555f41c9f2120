"""One run of `erl` for all tests here."""

from dataclasses import dataclass

import pytest

from tests.otp import erlang
from tests.otp.campaign import Campaign, campaign
from tests.otp.generated import drawn
from tests.otp.scenarios import Scenario
from tests.otp.written import WRITTEN

GENERATED = 2000
SEED = 25  # always the same ones here; `python -m tests.otp` draws new ones


@dataclass(frozen=True)
class Asked:
    """The written scenarios come first; `told` has OTP's answers, a line each, with the scenario's number."""

    scenarios: tuple[Scenario, ...]
    told: str

    @property
    def answers(self) -> list[erlang.Answer]:
        return erlang.read(self.told)


@pytest.fixture(scope="session")
def asked() -> Asked:
    """What OTP did."""
    if erlang.missing():
        pytest.skip(f"Erlang/OTP cannot be asked: {erlang.missing()}")
    scenarios = (*WRITTEN, *drawn(GENERATED, SEED))
    return Asked(scenarios, erlang.told(scenarios))


@pytest.fixture(scope="session")
def held_against(asked: Asked) -> Campaign:
    """The plan beside it."""
    return campaign(asked.scenarios, asked.answers)
