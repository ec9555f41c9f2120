"""The HTTP driver against servers on sockets of the test's own, and against the shipped simulator in its process."""

import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.peers.certificates import Authority
from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.links import Commanded, Link, Listening, http
from transports.samples import Quality, batch_of

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
STATUS = {"path": "/s", "tags": {"t": {"path": "$.t"}}}


def reply(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Server:
    """Answers each request with what `answer` makes of its bytes; None hangs up, a function plays the rest itself."""

    def __init__(self, answer: Callable[[bytes], Any], secured: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port, self._answer, self._secured = self._listener.getsockname()[1], answer, secured
        self.heard: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            talking = self._secured.wrap_socket(client, server_side=True) if self._secured else client
            while request := self._request(talking):
                self.heard.append(request)
                said = self._answer(request)
                if said is None:
                    return
                said(talking) if callable(said) else talking.sendall(said)

    def _request(self, client: socket.socket) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            part = client.recv(65536)
            if not part:
                return b""
            request += part
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += client.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not end a waiting accept
        self._listener.close()


@contextmanager
def serving(answer: Callable[[bytes], Any], secured: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answer, secured)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def asking(port: int, **table: Any) -> Iterator[http.HttpLink]:
    base = {"url": f"http://127.0.0.1:{port}", "requests": {"status": STATUS}, "timeout": "2s"}
    link = http.connect(build(http.Settings, {**base, **table}, "device.x"))
    try:
        yield link
    finally:
        link.close()


def read(link: http.HttpLink) -> dict[str, Any]:
    scans = link.read()
    assert batch_of("x", 0, [scans[0]])
    return {tag.name: value for scan in scans for tag, value in zip(scan.tags, scan.values, strict=True)}


def test_an_answer_in_json_is_a_reading_exact_to_the_bit() -> None:
    tags = {"i": "int64", "u": "uint64", "f": "float64", "b": "bool", "s": "string", "w": "float64_array"}
    body = (
        b'{"i":-9223372036854775808,"u":18446744073709551615,"f":5e-324,"b":true,"s":"Gr\xc3\xb6\xc3\x9fe","w":[0.1,2]}'
    )
    requests = {"a": {"tags": {name: {"path": f"$.{name}", "type": kind} for name, kind in tags.items()}}}
    with serving(lambda _: reply(body)) as server, asking(server.port, requests=requests) as link:
        assert isinstance(link, Link)
        assert not isinstance(link, Listening)
        assert isinstance(link, Commanded)
        for _ in range(3):
            assert read(link) == {"i": -(2**63), "u": 2**64 - 1, "f": 5e-324, "b": True, "s": "Größe", "w": (0.1, 2.0)}
        assert [tag.name for tag in link.tags] == list(tags)


def test_text_is_read_by_a_pattern() -> None:
    request = {
        "pattern": r"(?s).*flow: (?P<flow>\S+).*total: (?P<total>\d+).*",
        "fields": {"flow": {"unit": "L/min"}, "total": {"type": "uint64"}},
    }
    page = b"<pre>\nflow: 2.5 l\ntotal: 18446744073709551615\n</pre>\n"
    with serving(lambda _: reply(page)) as server, asking(server.port, requests={"page": request}) as link:
        assert read(link) == {"flow": 2.5, "total": 2**64 - 1}
        assert link.tags[0].unit == "L/min"


def test_several_requests_are_one_reading_and_only_what_failed_is_bad() -> None:
    requests = {
        "a": {"path": "/a?x=1", "tags": {"a": {"path": "$.v"}}},
        "b": {"path": "/b", "tags": {"b": {"path": "$.v"}}, "method": "POST", "body": '{"x": 1}'},
        "c": {"path": "/c", "tags": {"c": {"path": "$.v"}}, "headers": {"X-A": "1"}},
    }
    answers = {b"GET /a?x=1": reply(b'{"v":1}'), b"POST /b": reply(b"", "500 Oh"), b"GET /c": reply(b"", "404 No")}

    def answer(request: bytes) -> bytes:
        return answers[b" ".join(request.split()[:2])]

    with serving(answer) as server, asking(server.port, requests=requests) as link:
        a, b, c = link.read()
        assert (a.values, a.quality) == ([1.0], 0)
        assert (b.values, b.quality) == ([None], Quality.BAD_TIMEOUT)
        assert (c.values, c.quality) == ([None], Quality.BAD_NOT_READABLE)
        assert b'{"x": 1}' in server.heard[1]
        assert b"X-A: 1" in server.heard[2]


@pytest.mark.parametrize(
    ("status", "error", "cure"),
    [
        ("401 No", LinkRefused, "look at auth"),
        ("403 No", LinkRefused, "give it the right"),
        ("404 No", LinkRefused, "url and path"),
        ("405 No", LinkRefused, "look at method"),
        ("418 Teapot", LinkRefused, "refuses"),
        ("302 There", LinkRefused, "follow_redirects"),
        ("408 Slow", LinkTimeout, "408"),
        ("429 Much", LinkTimeout, "429"),
        ("500 Oh", LinkTimeout, "500"),
        ("503 Later", LinkTimeout, "503"),
    ],
)
def test_a_status_says_whether_asking_again_helps(status: str, error: type[Exception], cure: str) -> None:
    with serving(lambda _: reply(b"x", status, "Location: /else")) as server, asking(server.port) as link:
        for _ in range(2):
            with pytest.raises(error, match=cure):
                link.read()


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b'{"other": 1}', b"\xff\xfe", b"[" * 2000])
def test_an_answer_of_another_form_is_late_counted_and_shown(body: bytes) -> None:
    with serving(lambda _: reply(body)) as server, asking(server.port) as link:
        with pytest.raises(LinkTimeout):
            link.read()
        assert link.rejected == 1
        assert len(link.last_rejected) <= 80


def test_a_connection_is_kept_and_a_lost_one_is_down_then_made_anew() -> None:
    said: list[bytes | None] = [reply(b'{"t":1}'), reply(b'{"t":2}'), None, reply(b'{"t":3}')]
    with serving(lambda _: said.pop(0)) as server, asking(server.port) as link:
        assert [read(link), read(link)] == [{"t": 1.0}, {"t": 2.0}]
        with pytest.raises(LinkDown):
            link.read()
        assert read(link) == {"t": 3.0}


def test_a_server_that_is_gone_is_down_and_found_again() -> None:
    once = reply(b'{"t":1}', "200 OK", "Connection: close")
    with serving(lambda _: once) as server, asking(server.port) as link:
        assert read(link) == {"t": 1.0}
        server.close()
        with pytest.raises(LinkDown, match="nobody listens"):
            link.read()
        with pytest.raises(LinkDown, match="nobody listens"), asking(server.port):
            pass
        again = Server(lambda _: reply(b'{"t":2}'), port=server.port)
        assert read(link) == {"t": 2.0}
        again.close()


def drip(client: socket.socket) -> None:
    for byte in reply(b'{"t":1}' + b" " * 1000):
        client.sendall(bytes([byte]))
        threading.Event().wait(0.02)


def headers_for_ever(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        client.sendall(b"A: b\r\n")
        threading.Event().wait(0.02)


def no_answer(client: socket.socket) -> None:
    threading.Event().wait(1.0)


@pytest.mark.parametrize("play", [drip, headers_for_ever, no_answer])
def test_a_slow_or_hanging_server_costs_the_timeout_and_no_more(play: Callable[[socket.socket], None]) -> None:
    with serving(lambda _: play) as server, asking(server.port, timeout="150ms") as link:
        began = time.monotonic()
        with pytest.raises(LinkTimeout, match=r"0\.15 s"):
            link.read()
        assert time.monotonic() - began < 5  # far below what dripping would take


def test_several_slow_requests_share_one_timeout() -> None:
    requests = {name: {"path": f"/{name}", "tags": {name: {"path": "$.t"}}} for name in "abc"}
    with serving(lambda _: no_answer) as server, asking(server.port, timeout="150ms", requests=requests) as link:
        with pytest.raises(LinkTimeout):
            link.read()
        assert len(server.heard) == 1


def endless(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        client.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        (endless, "max_answer"),
        (reply(b"x" * 5000), "max_answer"),
        (reply(b"x" * 5000, "401 No"), "max_answer"),
        (reply(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"), "compresses"),
    ],
)
def test_an_answer_that_is_too_large_or_packed_is_refused(said: Any, cure: str) -> None:
    with serving(lambda _: said) as server, asking(server.port, max_answer="4KiB") as link:
        for _ in range(2):
            with pytest.raises(LinkRefused, match=cure):
                link.read()


def test_cookies_are_not_collected() -> None:
    said = reply(b'{"t":1}', "200 OK", *(f"Set-Cookie: c{n}=x" for n in range(50)))
    with serving(lambda _: said) as server, asking(server.port) as link:
        for _ in range(3):
            read(link)
        assert b"ookie" not in server.heard[-1]


def test_what_has_not_changed_is_read_again() -> None:
    def answer(request: bytes) -> bytes:
        known = b'If-None-Match: "v1"' in request
        return reply(b"", "304 Not Modified") if known else reply(b'{"t":7}', "200 OK", 'ETag: "v1"')

    requests = {"status": {**STATUS, "changed_only": True}}
    with serving(answer) as server, asking(server.port, requests=requests) as link:
        assert [read(link) for _ in range(3)] == [{"t": 7.0}] * 3
        assert b"If-None-Match" in server.heard[2]


def test_who_we_are_is_told_in_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "pass")
    secret = {"env": "SECRET"}
    for auth, told in (
        ({"type": "basic", "user": "u", "password": secret}, b"Authorization: Basic dTpwYXNz"),
        ({"type": "bearer", "token": secret}, b"Authorization: Bearer pass"),
        ({"type": "header", "header": "X-API-Key", "token": secret}, b"X-API-Key: pass"),
    ):
        with serving(lambda _: reply(b'{"t":1}')) as server, asking(server.port, auth=auth) as link:
            read(link)
            assert told in server.heard[0]


def test_digest_answers_the_challenge_and_a_broken_challenge_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "pass")
    auth = {"type": "digest", "user": "u", "password": {"env": "SECRET"}}

    def answer(request: bytes) -> bytes:
        if b"Authorization: Digest" in request and b'username="u"' in request:
            return reply(b'{"t":1}')
        return reply(b"", "401 No", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"')

    with serving(answer) as server, asking(server.port, auth=auth) as link:
        assert read(link) == {"t": 1.0}
    for challenge in ('Digest realm="r"', 'Digest realm="r", nonce="n", algorithm="ROT13"', "Digest", 'Digest "'):
        broken = reply(b"", "401 No", f"WWW-Authenticate: {challenge}")
        with serving(lambda _, said=broken: said) as server, asking(server.port, auth=auth) as link:
            for _ in range(2):
                with pytest.raises((LinkTimeout, LinkDown, LinkRefused)):
                    link.read()


def test_a_changed_password_is_read_again_after_a_refusal(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")

    def answer(request: bytes) -> bytes:
        return reply(b'{"t":1}') if b"Bearer new" in request else reply(b"", "401 No")

    auth = {"type": "bearer", "token": {"file": str(file)}}
    with serving(answer) as server, asking(server.port, auth=auth) as link:
        with pytest.raises(LinkRefused):
            link.read()
        file.write_text("new\n")
        assert read(link) == {"t": 1.0}
        file.unlink()
        assert read(link) == {"t": 1.0}


def test_tls_is_verified(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    pair = ours.signs("meter.local", addresses=())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with serving(lambda _: reply(b'{"t":1}'), context) as server:
        url = f"https://127.0.0.1:{server.port}"
        with asking(server.port, url=url, tls={"ca": str(ours.ca), "server_name": "meter.local"}) as link:
            assert read(link) == {"t": 1.0}
        with asking(server.port, url=url, tls={"verify": False}) as link:
            assert read(link) == {"t": 1.0}
        for tls in ({"ca": str(theirs.ca), "server_name": "meter.local"}, {"ca": str(ours.ca)}):
            with asking(server.port, url=url, tls=tls) as link, pytest.raises(LinkDown, match="not accepted"):
                link.read()


WRITES = {
    "t": {"path": "/set?t={value}", "max": 60},
    "name": {"path": "/name", "method": "PUT", "body": '{"n": {json}}', "type": "string"},
    "q": {"path": "/q?x={value}", "type": "string"},
}


def test_a_command_is_a_request_with_the_value_in_its_place() -> None:
    with serving(lambda _: reply(b'{"t":1}')) as server, asking(server.port, writes=WRITES) as link:
        assert link.writable["t"].maximum == 60
        link.write("t", 21.5)
        link.write("name", 'a "b" ä')
        link.write("q", "a&b=c /?#\n")
        assert server.heard[0].startswith(b"GET /set?t=21.5 HTTP/1.1")
        assert orjson.loads(server.heard[1].partition(b"\r\n\r\n")[2]) == {"n": 'a "b" ä'}
        assert server.heard[2].startswith(b"GET /q?x=a%26b%3Dc%20%2F%3F%23%0A HTTP/1.1")
        for tag, value in (("nothing", 1.0), ("t", "x"), ("t", float("nan")), ("name", 5)):
            with pytest.raises(LinkRefused, match=tag):
                link.write(tag, value)
        assert len(server.heard) == 3


def test_ten_thousand_damaged_answers_are_an_error_of_ours_or_a_reading() -> None:
    dice, outcomes = random.Random(5), {"read": 0, "refused": 0}
    whole = reply(b'{"t":21.5}', "200 OK", "Content-Type: application/json", 'ETag: "x"')

    def answer(_: bytes) -> Any:
        damaged = bytearray(whole)
        for _ in range(dice.choice((1, 2, 5))):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        said = bytes(damaged[: dice.randint(1, len(damaged) * 4)])
        return lambda client: (client.sendall(said), client.shutdown(socket.SHUT_WR))

    # Damaged HTTP needs a connection for each; damaged bodies are tried where they are understood.
    with serving(answer) as server, asking(server.port, timeout="1s") as link:
        for _ in range(400):
            try:
                link.read()
                outcomes["read"] += 1
            except (LinkDown, LinkTimeout, LinkRefused):
                outcomes["refused"] += 1
        asked = link._requests[0]
        for _ in range(10_000):
            body = bytearray(b'{"t":21.5,"x":[{},{"y":null}]}')
            body[dice.randrange(len(body))] = dice.randrange(256)
            with suppress(http.NotUnderstood):
                batch_of("x", 0, [asked.scan(bytes(body[: dice.randint(0, len(body) * 2)]), 1)])
    assert min(outcomes.values()) > 20


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({"url": "192.168.1.7"}, "url", "must be a URL"),
        ({"url": "ftp://x"}, "url", "must be a URL"),
        ({"url": "http://u:p@x"}, "url", "belong to auth"),
        ({"url": "http://[::1"}, "url", "must be a URL"),
        ({"tls": {}}, "tls", "https"),
        ({"requests": {}}, "requests", "1 to 32"),
        ({"requests": {"a": {"path": "s", "tags": {"t": {"path": "$"}}}}}, "requests.a.path", "begin with"),
        ({"requests": {"a": {}}}, "requests.a.tags", "either tags"),
        ({"requests": {"a": {"pattern": "("}}}, "requests.a.pattern", "regular expression"),
        ({"requests": {"a": {"pattern": "x"}}}, "requests.a.pattern", "named group"),
        ({"requests": {"a": {"pattern": "(?P<t>x)", "fields": {"u": {}}}}}, "requests.a.fields.u", "no group"),
        ({"requests": {"a": {**STATUS, "body": "x"}}}, "requests.a.body", "POST"),
        ({"requests": {"a": STATUS, "b": STATUS}}, "requests.b", "as requests.a has"),
        ({"auth": {"type": "basic", "user": "u"}}, "auth.password", "is missing"),
        ({"auth": {"type": "bearer", "token": {"env": "A"}, "user": "u"}}, "auth.user", "does not belong"),
        ({"auth": {"type": "basic", "user": "u", "password": "clear"}}, "auth.password", "never the secret itself"),
        ({"writes": {"x": {"path": "/x?{value}"}}}, "writes.x.type", "is missing"),
        ({"writes": {"t": {"path": "/x"}}}, "writes.t.path", "{value}"),
        ({"writes": {"t": {"path": "/{value}", "min": 2, "max": 1}}}, "writes.t.min", "at most max"),
    ],
)
def test_each_mistake_is_one_problem_with_its_place_and_cure(table: dict[str, Any], path: str, cure: str) -> None:
    with pytest.raises(SettingsError, match=cure) as wrong:
        build(http.Settings, {"url": "http://127.0.0.1", "requests": {"s": STATUS}, **table}, "device.x")
    assert [problem.path for problem in wrong.value.problems] == [f"device.x.{path}"]
    assert "clear" not in str(wrong.value)


def test_the_example_reads_and_commands_the_simulator() -> None:
    code = (
        "from functools import partial; from tests.peers.lifeline import die_with_parent\n"
        "from transports.building import build; from transports.simulators import http\n"
        f"die_with_parent({os.getpid()})\n"
        "http.serve(build(http.Settings, {'port': 0}, 'x'), partial(print, flush=True))"
    )
    table = tomllib.loads((EXAMPLES / "http.toml").read_text())["device"]["heatpump"]
    del table["driver"], table["period"]
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            port = int(simulator.stdout.readline().rpartition(":")[2])
            with asking(port, **{**table, "url": f"http://127.0.0.1:{port}", "timeout": "5s"}) as link:
                assert read(link)["setpoint"] == 21.5
                link.write("setpoint", 30.25)
                link.write("on", False)
                said = read(link)
                assert (said["setpoint"], said["on"]) == (30.25, False)
                assert said["energy"] > 2**40
                assert link.read()[0].quality == 0
        finally:
            os.kill(simulator.pid, signal.SIGKILL)


def test_closing_twice_is_fine() -> None:
    with serving(lambda _: reply(b'{"t":1}')) as server, asking(server.port) as link:
        read(link)
        link.close()
        link.close()
