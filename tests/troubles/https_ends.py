"""HTTPS servers that are wrong, each in its way (tests/peers/https_server.py)."""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.peers.certificates import Authority, Pair
from tests.peers.mosquitto import free_port
from tests.peers.processes import Peer, start_peer
from tests.troubles.papers import SERVER, Papers, wrong_papers
from tests.troubles.trouble import Trouble, Where
from tests.troubles.turnstile import Turnstile

_LARGE = '"tag":"n99"'


class HttpsEnd:
    """A server that can be started again or told to behave otherwise, and what it took: what came while it `takes`.

    It writes a request down before it answers. One that came just before it began to refuse may be counted wrongly."""

    def __init__(self, directory: Path, server: Pair, client_ca: Path | None = None, *options: str) -> None:
        self.takes, self.never = not options, "nothing has this in it"
        self._log, self._stack = directory / "requests.ndjson", ExitStack()
        self._port = free_port()
        words = ["--port", self._port, "--log", self._log, "--certificate", server.certificate, "--key", server.key]
        words += ["--client-ca", client_ca] if client_ca else []
        self._words, self._read, self._bodies = [*map(str, words), *options], 0, list[bytes]()
        self._peer: Peer = self._stack.enter_context(start_peer("https_server.py", *self._words))
        self.turnstile = Turnstile(self._port)
        self.url = f"https://127.0.0.1:{self.turnstile.port}"

    def restart(self) -> None:
        self._stack.close()
        self._peer = self._stack.enter_context(start_peer("https_server.py", *self._words))

    def takes_all(self) -> None:
        self._peer.tell()
        self.payloads()
        self.takes, self.never = True, "nothing has this in it"

    def refuses(self, status: int) -> None:
        self.payloads()
        self._peer.tell("--status", str(status))
        self.takes = False

    def payloads(self) -> Sequence[bytes]:
        lines = self._log.read_text().splitlines(keepends=True) if self._log.exists() else []
        for line in lines[self._read :]:
            if not line.endswith("}\n"):
                break
            self._read += 1
            told = json.loads(line)
            body = base64.b64decode(told["body"])
            if told["method"] == "POST" and self.takes and self.never.encode() not in body:
                self._bodies.append(body)
        return self._bodies

    def close(self) -> None:
        self.turnstile.close()
        self._stack.close()


@contextmanager
def troubles(directory: Path) -> Iterator[list[Trouble]]:
    """All of this kind."""
    with ExitStack() as stack:
        yield [*_of_papers(directory, stack), *_of_answers(directory, stack)]


def _of_papers(directory: Path, stack: ExitStack) -> Iterator[Trouble]:
    for papers in wrong_papers(directory):
        end = HttpsEnd(directory / papers.name, papers.server, papers.client_ca if papers.client else None)
        stack.callback(end.close)
        table = f'url = "{end.url}/in"\n{papers.tls}'
        # The words of a server that hangs up at our certificate are heard on a connection of their own.
        a_try = 2 if papers.client else 1
        words, mend = (_place(end), *papers.words), _mending(papers, end)
        yield Trouble(papers.name, table, words, mend, end.payloads, end.turnstile, connections_a_try=a_try)


def _mending(papers: Papers, end: HttpsEnd):
    def mend() -> None:
        papers.mend()
        if papers.restarts:
            end.restart()

    return mend


def _of_answers(directory: Path, stack: ExitStack) -> Iterator[Trouble]:
    authority = Authority(directory, valid_days=(-1, 90))
    server, tls = authority.signs(SERVER, valid_days=(-1, 90)), f'tls = {{ ca = "{authority.ca}" }}'
    token = directory / "token"
    token.write_text("old")

    def end(name: str, *options: str) -> HttpsEnd:
        (directory / name).mkdir()
        made = HttpsEnd(directory / name, server, None, *options)
        stack.callback(made.close)
        return made

    locked = end("wrong-password", "--want", "Bearer new")
    table = f'url = "{locked.url}/in"\n{tls}\nauth = {{ type = "bearer", token = {{ file = "{token}" }} }}'
    words = (_place(locked), "401", "it does not know us; look at auth")

    def mend_token() -> None:
        locked.payloads()
        locked.takes = True
        token.write_text("new")

    yield _trouble("wrong-password", locked, table, words, mend_token)

    nowhere = end("unknown", "--status", "404", "--greet", "404")
    words = (_place(nowhere), "404", "there is nothing under that path; look at url")
    yield _trouble("unknown", nowhere, f'url = "{nowhere.url}/in"\n{tls}', words, nowhere.takes_all)

    revoked = end("revoked")
    words = (_place(revoked), "403", "give this client the right")
    table, mend = f'url = "{revoked.url}/in"\n{tls}', revoked.takes_all
    yield _trouble("revoked", revoked, table, words, mend, spoil=lambda: revoked.refuses(403))

    narrow = end("oversize", "--status", "413", "--refuse", _LARGE)
    narrow.takes, narrow.never = True, _LARGE
    words = ("413", "batch_bytes is too large")
    table, mend = f'url = "{narrow.url}/in"\n{tls}', narrow.takes_all
    yield _trouble("oversize", narrow, table, words, mend, where=Where.GAP, connections_a_try=0)


def _trouble(name, end, table, words, mend, **more) -> Trouble:
    return Trouble(name, table, words, mend, end.payloads, end.turnstile, **more)


def _place(end: HttpsEnd) -> str:
    return f"127.0.0.1:{end.turnstile.port}"
