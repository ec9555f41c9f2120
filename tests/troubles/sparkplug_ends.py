"""MQTT servers that are wrong for a Sparkplug edge node, with a primary host behind them, read by somebody else.

The primary host is online when it has subscribed: what the node says before that would be lost, so it waits.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.peers.opcua_node import Unreachable
from tests.transports.sparkplug.host_application import HostApplication
from tests.transports.sparkplug.sparkplug_stranger import stranger
from tests.troubles.mqtt_ends import MqttEnd, of_connections, rewriting
from tests.troubles.trouble import Trouble, Where

HOST = "scada-1"
_MORE = f'group_id = "plant 7"\nedge_node_id = "gw"\nhost_id = "{HOST}"\nby_exception = false\n'
_ALL = "topic readwrite #\n"
_NO_STATE = "topic write #\ntopic read spBv1.0/plant 7/#\n"


class Host(HostApplication):
    """Has its data as JSON records, as far as the trouble needs them."""

    def __init__(self, port: int, other: Any) -> None:
        super().__init__(port, other, HOST)
        self._read_far, self._values = 0, set[int]()

    def payloads(self) -> list[bytes]:
        for one in list(self.heard)[self._read_far :]:
            self._read_far += 1
            if one.device == "small":
                self._values |= {int(value) for value in _values(one.read(self._other))}
        return [_record(seq, value) for seq, value in enumerate(sorted(self._values))]


@contextmanager
def troubles(directory: Path) -> Iterator[list[Trouble]]:
    """All of this kind."""
    with ExitStack() as stack:
        try:
            other = stack.enter_context(stranger())
        except Unreachable as why:
            pytest.skip(str(why))
        reader = partial(Host, other=other)
        yield [*of_connections(directory, stack, reader, _MORE, False), _unheard_host(directory, stack, reader)]


def _unheard_host(directory: Path, stack: ExitStack, reader: Any) -> Trouble:
    """It may not read what the primary host says of itself."""
    room = directory / "unheard-host"
    room.mkdir()
    rights = room / "rights"
    rights.write_text(_NO_STATE)
    end = MqttEnd(room, reader, stack, top=f"acl_file {rights}", persistence=False)
    words = (f"the primary host {HOST} to be online",)
    allow = rewriting(rights, _ALL, end)

    def mend() -> None:
        allow()
        end.reader.says(True)  # what lay at the broker when we subscribed was withheld, and does not come by itself

    return Trouble(
        "unheard-host",
        end.table + _MORE,
        words,
        mend,
        end.payloads,
        end.turnstile,
        where=Where.WAITS,
        connections_a_try=0,
    )


def _values(payload: dict[str, Any]) -> Iterator[str]:
    for metric in payload.get("metrics", []):
        for key in ("longValue", "intValue"):
            if key in metric:
                yield metric[key]


def _record(seq: int, value: int) -> bytes:
    reading = {"tag": "n", "scan": value, "value": value}
    told = {"gateway": "troubled", "topic": "out", "epoch": 0, "seq": seq, "device": "small", "readings": [reading]}
    return json.dumps(told).encode()
