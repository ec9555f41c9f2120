"""Scenarios written by hand, after the supervisor's reference manual and OTP's design principles.

A scenario's name is a promise. `ALIKE` are the same on both sides to the end; in `DIFFERENT` a documented difference is
met, and the promise is ours alone.
"""

from dataclasses import replace

from tests.otp.scenarios import Scenario
from tests.otp.written import asked, differences, intensity, nested, significant, starting, stopping, strategies

_ALIKE = (strategies, intensity, starting, stopping, significant, asked, nested)

ALIKE = tuple(replace(scenario, meets="") for module in _ALIKE for scenario in module.SCENARIOS)
DIFFERENT = tuple(replace(each, meets=name) for name, those in differences.SCENARIOS.items() for each in those)
WRITTEN: tuple[Scenario, ...] = (*ALIKE, *DIFFERENT)
