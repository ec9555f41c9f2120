"""The watchdog over a real mailbox: what is asked, what feeds, and what an idle gateway pays for it."""

import errno
import logging
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from supervisors.notify import Notify
from supervisors.process import Born, start_zygote
from supervisors.watchdog import ROUND_S, Line, Watchdog
from tests.supervisors.family import new_home
from transports.clock import MachineClock
from transports.mailbox import Call, Letter, Mailbox
from transports.messages import Status
from transports.names import ROOT, mailbox_path

CLOCK = MachineClock()
ROOT_DIR = Path(__file__).parents[2]


class Gateway:
    """A root's loop that only answers Status, with a zygote that a test can silence, and systemd's end of the line."""

    def __init__(
        self, run_dir: Path, systemd: socket.socket, mailbox: Mailbox, watchdog_s: float | None, excuse_s: float
    ) -> None:
        self.run_dir, self.mailbox, self._systemd = run_dir, mailbox, systemd
        self.zygote_well, self.answers_status, self.replaced = True, True, False
        self.pings, self.signs, self.told = 0, 0, list[Any]()
        self._answered = CLOCK.now()
        line = Line(self._ping, lambda: self._answered, lambda: self.replaced)
        notify = Notify(systemd.getsockname(), watchdog_s)
        self.watchdog = Watchdog(notify, CLOCK, mailbox, run_dir, line, self.told.append, excuse_s)
        self.watchdog.begin()

    def _ping(self) -> None:
        self.pings += 1
        if self.zygote_well:
            self._answered = CLOCK.now()

    def turn(self, until: Callable[[], bool]) -> None:
        """The loop, as the supervisor's: whatever comes is handled, until it is so."""
        while not until():
            envelope = self.mailbox.get()
            match envelope.message:
                case Call():
                    envelope.message.what()
                case Letter(message=Status()) if self.answers_status and envelope.reply_to is not None:
                    envelope.reply_to.set({"well": True})
            self.signs += self._heard()

    def rounds(self, number: int) -> int:
        """How many signs of life there were in so many rounds."""
        first, before = self.pings + number, self.signs
        self.turn(lambda: self.pings >= first)
        return self.signs - before

    def _heard(self) -> int:
        try:
            return int(self._systemd.recv(4096) == b"WATCHDOG=1")
        except BlockingIOError:
            return 0


@contextmanager
def opened(watchdog_s: float | None = 4 * ROUND_S, excuse_s: float = 60.0) -> Iterator[Gateway]:
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
    with new_home() as home, zmq.Context() as context, socket.socket(socket.AF_UNIX, kind) as systemd:
        systemd.bind(str(home / "notify"))
        mailbox = Mailbox()
        mailbox.open(home / "run", ROOT, CLOCK, context)
        try:
            yield Gateway(home / "run", systemd, mailbox, watchdog_s, excuse_s)
        finally:
            mailbox.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with opened() as gateway:
        yield gateway


def test_a_gateway_that_works_is_fed_each_round_and_hears_its_own_status(gateway: Gateway) -> None:
    gateway.rounds(1)
    assert gateway.rounds(5) == 5
    assert gateway.told
    assert all(status == {"well": True} for status in gateway.told)


def test_a_silent_zygote_makes_it_starve_and_its_answer_feeds_again(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.rounds(2)
    gateway.zygote_well = False
    gateway.rounds(3)
    assert gateway.rounds(4) == 0
    gateway.zygote_well = True
    gateway.turn(lambda: "fed again" in caplog.text)
    said = [record.levelno for record in caplog.records if "the zygote" in record.message]
    assert said == [logging.ERROR], "once, not each round"


def test_a_control_socket_that_answers_nobody_makes_it_starve(gateway: Gateway) -> None:
    gateway.rounds(2)
    gateway.answers_status = False
    gateway.rounds(3)
    assert gateway.rounds(3) == 0
    gateway.answers_status = True
    gateway.rounds(1)
    assert gateway.rounds(3) >= 2


def test_a_control_socket_whose_file_was_deleted_makes_it_starve(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.rounds(2)
    mailbox_path(gateway.run_dir, ROOT).unlink()
    gateway.rounds(3)
    assert gateway.rounds(3) == 0
    assert "the control socket" in caplog.text


def test_a_lack_of_descriptors_is_no_lack_of_life(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Path) -> bool:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    gateway.rounds(2)
    monkeypatch.setattr("supervisors.watchdog.listens", refused)
    assert gateway.rounds(4) == 4


@pytest.mark.parametrize(("excuse_s", "signs"), [(60.0, 3), (3 * ROUND_S, 0)])
def test_a_zygote_that_is_being_replaced_is_excused_but_not_for_ever(excuse_s: float, signs: int) -> None:
    with opened(excuse_s=excuse_s) as gateway:
        gateway.zygote_well, gateway.replaced = False, True
        gateway.rounds(4)
        assert gateway.rounds(3) == signs


def test_where_no_watchdog_is_wanted_nothing_is_asked() -> None:
    with opened(watchdog_s=None) as gateway:
        ended = list[bool]()
        gateway.mailbox.at(CLOCK.now() + 4 * ROUND_S, lambda: ended.append(True))
        gateway.turn(lambda: bool(ended))
        assert (gateway.pings, gateway.told) == (0, [])


def test_an_impatient_watchdog_costs_no_more_than_four_rounds_a_second() -> None:
    with opened(watchdog_s=0.001) as gateway:
        began = CLOCK.now()
        gateway.rounds(3)
        assert CLOCK.now() - began >= 2 * ROUND_S


def test_a_real_zygote_answers_each_ping_with_its_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT_DIR))
    with new_home() as home:
        zygote = start_zygote(home / "run", [])
        try:
            for _ in range(3):  # the first word is its own: it is ready
                assert select.select([zygote], [], [], 30.0)[0]
                assert zygote.answers() == [Born(0, zygote.process.pid, "")]
                assert zygote.ask(0, "", "")
        finally:
            zygote.process.send(signal.SIGKILL)
            zygote.process.reap()
            zygote.close()
    assert not os.path.exists(home)
