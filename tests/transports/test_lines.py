"""A member's end of a line: whatever the owner does or does not do, an exchange ends, with a reason."""

import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.actors.lines.stage import NAME, reading, registers, slaves, together
from tests.transports.desk import Desk
from transports import lines
from transports.errors import LinkDown, LinkRefused, LinkTimeout, NotUnderstood
from transports.line_messages import Hello, Outcome, Reply, Request, pack, unpack_asking, unpack_reply
from transports.lines import LineClient, line_path, open_line
from transports.messages import Beat, Ready
from transports.names import ROOT

ASK = reading(1)
FUZZED = 10_000


@pytest.fixture
def run_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hf-") as directory:
        yield Path(directory)


Answer = Callable[[socket.socket, Hello | Request], None]


@contextmanager
def owner(path: Path, answer: Answer) -> Iterator[None]:
    """Somebody who listens in the owner's place and does with each packet what the test says."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen()
    held: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            connection = listener.accept()[0]
            held.append(connection)
            while packet := connection.recv(8192):
                answer(connection, unpack_asking(packet))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    for each in (listener, *held):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
    thread.join()


def replying(*replies: Callable[[int], Reply]) -> Answer:
    """Welcomes, and answers each request with all of these."""

    def answer(connection: socket.socket, said: Hello | Request) -> None:
        if isinstance(said, Hello):
            connection.send(pack(Reply(0, Outcome.ANSWER)))
            return
        for reply in replies:
            connection.send(pack(reply(said.number)))

    return answer


# --- the owner does not do what it should ---------------------------------------------------------------------------


def test_a_line_that_nobody_owns_says_what_to_look_at(run_dir: Path) -> None:
    with pytest.raises(LinkDown, match=r"nobody owns the line rs485-1 .*is \[line.rs485-1\] running"):
        open_line(line_path(run_dir, "rs485-1"), "meter")


def test_a_path_that_a_dead_owner_left_is_no_owner(run_dir: Path) -> None:
    path = line_path(run_dir, "x")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
    with pytest.raises(LinkDown, match="nobody owns the line x"):
        open_line(path, "meter")


def test_an_owner_that_hangs_is_waited_for_in_bounds(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "WELCOME_S", 0.05)
    with owner(run_dir / "x.line", lambda connection, said: None), pytest.raises(LinkDown, match="did not answer"):
        open_line(run_dir / "x.line", "meter")


def test_a_request_without_a_reply_is_a_timeout_in_bounds(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "QUEUE_S", 0.01)
    monkeypatch.setattr(lines, "MARGIN_S", 0.05)
    with owner(run_dir / "x.line", replying()):
        client = open_line(run_dir / "x.line", "meter")
        with pytest.raises(LinkTimeout, match="the owner of the line x did not answer"):
            client.exchange(ASK, "rtu", 0.01)


def test_an_answer_to_a_request_that_was_given_up_is_passed_over(run_dir: Path) -> None:
    late = [
        lambda number: Reply(number - 1, Outcome.ANSWER, b"late"),
        lambda number: Reply(number, Outcome.ANSWER, b"mine"),
    ]
    with owner(run_dir / "x.line", replying(*late)):
        assert open_line(run_dir / "x.line", "meter").exchange(ASK, "rtu", 5.0) == b"mine"


@pytest.mark.parametrize(
    ("outcome", "error"), [(Outcome.SILENT, LinkTimeout), (Outcome.DOWN, LinkDown), (Outcome.REFUSED, LinkRefused)]
)
def test_each_failure_is_the_error_that_says_what_to_do(
    run_dir: Path, outcome: Outcome, error: type[Exception]
) -> None:
    with owner(run_dir / "x.line", replying(lambda number: Reply(number, outcome, b"because"))):
        client = open_line(run_dir / "x.line", "meter")
        with pytest.raises(error, match="because"):
            client.exchange(ASK, "rtu", 5.0)


def test_an_owner_that_says_something_else_is_gone(run_dir: Path) -> None:
    def babble(connection: socket.socket, said: Hello | Request) -> None:
        connection.send(b"HTTP/1.1 400 Bad Request")

    with owner(run_dir / "x.line", babble), pytest.raises(LinkDown, match="is gone"):
        open_line(run_dir / "x.line", "meter")


def test_closed_twice_it_is_closed_and_says_so(run_dir: Path) -> None:
    with owner(run_dir / "x.line", replying()):
        client = open_line(run_dir / "x.line", "meter")
        client.close()
        client.close()
        with pytest.raises(LinkDown, match="is closed"):
            client.exchange(ASK, "rtu", 1.0)


@pytest.mark.parametrize("member", ["", "x" * 256])
def test_a_member_without_a_name_is_a_mistake(run_dir: Path, member: str) -> None:
    with pytest.raises(ValueError, match="a member's name"):
        open_line(run_dir / "x.line", member)


# --- packets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [Hello("Zähler"), Request(2**32 - 1, b"\0\xff" * 2048, "until:0d0a", 0.25, True), Request(1, b"x", "rtu", 0.0)],
)
def test_what_is_packed_is_read_back(message: Hello | Request) -> None:
    assert unpack_asking(pack(message)) == message


def test_fuzzed_packets_are_understood_or_refused_and_nothing_else() -> None:
    dice = random.Random(4)
    good = [pack(Hello("m")), pack(Request(1, b"abc", "rtu", 1.0)), pack(Reply(1, Outcome.DOWN, b"x"))]
    for at in range(FUZZED):
        packet = bytearray(good[at % 3])
        if at % 2:
            packet[dice.randrange(len(packet))] = dice.randrange(256)
        else:
            packet = bytearray(dice.choice((b"H", b"R", b"W", b"")) + dice.randbytes(dice.randint(0, 40)))
        with suppress(NotUnderstood):
            unpack_asking(bytes(packet))
        with suppress(NotUnderstood):
            unpack_reply(bytes(packet))


# --- a real owner, killed -------------------------------------------------------------------------------------------


OWNER = """
import sys
import zmq
from pathlib import Path
from actors.actor import Fate, Place
from actors.line import Line, Work
from supervisors.lifeline import die_with
from transports.clock import MachineClock
parent, run_dir, name, port = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
die_with(parent)
place = Place(name, run_dir, MachineClock(), zmq.Context(), 7, 1, heartbeat_s=0.05)
Line.start(place, Fate(alone=True), Work({"port": port, "baud": 19200, "timeout": "60s"}))
"""


@contextmanager
def owner_process(desk: Desk, run_dir: Path, port: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A line's actor in a process of its own; ready when the block begins."""
    desk.letters.clear()
    with subprocess.Popen([sys.executable, "-c", OWNER, f"{os.getpid()}", str(run_dir), NAME, port]) as process:
        try:
            desk.until(lambda: process.poll() is not None or any(isinstance(each, Ready) for each in desk.messages))
            assert process.poll() is None
            yield process
        finally:
            process.kill()


def test_when_the_owner_is_killed_all_who_wait_hear_it_at_once_and_its_successor_serves_them(run_dir: Path) -> None:
    with slaves("--units", "9") as peer, Desk(run_dir, ROOT) as desk:
        port = f"/dev/pts/{peer.port}"
        with owner_process(desk, run_dir, port) as first:
            clients = [open_line(line_path(run_dir, NAME), f"meter-{at}") for at in range(3)]

            def kill() -> None:
                desk.until(lambda: any(isinstance(each, Beat) and each.state["waiting"] == 2 for each in desk.messages))
                first.send_signal(signal.SIGKILL)

            asks = [lambda client=client: client.exchange(ASK, "rtu", 60.0) for client in clients]
            *heard, _ = together(*asks, kill)
        assert [type(each) for each in heard] == [LinkDown] * 3
        assert "the owner of the line rs485-1 is gone; see holdfast status rs485-1" in str(heard[0])
        with pytest.raises(LinkDown, match="nobody owns the line"):
            open_line(line_path(run_dir, NAME), "meter-0")
        with owner_process(desk, run_dir, port):
            client = open_line(line_path(run_dir, NAME), "meter-0")
            assert registers(client.exchange(reading(9), "rtu", 10.0)) == [9 * 256, 9 * 256 + 1]


MEMBER = """
import sys
from pathlib import Path
from supervisors.lifeline import die_with
from transports.lines import open_line
die_with(int(sys.argv[1]))
client = open_line(Path(sys.argv[2]), "killed")
print("here", flush=True)
client.exchange(bytes.fromhex(sys.argv[3]), "rtu", 60.0)
"""


def test_a_member_killed_in_the_middle_does_not_disturb_the_others(run_dir: Path) -> None:
    with (
        slaves("--delay", "0.2") as peer,
        Desk(run_dir, ROOT) as desk,
        owner_process(desk, run_dir, f"/dev/pts/{peer.port}"),
    ):
        path = line_path(run_dir, NAME)
        command = [sys.executable, "-c", MEMBER, f"{os.getpid()}", str(path), ASK.hex()]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as member:
            assert member.stdout is not None
            assert select.select([member.stdout], [], [], 30.0)[0]
            desk.until(lambda: any(isinstance(each, Beat) and each.state["requests"] == 1 for each in desk.messages))
            member.kill()
        client: LineClient = open_line(path, "other")
        assert registers(client.exchange(reading(2, 5), "rtu", 10.0)) == [517, 518]
