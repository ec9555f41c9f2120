"""The TCP driver against raw sockets: as client and as server, with slow, hostile and vanishing far ends."""

import select
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.peers.scans import listen
from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.links import Commanded, Link, Listening, tcp
from transports.samples import Quality

PATIENCE_S = 10
TEMP = {"pattern": r"T=(?P<temp>\S+)"}


def connect(**table: Any) -> Link:
    return tcp.connect(build(tcp.Settings, table, "device.x"))


class Far:
    """A device with a port: the test holds its end of the connection."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def connect(self, **table: Any) -> tuple[Link, socket.socket]:
        link = connect(host="127.0.0.1", port=self.port, **table)
        self.listener.settimeout(PATIENCE_S)
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE_S)
        return link, connection


@pytest.fixture
def far() -> Iterator[Far]:
    made = Far()
    with made.listener:
        yield made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def down(link: Link) -> str:
    """Why the link is down, once it is."""
    assert isinstance(link, Listening)
    try:
        while select.select([link.fileno()], [], [], PATIENCE_S)[0]:
            link.read()
    except LinkDown as gone:
        return str(gone)
    pytest.fail("the link is not down")


def is_hung_up(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:  # what it had said was not read any more
        return True


def answering(connection: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    """Answers what is asked from another thread, until the connection ends."""

    def work() -> None:
        with suppress(OSError):
            while asked := connection.recv(4096):
                connection.sendall(answer(asked))

    threading.Thread(target=work, daemon=True).start()


# --- client ----------------------------------------------------------------------------------------------------------


def test_lines_in_pieces_are_readings(far: Far) -> None:
    link, device = far.connect(**TEMP)
    for piece in (b"T=1", b".5\r", b"\nT=2\nT="):
        device.sendall(piece)
    assert [scan.values for scan in listen(link, 2)] == [[1.5], [2.0]]
    device.close()
    assert "closed the connection" in down(link)
    link.close()
    link.close()


def test_64_bits_arrive_exactly_behind_a_length(far: Far) -> None:
    link, device = far.connect(struct=">qQd", fields=["low", "high", "nan"], length={"bytes": 4})
    payload = struct.pack(">qQQ", -(2**63), 2**64 - 1, 0x7FF8000000000BAD)
    device.sendall(struct.pack(">I", len(payload)) + payload)
    ((low, high, nan),) = (scan.values for scan in listen(link, 1))
    assert (low, high, struct.pack(">d", nan)) == (-(2**63), 2**64 - 1, payload[-8:])
    device.close()
    link.close()


def test_a_request_is_answered_and_a_late_answer_is_not_taken_for_the_next(far: Far) -> None:
    link, device = far.connect(**TEMP, request="?\n", timeout="5s")
    assert not isinstance(link, Listening)
    device.sendall(b"T=1\nT=")
    with ExitStack() as stack:
        stack.callback(device.close)
        answering(device, lambda asked: b"T=2\n" if asked == b"?\n" else b"huh\n")
        select.select([link.stream.fileno()], [], [], PATIENCE_S)  # type: ignore[attr-defined]
        assert [scan.values for scan in link.read()] == [[2.0]]  # type: ignore[union-attr]
    link.close()


def test_a_device_that_hangs_is_a_time_out_and_one_that_left_is_down(far: Far) -> None:
    link, device = far.connect(**TEMP, request="?\n", timeout="50ms")
    with pytest.raises(LinkTimeout, match=r"no answer within 0\.05 s"):
        link.read()
    device.close()
    with pytest.raises(LinkDown):
        link.read()
    link.close()


def test_a_flood_of_garbage_is_a_time_out_in_time(far: Far) -> None:
    link, device = far.connect(**TEMP, request="?\n", timeout="200ms", max_frame_bytes=64)
    stop = threading.Event()

    def flood() -> None:
        with suppress(OSError):
            while not stop.is_set():
                device.sendall(b"\xff\x00T=" * 10_000)

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    with pytest.raises(LinkTimeout, match="does not fit"):
        link.read()
    stop.set()
    link.close()
    thread.join(PATIENCE_S)
    device.close()


def test_a_reset_is_link_down(far: Far) -> None:
    link, device = far.connect(**TEMP)
    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    device.close()
    assert "gone" in down(link)
    link.close()


def test_a_device_comes_back_and_is_connected_to_again(far: Far) -> None:
    for value in (1.0, 2.0):
        link, device = far.connect(**TEMP)
        device.sendall(b"T=%g\n" % value)
        assert [scan.values for scan in listen(link, 1)] == [[value]]
        device.close()
        down(link)
        link.close()


def test_a_command_that_the_device_does_not_read_is_told_in_time(far: Far) -> None:
    table = {"tags": {"temp": {"type": "string"}}, "writes": {"temp": "{value}"}}
    link, device = far.connect(**TEMP, **table, timeout="100ms")
    assert isinstance(link, Commanded)
    with pytest.raises(LinkDown, match="does not read"):
        link.write("temp", "x" * 20_000_000)
    with pytest.raises(LinkTimeout, match="no byte was taken"):
        link.write("temp", "x")
    device.close()
    link.close()
    with pytest.raises(LinkDown):
        link.write("temp", "x")


def test_the_kernel_watches_for_a_far_end_that_vanished(far: Far) -> None:
    link, device = far.connect(**TEMP, dead_after="8s")
    connection = link.stream._connection  # type: ignore[attr-defined]
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert [connection.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [4, 2, 2, 8000]
    device.close()
    link.close()


def test_a_port_that_nobody_listens_on_is_link_down_with_a_cure(far: Far) -> None:
    far.listener.close()
    with pytest.raises(LinkDown, match=rf"127.0.0.1:{far.port}.*switched on"):
        connect(host="127.0.0.1", port=far.port, **TEMP)


# --- server ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(stack: ExitStack) -> Callable[..., Link]:
    def make(**table: Any) -> Link:
        link = connect(listen="127.0.0.1:0", **{**TEMP, **table})
        stack.callback(link.close)
        return link

    return make


@pytest.fixture
def client(stack: ExitStack) -> Callable[..., socket.socket]:
    def make(link: Link, says: bytes = b"", host: str = "127.0.0.1", unread_bytes: int = 0) -> socket.socket:
        made = stack.enter_context(socket.socket())
        made.settimeout(PATIENCE_S)
        if unread_bytes:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread_bytes)
        made.bind((host, 0))
        made.connect(link.stream.address)  # type: ignore[attr-defined]
        made.sendall(says)
        return made

    return make


Serve = Callable[..., Link]
Call = Callable[..., socket.socket]


def test_devices_that_connect_are_heard_each_with_its_name(server: Serve, client: Call) -> None:
    link = server(peer=True)
    client(link, b"T=1\n")
    client(link, b"T=2\n", host="127.0.0.2")
    scans = listen(link, 2)
    assert sorted((scan.values[0], scan.values[1]) for scan in scans) == [(1.0, "127.0.0.1"), (2.0, "127.0.0.2")]
    assert [tag.name for tag in link.tags] == ["temp", "peer"]
    assert scans[0].tags is scans[1].tags


def test_pieces_of_two_devices_are_never_mixed(server: Serve, client: Call) -> None:
    link = server()
    one, two = client(link, b"T=1"), client(link, b"T=2")
    while len(link.stream._clients) < 2 or len(link._frames) < 2:  # type: ignore[attr-defined]
        assert listen(link, 0) == []
        assert select.select([link.fileno()], [], [], PATIENCE_S)[0]  # type: ignore[attr-defined]
        assert link.read() == []
    one.sendall(b"1\n")
    assert [scan.values for scan in listen(link, 1)] == [[11.0]]
    two.sendall(b"2\n")
    assert [scan.values for scan in listen(link, 1)] == [[22.0]]


def test_a_hostile_client_neither_fills_memory_nor_keeps_others_waiting(server: Serve, client: Call) -> None:
    link = server(max_frame_bytes=1024)
    hostile, good = client(link), client(link)
    hostile.setblocking(False)
    for number in range(200):
        with suppress(BlockingIOError):
            while True:
                hostile.send(b"T=" + b"9" * 65536)
        good.sendall(b"T=%d\n" % number)
        assert [scan.values for scan in listen(link, 1)] == [[float(number)]]
    held = [frames._framer._held for frames in link._frames.values()]  # type: ignore[attr-defined]
    assert len(held) == 2
    assert max(map(len, held)) <= 1024 + 1


def test_a_client_that_leaves_makes_its_tags_bad_when_it_was_the_last_that_spoke(server: Serve, client: Call) -> None:
    link = server()
    one, two, mute = client(link, b"T=1\n"), client(link, b"T=2\n"), client(link)
    listen(link, 2)
    one.close()
    mute.close()
    two.sendall(b"T=3\n")
    assert [scan.values for scan in listen(link, 1)] == [[3.0]]
    two.close()
    (gone,) = listen(link, 1)
    assert (gone.values, gone.quality) == ([None], Quality.BAD_NO_COMMUNICATION)


def test_a_client_that_is_named_is_bad_alone_when_it_leaves(server: Serve, client: Call) -> None:
    link = server(peer=True)
    one = client(link, b"T=1\n", host="127.0.0.2")
    client(link, b"T=2\n")
    listen(link, 2)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
    (gone,) = listen(link, 1)
    assert (gone.values, gone.quality) == ([None, "127.0.0.2"], [Quality.BAD_NO_COMMUNICATION, Quality.GOOD])


def test_a_newcomer_gets_the_place_of_one_that_never_made_sense_but_of_no_other(server: Serve, client: Call) -> None:
    link = server(max_clients=2, peer=True)
    client(link, b"T=1\n", host="127.0.0.2")
    listen(link, 1)
    idle = client(link, b"garbage\n", host="127.0.0.3")
    client(link, b"T=2\n", host="127.0.0.4")
    assert [scan.values for scan in listen(link, 1)] == [[2.0, "127.0.0.4"]]
    assert is_hung_up(idle)
    late = client(link, host="127.0.0.5")
    assert select.select([link.fileno()], [], [], PATIENCE_S)[0]  # type: ignore[attr-defined]
    assert link.read() == []
    assert is_hung_up(late)
    assert link.stream.turned_away == 1  # type: ignore[attr-defined]
    client(link, b"T=3\n", host="127.0.0.2")  # switched off and on: its old connection is a dead one
    gone, again = listen(link, 2)
    if gone.values[0] is not None:
        gone, again = again, gone
    assert (gone.values, again.values) == ([None, "127.0.0.2"], [3.0, "127.0.0.2"])


def test_who_is_not_allowed_is_turned_away_unheard(server: Serve, client: Call) -> None:
    link = server(allow=["127.0.0.8/29", "10.0.0.1"])
    stranger = client(link)
    with suppress(OSError):
        stranger.sendall(b"T=1\n")
    client(link, b"T=2\n", host="127.0.0.9")
    assert [scan.values for scan in listen(link, 1)] == [[2.0]]
    assert link.stream.turned_away == 1  # type: ignore[attr-defined]


def test_a_command_goes_to_every_client_and_lets_go_of_one_that_does_not_read(server: Serve, client: Call) -> None:
    table = {"tags": {"temp": {"type": "string"}}, "writes": {"temp": "{value}\n"}}
    link = server(**table)
    with pytest.raises(LinkRefused, match="nobody is connected"):
        link.write("temp", "on")
    reader, deaf = client(link, b"T=1\n"), client(link, b"T=2\n", unread_bytes=4096)
    listen(link, 2)
    long = "x" * 4000
    for _ in range(1000):
        link.write("temp", long)
        assert reader.recv(4001, socket.MSG_WAITALL) == long.encode() + b"\n"
        if len(link.stream._clients) == 1:  # type: ignore[attr-defined]
            break
    assert deaf.recv(3) == b"xxx"
    (left,) = link.stream._clients.values()  # type: ignore[attr-defined]
    assert left.connection.getpeername() == reader.getsockname()


def test_a_server_can_be_opened_again_at_once_and_not_twice(server: Serve, client: Call) -> None:
    link = server()
    client(link, b"T=1\n")
    listen(link, 1)
    host, port = link.stream.address  # type: ignore[attr-defined]
    with pytest.raises(LinkDown, match="not in use"):
        connect(listen=f"{host}:{port}", **TEMP)
    link.close()
    link.close()
    connect(listen=f"{host}:{port}", **TEMP).close()
    with pytest.raises(LinkDown, match="connect again"):
        link.read()


@pytest.mark.skipif(shutil.which("socat") is None, reason="socat is not installed")
def test_a_line_that_socat_sends_is_read(server: Serve) -> None:
    link = server()
    host, port = link.stream.address  # type: ignore[attr-defined]
    sent = subprocess.run(["socat", "-u", "-", f"TCP:{host}:{port}"], input=b"T=4.5\n", timeout=PATIENCE_S, check=True)
    assert sent.returncode == 0
    assert [scan.values for scan in listen(link, 1)] == [[4.5]]


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({}, "host", "either host and port, or listen"),
        ({"host": "a", "port": 1, "listen": "0.0.0.0:1"}, "host", "either host and port, or listen"),
        ({"host": "a"}, "port", "missing"),
        ({"listen": "0.0.0.0:1", "port": 5}, "port", "belongs to host"),
        ({"listen": "4001"}, "listen", "an address and a port"),
        ({"listen": "0.0.0.0:70000"}, "listen", "an address and a port"),
        ({"listen": "::1:4001"}, "listen", "[::]:4001"),
        ({"listen": "0.0.0.0:1", "allow": ["192.168.1.0/33"]}, "allow", "192.168.1.0/24"),
        ({"listen": "0.0.0.0:1", "request": "?"}, "request", "needs host"),
        ({"host": "a", "port": 1, "peer": True}, "peer", "belongs to listen"),
        ({"host": "a", "port": 1, "allow": ["::1"]}, "allow", "belongs to listen"),
        ({"listen": "0.0.0.0:1", "peer": True, "pattern": "(?P<peer>.)"}, "peer", "rename"),
        ({"host": "a", "port": 1, "max_clients": 0}, "max_clients", "at least 1"),
        ({"host": "a", "prot": 1, "port": 1}, "prot", "did you mean 'port'"),
    ],
)
def test_every_mistake_names_its_place_and_its_cure(table: dict[str, Any], path: str, cure: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(tcp.Settings, {**TEMP, **table}, "device.x")
    assert [problem.path for problem in caught.value.problems] == [f"device.x.{path}"]
    assert cure in caught.value.problems[0].cure
