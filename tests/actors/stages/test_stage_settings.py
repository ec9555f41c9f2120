"""What an engineer writes in `[aggregate.NAME]`, and what is answered to mistakes."""

import pytest

from actors.stages.patterns import takes, takes_from
from actors.stages.settings import Settings
from transports.building import build
from transports.errors import SettingsError
from transports.settings import fields_of


def test_a_window_is_written_as_a_person_would() -> None:
    table = {"from": ["press-1.temp*"], "window": "10s", "lateness": "2s", "statistics": ["mean", "stddev"]}
    settings = build(Settings, table, "aggregate.temps")
    assert settings.window_ns == 10_000_000_000
    assert settings.lateness_ns == 2_000_000_000
    assert settings.statistics == ("mean", "stddev")
    assert settings.from_ == ("press-1.temp*",)


def test_without_a_window_samples_pass_within_a_deadband() -> None:
    table = {"from": ["press-1"], "deadband": 1, "deadband_percent": 0.5, "max_silence": "5m"}
    settings = build(Settings, table, "aggregate.slow")
    assert (settings.window_ns, settings.deadband, settings.max_silence_s) == (0, 1.0, 300.0)


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"from": [], "window": "1s"}, "aggregate.a.from"),
        ({"window": "1s"}, "aggregate.a.from"),
        ({"from": ["a"], "statistics": ["mean"]}, "aggregate.a.statistics"),
        ({"from": ["a"], "window": "1s", "statistics": ["median"]}, "aggregate.a.statistics[0]"),
        ({"from": ["a"], "window": "1s", "statistics": []}, "aggregate.a.statistics"),
        ({"from": ["a"], "window": "1s", "statistics": ["max", "max"]}, "aggregate.a.statistics"),
        ({"from": ["a"], "window": "0s"}, "aggregate.a.window"),
        ({"from": ["a"], "window": "1s", "lateness": "10m"}, "aggregate.a.lateness"),
        ({"from": ["a"], "lateness": "1s"}, "aggregate.a.lateness"),
        ({"from": ["a"], "window": "1s", "deadband": 2.0}, "aggregate.a.deadband"),
        ({"from": ["a"], "window": "1s", "deadband_percent": 2.0}, "aggregate.a.deadband_percent"),
        ({"from": ["a"], "window": "1s", "max_silence": "2s"}, "aggregate.a.max_silence"),
        ({"from": ["a"], "max_silence": "2s"}, "aggregate.a.max_silence"),
        ({"from": ["a"], "deadband": -1}, "aggregate.a.deadband"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_path(table: dict[str, object], path: str) -> None:
    with pytest.raises(SettingsError) as refused:
        build(Settings, table, "aggregate.a")
    assert [problem.path for problem in refused.value.problems] == [path]
    assert refused.value.problems[0].cure


def test_every_setting_is_explained() -> None:
    assert all(note.help for note in fields_of(Settings))
    assert "from" in [note.key for note in fields_of(Settings)]


@pytest.mark.parametrize(
    ("pattern", "device", "tag", "taken"),
    [
        ("press-1.temp*", "press-1", "temp_oil", True),
        ("press-1.temp*", "press-1", "flow", False),
        ("press-1.temp*", "press-2", "temp_oil", False),
        ("*.vibration", "saw", "vibration", True),
        ("*.vibration", "saw", "motor.vibration", False),
        ("press-1.motor.*", "press-1", "motor.current", True),
        ("press-?", "press-1", "anything.at.all", True),
        ("press-1", "press-10", "temp", False),
        ("Press-1", "press-1", "temp", False),
    ],
)
def test_a_pattern_means_the_device_before_the_dot_and_the_tag_after(
    pattern: str, device: str, tag: str, taken: bool
) -> None:
    assert takes([pattern], device, tag) is taken
    assert takes_from([pattern], device) or not taken


def test_one_of_several_patterns_is_enough() -> None:
    assert takes(["saw.*", "press-1.temp"], "press-1", "temp")
    assert not takes([], "press-1", "temp")
