"""Work beside the loop: its result comes into the loop, and a disk that hangs keeps nobody waiting."""

import threading
from collections.abc import Iterator

import pytest

from supervisors.reload.aside import Aside
from tests.supervisors.family import new_home
from tests.transports.desk import Desk
from transports.errors import HoldfastError


@pytest.fixture
def desk() -> Iterator[Desk]:
    with new_home() as home, Desk(home / "run") as open_desk:
        yield open_desk


def test_the_result_is_told_in_the_loop_although_the_work_is_done_elsewhere(desk: Desk) -> None:
    told: list[tuple[int, int]] = []
    Aside(desk.clock, desk.mailbox).do(
        threading.get_ident, lambda worker: told.append((worker, threading.get_ident())), pytest.fail
    )
    desk.until(lambda: told)
    ((worker, loop),) = told
    assert (worker != loop, loop) == (True, threading.get_ident())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), HoldfastError("it is damaged")])
def test_what_the_disk_refuses_is_told_as_a_reason(desk: Desk, error: Exception) -> None:
    def refused() -> str:
        raise error

    told: list[str] = []
    Aside(desk.clock, desk.mailbox).do(refused, pytest.fail, told.append)
    desk.until(lambda: told)
    assert told == [str(error)]


def test_a_disk_that_hangs_has_failed_and_what_comes_of_it_later_is_told_apart(desk: Desk) -> None:
    hung, failed, late = threading.Event(), list[str](), list[str]()

    def work() -> str:
        hung.wait()
        return "done"

    Aside(desk.clock, desk.mailbox, within_s=0.05).do(work, pytest.fail, failed.append, late.append)
    desk.until(lambda: failed)
    assert (failed, late) == (["the disk did not answer within 0.05 s"], [])
    hung.set()
    desk.until(lambda: late)
    assert (len(failed), late) == (1, ["done"])


def test_a_system_without_a_thread_to_give_is_a_reason_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    told: list[str] = []
    Aside(desk.clock, desk.mailbox).do(lambda: "done", pytest.fail, told.append)
    desk.until(lambda: told)
    assert told == ["can't start new thread"]
