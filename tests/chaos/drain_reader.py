"""A reader of a long drain: it keeps no payload, only what came, in which order, and when; memory does not grow.

The backlog is the records of the spool's first epoch, numbered 1 to `backlog`, each with its number in the tag `n`.
Everything else is fresh: readings of the gateway's own device, of which it keeps one line each.
"""

import threading
import time
from bisect import bisect_right
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

BACKLOG_EPOCH = 1


@dataclass(frozen=True)
class Fresh:
    """A reading that is not of the backlog: its counter, when it was read and came (UTC ns), its lane."""

    number: int
    read_ns: int
    came_ns: int
    historical: bool


class DrainReader:
    """Subscribed to everything under `topic` of the broker on 127.0.0.1, until the block ends."""

    def __init__(self, port: int, topic: str, backlog: int) -> None:
        self.fresh: list[Fresh] = []
        self.count = self.repeated = self.fresh_repeated = 0
        self.wrong: list[str] = []
        self.gaps: list[dict[str, Any]] = []
        self._seen = bytearray(backlog + 1)
        self._fresh_seen: set[tuple[int, int]] = set()
        self._last: dict[tuple[str, bool], tuple[int, int]] = {}
        self._progress: tuple[list[int], list[int]] = [], []  # when, how much of the backlog had come
        self._news, self._subscribed = threading.Condition(), threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "reader", clean_session=True)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._note
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> "DrainReader":
        self._client.loop_start()
        assert self._subscribed.wait(20), "the broker did not let the reader in"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, count: int, within_s: float) -> None:
        """Return when so many records of the backlog have come."""
        with self._news:
            assert self._news.wait_for(lambda: self.count >= count, within_s), f"{self.count} of {count} came"

    def missing(self) -> list[int]:
        """What has not come of the backlog; the first hundred."""
        at, missing = self._seen.find(0, 1), list[int]()
        while at >= 0 and len(missing) < 100:
            missing.append(at)
            at = self._seen.find(0, at + 1)
        return missing

    def progress(self, at_ns: int) -> int:
        """How much of the backlog had come by then (UTC ns)."""
        at = bisect_right(self._progress[0], at_ns)
        return self._progress[1][at - 1] if at else 0

    def _note(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        now_ns, said = time.time_ns(), orjson.loads(message.payload)
        for record in said if isinstance(said, list) else [said]:
            if "seq" in record:
                self._take(record, now_ns)
        self._progress[0].append(now_ns)
        self._progress[1].append(self.count)
        with self._news:
            self._news.notify_all()

    def _take(self, record: dict[str, Any], now_ns: int) -> None:
        place, historical = (record["epoch"], record["seq"]), bool(record.get("historical"))
        if self._is_repeated(place):
            return
        lane = record["device"], historical
        if place <= self._last.get(lane, (0, 0)):
            self.wrong.append(f"{place} came after {self._last[lane]} in lane {lane}")
        self._last[lane] = place
        if "gap" in record:
            self.gaps.append(record["gap"])
            return
        for reading in record["readings"]:
            if place[0] != BACKLOG_EPOCH:
                self.fresh.append(Fresh(reading["value"], reading["time"], now_ns, historical))
            elif reading["value"] != place[1] or not historical:
                self.wrong.append(f"the backlog's {place} came as {record}"[:300])

    def _is_repeated(self, place: tuple[int, int]) -> bool:
        epoch, seq = place
        if epoch != BACKLOG_EPOCH:
            repeated = place in self._fresh_seen
            self._fresh_seen.add(place)
            self.fresh_repeated += repeated
            return repeated
        repeated = bool(self._seen[seq])
        self._seen[seq] = 1
        self.count += not repeated
        self.repeated += repeated
        return repeated
