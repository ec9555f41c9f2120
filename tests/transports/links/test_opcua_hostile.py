"""The driver against servers that mean harm or are mad: whatever they send, the link goes down, and soon."""

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psutil
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from tests.peers.opcua_hearing import settings
from tests.peers.processes import start_peer
from transports.errors import HoldfastError, LinkDown, LinkRefused, LinkTimeout
from transports.links import opcua
from transports.opcua import wire
from transports.opcua.reasons import told
from transports.opcua.wire import Wire

TAGS = {"a": {"node": "i=2258"}, "b": {"node": "nsu=urn:holdfast:simulator;s=Plant.Wave"}}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def recorded() -> Sequence[bytes]:
    """Everything that the simulator sends to a polled link from its connection on, answer by answer."""
    frames: list[bytes] = []
    original = Wire.data_received

    def recording(self: Wire, data: bytes) -> None:
        frames.append(bytes(data))
        original(self, data)

    with start_peer("opcua_simulator.py", "port = 0") as peer, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wire, "data_received", recording)
        link = opcua.connect(settings(peer.port, TAGS, mode="poll"))
        link.read()
        link.close()
    assert len(frames) >= 8
    return frames


def mutated(frame: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, and sometimes a piece lost, doubled or added."""
    changed = bytearray(frame)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(changed))
        changed[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    match dice.randrange(6):
        case 0:
            del changed[dice.randrange(len(changed)) :]
        case 1:
            changed += dice.randbytes(dice.randint(1, 60))
        case 2:
            changed *= 2
    return bytes(changed)


# --- below the session -----------------------------------------------------------------------------------------------


class Pipe(asyncio.Transport):
    """Stands for the socket's transport, which asyncio makes only for a socket: takes everything, and can be closed."""

    def __init__(self, protocol: Wire) -> None:
        super().__init__()
        self.protocol, self.closed = protocol, False

    def write(self, data: Any) -> None:
        pass

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(None)


ANSWERS = (ua.CreateSessionResponse, ua.ActivateSessionResponse, ua.WriteResponse, ua.GetEndpointsResponse)


async def fed(data: bytes, dice: random.Random) -> str:
    """What became of a connection that got these bytes, in two pieces, while requests 0 to 12 wait for answers."""
    protocol = Wire(1)
    pipe = Pipe(protocol)
    protocol.connection_made(pipe)
    protocol._connection._open = True
    protocol._open_secure_channel_exchange = ua.OpenSecureChannelParameters()
    futures = [asyncio.get_running_loop().create_future() for _ in range(13)]
    protocol._callbackmap = dict(enumerate(futures))
    cut = dice.randrange(len(data) + 1)
    for piece in (data[:cut], data[cut:]):
        if not pipe.closed:
            protocol.data_received(piece)
    waiting = len(protocol.receive_buffer or b"")
    assert waiting <= wire.CHUNK_BYTES
    for future in futures:
        if future.done():
            decode(future, dice)
    return "closed" if pipe.closed else "waits" if waiting else "understood"


def decode(future: "asyncio.Future[Any]", dice: random.Random) -> None:
    """As the session does it: what asyncua decodes becomes the house's errors only."""
    with contextlib.suppress(LinkDown, LinkTimeout, LinkRefused), told("x", "in a test"):
        body = future.result()
        if not isinstance(body, ua.Acknowledge):
            struct_from_binary(dice.choice(ANSWERS), body)


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.timeout(60)
def test_frames_with_bytes_changed_close_the_connection_or_wait_within_bounds(recorded: Sequence[bytes]) -> None:
    async def campaign() -> dict[str, int]:
        dice, ends = random.Random(5), {"closed": 0, "waits": 0, "understood": 0}
        for _ in range(12_000):
            ends[await fed(mutated(dice.choice(recorded), dice), dice)] += 1
        return ends

    before = resident()
    ends = asyncio.run(campaign())
    assert resident() - before < 64 * MIB
    assert min(ends.values()) > 100, ends


def test_garbage_closes_the_connection_or_waits_within_bounds() -> None:
    async def campaign() -> int:
        dice, kinds = random.Random(6), (b"ACKF", b"MSGF", b"OPNF", b"ERRF", b"HELF", b"MSGC", b"MSGA", b"CLOF", b"")
        closed = 0
        for _ in range(10_000):
            length = dice.choice((b"", dice.randbytes(4), dice.randint(0, 200).to_bytes(4, "little")))
            garbage = dice.choice(kinds) + length + dice.randbytes(dice.randint(0, 200))
            closed += await fed(garbage, dice) == "closed"
        return closed

    before = resident()
    assert asyncio.run(campaign()) > 2000
    assert resident() - before < 64 * MIB


# --- servers at a port -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def hostile(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port at which every client is served like this, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client, contextlib.suppress(OSError):
                    client.settimeout(5)
                    serve(client)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            assert not thread.is_alive()


def connect(port: int, timeout: str = "300ms") -> Any:
    return opcua.connect(settings(port, TAGS, mode="poll", timeout=timeout))


def replay(frames: Sequence[bytes]) -> Callable[[socket.socket], None]:
    """Answers each request with the next frame, whatever was asked."""

    def serve(client: socket.socket) -> None:
        for frame in frames:
            if not client.recv(65536):
                return
            client.sendall(frame)
        while client.recv(65536):
            pass

    return serve


def test_the_recording_played_back_is_a_server(recorded: Sequence[bytes]) -> None:
    with hostile(replay(recorded)) as port:
        link = connect(port)
        assert len(link.read()) >= 1
        link.close()


@pytest.mark.timeout(100)
def test_a_server_whose_answers_have_bytes_changed_is_link_down_or_read(recorded: Sequence[bytes]) -> None:
    dice, ends = random.Random(11), {"down": 0, "read": 0}
    before, threads = resident(), threading.active_count()
    for _ in range(80):
        at = dice.randrange(len(recorded) - 1)
        frames = [*recorded[:at], mutated(recorded[at], dice), *recorded[at + 1 :]]
        with hostile(replay(frames)) as port:
            try:
                link = connect(port, "100ms")
            except LinkDown:
                ends["down"] += 1
                continue
            with contextlib.suppress(HoldfastError):
                link.read()
                ends["read"] += 1
            link.close()
    assert min(ends.values()) > 5, ends
    assert resident() - before < 64 * MIB
    assert threading.active_count() <= threads


BIG = (0xFFFF_FFFF).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no OPC UA|closed"),
        (b"\0" * 100, "no OPC UA|closed"),
        (b"ACKF" + BIG + b"\0" * 100, "where at most 1048576 were agreed on"),
        (b"ACKF\x1c\0\0\0" + b"\0" * 20, "less than OPC UA allows"),
        (b"ERRF\x10\0\0\0\0\0\x83\x80\xff\xff\xff\xff", "BadTcpEndpointUrlInvalid.*is the part after the port right"),
        (b"ERRF\x10\0\0\0\0\0\x7d\x80\xff\xff\xff\xff", "BadTcpServerTooBusy"),
        (b"", "no answer"),
    ],
)
def test_what_comes_in_place_of_a_greeting_is_told(said: bytes, reason: str) -> None:
    def serve(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(said)
        while client.recv(65536):
            pass

    with hostile(serve) as port:
        begin = time.monotonic()
        with pytest.raises(LinkDown, match=reason):
            connect(port)
        assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [(b"MSGC", "BadRequestTooLarge|more than 8388608 bytes"), (b"MSGA", "more than 8388608 bytes for one message")],
)
def test_a_stream_without_end_is_cut_off(recorded: Sequence[bytes], chunk: bytes, reason: str) -> None:
    """Parts of a message for ever, or messages that are given up each time."""
    sent = 0

    def serve(client: socket.socket) -> None:
        nonlocal sent
        for frame in recorded[:2]:
            client.recv(65536)
            client.sendall(frame)
        client.recv(65536)
        piece = bytearray(recorded[2][:24]) + bytes(65536 - 24)
        piece[:4], piece[4:8] = chunk, (65536).to_bytes(4, "little")
        sequence = int.from_bytes(piece[16:20], "little")
        for turn in range(100_000):
            piece[16:20] = (sequence + turn).to_bytes(4, "little")
            client.sendall(piece)
            sent += len(piece)

    before = resident()
    with hostile(serve) as port, pytest.raises(LinkDown, match=reason):
        connect(port, "2s")
    assert sent < 64 * MIB
    assert resident() - before < 64 * MIB


def test_a_server_that_closes_at_each_step_is_link_down(recorded: Sequence[bytes]) -> None:
    for answered in range(len(recorded) - 3):

        def serve(client: socket.socket, answered: int = answered) -> None:
            for frame in recorded[:answered]:
                client.recv(65536)
                client.sendall(frame)
            client.recv(65536)

        with hostile(serve) as port, pytest.raises(LinkDown, match=r"closed|Connection reset"):
            connect(port)


def test_an_answer_that_drips_is_too_late(recorded: Sequence[bytes]) -> None:
    def serve(client: socket.socket) -> None:
        for frame in recorded:
            client.recv(65536)
            for at in range(len(frame)):
                client.sendall(frame[at : at + 1])
                time.sleep(0.005)  # a slow line, not a wait for something

    with hostile(serve) as port:
        begin = time.monotonic()
        with pytest.raises(LinkDown, match=r"no answer|not done in time"):
            connect(port, "200ms")
        assert time.monotonic() - begin < 5
