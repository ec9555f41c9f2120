"""The parts of the Kafka uplink: what librdkafka is told, how it is held, what its errors mean."""
