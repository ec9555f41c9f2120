"""A primary host of Sparkplug behind Mosquitto, as a far end of the chaos; read by somebody else's implementation.

Sparkplug has no ids of records (a gap has, in the node's metric `Gap`). Here a record is known by its device and its
time in ms, and what a birth tells again is no repetition: it counts only where the same was not told as data. The
broker keeps nothing when it stops, least of all that the host is online: it would lose what comes before the host is
back.
"""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.chaos.clouds import PATIENCE, Cloud
from tests.peers.mosquitto import Mosquitto
from tests.peers.opcua_node import Unreachable
from tests.transports.sparkplug.host_application import HostApplication
from tests.transports.sparkplug.sparkplug_stranger import stranger

HOST = "scada-1"
_HEAD = {"gateway": "gw", "epoch": 0}


class SparkplugCloud(Cloud):
    """See the module's note."""

    has_ids = False

    def __init__(self, directory: Path) -> None:
        self._broker, self._stack = Mosquitto(directory), ExitStack()
        self._host: Any = None
        self._heard: list[tuple[str, list[dict[str, Any]]]] = []
        self._names: dict[Any, str] = {}
        self.table = (
            f'type = "sparkplug"\nhost = "127.0.0.1"\nport = {self._broker.port}\nkeepalive = "5s"\n'
            f'group_id = "plant 7"\nedge_node_id = "gw"\nhost_id = "{HOST}"\nby_exception = false\n{PATIENCE}'
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()
        self._broker.kill()

    def start(self) -> None:
        self._broker.start()
        if self._host is None:
            try:
                self._other = self._stack.enter_context(stranger())
            except Unreachable as why:
                pytest.skip(str(why))
            host: Any = HostApplication
            self._host = self._stack.enter_context(host(self._broker.port, self._other, HOST))

    def stop(self) -> None:
        self._broker.stop()

    def payloads(self) -> list[bytes]:
        told = {(each["device"], each["seq"]) for each in self._records("DDATA")}
        born = [each for each in self._records("DBIRTH") if (each["device"], each["seq"]) not in told]
        return [
            json.dumps(each).encode()
            for each in (*self._records("DDATA"), *born, *self._records("NDATA"), *self._records("NBIRTH"))
        ]

    def in_order(self) -> list[bytes]:
        return [json.dumps(each).encode() for each in self._records("DDATA")]

    def _records(self, verb: str) -> list[dict[str, Any]]:
        """Those of the messages of this kind, in the order in which they came."""
        for one in list(self._host.heard)[len(self._heard) :]:
            self._heard.append((one.verb, self._told(one.verb, one.device, one.read(self._other).get("metrics", []))))
        return [record for kind, told in self._heard if kind == verb for record in told]

    def _told(self, verb: str, device: str, metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The records of a message: one for each time in it; of a node the gaps."""
        if verb.endswith("BIRTH"):
            self._names |= {metric["alias"]: metric["name"] for metric in metrics if "alias" in metric}
        if verb.startswith("N"):
            return _gaps(metrics)
        scans: dict[int, list[dict[str, Any]]] = {}
        for metric in metrics:
            scans.setdefault(int(metric["timestamp"]), []).append(metric)
        return [self._record(device, time_ms, each) for time_ms, each in scans.items()]

    def _record(self, device: str, time_ms: int, metrics: list[dict[str, Any]]) -> dict[str, Any]:
        values = sorted((self._names[metric["alias"]], _value(metric)) for metric in metrics)
        readings = [{"scan": time_ms, "tag": name, "value": value} for name, value in values]
        late = any(metric.get("isHistorical") for metric in metrics)
        return {**_HEAD, "topic": device, "seq": time_ms, "device": device, "readings": readings, "historical": late}


def _value(metric: dict[str, Any]) -> Any:
    """What a metric says; 64-bit numbers come as text."""
    told = {name: value for name, value in metric.items() if name.endswith("Value") and name != "stringValue"}
    return next((int(value) if isinstance(value, str) else value for value in told.values()), None)


def _gaps(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The node's metric `Gap` is a gap record as it is in the payload format `json`."""
    return [json.loads(metric["stringValue"]) for metric in metrics if metric.get("stringValue", "").startswith("{")]
