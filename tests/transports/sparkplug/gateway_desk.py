"""An edge node on a desk: its clock turned by hand, what it says read back as a host would."""

import json
from dataclasses import dataclass, replace

from transports.payloads import OutRecord
from transports.samples import DataType, Gap, Quality, Scan, Tag, batch_of
from transports.sparkplug.datatypes import SparkplugType, Wired
from transports.sparkplug.orders import Moment, Publish
from transports.sparkplug.payload import Metric, Payload, decode, encode, encode_metric
from transports.sparkplug.session import EdgeNode, NodeSettings
from transports.sparkplug.topics import Address

GROUP, NODE, HOST = "plant 7", "gw-1", "scada"
ADDRESS = Address(GROUP, NODE)
FORCE, CYCLES = Tag("force", DataType.FLOAT64, "kN"), Tag("cycles", DataType.UINT64)
TAGS = (FORCE, CYCLES)
UTC_MS = 1_700_000_000_000
NCMD = f"spBv1.0/{GROUP}/NCMD/{NODE}"
STATE = f"spBv1.0/STATE/{HOST}"


@dataclass(frozen=True)
class Said:
    """One message as a host sees it."""

    verb: str
    device: str
    payload: Payload
    sent: Publish

    @property
    def metrics(self):
        return self.payload.metrics

    @property
    def by_name(self):
        return {metric.name: metric for metric in self.metrics}


def heard(orders):
    """The messages among some orders."""
    return [read(order) for order in orders if isinstance(order, Publish)]


def read(sent):
    namespace, group, verb, node, *device = sent.topic.split("/")
    assert (namespace, group, node) == ("spBv1.0", GROUP, NODE)
    return Said(verb, "/".join(device), decode(sent.payload), sent)


def verbs(orders):
    return [f"{said.verb} {said.device}".strip() for said in heard(orders)]


def others(orders):
    return [order for order in orders if not isinstance(order, Publish)]


def command(*metrics, timestamp_ms=UTC_MS):
    """The payload of an NCMD or a DCMD."""
    return encode(timestamp_ms, None, [encode_metric(metric) for metric in metrics])


def write(form, content, *, name=None, alias=None, datatype=SparkplugType.UNKNOWN, timestamp_ms=None):
    return command(Metric(name, alias, timestamp_ms, datatype, Wired(form, content)))


def state(online, timestamp_ms):
    return json.dumps({"online": online, "timestamp": timestamp_ms}).encode()


def scan(*values, tags=TAGS, time_ms=UTC_MS, quality=Quality.GOOD):
    return Scan(time_ms * 1_000_000, tags, values, quality)


def gone(*, tags=TAGS, time_ms=UTC_MS, quality=Quality.BAD_NOT_CONNECTED):
    """What a gateway says of a device that it has lost."""
    return scan(*[None] * len(tags), tags=tags, time_ms=time_ms, quality=quality)


class Desk:
    """`node` is what is tried; each call here moves the time on by a second."""

    def __init__(self, **settings):
        self.node = EdgeNode(NodeSettings(ADDRESS, "gw", **settings))
        self.at = Moment(100.0, UTC_MS)
        self.ticket = 0
        self.newest = None

    def later(self, seconds=1.0):
        self.at = Moment(self.at.now + seconds, self.at.utc_ms + int(seconds * 1000))
        return self.at

    def connect(self):
        """(the Will, what follows from being let in)."""
        will = self.node.connecting(self.later())
        return read(will), self.node.connected(self.later())

    def record(self, *scans, device="press", historical=False, aggregate=""):
        batch = replace(batch_of(device, 1, scans), aggregate=aggregate)
        return self.put(batch, historical)

    def gap(self, device="press", reason="buffer full", historical=False):
        return self.put(Gap(device, reason, UTC_MS * 1_000_000, (UTC_MS + 5) * 1_000_000, 3, 7, 5), historical)

    def put(self, item, historical=False):
        self.newest = OutRecord("out", 1, self.ticket + 1, item, historical)
        return self.again(self.newest)

    def again(self, record):
        """A record under the next ticket."""
        self.ticket += 1
        return self.node.record(self.ticket, record, self.later())

    def receive(self, topic, payload, retained=False):
        return self.node.received(topic, payload, retained, self.later())

    def prove(self):
        """A ping and its answer; the tickets that may be committed now."""
        self.node.answered(self.node.asked(), self.later())
        return self.node.taken()


def born(**settings):
    """A desk whose node is online."""
    desk = Desk(**settings)
    desk.connect()
    if settings.get("host_id"):
        desk.receive(STATE, state(True, 1))
    return desk
