"""librdkafka's mock cluster in a process of its own: three brokers without disks, users or TLS, gone with the process.

python tests/peers/kafka_mock.py      prints the port of the first broker

Topics make themselves when they are first asked for. Another process on the same ports cannot be had, for the ports
cannot be chosen: a cluster that comes back is played by SIGSTOP and SIGCONT.
"""

import argparse
import sys

from confluent_kafka import Producer
from lifeline import die_with_parent

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    die_with_parent(parser.parse_args().parent)
    cluster = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "none", "log_level": 0})
    brokers = cluster.list_topics(timeout=20).brokers
    print(brokers[min(brokers)].port, flush=True)
    sys.stdin.read()
