"""Writing beside the loop: in order, told in the loop, and a disk that hangs holds nobody up."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.steering import beside
from actors.steering.beside import Beside
from tests.actors.steering.played import NOW_NS, SCADA, House, wish
from tests.supervisors.family import new_home
from tests.transports.desk import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with new_home() as home, Desk(home / "run") as made:
        yield made


def test_works_are_done_in_order_and_told_in_the_loop(desk: Desk) -> None:
    disk, done, told = Beside(desk.mailbox, desk.clock), list[int](), list[tuple[str, int]]()
    for number in range(5):
        disk.do(lambda number=number: done.append(number), lambda why: told.append((why, threading.get_ident())))  # type: ignore[misc]
    desk.until(lambda: len(told) == 5)
    assert done == [0, 1, 2, 3, 4]
    assert set(told) == {("", threading.get_ident())}
    disk.end()


def test_a_disk_that_refuses_says_why_and_is_asked_again(desk: Desk) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    disk, told = Beside(desk.mailbox, desk.clock), list[str]()
    disk.do(full, told.append)
    disk.do(lambda: None, told.append)
    desk.until(lambda: len(told) == 2)
    assert told == ["No space left on device", ""]
    disk.end()


def test_a_disk_that_hangs_is_awaited_so_long_and_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "WITHIN_S", 0.05)
    hangs, disk, told, late = threading.Event(), Beside(desk.mailbox, desk.clock), list[str](), list[str]()
    disk.do(lambda: bool(hangs.wait(30)), told.append)  # type: ignore[arg-type]
    desk.until(lambda: told)
    assert "did not answer within" in told[0]
    disk.do(lambda: None, late.append)
    assert "has not answered" in late[0], "at once"
    hangs.set()
    fine: list[str] = []

    def is_fine() -> bool:
        disk.do(lambda: None, fine.append)
        return "" in fine

    desk.until(is_fine)
    assert len(told) == 1, "told once"
    disk.end()


def test_only_so_much_waits_for_a_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "WAITING_MOST", 3)
    hangs, disk, told = threading.Event(), Beside(desk.mailbox, desk.clock), list[str]()
    for _ in range(4):
        disk.do(lambda: bool(hangs.wait(30)), told.append)  # type: ignore[arg-type]
    assert told == ["3 wait for the disk"]
    hangs.set()
    desk.until(lambda: len(told) == 4)
    disk.end()


# --- and the requests behind it --------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_nothing_is_begun_or_answered_before_it_is_written_down(house: House) -> None:
    house.disk.hangs = True
    assert house.say(house.sealed(**wish())) == []
    assert house.say(house.sealed(**wish(tag="speed"))) == []
    assert not house.mailbox.asks
    house.disk.go_on()
    house.serve()
    assert [told["result"] for _, told in house.above.answers] == ["refused", "done"]


def test_it_is_on_the_disk_before_anybody_is_asked_and_a_flood_costs_no_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, asked_at_sync = House(tmp_path, scada={**SCADA, "max_per_minute": 1}), list[int]()
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: asked_at_sync.append(len(house.mailbox.asks)))
    assert house.write()["result"] == "done"
    assert asked_at_sync == [0]
    assert house.write()["reason"] == "rate"
    assert len(asked_at_sync) == 1


def test_strangers_are_answered_while_the_disk_hangs(house: House) -> None:
    house.disk.hangs = True
    house.say(house.sealed(**wish()))
    assert house.ask(principal="mallory", **wish())["reason"] == "stranger"


def test_a_repetition_that_comes_while_the_disk_hangs_is_executed_no_second_time(house: House) -> None:
    house.disk.hangs = True
    message = house.sealed(**wish())
    house.say(message)
    house.say(message)
    house.disk.go_on()
    house.serve()
    assert [told.get("reason", "done") for _, told in house.above.answers] == ["done", "replayed"]
    assert len(house.mailbox.commands) == 1


def test_what_expires_while_the_disk_hangs_is_not_executed(house: House) -> None:
    house.disk.hangs = True
    house.say(house.sealed(verb="stop", name="press-1", expires=NOW_NS / 1e9 + 2))
    house.clock.advance(3)
    house.disk.go_on()
    house.serve()
    assert [told["result"] for _, told in house.above.answers] == ["expired"]
    assert not house.operated
