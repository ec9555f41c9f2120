"""The cable to the other namespace is a cable: what goes through, what silence is, and that nothing is left behind."""

import select
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.peers.namespace import Namespace, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def cards():
    return {name for _, name in socket.if_nameindex()}


@pytest.fixture
def far():
    with Namespace() as made:
        yield made


@pytest.fixture
def pair(far):
    """A connection between the two sides: (near, far)."""
    with socket.create_server((far.near, 0)) as listener:
        with far.inside():
            dialled = socket.create_connection(listener.getsockname(), 10)
        accepted, _ = listener.accept()
        with dialled, accepted:
            accepted.settimeout(10)
            yield accepted, dialled


def test_bytes_go_through_the_cable(pair):
    near, far = pair
    far.sendall(b"ping")
    assert near.recv(4) == b"ping"


def test_the_other_side_has_a_loopback_of_its_own(far):
    with far.inside():
        listener = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(listener.getsockname(), 10).close()
    with listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname(), 10)


def test_a_black_hole_is_silence_and_what_was_sent_arrives_when_it_heals(far, pair):
    near, dialled = pair
    far.black_hole()
    dialled.sendall(b"ping")
    assert not select.select([near, dialled], [], [], 0.5)[0], "neither bytes, nor a RST, nor an end"
    far.heal()
    assert near.recv(4) == b"ping"


def test_a_black_hole_lets_nobody_in_and_refuses_nobody(far):
    with socket.create_server((far.near, 0)) as listener:
        far.black_hole()
        with far.inside(), pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), 0.5)


def test_a_throttled_cable_takes_its_time(far, pair):
    near, dialled = pair
    far.throttle("4mbit")
    sender = threading.Thread(target=dialled.sendall, args=(bytes(500_000),))
    began, got = time.monotonic(), 0
    sender.start()
    while got < 500_000:
        got += len(near.recv(65536))
    sender.join()
    assert time.monotonic() - began > 0.5, "500 kB at 4 Mbit/s take a second, less the burst"
    far.unthrottle()


def test_nothing_is_left_behind_when_the_test_is_killed():
    before = cards()
    code = "from tests.peers.namespace import Namespace; Namespace().__enter__(); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline()
        (card,) = [name for name in cards() - before if name.startswith("hfn")]
        child.kill()
    deadline = time.monotonic() + 20
    while card in cards():
        assert time.monotonic() < deadline, f"{card} is still there"
        time.sleep(0.05)  # the kernel takes a namespace down a moment later
