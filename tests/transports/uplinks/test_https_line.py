"""One connection of the HTTPS uplink, to servers on sockets that answer too much, too early, or hang up at rest."""

import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from tests.transports.uplinks.https_driving import out
from transports.building import build
from transports.clock import MachineClock
from transports.errors import UplinkDown, UplinkRefused
from transports.loop_thread import LoopThread
from transports.uplinks import Identity, https
from transports.uplinks._https.client import Client
from transports.uplinks._https.past import Past

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Says `answer` on each connection when it has read `until`; then it hangs up, or says nothing more."""

    def __init__(self, answer, until, hangs_up=False):
        self._answer, self._until, self._hangs_up = answer, until, hangs_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.connections = self._listener.getsockname()[1], 0
        self._ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with client, suppress(OSError):
            heard = b""
            while self._until not in heard:
                heard += client.recv(65536)
            client.sendall(self._answer)
            if not self._hangs_up:
                self._ended.wait(30.0)

    def close(self):
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def posting(server, **table):
    """A function that posts a payload to the server."""
    settings = build(https.Settings, {"url": f"http://127.0.0.1:{server.port}/in", **table}, "uplink.cloud")
    thread = LoopThread("posting")
    client = Client(settings, Identity("plant", "cloud"), Past(), MachineClock())
    try:
        yield lambda payload: thread.run(client.post(out(1, payload), "key"), 10.0)
    finally:
        thread.run(client.aclose(), 5.0)
        thread.close()
        server.close()


def test_an_answer_that_nobody_asked_for_is_not_taken_for_that_of_the_next_message():
    server = Server(OK + OK, b"[1]")
    with posting(server) as post:
        for number in range(1, 4):
            post(b"[1]")
            assert server.connections == number


def test_an_answer_that_comes_before_the_whole_body_was_sent_is_heard():
    with (
        posting(Server(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n", b"\r\n\r\n")) as post,
        pytest.raises(UplinkRefused, match="batch_bytes is too large"),
    ):
        post(b"[" * 50_000_000)


def test_a_connection_that_was_closed_at_rest_is_not_used_again():
    server = Server(OK, b"[1]", hangs_up=True)
    with posting(server) as post:
        for _ in range(20):
            with suppress(UplinkDown):  # the news that it is closed may be on its way yet
                post(b"[1]")
        assert server.connections >= 10


def test_half_an_answer_is_none():
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", b"[1]", hangs_up=True)
    with posting(server) as post, pytest.raises(UplinkDown, match=r"not HTTP/1\.1"):
        post(b"[1]")


def test_interim_answers_are_passed_over_but_not_without_end():
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    with posting(Server(interim * 5 + OK, b"[1]")) as post:
        post(b"[1]")
    with posting(Server(interim * 1000 + OK, b"[1]")) as post, pytest.raises(UplinkDown, match="interim"):
        post(b"[1]")


def test_an_answer_is_not_unpacked():
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
    with posting(Server(packed, b"[1]")) as post:
        post(b"[1]")


def test_of_a_long_answer_the_beginning_is_enough_and_its_end_is_not_waited_for():
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + b"." * 5000, b"[1]")
    with posting(server, max_answer="1KiB") as post:
        post(b"[1]")
        post(b"[1]")
        assert server.connections == 2


def test_a_connection_that_was_idle_for_too_long_is_not_used_again():
    server = Server(OK, b"[1]")
    with posting(server, keepalive="1us") as post:
        post(b"[1]")
        post(b"[1]")
        assert server.connections == 2
