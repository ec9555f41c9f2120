"""A host application: it says that it is online, hears everything under spBv1.0, and asks edge nodes for things.

What came is read by an implementation that is not ours (sparkplug_stranger.py), and only in the test's own thread.
"""

import json
import threading
from dataclasses import dataclass

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

WITHIN_S = 30.0
_QUIET = {"isHistorical": False}


@dataclass(frozen=True)
class Heard:
    """One message as it came, and as others read it: 64-bit numbers are text there, bytes base64."""

    verb: str
    device: str
    topic: str
    payload: bytes
    qos: int
    retained: bool

    def read(self, other):
        return other.decode(self.payload)


@dataclass(frozen=True)
class Value:
    """One value that a host knows."""

    device: str
    name: str
    value: object
    time_ms: int
    is_historical: bool = False


class HostApplication:
    """Connected to one broker while the block lasts. With a `host_id` it is a primary host, online from the start."""

    def __init__(self, port, other, host_id="", group="plant 7", node="gw", timestamp_ms=1_000):
        self.heard = []
        self.host_id, self.timestamp_ms = host_id, timestamp_ms
        self._other, self._address = other, (group, node)
        self._news, self._subscribed = threading.Condition(), threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", qos=1)
        self._client.on_subscribe = lambda *_: self._is_back()
        self._client.on_message = self._note
        self._client.reconnect_delay_set(1, 1)
        self._online = False
        if host_id:
            self._client.will_set(self._state_topic, self._state(False), qos=1, retain=True)
        self._client.connect("127.0.0.1", port, keepalive=5)
        self._client.loop_start()

    def __enter__(self):
        assert self._subscribed.wait(WITHIN_S), "no broker let the host in"
        if self.host_id:
            self.says(True)
        return self

    def __exit__(self, *error):
        self._client.disconnect()
        self._client.loop_stop()

    # --- what it says ---

    def says(self, online):
        """Publish STATE; the time is that of the session, as it is in a host's Will."""
        self._online = online
        self._client.publish(self._state_topic, self._state(online), qos=1, retain=True).wait_for_publish(WITHIN_S)

    def asks(self, verb, *metrics, device="", retain=False):
        """A command, written by the stranger: metrics as its users give them."""
        group, node = self._address
        topic = f"spBv1.0/{group}/{verb}/{node}" + (f"/{device}" if device else "")
        payload = self._other.encode({"timestamp": 77, "metrics": list(metrics)}) if metrics else b"\xff"
        said = self._client.publish(topic, payload, qos=int(retain), retain=retain)
        if retain:  # it lies at the broker
            said.wait_for_publish(WITHIN_S)

    def publishes(self, topic, payload):
        """Anything."""
        self._client.publish(topic, payload, qos=1).wait_for_publish(WITHIN_S)

    def says_something(self, to):
        """Say something to another host; when it has heard it, we have got all that the broker kept for us."""
        group, _ = self._address
        topic = f"spBv1.0/{group}/NDATA/somebody"
        self.publishes(topic, b"")
        for host in (to, self):
            with host._news:
                assert host._news.wait_for(lambda host=host: any(one.topic == topic for one in host.heard), WITHIN_S)

    def asks_for_births(self):
        self.asks("NCMD", {"name": "Node Control/Rebirth", "type": "Boolean", "value": True})

    # --- what it hears ---

    def wait(self, until, within_s=WITHIN_S):
        """Wait until the verbs heard so far are as they should be: `until` gets ["NBIRTH", "DBIRTH press", ...]."""
        with self._news:
            done = self._news.wait_for(lambda: until(self.verbs()), within_s)
        assert done, f"not within {within_s} s; heard {self.verbs()[-40:]}"

    def verbs(self):
        return [f"{one.verb} {one.device}".strip() for one in list(self.heard)]

    def all_of(self, verb, device=""):
        return [one for one in list(self.heard) if (one.verb, one.device) == (verb, device)]

    def read(self, verb, device="", at=-1):
        """One of the messages of this kind as the stranger reads it."""
        return self.all_of(verb, device)[at].read(self._other)

    def bd_seqs(self, verb):
        return [int(one.read(self._other)["metrics"][0]["longValue"]) for one in self.all_of(verb)]

    def values(self, device, name, births=True):
        """Every value of a metric in the order of its coming, named by the births; what is null is None."""
        told, names = [], {}
        for one in list(self.heard):
            if one.device != device or one.verb not in ("DBIRTH", "DDATA"):
                continue
            for metric in one.read(self._other).get("metrics", []):
                if one.verb == "DBIRTH":
                    names[metric["alias"]] = metric["name"]
                if names[metric["alias"]] == name and (births or one.verb == "DDATA"):
                    told.append(_value(device, name, metric))
        return told

    def check_sequence(self):
        """What a host must see: births first, seq without a hole, data only of what is born."""
        seq, born = None, set()
        for one in list(self.heard):
            said = one.read(self._other)
            if one.verb == "NDEATH":
                assert "seq" not in said
                seq, born = None, set()
                continue
            seq = 0 if one.verb == "NBIRTH" else (seq + 1) % 256
            assert int(said.get("seq", 0)) == seq, f"{one.verb} {one.device} has seq {said.get('seq')}, not {seq}"
            if one.verb == "NBIRTH":
                born = set()
            elif one.verb == "DBIRTH":
                born.add(one.device)
            elif one.verb.startswith("D"):
                assert one.device in born, f"{one.verb} of {one.device}, which is not born"
                born -= {one.device} if one.verb == "DDEATH" else set()

    # --- inside ---

    @property
    def _state_topic(self):
        return f"spBv1.0/STATE/{self.host_id}"

    def _state(self, online):
        return json.dumps({"online": online, "timestamp": self.timestamp_ms}).encode()

    def _is_back(self):
        """Connected anew, it says again how it is: a broker that was killed has forgotten."""
        self._subscribed.set()
        if self._online:
            self._client.publish(self._state_topic, self._state(True), qos=1, retain=True)

    def _note(self, _client, _data, message):
        _, *levels = message.topic.split("/")
        if len(levels) < 3 or levels[1] in ("NCMD", "DCMD"):
            return
        one = Heard(levels[1], "/".join(levels[3:]), message.topic, bytes(message.payload), message.qos, message.retain)
        with self._news:
            self.heard.append(one)
            self._news.notify_all()


def _value(device, name, metric):
    told = {key: value for key, value in (_QUIET | metric).items() if key.endswith("Value")}
    value = next(iter(told.values()), None)
    return Value(device, name, value, int(metric["timestamp"]), bool(metric.get("isHistorical")))
