"""The receiver as devices meet it: over real sockets, TLS and curl; answered 200 only when the reading is durable."""

import asyncio
import os
import random
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.peers.certificates import Authority
from transports.building import build
from transports.errors import LinkDown, LinkRefused, SettingsError
from transports.links import Commanded, Link, Listening, Receipted, http_receiver
from transports.samples import Quality, Scan, batch_of

PATIENCE_S = 20
TAGS = {"t": {"path": "$.t"}, "n": {"path": "$.n", "type": "uint64"}}


@contextmanager
def listening(**table: Any) -> Iterator[http_receiver.ReceiverLink]:
    base = {"host": "127.0.0.1", "port": 0, "path": "/in/{thing}", "tags": TAGS, "durable_within": "10s"}
    link = http_receiver.connect(build(http_receiver.Settings, {**base, **table}, "device.x"))
    try:
        yield link
    finally:
        link.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def post(link: http_receiver.ReceiverLink, body: bytes, thing: str = "a", **headers: str) -> httpx.Response:
    names = {"Content-Type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
    url = f"http://127.0.0.1:{link.port}/in/{thing}"
    return httpx.post(url, content=body, headers=names, timeout=PATIENCE_S, trust_env=False)


def hear(link: http_receiver.ReceiverLink) -> list[Scan]:
    assert select.select([link.fileno()], [], [], PATIENCE_S)[0]
    return list(link.read())


def keep(link: http_receiver.ReceiverLink) -> list[Scan]:
    """Hear what is posted, and make it durable."""
    scans = hear(link)
    link.kept(link._reads)
    return scans


def named(scans: list[Scan]) -> list[dict[str, Any]]:
    return [dict(zip([tag.name for tag in scan.tags], scan.values, strict=True)) for scan in scans]


def test_a_posted_reading_is_answered_200_when_it_is_durable_and_not_before(pool: ThreadPoolExecutor) -> None:
    with listening() as link:
        assert isinstance(link, Link)
        assert isinstance(link, Listening)
        assert isinstance(link, Receipted)
        assert not isinstance(link, Commanded)
        answer: Future[httpx.Response] = pool.submit(post, link, b'{"t": 21.5, "n": 18446744073709551615}')
        assert named(hear(link)) == [{"a.t": 21.5, "a.n": 2**64 - 1}]
        with pytest.raises(TimeoutError):
            answer.result(0.1)
        link.kept(link._reads - 1)
        with pytest.raises(TimeoutError):
            answer.result(0.1)
        link.kept(link._reads)
        assert (answer.result(PATIENCE_S).status_code, answer.result().json()["kept"]) == (200, 1)
        assert [tag.name for tag in link.tags] == ["a.t", "a.n"]


@pytest.mark.parametrize(
    ("body", "kind", "values"),
    [
        (b'[{"t": 1}, {"t": 2}, {"x": 0}]', "application/json; charset=utf-8", [1.0, 2.0]),
        (b'{"t": 1}\r\n\n{"t": 2}\n', "application/x-ndjson", [1.0, 2.0]),
        (b'{"t": null}', "application/json", [None]),
    ],
)
def test_several_readings_come_in_one_body(pool: ThreadPoolExecutor, body: bytes, kind: str, values: list[Any]) -> None:
    with listening() as link:
        answer = pool.submit(post, link, body, Content_Type=kind)
        assert [scan.values[0] for scan in keep(link)] == values
        assert answer.result(PATIENCE_S).json()["kept"] == len(values)


def test_what_is_not_durable_in_time_is_503_and_may_be_sent_again(pool: ThreadPoolExecutor) -> None:
    with listening(durable_within="100ms") as link:
        first = post(link, b'{"t": 1}', Idempotency_Key="k1")
        assert (first.status_code, first.headers["Retry-After"]) == (503, "5")
        again = pool.submit(post, link, b'{"t": 1}', Idempotency_Key="k1")
        assert len(keep(link)) == 1
        assert again.result(PATIENCE_S).status_code in (200, 503)
        assert post(link, b'{"t": 1}', Idempotency_Key="k1").json() == {"kept": 0, "known": True}
        assert link.read() == []
        assert post(link, b'{"t": 2}', Idempotency_Key="k1").status_code == 422


def test_only_so_many_keys_are_remembered(pool: ThreadPoolExecutor) -> None:
    with listening(keys=3) as link:
        for n in range(6):
            answer = pool.submit(post, link, b'{"t": 1}', Idempotency_Key=f"k{n}")
            keep(link)
            assert answer.result(PATIENCE_S).status_code == 200
        assert len(link._posts._keys) == 3
        assert post(link, b'{"t": 1}', Idempotency_Key="k5").json()["known"] is True


def test_what_nobody_reads_is_refused_and_bounded() -> None:
    with listening(waiting=3, durable_within="50ms") as link:
        answers = [post(link, b'{"t": 1}') for _ in range(6)]
        assert [answer.status_code for answer in answers] == [503] * 6
        assert "too many" in answers[-1].text
        assert len(hear(link)) == 3


def test_a_link_that_closes_leaves_the_reading_with_the_device(pool: ThreadPoolExecutor) -> None:
    with listening() as link:
        answer = pool.submit(post, link, b'{"t": 1}')
        hear(link)
    with pytest.raises(httpx.TransportError):
        answer.result(PATIENCE_S)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"5", "no object"),
        (b'[{"t": 1}, 5]', "reading 2 of 2"),
        (b'{"x": 1}', "nothing is at any of the paths"),
        (b"[]", "nothing is at any of the paths"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_body_that_means_nothing_is_400_with_the_reason(body: bytes, why: str) -> None:
    with listening() as link:
        answer = post(link, body)
        assert answer.status_code == 400
        assert why in answer.json()["error"]
        assert link.rejected == 1
        assert not select.select([link.fileno()], [], [], 0)[0]


def test_what_is_not_for_us_is_refused_by_its_head(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with listening(token={"file": str(tmp_path / "token")}) as link:
        for told in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic s3cret"},
            {"Authorization": "Bearer"},
        ):
            answer = post(link, b'{"t": 1}', **told)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        we = {"Authorization": "Bearer s3cret"}
        url = f"http://127.0.0.1:{link.port}"
        with httpx.Client(headers=we, trust_env=False, timeout=PATIENCE_S) as client:
            assert client.post(f"{url}/other").status_code == 404
            assert client.post(f"{url}/in/{'x' * 65}", json={"t": 1}).status_code == 404
            assert client.get(f"{url}/in/a").headers["Allow"] == "POST"
            assert client.head(f"{url}/in/a").status_code == 405
            assert client.post(f"{url}/in/a", data={"t": 1}).status_code == 415
            assert client.post(f"{url}/in/a", json={"t": 1}, headers={"Content-Encoding": "gzip"}).status_code == 415
        (tmp_path / "token").unlink()
        assert post(link, b'{"t": 1}', **we).status_code == 401


def test_a_body_that_is_too_large_is_413_and_too_many_readings_too() -> None:
    with listening(max_body="1KiB", max_readings=3) as link:
        assert post(link, b'{"t": 1}' + b" " * 2000).status_code == 413
        assert post(link, b'[{"t":1},{"t":1},{"t":1},{"t":1}]').status_code == 413
        chunked = (
            b"POST /in/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"400\r\n"
            + b" " * 1024
            + b"\r\n1\r\n \r\n"
        )
        assert raw(link, chunked).startswith(b"HTTP/1.1 413")


def test_more_things_than_allowed_are_403(pool: ThreadPoolExecutor) -> None:
    with listening(max_things=2, things=["a"]) as link:
        assert [tag.name for tag in link.tags] == ["a.t", "a.n"]
        answer = pool.submit(post, link, b'{"t": 1}', "b")
        keep(link)
        assert answer.result(PATIENCE_S).status_code == 200
        assert post(link, b'{"t": 1}', "c").status_code == 403
        assert len(link.tags) == 4


def raw(link: http_receiver.ReceiverLink, said: bytes, end: bool = False) -> bytes:
    """What is answered to some bytes, until the connection ends or nothing more comes."""
    with socket.create_connection(("127.0.0.1", link.port), PATIENCE_S) as client:
        client.sendall(said)
        if end:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):
            while part := client.recv(65536):
                answer += part
        return answer


@pytest.mark.parametrize(
    "said", [b"POST /in/a HTTP/1.1\r\nHo", b"POST /in/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_request_that_arrives_too_slowly_is_408(said: bytes) -> None:
    with listening(read_within="150ms") as link:
        answer = raw(link, said)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"Connection: close" in answer


def test_drop_by_drop_is_too_slow_as_well() -> None:
    with listening(read_within="200ms") as link, socket.create_connection(("127.0.0.1", link.port)) as client:
        client.settimeout(0.03)
        answer = b""
        for byte in b"POST /in/a HTTP/1.1\r\nHost: " + b"x" * 1000:
            with suppress(OSError):
                client.sendall(bytes([byte]))
            with suppress(TimeoutError):
                answer = client.recv(100)
                break
        assert answer.startswith(b"HTTP/1.1 408")


def test_a_kept_connection_that_says_nothing_ends_quietly() -> None:
    with listening(idle="100ms") as link:
        assert raw(link, b"") == b""


def test_too_many_connections_are_503_and_the_others_work(pool: ThreadPoolExecutor) -> None:
    with listening(max_connections=2) as link:
        held = [socket.create_connection(("127.0.0.1", link.port)) for _ in range(2)]
        deadline = time.monotonic() + PATIENCE_S
        while link._server._open < 2 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert raw(link, b"").startswith(b"HTTP/1.1 503")
        held[0].close()
        while link._server._open > 1 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        answer = pool.submit(post, link, b'{"t": 1}')
        keep(link)
        assert answer.result(PATIENCE_S).status_code == 200
        held[1].close()


def test_one_connection_carries_many_requests_also_sent_ahead(pool: ThreadPoolExecutor) -> None:
    one = b'POST /in/a HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n{"t": 1}'
    last = one.replace(b"Host: x", b"Host: x\r\nConnection: close")
    with listening() as link:
        answers = pool.submit(raw, link, one + one.replace(b"/in/a", b"/no/a") + last)
        assert len(keep(link)) == 1
        assert len(keep(link)) == 1
        assert answers.result(PATIENCE_S).count(b"HTTP/1.1 200") == 2
        assert answers.result().count(b"HTTP/1.1 404") == 1


def test_a_client_that_waits_for_100_is_told_to_go_on_or_refused_at_once() -> None:
    head = b"POST /in/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with listening(max_body="1KiB") as link:
        with socket.create_connection(("127.0.0.1", link.port), PATIENCE_S) as client:
            client.sendall(head % 8)
            assert client.recv(100).startswith(b"HTTP/1.1 100 ")
            client.sendall(b'{"t": 1}')
            keep(link)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        assert raw(link, head % 10**9).startswith(b"HTTP/1.1 413 ")
        assert raw(link, (head % 8).replace(b"/in/", b"/no/")).startswith(b"HTTP/1.1 404 ")


def test_the_source_time_of_a_reading_is_its_own(pool: ThreadPoolExecutor) -> None:
    with listening(time={"path": "$.ts", "unit": "ms"}) as link:
        answer = pool.submit(post, link, b'[{"t": 1, "ts": 1700000000123}, {"t": 1, "ts": 0}]')
        first, second = keep(link)
        assert (first.time_ns, first.quality) == (1_700_000_000_123_000_000, 0)
        assert second.quality == Quality.UNCERTAIN_SUB_NORMAL
        assert answer.result(PATIENCE_S).status_code == 200


def test_readings_come_over_tls(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    ours = Authority(tmp_path)
    pair = ours.signs("gateway")
    with listening(tls={"certificate": str(pair.certificate), "key": str(pair.key)}) as link:
        context = ssl.create_default_context(cafile=str(ours.ca))
        url = f"https://127.0.0.1:{link.port}/in/a"
        answer = pool.submit(httpx.post, url, json={"t": 1}, verify=context, trust_env=False)
        assert len(keep(link)) == 1
        assert answer.result(PATIENCE_S).status_code == 200
        assert raw(link, b"POST /in/a HTTP/1.1\r\n\r\n").find(b"HTTP/1.1") < 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-H", "Content-Type: application/json", "-d", '{"t": 1}'], "200"),
        (["-H", "Content-Type: application/json", "-H", "Transfer-Encoding: chunked", "-d", '{"t": 1}'], "200"),
        (["-H", "Content-Type: application/json", "-H", "Expect: 100-continue", "-d", '{"t": 1}'], "200"),
        (["-0", "-H", "Content-Type: application/json", "-d", '{"t": 1}'], "200"),
        (["-d", "t=1"], "415"),
        (["-X", "PUT", "-H", "Content-Type: application/json", "-d", "{}"], "405"),
        (["-H", "Content-Type: application/json", "-d", "{"], "400"),
    ],
)
def test_curl_is_understood(pool: ThreadPoolExecutor, options: list[str], code: str) -> None:
    with listening() as link:
        url = f"http://127.0.0.1:{link.port}/in/a"
        command = ["curl", "-s", "--noproxy", "*", "-m", "20", "-o", os.devnull, "-w", "%{http_code}", *options, url]
        answer = pool.submit(subprocess.run, command, capture_output=True, text=True)
        if code == "200":
            assert len(keep(link)) == 1
        assert answer.result(PATIENCE_S).stdout == code


BODY = b'[{"t": 1.5}, {"t": 2, "n": 77}]'
WHOLE = b"POST /in/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


def damaged(dice: random.Random) -> bytes:
    request = bytearray(WHOLE)
    for _ in range(dice.choice((0, 1, 2, 4))):
        request[dice.randrange(len(request))] = dice.randrange(256)
    return bytes(request[: dice.randint(1, len(request) * 8)])


class Answers:
    """What a server writes to a connection that is only in memory: the least of a StreamWriter."""

    def __init__(self) -> None:
        self.said, self.transport = bytearray(), self
        self.write = self.said.extend

    async def drain(self) -> None:
        """There is always room."""

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


def test_ten_thousand_damaged_requests_are_answered_or_hung_up_on() -> None:
    dice, codes, scans = random.Random(5), Counter[bytes](), 0

    async def converse(request: bytes) -> bytes:
        reader, answers = asyncio.StreamReader(), Answers()
        reader.feed_data(request)
        reader.feed_eof()
        await link._server._serve(reader, answers)  # type: ignore[arg-type]
        return bytes(answers.said[9:12])

    async def all_of_them() -> None:
        nonlocal scans
        for _ in range(10_000):
            conversation = asyncio.ensure_future(converse(damaged(dice)))
            while not conversation.done():
                await asyncio.sleep(0)
                if posted := link.read():
                    scans += sum(batch_of("x", 0, [scan]).samples > 0 for scan in posted)
                    link.kept(link._reads)
            codes[conversation.result()] += 1

    with listening(things=["a"], max_things=20) as link:
        link._thread.run(all_of_them(), 60)
        assert link._server._open == 0
    assert set(codes) <= {b"", b"200", b"400", b"403", b"404", b"405", b"408", b"413", b"415", b"431", b"501", b"505"}
    assert min(codes[b"200"], codes[b"400"], codes[b"404"]) > 50
    assert scans >= codes[b"200"]


def test_damaged_requests_over_sockets_leave_the_server_serving(pool: ThreadPoolExecutor) -> None:
    dice, over = random.Random(7), threading.Event()

    def device_process() -> None:
        while not over.is_set():
            if select.select([link.fileno()], [], [], 0.05)[0]:
                link.read()
                link.kept(link._reads)

    with listening(read_within="2s", things=["a"], max_things=20) as link:
        worker = threading.Thread(target=device_process)
        worker.start()
        list(pool.map(lambda request: raw(link, request, end=True), [damaged(dice) * 3 for _ in range(300)]))
        answer = post(link, b'{"t": 1}')
        over.set()
        worker.join()
        assert answer.status_code == 200
        assert link._server._open <= 1


def test_the_simulator_posts_until_it_is_taken() -> None:
    with listening(tags={"t": {"path": "$.temperature"}}, durable_within="100ms") as link:
        code = (
            "from functools import partial; from tests.peers.lifeline import die_with_parent\n"
            "from transports.building import build; from transports.simulators import http\n"
            f"die_with_parent({os.getpid()})\n"
            f"table = {{'post_to': 'http://127.0.0.1:{link.port}/in/sim', 'every': '50ms'}}\n"
            "http.serve(build(http.Settings, table, 'x'), partial(print, flush=True))"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as simulator:
            try:
                assert len(hear(link)) == 1  # answered 503 at first
                link.kept(link._reads)
                assert len(keep(link)) == 1  # the next reading, not the same again
            finally:
                os.kill(simulator.pid, signal.SIGKILL)


def test_a_port_that_cannot_be_had_is_down_with_its_cure() -> None:
    with listening() as link:
        with pytest.raises(LinkDown, match="another program listens there"), listening(port=link.port):
            pass
        with pytest.raises(LinkDown, match="no such address"), listening(host="192.0.2.1", anybody=True):
            pass
        with pytest.raises(LinkRefused, match="nothing"):
            link.write("nothing", 1.0)
        link.close()
        link.close()
        link.kept(3)


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({"host": "0.0.0.0"}, "token", "anybody = true"),
        ({"token": {"env": "X"}, "anybody": True}, "anybody", "contradicts"),
        ({"token": "clear-text"}, "token", "never the secret itself"),
        ({"port": 70000}, "port", "65535"),
        ({"path": "in"}, "path", 'begin with "/"'),
        ({"path": "/in/{a"}, "path", "whole levels"),
        ({"path": "/in", "things": ["a"]}, "things", "one level"),
        ({"tags": {}}, "tags", "at least one"),
        ({"tags": {"t": {"path": "t"}}}, "tags.t.path", "JSONPath"),
        ({"tls": {"certificate": "/none", "key": "/none"}}, "tls.certificate", "readable PEM"),
        ({"time": {"path": "$.t", "unit": "h"}}, "time.unit", "one of"),
    ],
)
def test_each_mistake_is_one_problem_with_its_place_and_cure(table: dict[str, Any], path: str, cure: str) -> None:
    base = {"host": "127.0.0.1", "port": 8480, "tags": TAGS}
    with pytest.raises(SettingsError, match=cure) as wrong:
        build(http_receiver.Settings, {**base, **table}, "device.x")
    assert [problem.path for problem in wrong.value.problems] == [f"device.x.{path}"]
    assert "clear-text" not in str(wrong.value)
