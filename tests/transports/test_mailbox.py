"""Mailboxes of real processes: what is said arrives, or the sender learns that it did not."""

import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from pykka._envelope import Envelope

from tests.peers.processes import Peer, start_peer
from tests.transports.desk import WITHIN_S, Desk
from transports.errors import AlreadyRunning, AskTimeout, Down, HoldfastError
from transports.mailbox import Call, Letter, Mailbox, PeerDown, PeerUp
from transports.messages import Operate, Reply, Status, pack, unpack
from transports.names import ROOT, endpoint, mailbox_path

NEVER_S = 1e6


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """Short: the path of a socket has 107 bytes at most."""
    path = Path(tempfile.mkdtemp(prefix="hf-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def desk(run_dir: Path) -> Iterator[Desk]:
    with Desk(run_dir) as desk:
        yield desk


@contextmanager
def a_peer(run_dir: Path, name: str = "peer") -> Iterator[Peer]:
    with start_peer("mailbox_peer.py", "--run-dir", str(run_dir), "--name", name) as peer:
        yield peer


@pytest.fixture
def peer(run_dir: Path) -> Iterator[Peer]:
    with a_peer(run_dir) as peer:
        yield peer


# --- speaking -------------------------------------------------------------------------------------------------------


def test_a_tell_arrives_and_an_answer_comes_back_on_the_same_connection(desk: Desk, peer: Peer) -> None:
    desk.mailbox.tell("peer", Operate("back", "one"))
    desk.mailbox.tell("peer", Operate("back", "two"))
    desk.until(lambda: len(desk.letters) == 2)
    assert desk.letters == [
        Letter("peer", Operate("answer", "one"), asked=False),
        Letter("peer", Operate("answer", "two"), asked=False),
    ]


def test_an_ask_is_answered_with_a_value(desk: Desk, peer: Peer) -> None:
    assert desk.asked("peer", Operate("echo", "Grüße")) == "Grüße"
    assert desk.asked("peer", Operate("pid")) == peer.process.pid


def test_an_error_at_the_other_side_is_the_askers_error_with_its_text(desk: Desk, peer: Peer) -> None:
    with pytest.raises(HoldfastError, match="Refused: not today"):
        desk.asked("peer", Operate("raise", "not today"))
    assert desk.asked("peer", Operate("echo", "it lives")) == "it lives"


def test_an_ask_without_an_answer_fails_at_its_deadline(desk: Desk, peer: Peer) -> None:
    desk.ask("peer", Operate("silence"), timeout_s=0.05)
    desk.until(lambda: desk.failures)
    assert isinstance(desk.failures[0], AskTimeout)
    assert "peer" in str(desk.failures[0])
    assert desk.answers == []


def test_each_ask_gets_its_own_answer(desk: Desk, peer: Peer) -> None:
    got: dict[int, str] = {}
    for n in range(200):
        desk.mailbox.ask("peer", Operate("echo", str(n)), WITHIN_S, lambda v, n=n: got.update({n: v}), pytest.fail)  # type: ignore[misc]
    desk.until(lambda: len(got) == 200)
    assert got == {n: str(n) for n in range(200)}


def test_an_ask_from_outside_is_answered_through_its_envelope(desk: Desk, run_dir: Path) -> None:
    with desk.context.socket(zmq.DEALER) as operator:
        operator.connect(endpoint(mailbox_path(run_dir, "desk")))
        operator.send_multipart(pack(Status(), ask=7))
        desk.until(lambda: desk.letters)
        assert desk.letters[0].asked
        assert operator.poll(WITHIN_S * 1000)
        assert unpack(operator.recv_multipart()) == (Reply("noted"), 7)


def test_an_asker_that_is_gone_disturbs_nobody(desk: Desk, run_dir: Path, peer: Peer) -> None:
    with desk.context.socket(zmq.DEALER) as operator:
        operator.setsockopt(zmq.ROUTING_ID, b"operator")
        operator.connect(endpoint(mailbox_path(run_dir, "desk")))
        operator.send_multipart(pack(Status(), ask=7))
        envelope = desk.mailbox.get()
    desk.until(lambda: desk.asked("peer", Operate("echo", "x")) and _is_gone(desk, "operator"))
    assert envelope.reply_to is not None
    envelope.reply_to.set("too late")
    assert desk.asked("peer", Operate("echo", "still here")) == "still here"


def _is_gone(desk: Desk, name: str) -> bool:
    try:
        desk.mailbox.back(name, Status())
    except Down:
        return True
    return False


@pytest.mark.parametrize(
    "frames", [[b""], [b"\xc1"], [b"rubbish", b"more"], [b"\x92\xa6Status\x80"], [b"\x93\xa1X\x00\x00"]]
)
def test_garbage_on_the_socket_is_passed_over(desk: Desk, run_dir: Path, frames: list[bytes]) -> None:
    with desk.context.socket(zmq.DEALER) as stranger:
        stranger.connect(endpoint(mailbox_path(run_dir, "desk")))
        stranger.send_multipart(frames)
        stranger.send_multipart(pack(Operate("after")))
        desk.until(lambda: desk.letters)
    assert desk.messages == [Operate("after")]


def test_an_offer_is_taken_when_the_peer_is_there_and_refused_when_it_is_not(desk: Desk, run_dir: Path) -> None:
    assert not desk.mailbox.offer("peer", Operate("back"))
    with a_peer(run_dir):
        desk.asked("peer", Operate("pid"))
        assert desk.mailbox.offer("peer", Operate("back", "kept"))
        desk.until(lambda: desk.letters)
    assert desk.messages == [Operate("answer", "kept")]


# --- who is there ---------------------------------------------------------------------------------------------------


def test_a_name_that_nobody_ever_had_is_down_at_once(desk: Desk) -> None:
    with pytest.raises(Down, match="nobody is down"):
        desk.mailbox.tell("nobody", Status())
    desk.ask("nobody", Status(), timeout_s=NEVER_S)
    desk.until(lambda: desk.failures)
    assert isinstance(desk.failures[0], Down)


def test_nobody_can_be_answered_who_never_wrote(desk: Desk) -> None:
    with pytest.raises(Down):
        desk.mailbox.back("nobody", Status())


def test_a_name_whose_process_was_killed_is_down_at_once_though_its_socket_file_is_there(
    desk: Desk, run_dir: Path
) -> None:
    with a_peer(run_dir) as peer:
        peer.kill()
    assert mailbox_path(run_dir, "peer").exists()
    with pytest.raises(Down):
        desk.mailbox.tell("peer", Status())


def test_a_peer_that_dies_while_it_is_connected_is_down_once_that_is_known(desk: Desk, peer: Peer) -> None:
    desk.mailbox.watch("peer")
    desk.until(lambda: PeerUp("peer") in desk.messages)
    peer.kill()
    desk.until(lambda: PeerDown("peer") in desk.messages)
    with pytest.raises(Down):
        desk.mailbox.tell("peer", Status())
    assert not desk.mailbox.offer("peer", Status())


def test_what_was_asked_of_a_watched_peer_fails_when_it_dies(desk: Desk, peer: Peer) -> None:
    desk.mailbox.watch("peer")
    for _ in range(3):
        desk.ask("peer", Operate("silence"), timeout_s=NEVER_S)
    desk.asked("peer", Operate("pid"))
    peer.kill()
    desk.until(lambda: len(desk.failures) == 3)
    assert {type(failure) for failure in desk.failures} == {Down}
    assert desk.answers == []


def test_a_peer_that_is_started_again_under_its_name_is_found_again(desk: Desk, run_dir: Path) -> None:
    desk.mailbox.watch("peer")
    for _ in range(3):
        desk.letters.clear()
        with a_peer(run_dir) as peer:
            desk.until(lambda: desk.messages == [PeerUp("peer")])
            assert desk.asked("peer", Operate("pid")) == peer.process.pid
            peer.kill()
            desk.until(lambda: desk.messages == [PeerUp("peer"), PeerDown("peer")])


def test_what_is_said_to_a_root_that_is_busy_waits_for_it(run_dir: Path) -> None:
    with Desk(run_dir, "child") as child:
        with pytest.raises(Down):
            child.mailbox.tell(ROOT, Operate("nobody is there"))
        with Desk(run_dir, ROOT) as root:
            for number in range(3):
                child.mailbox.tell(ROOT, Operate("said", str(number)))
            root.until(lambda: len(root.letters) == 3)
            assert root.messages == [Operate("said", str(number)) for number in range(3)]
            root.mailbox.back("child", Operate("answer"))
            child.until(lambda: child.messages == [Operate("answer")])


def test_a_connection_that_ends_before_its_handshake_is_no_news(desk: Desk, run_dir: Path) -> None:
    path = mailbox_path(run_dir, "peer")
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(path))
        dying.listen()
        desk.mailbox.watch("peer")
        for _ in range(3):
            dying.accept()[0].close()
    path.unlink()
    with a_peer(run_dir):
        desk.until(lambda: desk.messages)
        assert desk.messages == [PeerUp("peer")]


def test_a_peer_that_is_not_watched_is_found_again_too(desk: Desk, run_dir: Path) -> None:
    for _ in range(2):
        with a_peer(run_dir) as peer:
            desk.until(lambda: _says(desk, "pid") == peer.process.pid)
            peer.kill()


def _says(desk: Desk, verb: str) -> object:
    try:
        return desk.asked("peer", Operate(verb))
    except HoldfastError:
        return None


def test_a_peer_that_is_watched_before_it_exists_is_announced_when_it_comes(desk: Desk, run_dir: Path) -> None:
    desk.mailbox.watch("peer")
    with a_peer(run_dir):
        desk.until(lambda: desk.messages == [PeerUp("peer")])


def test_watching_twice_announces_once(desk: Desk, peer: Peer) -> None:
    desk.mailbox.watch("peer")
    desk.mailbox.watch("peer")
    desk.asked("peer", Operate("pid"))
    desk.until(lambda: desk.letters)
    assert desk.messages == [PeerUp("peer")]


# --- one owner ------------------------------------------------------------------------------------------------------


def test_a_second_owner_of_a_name_is_refused_with_the_pid_of_the_first_and_before_it_binds(
    desk: Desk, run_dir: Path, peer: Peer
) -> None:
    inode = mailbox_path(run_dir, "peer").stat().st_ino
    with pytest.raises(AlreadyRunning, match=str(peer.process.pid)) as refused:
        Mailbox().open(run_dir, "peer", desk.clock, desk.context)
    assert refused.value.pid == peer.process.pid
    assert mailbox_path(run_dir, "peer").stat().st_ino == inode
    assert desk.asked("peer", Operate("echo", "mine")) == "mine"


def test_the_name_of_a_killed_process_is_free_at_once(desk: Desk, run_dir: Path, peer: Peer) -> None:
    peer.kill()
    mailbox = Mailbox()
    mailbox.open(run_dir, "peer", desk.clock, desk.context)
    desk.mailbox.tell("peer", Operate("hello"))
    assert mailbox.get().message == Letter("desk", Operate("hello"))
    mailbox.close()


def test_a_closed_mailbox_leaves_nothing_behind_in_its_context(run_dir: Path, peer: Peer) -> None:
    desk = Desk(run_dir)
    desk.mailbox.watch("peer")
    desk.mailbox.watch("nobody")
    desk.until(lambda: desk.letters)
    desk.mailbox.close()
    ending = threading.Thread(target=desk.context.term, daemon=True)  # waits for every socket
    ending.start()
    ending.join(WITHIN_S)
    assert not ending.is_alive()


# --- timers, descriptors, other threads -----------------------------------------------------------------------------


def test_timers_go_off_in_order_and_equal_ones_in_the_order_they_were_set(desk: Desk) -> None:
    now, done = desk.clock.now(), list[str]()
    for name, when in (("c", now + 0.02), ("a", now - 1), ("d", now + 0.02), ("b", now)):
        desk.mailbox.at(when, lambda name=name: done.append(name))  # type: ignore[misc]
    desk.until(lambda: len(done) == 4)
    assert done == ["a", "b", "c", "d"]


def test_a_timer_does_not_go_off_before_its_time(desk: Desk) -> None:
    when, at = desk.clock.now() + 0.02, list[float]()
    desk.mailbox.at(when, lambda: at.append(desk.clock.now()))
    desk.until(lambda: at)
    assert at[0] >= when


def test_a_cancelled_timer_does_not_go_off(desk: Desk) -> None:
    done: list[str] = []
    desk.after(0.01, lambda: done.append("cancelled")).cancel()
    desk.after(0.02, lambda: done.append("last"))
    desk.until(lambda: done)
    assert done == ["last"]


def test_a_timer_can_be_cancelled_by_one_that_was_due_at_the_same_time(desk: Desk) -> None:
    now, done = desk.clock.now(), list[str]()
    desk.mailbox.at(now, lambda: second.cancel())
    second = desk.mailbox.at(now, lambda: done.append("cancelled"))
    desk.mailbox.at(now, lambda: done.append("last"))
    desk.until(lambda: done)
    assert done == ["last"]


def test_a_timer_that_is_always_due_does_not_deafen_the_actor(desk: Desk, peer: Peer) -> None:
    def again() -> None:
        desk.mailbox.at(desk.clock.now(), again)

    again()
    assert desk.asked("peer", Operate("echo", "heard")) == "heard"


def test_a_readable_descriptor_calls_until_it_is_forgotten(desk: Desk) -> None:
    reading, writing = os.pipe()
    seen: list[bytes] = []
    desk.mailbox.when_readable(reading, lambda: seen.append(os.read(reading, 1)))
    os.write(writing, b"ab")
    desk.until(lambda: len(seen) == 2)
    desk.mailbox.forget(reading)
    desk.mailbox.forget(reading)
    os.write(writing, b"c")
    desk.after(0.01, lambda: seen.append(b"timer"))
    desk.until(lambda: len(seen) == 3)
    assert seen == [b"a", b"b", b"timer"]
    os.close(reading)
    os.close(writing)


def test_a_descriptor_that_is_forgotten_while_its_call_waits_is_not_called(desk: Desk) -> None:
    pipes = [os.pipe(), os.pipe()]
    seen: list[int] = []

    def read(at: int) -> None:
        seen.append(at)
        for reading, _ in pipes:
            desk.mailbox.forget(reading)

    for at, (reading, writing) in enumerate(pipes):
        os.write(writing, b"x")
        desk.mailbox.when_readable(reading, lambda at=at: read(at))  # type: ignore[misc]
    done: list[bool] = []
    desk.after(0.02, lambda: done.append(True))
    desk.until(lambda: done)
    assert len(seen) == 1
    for ends in pipes:
        for end in ends:
            os.close(end)


def test_a_descriptor_can_be_waited_on_for_writing(desk: Desk) -> None:
    reading, writing = os.pipe()
    seen: list[bool] = []
    desk.mailbox.when_readable(writing, lambda: seen.append(True), writable=True)
    desk.until(lambda: seen)
    desk.mailbox.forget(writing)
    os.close(reading)
    os.close(writing)


def test_a_put_from_another_thread_wakes_the_actor(desk: Desk) -> None:
    done: list[int] = []
    envelope = Envelope(Call(lambda: done.append(threading.get_ident())))
    thread = threading.Thread(target=lambda: desk.mailbox.put(envelope))
    desk.after(0.02, thread.start)  # when the actor waits
    desk.until(lambda: done)
    assert done == [threading.get_ident()], "handled in the actor's own thread"
    thread.join()


def test_a_signal_does_not_disturb_the_wait(desk: Desk) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    done: list[bool] = []
    desk.after(0.01, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    desk.after(0.03, lambda: done.append(True))
    desk.until(lambda: done)
    signal.signal(signal.SIGUSR1, before)
