"""A consumer that reads a whole topic of Kafka, whatever its partitions."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

WITHIN_S = 20.0


def contents(port: int, topic: str, count: int | None = None):
    """The messages of a topic, of each partition in their order, as it stands; there must be `count`."""
    consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{port}", "group.id": "a test", "log_level": 0})
    try:
        partitions = consumer.list_topics(topic, WITHIN_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        ends = {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), WITHIN_S)[1] for number in partitions
        }
        found = []
        while len(found) < sum(ends.values()):
            message = consumer.poll(WITHIN_S)
            assert message is not None, f"{len(found)} of {ends} messages came"
            assert message.error() is None, message.error()
            found.append(message)
    finally:
        consumer.close()
    assert count in (None, len(found)), [message.value() for message in found]
    return found
