"""What a table [link.NAME] may say, and what is said of a mistake in it."""

import pytest

from actors.networks.settings import Settings
from transports.building import build
from transports.errors import SettingsError


def test_a_link_needs_an_interface_and_nothing_else() -> None:
    made = build(Settings, {"interface": "eth0"}, "link.a")
    assert (made.passes, made.monthly_bytes, made.fail_after, made.recover_after_s) == ("all", None, 3, 30.0)


def test_a_link_says_it_in_the_words_of_the_manual() -> None:
    table = {
        "interface": "wwan0",
        "kind": "cellular",
        "priority": 2,
        "pass": "aggregated",
        "monthly_bytes": "2GiB",
        "over_budget": "none",
        "check": "10.0.0.1:443",
    }
    made = build(Settings, table, "link.a")
    assert (made.passes, made.monthly_bytes, made.over_budget) == ("aggregated", 2 * 2**30, "none")


@pytest.mark.parametrize(
    ("key", "value", "cure"),
    [
        ("interface", "", "name of a network interface"),
        ("interface", "../etc", "name of a network interface"),
        ("interface", "a-name-that-is-too-long", "name of a network interface"),
        ("check", "broker", "a host and a port"),
        ("pass", "alarm", "did you mean 'alarms'?"),
        ("over_budget", "none", "needs monthly_bytes"),
        ("monthly_bytes", 0, "at least 1"),
    ],
)
def test_a_mistake_is_named_with_its_cure(key: str, value: object, cure: str) -> None:
    with pytest.raises(SettingsError, match=cure.replace("?", r"\?")):
        build(Settings, {"interface": "eth0", key: value}, "link.a")
