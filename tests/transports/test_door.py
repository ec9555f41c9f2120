"""The root's door, with libzmq's own sockets before it: what comes in, who is answered, and what no refusal ends."""

import os
import resource
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from transports import door
from transports.clock import HandClock
from transports.door import Door
from transports.errors import Down
from transports.reserve import Reserve
from transports.waiting import Waiting
from transports.zmtp import HELLO

WITHIN_MS = 30_000


class House:
    """A door in this thread, and dealers that knock. The clock stands still unless it is turned."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock, self.waiting = path, HandClock(), Waiting()
        self.waiting.begin(self.clock, steadfast=True)
        self.heard: list[tuple[bytes, list[bytes]]] = []
        self.door = Door(path, self.waiting, lambda sender, frames: self.heard.append((sender, frames)))
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def dealer(self, name: bytes = b"") -> "zmq.Socket[bytes]":
        dealer = self.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVTIMEO, WITHIN_MS)
        if name:
            dealer.setsockopt(zmq.ROUTING_ID, name)
        dealer.setsockopt(zmq.RECONNECT_IVL, 5)
        dealer.connect(f"ipc://{self.path}")
        return dealer

    def until(self, count: int) -> None:
        """Serve until so many messages were heard."""
        waker = self.waiting
        while len(self.heard) < count:
            waker.at(self.clock.now(), lambda: None)  # or the poll, whose clock stands still, would wait for ever
            waker.poll()
            while waker.queue:
                waker.queue.popleft().message.what()

    def close(self) -> None:
        self.context.destroy(linger=0)
        self.door.close()


@pytest.fixture
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="hf-") as directory:
        house = House(Path(directory) / "root.ipc")
        yield house
        house.close()


def test_what_is_said_arrives_in_order_under_the_name_of_who_said_it(house: House) -> None:
    a, b = house.dealer(b"a"), house.dealer(b"b")
    for number in range(300):
        a.send_multipart([b"%d" % number, b"x" * number])
        b.send(b"%d" % number)
    house.until(600)
    assert [frames for sender, frames in house.heard if sender == b"a"] == [[b"%d" % n, b"x" * n] for n in range(300)]
    assert [frames for sender, frames in house.heard if sender == b"b"] == [[b"%d" % n] for n in range(300)]


def test_an_answer_goes_back_to_who_asked_however_large_it_is(house: House) -> None:
    a, b, nameless = house.dealer(b"a"), house.dealer(b"b"), house.dealer()
    for dealer in (a, b, nameless):
        dealer.send(b"?")
    house.until(3)
    large = os.urandom(3_000_000)  # many times what the kernel takes at once
    for sender, _ in house.heard:
        house.door.send(sender, [sender, large])
    senders = [sender for sender, _ in house.heard]
    poller = zmq.Poller()
    for dealer in (a, b, nameless):
        poller.register(dealer, zmq.POLLIN)
    answers: list[list[bytes]] = []
    while len(answers) < 3:
        house.waiting.at(house.clock.now(), lambda: None)
        house.waiting.poll()
        house.waiting.queue.clear()
        answers += [dealer.recv_multipart() for dealer, _ in poller.poll(0)]
    assert sorted(answers) == sorted([sender, large] for sender in senders)


def down(house: House, to: bytes, what: bytes) -> Down | None:
    """Say it; why it could not be said."""
    try:
        house.door.send(to, [what])
    except Down as down:
        return down
    return None


def test_who_never_came_or_has_gone_is_down(house: House) -> None:
    with pytest.raises(Down):
        house.door.send(b"a", [b"x"])
    a = house.dealer(b"a")
    a.send(b"?")
    house.until(1)
    house.door.send(b"a", [b"x"])
    assert a.recv() == b"x"
    a.close()
    other = house.dealer(b"other")
    while down(house, b"a", b"x") is None:
        other.send(b"?")
        house.until(len(house.heard) + 1)


def test_a_name_that_comes_again_takes_over(house: House) -> None:
    first = house.dealer(b"a")
    first.send(b"?")
    house.until(1)
    first.disconnect(f"ipc://{house.path}")
    second = house.dealer(b"a")
    second.send(b"!")
    house.until(2)
    house.door.send(b"a", [b"x"])
    assert second.recv() == b"x"


def test_who_does_not_read_is_given_up_before_memory_is(house: House) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(house.path))
        deaf.sendall(HELLO)
        deaf.sendall(b"\0\x01x")
        house.until(1)
        sender = house.heard[0][0]
        sent = 0
        while down(house, sender, bytes(1_000_000)) is None:
            sent += 1
        assert 0 < sent * 1_000_000 <= 2 * door.UNSENT_BYTES


def test_strangers_are_shown_out_and_disturb_nobody(house: House) -> None:
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as rude:
        silent.connect(str(house.path))
        rude.connect(str(house.path))
        rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
        a = house.dealer(b"a")
        a.send(b"1")
        house.until(1)
        rude.settimeout(WITHIN_MS / 1000)
        while True:
            try:
                if not rude.recv(1000):
                    break
            except ConnectionResetError:
                break
        house.clock.advance(door.HANDSHAKE_S + 1.0)
        b = house.dealer(b"b")
        b.send(b"2")
        house.until(2)
        silent.settimeout(WITHIN_MS / 1000)
        while silent.recv(1000):
            pass  # until it is closed


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Every new descriptor is refused, whatever is closed meanwhile: the limit is on numbers, and the low ones are
    taken. (With a limit below 3, libzmq's own poll(2) would fail.)"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = 8
    with filled(low):
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def filled(below: int) -> Iterator[list[int]]:
    """All numbers below that are taken; those that were free are given back later."""
    taken = [os.open("/dev/null", os.O_RDONLY)]
    try:
        while taken[-1] < below:
            taken.append(os.open("/dev/null", os.O_RDONLY))
        os.close(taken.pop())
        yield taken
    finally:
        for descriptor in taken:
            os.close(descriptor)


def test_without_a_descriptor_newcomers_wait_and_the_others_are_served(house: House) -> None:
    a = house.dealer(b"a")
    a.send(b"1")
    house.until(1)
    with socket.socket(socket.AF_UNIX) as b:
        b.connect(str(house.path))
        with no_more_descriptors():
            for number in range(3):
                a.send(b"%d" % number)
                house.clock.advance(door.PAUSE_S)
                house.until(len(house.heard) + 1)
                house.door.send(b"a", [b"x"])
                assert a.recv() == b"x"
        b.settimeout(WITHIN_MS / 1000)
        house.clock.advance(door.PAUSE_S)
        a.send(b"2")
        house.until(len(house.heard) + 1)
        a.send(b"3")
        house.clock.advance(door.PAUSE_S)
        house.until(len(house.heard) + 1)
        assert b.recv(64).startswith(b"\xff"), "now it is asked in"


def test_the_reserve_lets_newcomers_in_when_there_is_no_other_descriptor(house: House) -> None:
    low = max(house.door._reserve._descriptors) + 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as knocks, filled(low):
        knocks.connect(str(house.path))
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                os.open("/dev/null", os.O_RDONLY)
            house.waiting.at(house.clock.now(), lambda: None)
            house.waiting.poll()
            knocks.settimeout(WITHIN_MS / 1000)
            assert knocks.recv(64).startswith(b"\xff")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_reserve_is_given_up_one_by_one_and_taken_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    reserve = Reserve(kept=3)
    assert [reserve.give_up_one() for _ in range(4)] == [True, True, True, False]
    with no_more_descriptors():
        reserve.refill()
    assert not reserve.give_up_one()
    reserve.refill()
    assert len(os.listdir("/proc/self/fd")) == before + 3
    reserve.close()
    assert len(os.listdir("/proc/self/fd")) == before
