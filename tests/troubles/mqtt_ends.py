"""MQTT servers that are wrong, each in its way: real Mosquittos, with an application that reads what they take."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.outcome import wait_until
from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.subscriber import Subscriber
from tests.troubles.papers import Papers, wrong_papers
from tests.troubles.trouble import Trouble, Where
from tests.troubles.turnstile import Turnstile

CONFIRM = "confirm/{gateway}"
_ALL = "topic readwrite #\n"
_NO_DATA = "topic read #\ntopic write confirm/#\ntopic write +/+/status\n"
_NO_CONFIRM = "topic write #\ntopic read holdfast/#\n"
_LIMIT = 4000
Reader = Callable[[int], Any]  # makes an application, which is a context and has `payloads`


class MqttEnd:
    """A broker with two entrances: one for the gateway, wrong, and a plain one for the application."""

    def __init__(
        self,
        directory: Path,
        reader: Reader,
        stack: ExitStack,
        lines: Sequence[str] = (),
        top: str = "",
        persistence: bool = True,
    ) -> None:
        self._inside = free_port()
        more = [*lines, f"listener {self._inside} 127.0.0.1", *([top] if top else [])]
        self._broker = stack.enter_context(Mosquitto(directory, more, persistence))
        self.reader = stack.enter_context(reader(self._inside))
        self.payloads: Callable[[], list[bytes]] = self.reader.payloads
        self.turnstile = Turnstile(self._broker.port)
        stack.callback(self.turnstile.close)
        self.place = f"127.0.0.1:{self.turnstile.port}"
        self.table = f'host = "127.0.0.1"\nport = {self.turnstile.port}\n'

    def restart(self) -> None:
        self._broker.stop()
        self._broker.start()

    def reload(self) -> None:
        """It reads its files again; it has begun to when this returns."""
        times = self._reloads()
        os.kill(self._broker.pid, signal.SIGHUP)
        wait_until(lambda: self._reloads() > times, 10.0)

    def _reloads(self) -> int:
        return sum("Reloading config" in line for line in list(self._broker.log))


@contextmanager
def troubles(directory: Path, protocol: str) -> Iterator[list[Trouble]]:
    """All of MQTT, of that version."""
    more = f'topic = "holdfast/{{device}}"\nprotocol = "{protocol}"\nack_timeout = "5s"\n'
    with ExitStack() as stack:
        common = list(of_connections(directory, stack, Application, more))
        if protocol == "5":
            yield [
                *common,
                *_of_topics(directory, stack, more),
                _limit(directory, stack, more, ("a message of", "carries")),
            ]
        else:
            yield [
                *common,
                *_of_confirmations(directory, stack, more),
                _limit(directory, stack, more, ("drops the connection",)),
            ]


def of_connections(
    directory: Path, stack: ExitStack, reader: Reader, more: str, persistence: bool = True
) -> Iterator[Trouble]:
    """What keeps a connection from being made, the same for whatever is said over it."""
    for papers in wrong_papers(directory):
        lines = [f"certfile {papers.server.certificate}", f"keyfile {papers.server.key}"]
        lines += [f"cafile {papers.client_ca}", "require_certificate true"] if papers.client else []
        end = MqttEnd(directory / papers.name, reader, stack, lines, persistence=persistence)
        words = end.place, *papers.words
        table = end.table + papers.tls + "\n" + more
        yield Trouble(papers.name, table, words, _mending(papers, end), end.payloads, end.turnstile)
    yield _wrong_password(_room(directory, "wrong-password"), stack, reader, more)


def _mending(papers: Papers, end: MqttEnd) -> Callable[[], None]:
    def mend() -> None:
        papers.mend()
        if papers.restarts:
            end.restart()

    return mend


def _wrong_password(room: Path, stack: ExitStack, reader: Reader, more: str) -> Trouble:
    users, secret = room / "users", room / "password"
    users.touch()
    subprocess.run(["mosquitto_passwd", "-b", str(users), "gw", "right"], check=True, capture_output=True)
    secret.write_text("wrong")
    end = MqttEnd(room, reader, stack, top=f"password_file {users}")
    table = f'{end.table}user = "gw"\npassword = {{ file = "{secret}" }}\n{more}'
    words = end.place, "it refuses the user name or the password"
    return Trouble("wrong-password", table, words, lambda: secret.write_text("right"), end.payloads, end.turnstile)


def _of_topics(directory: Path, stack: ExitStack, more: str) -> Iterator[Trouble]:
    """MQTT 5 says what it does not take, and why."""
    for name in ("revoked", "unknown"):
        room = _room(directory, name)
        rights = room / "rights"
        end = MqttEnd(room, Application, stack, top=f"acl_file {rights}" if _wrote(rights, _ALL) else "")
        spoil, mend = rewriting(rights, _NO_DATA, end), rewriting(rights, _ALL, end)
        words = end.place, "may not publish to holdfast/", "let this user write it"
        if name == "unknown":
            spoil()
        wrong = spoil if name == "revoked" else None
        yield Trouble(name, end.table + more, words, mend, end.payloads, end.turnstile, wrong)


def _of_confirmations(directory: Path, stack: ExitStack, more: str) -> Iterator[Trouble]:
    """MQTT 3.1.1 has no word for a message that it does not take; this broker hangs up then. It lets everybody
    subscribe, and then gives nothing: only an application's silence shows that."""
    confirmed = f'confirm = "application"\nconfirm_topic = "{CONFIRM}"\nconfirm_timeout = "2s"\n'
    silent, hangs_up = ("no application has confirmed",), ("may this client not use a topic?",)
    for name, wrong, words in (("revoked-reading", _NO_CONFIRM, silent), ("revoked", _NO_DATA, hangs_up)):
        room = _room(directory, name)
        rights = room / "rights"
        rights.write_text(_ALL)
        end = MqttEnd(room, Application, stack, top=f"acl_file {rights}")
        spoil, mend = rewriting(rights, wrong, end), rewriting(rights, _ALL, end)
        words = end.place, *words
        yield Trouble(name, end.table + more + confirmed, words, mend, end.payloads, end.turnstile, spoil)


def _limit(directory: Path, stack: ExitStack, more: str, words: Sequence[str]) -> Trouble:
    """MQTT 5 announces its limit; on 3.1.1 the broker hangs up at what is larger, and which record that was must be
    found out."""
    room = _room(directory, "oversize")
    limits = _room(room, "limits")
    (limits / "packets.conf").write_text(f"max_packet_size {_LIMIT}\n")
    end = MqttEnd(room, Application, stack, top=f"include_dir {limits}")

    def mend() -> None:
        (limits / "packets.conf").write_text("")
        end.restart()

    return Trouble("oversize", end.table + more, words, mend, end.payloads, end.turnstile, where=Where.GAP)


def rewriting(file: Path, text: str, end: MqttEnd) -> Callable[[], None]:
    """Something that writes this into a file of the broker's, and has it read."""

    def rewrite() -> None:
        file.write_text(text)
        end.reload()

    return rewrite


def _wrote(file: Path, text: str) -> int:
    return file.write_text(text)


def _room(directory: Path, name: str) -> Path:
    room = directory / name
    room.mkdir(parents=True, exist_ok=True)
    return room


class Application(Subscriber):
    """Reads all data, and says so on the topic for confirmations."""

    def __init__(self, port: int) -> None:
        super().__init__(port, "holdfast/#", on_count=lambda count: self._confirm(count))

    def _confirm(self, count: int) -> None:
        for record in _records(self.messages[count - 1].payload):
            taken = [[record["epoch"], record["seq"], record["seq"]]]
            told = {"gateway": record["gateway"], "topic": record["topic"], "taken": taken}
            self._client.publish(CONFIRM.format(gateway=record["gateway"]), json.dumps(told), qos=1)


def _records(payload: bytes) -> list[dict[str, Any]]:
    said = json.loads(payload)
    return [each for each in (said if isinstance(said, list) else [said]) if "seq" in each]
