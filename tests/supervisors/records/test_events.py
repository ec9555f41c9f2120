"""Events: each has its sentence, its level and its place in the journal."""

import dataclasses
import logging

import pytest

from supervisors.records import events
from supervisors.records.events import (
    Audited,
    ChildDied,
    ChildReady,
    ChildUnkillable,
    Event,
    LevelChanged,
    LimitSoft,
    Noticed,
    Reloaded,
    ReloadRolledBack,
    SupervisorGaveUp,
    Warned,
    ZygoteDied,
)

KINDS = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event)]


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (ChildReady("press", 17, 0.0123), "press is running (pid 17, ready after 12.3 ms)"),
        (
            ChildDied("press", 17, "exit code 1", 0.0, False),
            "press (pid 17) died: exit code 1; it is restarted at once",
        ),
        (
            ChildDied("press", 17, "exit code 1", 2.04, True),
            "press (pid 17) died: exit code 1; it is quarantined, next probe in 2.0 s",
        ),
        (ChildDied("press", 17, "exit code 1", 0.0, False, False), "press (pid 17) died: exit code 1"),
        (
            ChildUnkillable("press", 17, 31.2),
            "press (pid 17) is still there 31 s after SIGKILL, stuck in the kernel; it is not started a second time: "
            "look at its device or disk",
        ),
        (
            LimitSoft("press", 17, "memory", 110 * 2**20, 100 * 2**20),
            "press (pid 17) uses 110.0 MiB of memory, its soft limit is 100.0 MiB of memory",
        ),
        (
            LimitSoft("press", 17, "CPU", 0.55, 0.6, over=False),
            "press (pid 17) uses 55% of a core again, its soft limit is 60% of a core",
        ),
        (
            LimitSoft("press", 17, "descriptors", 201, 200),
            "press (pid 17) uses 201 descriptors, its soft limit is 200 descriptors",
        ),
        (SupervisorGaveUp("line-1", "6 restarts in 60 s"), "the supervisor line-1 gave up: 6 restarts in 60 s"),
        (
            ZygoteDied("killed by SIGKILL"),
            "the zygote died: killed by SIGKILL; another is started, running children are not affected",
        ),
        (Reloaded("1 changed"), "the configuration was reloaded: 1 changed"),
        (
            ReloadRolledBack("press is not ready"),
            "the reload was taken back, the configuration before it is in force: press is not ready",
        ),
        (LevelChanged("press", "DEBUG", "uid 0 (root)"), "press logs from DEBUG on (asked by uid 0 (root))"),
        (
            Audited("uid 0 (root)", "stop", ("press", "mill"), "a new belt", "held"),
            "uid 0 (root): stop press mill: held (why: a new belt)",
        ),
        (Warned("cloud", "b:1883: nobody listens there"), "cloud: b:1883: nobody listens there"),
        (Noticed("cloud", "connected again"), "cloud: connected again"),
        (Audited("uid 0 (root)", "shutdown", (), "", "under way"), "uid 0 (root): shutdown: under way"),
    ],
)
def test_an_event_is_a_sentence(event: Event, sentence: str) -> None:
    assert str(event) == sentence


def test_what_needs_somebody_is_an_error_and_what_went_wrong_a_warning() -> None:
    errors = {each for each in KINDS if each.level == logging.ERROR}
    assert errors == {ChildUnkillable, SupervisorGaveUp, ReloadRolledBack}
    assert {each.level for each in KINDS} == {logging.INFO, logging.WARNING, logging.ERROR}


def test_no_field_takes_the_place_of_the_frame_in_a_line_of_the_journal() -> None:
    frame = {"time", "level", "event", "text", "count", "over_s", "last"}
    assert {field.name for each in KINDS for field in dataclasses.fields(each)} & frame == set()


def test_being_quarantined_is_not_a_repetition_of_being_restarted() -> None:
    assert ChildDied("press", 1, "x", 0.0, False).cause != ChildDied("press", 1, "x", 0.5, True).cause
