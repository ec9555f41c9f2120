"""A child's log level, changed while it runs."""

import logging
from collections.abc import Iterator

import pytest

from actors.actor import log_from
from tests.actors.test_actor import Stage
from transports.mailbox import Leave
from transports.messages import Beat, Level


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    before = root.level
    yield root
    root.setLevel(before)


@pytest.mark.parametrize("level", ["DEBUG", "warning", "ERROR"])
def test_a_level_is_set_and_said_whatever_was_left_out_before(
    root: logging.Logger, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    root.setLevel(logging.CRITICAL)
    log_from(level)
    assert root.level == getattr(logging, level.upper())
    assert caplog.messages == [f"logs from {level.upper()} on"]


def test_a_level_that_does_not_exist_changes_nothing(root: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    root.setLevel(logging.INFO)
    log_from("LOUD")
    assert root.level == logging.INFO
    assert caplog.messages == ["there is no log level 'LOUD'"]


def test_an_actor_takes_it_from_the_root_and_lives_on(root: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    try:
        actor = stage.start()
        stage.root.until(lambda: any(isinstance(message, Beat) for message in stage.root.messages))
        for level in ("LOUD", "DEBUG"):
            stage.root.mailbox.tell("doer", Level(level))
        stage.root.until(lambda: "logs from DEBUG on" in caplog.messages)
        assert root.level == logging.DEBUG
        actor.tell(Leave())
        assert stage.until_over() is None
    finally:
        stage.close()
