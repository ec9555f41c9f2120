"""The messages of an edge node, with its sequence numbers: who says them when is decided in session.py.

    NBIRTH  seq 0, bdSeq, Node Control/Rebirth, Gap        NDEATH  bdSeq alone, no seq
    DBIRTH  seq, every metric: name, alias, type, value    DDEATH  seq alone
    DDATA   seq, metrics by alias                          NDATA   seq, Gap by alias

All but NDEATH at QoS 0 (tck-id-payloads-nbirth-qos and its siblings), none retained.
"""

from collections.abc import Iterable, Iterator

from transports.sparkplug.datatypes import Form, SparkplugType, Wired
from transports.sparkplug.devices import Device
from transports.sparkplug.orders import Publish
from transports.sparkplug.payload import Metric, encode, encode_metric
from transports.sparkplug.topics import Address, Verb

BD_SEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"
GAP = "Gap"
GAP_ALIAS = 1
FIRST_ALIAS = 2
SEQ_NUMBERS = 256
_LONG = 256  # bytes of a value that a birth leaves out when it becomes too large


class Voice:
    """`max_bytes`: data is divided into messages of at most so much; a birth cannot be divided,
    but leaves long values out."""

    def __init__(self, address: Address, max_bytes: int) -> None:
        self._address, self.max_bytes = address, max_bytes
        self._seq = 0
        self._gap: Metric = Metric(GAP, GAP_ALIAS, datatype=SparkplugType.STRING, is_null=True)

    def nbirth(self, bd_seq: int, utc_ms: int) -> Publish:
        """The birth of the node, with which the sequence begins anew (tck-id-topics-nbirth-seq-num)."""
        self._seq = 0
        gap = self._gap
        metrics = [
            _bd_seq(bd_seq, utc_ms),
            # No alias: tck-id-operational-behavior-data-commands-rebirth-name-aliases
            Metric(REBIRTH, None, utc_ms, SparkplugType.BOOLEAN, Wired(Form.BOOLEAN, False)),
            Metric(GAP, GAP_ALIAS, gap.timestamp_ms or utc_ms, SparkplugType.STRING, gap.value, is_null=gap.is_null),
        ]
        return self._said(self._address.of_node(Verb.NBIRTH), utc_ms, map(encode_metric, metrics))

    def ndeath(self, bd_seq: int, utc_ms: int) -> Publish:
        """The death of the node: our Will, and what we publish ourselves before we disconnect."""
        payload = encode(utc_ms, None, [encode_metric(_bd_seq(bd_seq, utc_ms))])
        return Publish(self._address.of_node(Verb.NDEATH), payload, qos=1)

    def dbirth(self, device: Device, utc_ms: int) -> Publish:
        """The birth of a device, with all its metrics."""
        device.is_news = False
        metrics = [point.birth() for point in device.points.values()]
        if sum(map(len, metrics)) > self.max_bytes:
            metrics = [point.birth(_LONG) for point in device.points.values()]
        return self._said(self._address.of_device(Verb.DBIRTH, device.name), utc_ms, metrics)

    def ddeath(self, device: str, utc_ms: int) -> Publish:
        """The death of a device."""
        return self._said(self._address.of_device(Verb.DDEATH, device), utc_ms, ())

    def ddata(self, device: str, metrics: Iterable[bytes], utc_ms: int) -> list[Publish]:
        """Data of a device, in as many messages as it takes."""
        topic = self._address.of_device(Verb.DDATA, device)
        return [self._said(topic, utc_ms, some) for some in self._divided(metrics)]

    def gap(self, text: str, time_ms: int, is_historical: bool, utc_ms: int) -> Publish:
        """Something is missing: the one thing that the node itself reports."""
        value = Wired(Form.STRING, text)
        if not is_historical:
            self._gap = Metric(GAP, GAP_ALIAS, time_ms, value=value)
        metric = Metric(alias=GAP_ALIAS, timestamp_ms=time_ms, value=value, is_historical=is_historical)
        return self._said(self._address.of_node(Verb.NDATA), utc_ms, [encode_metric(metric)])

    def _said(self, topic: str, utc_ms: int, metrics: Iterable[bytes]) -> Publish:
        seq, self._seq = self._seq, (self._seq + 1) % SEQ_NUMBERS  # tck-id-payloads-sequence-num-incrementing
        return Publish(topic, encode(utc_ms, seq, list(metrics)))

    def _divided(self, metrics: Iterable[bytes]) -> Iterator[list[bytes]]:
        some: list[bytes] = []
        room = self.max_bytes
        for metric in metrics:
            needs = len(metric) + 6  # its key and length
            if some and needs > room:
                yield some
                some, room = [], self.max_bytes
            some.append(metric)
            room -= needs
        if some:
            yield some


def _bd_seq(bd_seq: int, utc_ms: int) -> Metric:
    # tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq: an INT64
    return Metric(BD_SEQ, None, utc_ms, SparkplugType.INT64, Wired(Form.LONG, bd_seq))
