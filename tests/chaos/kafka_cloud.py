"""Kafka as a far end of the chaos: librdkafka's mock cluster, which is away while it is stopped by SIGSTOP.

The mock has no disk and its ports cannot be chosen, so it cannot be ended and come back with what it had.
"""

import signal
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.chaos.clouds import PATIENCE, Cloud
from tests.peers.processes import Peer, start_peer

TOPIC = "holdfast"
WITHIN_S = 20.0


class KafkaCloud(Cloud):
    """See the module's note. The order of the messages is that of each partition, so of each device."""

    def __init__(self, directory: Path) -> None:
        self._stack = ExitStack()
        self._cluster: Peer = self._stack.enter_context(start_peer("kafka_mock.py"))
        self.table = (
            f'type = "kafka"\nservers = ["127.0.0.1:{self._cluster.port}"]\ntopic = "{TOPIC}"\n'
            f'ack_timeout = "5s"\n{PATIENCE}'
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def start(self) -> None:
        self._cluster.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._cluster.process.send_signal(signal.SIGSTOP)

    def payloads(self) -> list[bytes]:
        consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{self._cluster.port}", "group.id": "cloud"})
        try:
            return _contents(consumer)
        finally:
            consumer.close()


def _contents(consumer: Consumer) -> list[bytes]:
    """Everything that is in the topic now, of each partition in its order."""
    known = consumer.list_topics(TOPIC, WITHIN_S).topics[TOPIC].partitions
    partitions = [TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in known]
    count = sum(consumer.get_watermark_offsets(each, WITHIN_S)[1] for each in partitions)
    consumer.assign(partitions)
    found: list[bytes] = []
    while len(found) < count:
        messages = consumer.consume(count - len(found), WITHIN_S)
        assert messages, f"{len(found)} of {count} messages came within {WITHIN_S} s"
        assert not any(message.error() for message in messages)
        found += [message.value() or b"" for message in messages]
    return found
