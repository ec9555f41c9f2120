"""Bytes that MQTT carries for each sample that was read: JSON for each reading, and the same summed up in windows.

Whole PUBLISH packets as the subscriber gets them (header, topic, packet id, payload), without TCP, IP and TLS. Two
devices of 4 float64 tags (sines), 60 scans a window. Raw: one message a scan, payload `json`, an object for each
reading. Aggregated: one message a window (count, min, max, mean, last of each tag), payload `json_columns`, its bytes
divided by the samples that it stands for (the sum of `count`). A window is 250 ms here, with a scan each 1/240 s; a
minute with a scan a second has the same bytes a sample. Values are those of five windows each.
"""

import json

from tests.bench.report import Values
from tests.bench.rig import Arrivals, Bench, Counter, gateway, let_pass, uplink
from tests.peers.mosquitto import Mosquitto

NAMES = ("wire_bytes_per_sample_raw", "wire_bytes_per_sample_aggregated")
RUNS, TAGS, SCANS = 5, 4, 60
WINDOW = '\n[aggregate.windows]\nfrom = ["press"]\nwindow = "250ms"\n'
DEVICE = """
[device.press]
driver = "sim"
period = 0.0041666667
[device.press.tags]
force = { wave = "sine", period = "3s", amplitude = 400, offset = 500 }
way = { wave = "triangle", period = "5s", amplitude = 80, offset = 90 }
speed = { wave = "sine", period = "7s", amplitude = 3, offset = 12, noise = 0.1 }
heat = { wave = "sine", period = "60s", amplitude = 5, offset = 70, noise = 0.01 }
"""


def measure(bench: Bench) -> Values:
    """The same, quick or not."""
    raw = _arrived(bench, DEVICE, "json", RUNS * SCANS + 20)
    summed_up = _arrived(bench, DEVICE + WINDOW, "json_columns", RUNS + 2)
    return dict(zip(NAMES, (_of_readings(raw), _of_windows(summed_up)), strict=True))


def _arrived(bench: Bench, config: str, payload: str, records: int) -> Arrivals:
    room = bench.room()
    with (
        Mosquitto(room) as broker,
        Counter(broker, room, keep=True) as counter,
        gateway(bench, config + uplink(broker.port, payload)),
    ):
        counter.wait(records)
        let_pass(0.05)
        return counter.arrivals()


def _of_readings(arrivals: Arrivals) -> list[float]:
    """Bytes a sample of as many messages as there are scans in a window, five times."""
    messages = zip(arrivals.payloads, arrivals["wire_bytes"].tolist(), strict=True)
    sizes = [(wire_bytes, len(json.loads(payload)["readings"])) for payload, wire_bytes in messages][: RUNS * SCANS]
    parts = [sizes[at : at + SCANS] for at in range(0, len(sizes), SCANS)]
    return [sum(size for size, _ in part) / sum(samples for _, samples in part) for part in parts]


def _of_windows(arrivals: Arrivals) -> list[float]:
    """Bytes a sample of five windows; the first, which was not a whole one, left out."""
    values = []
    for payload, wire_bytes in zip(arrivals.payloads, arrivals["wire_bytes"].tolist(), strict=True):
        record = json.loads(payload)
        counts = [at for at, tag in enumerate(record["tags"]) if tag.endswith(".count")]
        values.append(wire_bytes / sum(row[at] for row in record["values"] for at in counts))
    return values[1 : RUNS + 1]
