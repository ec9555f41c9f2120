"""A server that answers anything at all: what was not answered by a whole 2xx is never taken, and nothing breaks."""

import random
import socket
import threading
from contextlib import suppress

from tests.transports.uplinks.https_driving import out
from transports.building import build
from transports.clock import MachineClock
from transports.errors import UplinkDown, UplinkRefused
from transports.loop_thread import LoopThread
from transports.uplinks import Identity, https
from transports.uplinks._https.client import Client
from transports.uplinks._https.past import Past

ANSWERS = 2_500
MESSAGE = out(1)
_PIECES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 2",
    b"HTTP/1.0 200\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 999 ?\r\n",
    b"HTTP/1.1 503 No\r\n",
    b"HTTP/2 200\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Retry-After: 9999999999999999999999\r\n",
    b"Retry-After: \xff\r\n",
    b"Location: http://\x00/\r\n",
    b"Set-Cookie: a=b\r\n",
    b"Connection: close\r\n",
    b": empty\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"hello",
    b"X" * 70_000,
]


def _answer(dice):
    """Pieces of HTTP in any order, often with a good beginning, sometimes damaged."""
    pieces = dice.choices(_PIECES, k=dice.randint(0, 7))
    status = b"HTTP/1.1 %d X\r\n" % dice.choice((200, 204, 301, 400, 401, 422, 429, 500, 503))
    answer = bytearray(b"".join(pieces))
    if dice.random() < 0.6:
        length = dice.choice((b"Content-Length: 5\r\n\r\nhello", b"Content-Length: 0\r\n\r\n", b"\r\n", b""))
        answer[:0] = status + length
    for _ in range(dice.choice((0, 0, 0, 1, 5))):
        if answer:
            answer[dice.randrange(len(answer))] = dice.randrange(256)
    return bytes(answer)


class Babbler:
    """A server on a socket: each connection gets its next answer, and is hung up."""

    def __init__(self, answers):
        self._answers, self.said = iter(answers), b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError, StopIteration):
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    while MESSAGE.payload not in client.recv(65536):
                        pass
                    self.said = next(self._answers)
                    client.sendall(self.said)
                    client.shutdown(socket.SHUT_WR)
                    client.recv(1)

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def test_no_answer_breaks_it_and_none_but_a_2xx_is_taken():
    dice = random.Random(20)
    server = Babbler(_answer(dice) for _ in range(ANSWERS))
    settings = build(https.Settings, {"url": f"http://127.0.0.1:{server.port}/in", "keepalive": "1us"}, "uplink.cloud")
    thread = LoopThread("fuzz")
    client = Client(settings, Identity("plant", "cloud"), Past(), MachineClock())
    counts = {"taken": 0, "refused": 0, "down": 0}
    try:
        for _ in range(ANSWERS):
            try:
                thread.run(client.post(MESSAGE, "key"), 10.0)
            except UplinkDown:
                counts["down"] += 1
            except UplinkRefused:
                counts["refused"] += 1
                assert b" 4" in server.said
            else:
                counts["taken"] += 1
                assert b" 2" in server.said
    finally:
        server.close()
        thread.run(client.aclose(), 5.0)
        thread.close()
    assert sum(counts.values()) == ANSWERS
    assert all(count > 20 for count in counts.values()), counts
