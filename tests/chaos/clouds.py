"""Far ends of every kind, with one face: a campaign takes them away and gives them back, and asks what they have.

    with KINDS["https"](tmp_path) as cloud:
        ...cloud.table...       the keys of the [uplink.cloud] that leads to it
        cloud.stop()            it is away; what it had taken, it has
        cloud.start()           it is back, at the same place
        cloud.payloads()        what it has, in the order in which it came

A kind whose uplink is not in this tree has the reason in `ABSENT`, and is not made.
"""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType

from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto, free_port
from tests.peers.processes import start_peer
from tests.peers.subscriber import Subscriber
from transports import catalog
from transports.uplinks import mqtt

TOPIC = "holdfast/clouds/{device}"
# Short, so that a campaign of seconds has both lanes and many connections.
PATIENCE = 'retry_first = "100ms"\nretry_ceiling = "1s"\nlive_within = "500ms"\n'


class Cloud(ABC):
    """One far end; it runs within the block."""

    table: str
    repeats = True  # whether it may have something twice
    has_ids = True  # whether what it has says of which record of the spool it is

    def __enter__(self) -> "Cloud":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Come (back), with what it had."""

    @abstractmethod
    def stop(self) -> None:
        """Go away, as an operator or a power cut of its machine's network would have it. May be called twice."""

    @abstractmethod
    def payloads(self) -> list[bytes]:
        """The messages that it has, in the payload format `json`."""

    def in_order(self) -> list[bytes]:
        """Those of them whose order says something."""
        return self.payloads()


class MqttCloud(Cloud):
    """Mosquitto, that keeps its sessions when it is stopped, and an application with a session of its own."""

    def __init__(self, directory: Path, more: str = "", tls: bool = False) -> None:
        lines = list[str]()
        if tls:
            authority = Authority(directory)
            pair = authority.signs("broker.plant")
            lines = [f"certfile {pair.certificate}", f"keyfile {pair.key}"]
            more += f'tls = {{ ca = "{authority.ca}" }}\n'
        self._trusted = str(authority.ca) if tls else ""
        self._broker = Mosquitto(directory, lines, persistence=True)
        self._application: Subscriber | None = None
        self.table = (
            f'type = "mqtt"\nhost = "127.0.0.1"\nport = {self._broker.port}\ntopic = "{TOPIC}"\nkeepalive = "5s"\n'
            f"{PATIENCE}{more}"
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._application is not None:
            self._application.close()
        self._broker.kill()

    def start(self) -> None:
        self._broker.start()
        if self._application is None:
            trust = (lambda client: client.tls_set(self._trusted)) if self._trusted else None
            self._application = Subscriber(self._broker.port, "holdfast/clouds/#", configure=trust)

    def stop(self) -> None:
        self._broker.stop()

    def payloads(self) -> list[bytes]:
        assert self._application is not None
        return self._application.payloads()


class HttpsCloud(Cloud):
    """A server that writes each request down before it answers; stopped by SIGKILL."""

    def __init__(self, directory: Path) -> None:
        authority, port = Authority(directory), free_port()
        pair = authority.signs("cloud.plant")
        self._log = directory / "requests.ndjson"
        words = ["--log", self._log, "--port", port, "--certificate", pair.certificate, "--key", pair.key]
        self._words, self._stack = [str(word) for word in words], ExitStack()
        self.table = (
            f'type = "https"\nurl = "https://127.0.0.1:{port}/in"\ntls = {{ ca = "{authority.ca}" }}\n{PATIENCE}'
        )

    def start(self) -> None:
        self._stack.enter_context(start_peer("https_server.py", *self._words))

    def stop(self) -> None:
        self._stack.close()

    def payloads(self) -> list[bytes]:
        # A last line without an end is a request that was never answered: the server was killed while it wrote.
        lines = self._log.read_text().splitlines(keepends=True) if self._log.exists() else []
        requests = [json.loads(line) for line in lines if line.endswith("}\n")]
        return [base64.b64decode(each["body"]) for each in requests if each["method"] == "POST"]


class FileCloud(Cloud):
    """A file on a medium that is taken away and brought back: its directory is renamed under the uplink."""

    def __init__(self, directory: Path) -> None:
        self._here, self._away = directory / "medium", directory / "medium-away"
        self._here.mkdir()
        self.table = f'type = "file"\npath = "{self._here}/out.ndjson"\n{PATIENCE}'

    def start(self) -> None:
        if self._away.exists():
            self._away.rename(self._here)

    def stop(self) -> None:
        if self._here.exists():
            self._here.rename(self._away)

    def payloads(self) -> list[bytes]:
        place = self._here if self._here.exists() else self._away
        lines = (place / "out.ndjson").read_bytes().splitlines()
        return [line for line in lines if _is_whole(line)]


def _is_whole(line: bytes) -> bool:
    """Whether the uplink was not killed in the middle of this line; what is torn it has not counted as delivered."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class JetstreamCloud(Cloud):
    """A stream of one nats-server, that is stopped by SIGKILL; it recognises what comes again."""

    repeats = False

    def __init__(self, directory: Path) -> None:
        from tests.peers.nats_server import NatsServer

        self._server, self._made = NatsServer(directory), False
        self.table = f'type = "jetstream"\nservers = ["{self._server.url}"]\nstream = "HOLDFAST"\n{PATIENCE}'

    def start(self) -> None:
        self._server.start()
        if not self._made:
            self._server.stream("HOLDFAST", "holdfast.>")
            self._made = True

    def stop(self) -> None:
        self._server.kill()

    def payloads(self) -> list[bytes]:
        if not self._server.call(lambda _, stream: stream.stream_info("HOLDFAST")).state.messages:
            return []
        return [each.data for each in self._server.contents("HOLDFAST")]


def sparkplug_cloud(directory: Path) -> Cloud:
    """See that module: it needs what may not be in this tree."""
    from tests.chaos.sparkplug_cloud import SparkplugCloud

    return SparkplugCloud(directory)


def kafka_cloud(directory: Path) -> Cloud:
    """See that module: it needs what may not be in this tree."""
    from tests.chaos.kafka_cloud import KafkaCloud

    return KafkaCloud(directory)


_ALL: Mapping[str, Callable[[Path], Cloud]] = {
    "mqtt": MqttCloud,
    "mqtt-5": partial(MqttCloud, more='protocol = "5"\n'),
    "mqtt-tls": partial(MqttCloud, tls=True),
    "https": HttpsCloud,
    "file": FileCloud,
    "jetstream": JetstreamCloud,
    "kafka": kafka_cloud,
    "sparkplug": sparkplug_cloud,
}
ABSENT: Mapping[str, str] = {
    **{
        kind: f"no uplink {kind} in this tree"
        for kind in ("https", "jetstream", "kafka", "sparkplug")
        if kind not in catalog.names(catalog.UPLINKS)
    },
    **({} if "protocol" in mqtt.Settings.__dataclass_fields__ else {"mqtt-5": "the uplink mqtt speaks 3.1.1 only"}),
}
KINDS: Mapping[str, Callable[[Path], Cloud]] = {kind: make for kind, make in _ALL.items() if kind not in ABSENT}
