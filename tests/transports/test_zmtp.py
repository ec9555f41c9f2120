"""ZMTP byte by byte, against what libzmq itself says, and against anything at all."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import NotUnderstood
from transports.zmtp import COMMAND, FRAME_BYTES, GREETING_BYTES, HELLO, MAX_BYTES, MORE, Hearing, packed

GREETING = HELLO[:GREETING_BYTES]


def ready(identity: bytes = b"press-1") -> bytes:
    body = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity" + len(identity).to_bytes(4, "big") + identity
    return command(body)


def command(body: bytes) -> bytes:
    return bytes([COMMAND, len(body)]) + body


def hearing(identity: bytes = b"press-1") -> Hearing:
    """One that has heard greeting and READY."""
    hearing = Hearing()
    assert hearing.heard(GREETING + ready(identity)) == []
    assert hearing.identity == identity
    return hearing


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hf-") as directory:
        yield Path(directory)


@pytest.mark.parametrize("identity", [b"press-1", b""])
def test_what_libzmq_says_is_understood_and_what_is_said_is_understood_by_libzmq(
    directory: Path, identity: bytes
) -> None:
    said = [[b"one"], [b"", b"x" * 255, b"y" * 256], [b"z" * 100_000]]
    with socket.socket(socket.AF_UNIX) as listener, zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        listener.bind(str(directory / "x.ipc"))
        listener.listen()
        listener.settimeout(30)
        if identity:
            dealer.setsockopt(zmq.ROUTING_ID, identity)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVTIMEO, 30_000)
        dealer.connect(f"ipc://{directory / 'x.ipc'}")
        for frames in said:
            dealer.send_multipart(frames)
        connection, _ = listener.accept()
        with connection:
            connection.sendall(HELLO)
            heard, ear = list[list[bytes]](), Hearing()
            while len(heard) < len(said):
                heard += ear.heard(connection.recv(1000))
            assert heard == said
            assert ear.identity == identity
            for frames in said:
                connection.sendall(packed(frames))
            assert [dealer.recv_multipart() for _ in said] == said


messages = st.lists(st.lists(st.binary(max_size=600), min_size=1, max_size=4), max_size=6)


@given(said=messages, cuts=st.lists(st.integers(1, 400), min_size=1, max_size=50))
def test_it_does_not_matter_how_the_bytes_are_cut(said: list[list[bytes]], cuts: list[int]) -> None:
    wire = GREETING + ready() + b"".join(map(packed, said))
    ear, heard, at = Hearing(), list[list[bytes]](), 0
    while at < len(wire):
        size = cuts[at % len(cuts)]
        heard += ear.heard(wire[at : at + size])
        at += size
    assert heard == said
    assert ear.identity == b"press-1"


@given(junk=st.binary(max_size=300), greeted=st.booleans())
def test_anything_else_is_refused_or_waited_for(junk: bytes, greeted: bool) -> None:
    ear = hearing() if greeted else Hearing()
    try:
        ear.heard(junk)
    except NotUnderstood:
        return
    assert greeted or len(junk) <= GREETING_BYTES or junk[0] == 0xFF


NO_ZMTP = {
    "HTTP": b"GET / HTTP/1.1\r\n",
    "no signature": b"\xff" + bytes(8) + b"\x7e",
    "an older version": GREETING[:10] + b"\x01" + GREETING[11:],
    "another mechanism": GREETING[:12] + b"PLAIN".ljust(20, b"\0") + GREETING[32:],
    "a message before READY": GREETING + packed([b"one"]),
    "another command before READY": GREETING + command(b"\x05ERROR"),
    "a property that is cut in its name": GREETING + command(b"\x05READY\x08Ident"),
    "a property that is cut in its value": GREETING + command(b"\x05READY\x01I\0\0\0\x09abc"),
    "flags that do not exist": GREETING + ready() + b"\xff" + bytes(8),
    "a frame too large": GREETING + ready() + b"\x02" + (MAX_BYTES + 1).to_bytes(8, "big"),
    "a message that has grown too large": GREETING + ready() + (b"\x01\xff" + bytes(255)) * (MAX_BYTES // 255),
    "a message of endless empty frames": GREETING + ready() + bytes([MORE, 0]) * (MAX_BYTES // FRAME_BYTES + 2),
}


@pytest.mark.parametrize("wire", NO_ZMTP.values(), ids=NO_ZMTP)
def test_what_is_no_zmtp_of_this_kind_is_refused(wire: bytes) -> None:
    with pytest.raises(NotUnderstood):
        Hearing().heard(wire)


def test_commands_after_ready_are_passed_over() -> None:
    ping = bytes([COMMAND, 7]) + b"\x04PING\0\0"
    assert hearing().heard(ping + packed([b"one"]) + ping) == [[b"one"]]
