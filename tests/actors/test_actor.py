"""An actor's life, and that no failure of it is ever silent."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import zmq
from pykka import ActorRef

from actors.actor import Actor, Fate, Place
from tests.transports.desk import WITHIN_S, Desk
from transports.clock import MachineClock
from transports.errors import AlreadyRunning, HoldfastError
from transports.mailbox import Leave
from transports.messages import Beat, Message, Operate, Ready, Status
from transports.names import ROOT


class Doer(Actor):
    """Does what it was made with: a call for each moment of its life."""

    def __init__(self, place: Place, fate: Fate, **moments: Callable[["Doer"], Any]) -> None:
        super().__init__(place, fate)
        self._moments = moments
        self.lived: list[str] = []

    def _come(self, moment: str) -> Any:
        self.lived.append(moment)
        return self._moments[moment](self) if moment in self._moments else None

    def begin(self) -> None:
        self._come("begin")

    def on_message(self, sender: str, message: Message) -> Any:
        return self._come("message") if isinstance(message, Operate) else NotImplemented

    def end(self) -> None:
        self._come("end")

    def state(self) -> Mapping[str, Any]:
        return {"lived": list(self.lived)}


class Stage:
    """A root that listens, and one actor in a thread of this process."""

    def __init__(self) -> None:
        self.run_dir = Path(tempfile.mkdtemp(prefix="hf-"))
        self.root = Desk(self.run_dir, ROOT)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.fate = Fate()

    def start(self, name: str = "doer", **moments: Callable[[Doer], Any]) -> "ActorRef[Doer]":
        place = Place(name, self.run_dir, MachineClock(), self.context, 7, 1, heartbeat_s=0.01)
        return Doer.start(place, self.fate, **moments)

    def until_over(self) -> BaseException | None:
        assert self.fate.over.wait(WITHIN_S), "it neither works nor ends"
        return self.fate.error

    def close(self) -> None:
        self.context.destroy(linger=0)
        self.root.__exit__(None, None, None)
        shutil.rmtree(self.run_dir, ignore_errors=True)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def fail(doer: Doer) -> None:
    raise ZeroDivisionError("a bug")


def leave(doer: Doer) -> None:
    sys.exit(3)


def test_an_actor_that_has_begun_tells_the_root_and_then_beats(stage: Stage) -> None:
    actor = stage.start()
    stage.root.until(lambda: sum(isinstance(message, Beat) for message in stage.root.messages) >= 3)
    ready, *beats = stage.root.messages
    assert isinstance(ready, Ready)
    assert ready.token == 7
    assert {beat.token for beat in beats if isinstance(beat, Beat)} == {7}
    progress = [beat.progress for beat in beats if isinstance(beat, Beat)]
    assert progress == sorted(set(progress)), "it gets on"
    assert beats[-1].state == {"lived": ("begin",)}  # type: ignore[attr-defined]
    actor.tell(Leave())
    assert stage.until_over() is None


def test_asked_to_leave_it_ends_in_order_and_frees_its_name(stage: Stage) -> None:
    actor = stage.start(message=lambda doer: doer.lived)
    stage.root.until(lambda: stage.root.letters)
    assert stage.root.asked("doer", Operate("x")) == ("begin", "message")
    actor.tell(Leave())
    assert stage.until_over() is None
    assert not actor.is_alive()
    stage.fate = Fate()
    stage.start().tell(Leave())
    assert stage.until_over() is None, "the name is free"


@pytest.mark.parametrize("moment", ["begin", "end"])
@pytest.mark.parametrize(("how", "error"), [(fail, ZeroDivisionError), (leave, SystemExit)])
def test_a_failure_at_the_beginning_or_the_end_is_its_fate(
    stage: Stage, moment: str, how: Callable[[Doer], None], error: type[BaseException]
) -> None:
    actor = stage.start(**{moment: how})
    if moment == "end":
        actor.tell(Leave())
    assert isinstance(stage.until_over(), error)


def test_a_failure_in_a_timer_is_its_fate(stage: Stage) -> None:
    stage.start(begin=lambda doer: doer.mailbox.at(doer.place.clock.now(), lambda: fail(doer)))
    assert isinstance(stage.until_over(), ZeroDivisionError)


def test_a_failure_over_a_descriptor_is_its_fate(stage: Stage) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x")
    stage.start(begin=lambda doer: doer.mailbox.when_readable(reading, lambda: fail(doer)))
    assert isinstance(stage.until_over(), ZeroDivisionError)
    os.close(reading)
    os.close(writing)


def test_a_failure_over_a_message_is_its_fate(stage: Stage) -> None:
    stage.start(message=fail)
    stage.root.until(lambda: stage.root.letters)
    stage.root.mailbox.tell("doer", Operate("x"))
    assert isinstance(stage.until_over(), ZeroDivisionError)


def test_leaving_through_sys_exit_is_no_orderly_end(stage: Stage) -> None:
    stage.start(message=leave)
    stage.root.until(lambda: stage.root.letters)
    stage.root.mailbox.tell("doer", Operate("x"))
    assert "sys.exit(3)" in str(stage.until_over())


def test_a_failure_over_a_question_is_the_askers(stage: Stage) -> None:
    actor = stage.start(message=fail)
    stage.root.until(lambda: stage.root.letters)
    with pytest.raises(HoldfastError, match="ZeroDivisionError: a bug"):
        stage.root.asked("doer", Operate("x"))
    assert actor.is_alive()
    actor.tell(Leave())
    assert stage.until_over() is None


def test_an_answer_that_cannot_travel_is_an_error_at_the_asker(stage: Stage) -> None:
    actor = stage.start(message=lambda _: object())
    stage.root.until(lambda: stage.root.letters)
    with pytest.raises(HoldfastError, match="TypeError"):
        stage.root.asked("doer", Operate("x"))
    actor.tell(Leave())
    assert stage.until_over() is None


def test_a_message_it_does_not_take_is_refused_and_harms_nobody(stage: Stage) -> None:
    actor = stage.start()
    stage.root.until(lambda: stage.root.letters)
    stage.root.mailbox.tell("doer", Status())
    with pytest.raises(HoldfastError, match="doer does not take Status"):
        stage.root.asked("doer", Status())
    actor.tell(Leave())
    assert stage.until_over() is None


def test_a_name_that_is_taken_is_the_fate_of_the_second(stage: Stage) -> None:
    first = stage.start()
    stage.root.until(lambda: stage.root.letters)
    of_first, stage.fate = stage.fate, Fate()
    stage.start()
    assert isinstance(stage.until_over(), AlreadyRunning)
    first.tell(Leave())
    assert of_first.over.wait(WITHIN_S)
    assert of_first.error is None
