"""The live feed: lossy on purpose, and every subscriber knows what it missed."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import dropwhile
from pathlib import Path

import pytest
import zmq

from tests.peers.processes import start_peer
from tests.transports.desk import WITHIN_S, Desk
from transports.feed import HIGH_WATER, Live, Publisher, Subscriber
from transports.messages import Operate


class Listener:
    """A subscriber and what it got."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", run_dir: Path, *names: str) -> None:
        self.subscriber = Subscriber(context, run_dir)
        self.got: list[Live] = []
        for name in names:
            self.subscriber.follow(name)

    def until(self, condition: Callable[[], bool], also: Callable[[], None] = lambda: None) -> None:
        """Receive until it is as it should be, doing something else between."""
        deadline = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen; last: {self.got[-3:]}"
            also()
            self.got += self.subscriber.receive(0.01)

    def joins(self, publisher: Publisher) -> None:
        """Publish until something arrives, then take all of it: a subscription takes a moment to get there."""
        sent = 0

        def publish() -> None:
            nonlocal sent
            sent += 1
            publisher.publish(b"%d" % -sent)

        self.until(lambda: bool(self.got), publish)
        self.until(lambda: self.got[-1].payload == b"%d" % -sent)
        self.got.clear()


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """Short: the path of a socket has 107 bytes at most."""
    path = Path(tempfile.mkdtemp(prefix="hf-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def context() -> Iterator["zmq.Context[zmq.Socket[bytes]]"]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


Sockets = "zmq.Context[zmq.Socket[bytes]]"


def test_what_is_published_arrives_in_order_and_nothing_is_missed(run_dir: Path, context: Sockets) -> None:
    publisher, listener = Publisher(context, run_dir, "press", 1), Listener(context, run_dir, "press")
    listener.joins(publisher)
    for n in range(500):
        publisher.publish(b"%d" % n)
    listener.until(lambda: len(listener.got) == 500)
    assert listener.got == [Live("press", b"%d" % n, 0, False) for n in range(500)]


def test_a_subscriber_can_follow_many_and_each_is_counted_by_itself(run_dir: Path, context: Sockets) -> None:
    publishers = {name: Publisher(context, run_dir, name, 1) for name in ("press", "oven")}
    listener = Listener(context, run_dir, *publishers)
    for publisher in publishers.values():
        listener.joins(publisher)
    for _ in range(3):
        publishers["press"].publish(b"p")
        publishers["oven"].publish(b"o")
    listener.until(lambda: len(listener.got) == 6)
    assert {live.missed for live in listener.got} == {0}
    assert sorted(live.name for live in listener.got) == ["oven"] * 3 + ["press"] * 3


def test_what_was_published_before_the_first_message_is_not_missed(run_dir: Path, context: Sockets) -> None:
    publisher = Publisher(context, run_dir, "press", 1)
    for _ in range(10):
        publisher.publish(b"nobody listens")
    listener = Listener(context, run_dir, "press")
    listener.until(lambda: bool(listener.got), lambda: publisher.publish(b"now"))
    assert (listener.got[0].missed, listener.got[0].restarted) == (0, False)


def test_a_subscriber_that_is_too_slow_is_told_exactly_how_many_it_missed(run_dir: Path, context: Sockets) -> None:
    publisher, listener = Publisher(context, run_dir, "press", 1), Listener(context, run_dir, "press")
    listener.joins(publisher)
    total = 20 * HIGH_WATER
    for n in range(total):
        publisher.publish(b"%d" % n + bytes(1000))
    got, last = listener.got, -1
    listener.until(lambda: bool(got) and got[-1].payload == b"end", lambda: publisher.publish(b"end"))
    numbers = [int(live.payload.rstrip(b"\0")) for live in got if live.payload != b"end"]
    assert len(numbers) < total, "the queue is bounded, or this test tests nothing"
    for live, number in zip(got, numbers, strict=False):
        assert live.missed == number - last - 1
        last = number
    assert sum(live.missed for live in got if live.payload != b"end") == last + 1 - len(numbers)


def test_a_publisher_never_waits_for_anybody(run_dir: Path, context: Sockets) -> None:
    publisher, listener = Publisher(context, run_dir, "press", 1), Listener(context, run_dir, "press")
    listener.joins(publisher)
    for _ in range(5 * HIGH_WATER):
        publisher.publish(bytes(5000))  # 25 MB, that nobody takes


def test_a_publisher_that_is_another_process_now_is_noticed(run_dir: Path, context: Sockets) -> None:
    listener, order = Listener(context, run_dir, "press"), Operate("publish")
    with Desk(run_dir) as desk:
        for round_ in range(3):
            listener.got.clear()
            options = ("--run-dir", str(run_dir), "--name", "press", "--publish", "3")
            with start_peer("mailbox_peer.py", *options) as peer:
                listener.until(
                    lambda n=round_: len(_of_this_process(listener.got, n > 0)) >= 3,
                    lambda: desk.mailbox.tell("press", order),
                )
                peer.kill()
            first, *others = _of_this_process(listener.got, round_ > 0)
            assert first.restarted == (round_ > 0)
            assert first.missed == 0, "what went by between two processes cannot be counted"
            assert not any(live.restarted or live.missed for live in others)


def _of_this_process(got: list[Live], is_another: bool) -> list[Live]:
    """Without what the process before had still sent, when the listener had enough of it already."""
    return list(dropwhile(lambda live: is_another and not live.restarted, got))


def test_receiving_gives_up_after_its_time(run_dir: Path, context: Sockets) -> None:
    assert list(Listener(context, run_dir, "nobody").subscriber.receive(0.01)) == []
