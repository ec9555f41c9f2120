"""NATS servers and streams that are wrong, each in its way: real nats-servers."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.peers.nats_server import NatsServer
from tests.troubles.papers import SERVER, Papers, wrong_papers
from tests.troubles.trouble import Trouble, Where
from tests.troubles.turnstile import Turnstile

STREAM = "HOLDFAST"
_MADE = f'stream = "{STREAM}"\nconnect_timeout = "10s"\n'
_CREATES = _MADE + "create_stream = {}\n"
_LIMIT = 4000
_CURES = {
    "wrong-ca": ("nobody in tls.ca has signed it",),
    "expired": ("renew it there", "clock"),
    "not-yet-valid": ("valid only from a later time on", "clock"),
    "wrong-host": ("tls.server_name",),
}


class JetstreamEnd:
    """A server, and a reader of its stream who remembers what it has read. `options` let the reader in."""

    def __init__(self, directory: Path, stack: ExitStack, *lines: str, **options: Any) -> None:
        self.server, self._lines = stack.enter_context(NatsServer(directory, *lines)), lines
        self.turnstile, self.options = Turnstile(self.server.port), options
        stack.callback(self.turnstile.close)
        self.place = f"127.0.0.1:{self.turnstile.port}"
        self._read: list[bytes] = []

    def reload(self) -> None:
        """It reads its files again."""
        self.server.configure(*self._lines)

    def ask(self, work: Callable[[Any, Any], Any]) -> Any:
        return self.server.call(work, **self.options)

    def payloads(self) -> list[bytes]:
        self.ask(lambda _, stream: self._read_on(stream))
        return self._read

    async def _read_on(self, stream: Any) -> None:
        last = (await stream.stream_info(STREAM)).state.last_seq
        for seq in range(len(self._read) + 1, last + 1):
            self._read.append((await stream.get_msg(STREAM, seq)).data or b"")


@contextmanager
def troubles(directory: Path) -> Iterator[list[Trouble]]:
    """All of this kind."""
    with ExitStack() as stack:
        yield [
            *_of_papers(directory, stack),
            _wrong_password(directory / "wrong-password", stack),
            _revoked(directory / "revoked", stack),
            _unknown(directory / "unknown", stack),
            _unknown_subject(directory / "unknown-subject", stack),
            _oversize(directory / "oversize", stack),
        ]


def _of_papers(directory: Path, stack: ExitStack) -> Iterator[Trouble]:
    for papers in wrong_papers(directory):
        asks = f'ca_file: "{papers.client_ca}", verify: true' if papers.client else ""
        lines = f'tls {{ cert_file: "{papers.server.certificate}", key_file: "{papers.server.key}"\n{asks} }}'
        end = JetstreamEnd(directory / papers.name, stack, lines, tls=_anybody(papers), tls_hostname=SERVER)
        words = end.place, *papers.words, *_CURES.get(papers.name, ())
        table = f'servers = ["tls://{end.place}"]\n{_CREATES}{papers.tls}\n'
        yield Trouble(papers.name, table, words, _mending(papers, end), end.payloads, end.turnstile)


def _anybody(papers: Papers) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if papers.good_client:
        context.load_cert_chain(papers.good_client.certificate, papers.good_client.key)
    return context


def _mending(papers: Papers, end: JetstreamEnd) -> Callable[[], None]:
    def mend() -> None:
        papers.mend()
        if papers.restarts:
            end.reload()

    return mend


def _users(publish: str) -> str:
    known = f'{{ user: gw, password: right, permissions {{ publish: {publish}, subscribe: ">" }} }}'
    return f"authorization {{ users: [{known}, {{ user: app, password: app }}] }}"


def _wrong_password(room: Path, stack: ExitStack) -> Trouble:
    end = JetstreamEnd(room, stack, _users('">"'), user="app", password="app")
    secret = room / "password"
    secret.write_text("wrong")
    table = f'servers = ["nats://{end.place}"]\n{_CREATES}user = "gw"\npassword = {{ file = "{secret}" }}\n'
    words = end.place, "it refuses us; look at user and password"
    return Trouble("wrong-password", table, words, lambda: secret.write_text("right"), end.payloads, end.turnstile)


def _revoked(room: Path, stack: ExitStack) -> Trouble:
    end = JetstreamEnd(room, stack, _users('">"'), user="app", password="app")
    secret = room / "password"
    secret.write_text("right")
    table = f'servers = ["nats://{end.place}"]\n{_CREATES}user = "gw"\npassword = {{ file = "{secret}" }}\n'
    words = end.place, "give this user the right: publish to holdfast.troubled."
    spoil, mend = (
        lambda: end.server.configure(_users('["$JS.API.>", "elsewhere.>"]')),
        lambda: end.server.configure(_users('">"')),
    )
    return Trouble("revoked", table, words, mend, end.payloads, end.turnstile, spoil)


def _unknown(room: Path, stack: ExitStack) -> Trouble:
    end = JetstreamEnd(room, stack)
    words = end.place, f"stream {STREAM}", "there is no such stream; create it"
    table = f'servers = ["nats://{end.place}"]\n{_MADE}'
    mend = lambda: end.server.stream(STREAM, "holdfast.>")  # noqa: E731
    return Trouble("unknown", table, words, mend, end.payloads, end.turnstile)


def _unknown_subject(room: Path, stack: ExitStack) -> Trouble:
    end = JetstreamEnd(room, stack)
    end.server.stream(STREAM, "other.>")
    words = end.place, f"stream {STREAM}", "subject"
    table = f'servers = ["nats://{end.place}"]\n{_MADE}'

    def mend() -> None:
        end.ask(lambda _, stream: stream.update_stream(name=STREAM, subjects=["holdfast.>"]))

    return Trouble("unknown-subject", table, words, mend, end.payloads, end.turnstile)


def _oversize(room: Path, stack: ExitStack) -> Trouble:
    end = JetstreamEnd(room, stack, f"max_payload: {_LIMIT}")
    table, words = f'servers = ["nats://{end.place}"]\n{_CREATES}', (f"{_LIMIT} are taken there", "max_payload")
    mend = lambda: end.server.configure("max_payload: 1000000")  # noqa: E731
    return Trouble("oversize", table, words, mend, end.payloads, end.turnstile, where=Where.GAP)
