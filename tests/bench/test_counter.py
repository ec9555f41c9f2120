"""The benchmarks' subscriber: what it counts is what came."""

import time
from pathlib import Path

from paho.mqtt.publish import single

from tests.bench.counter import Noted
from tests.bench.rig import Counter
from tests.peers.mosquitto import Mosquitto
from transports.payloads import OutRecord, json, json_columns
from transports.samples import Gap, Scan, Tag, batch_of

TAGS = (Tag("force"), Tag("way"))


def record(seq: int, epoch: int = 1) -> OutRecord:
    return OutRecord("out", epoch, seq, batch_of("press", 10 * seq, [Scan(7_000 + seq, TAGS, [1.5, 2.5])]))


def noted(*payloads: bytes) -> Noted:
    found = Noted(keep=False)
    for payload in payloads:
        found.note(bytearray(b"head" + payload), 4, 4 + len(payload), arrival_ns=9_000, wire_bytes=len(payload) + 8)
    return found


def test_the_id_the_first_scan_and_the_source_time_of_a_record_are_read_from_both_json_forms() -> None:
    for form in (json, json_columns):
        columns = noted(form.encode([record(3)], "bench", many=False)).columns
        assert [columns[name][0] for name in ("epoch", "seq", "source_seq", "source_ns")] == [1, 3, 30, 7_003]


def test_a_record_that_comes_again_counts_once_and_one_of_another_epoch_is_another() -> None:
    found = noted(*(json.encode([each], "bench", many=False) for each in (record(1), record(1), record(1, epoch=2))))
    assert len(found.columns["seq"]) == 2
    assert found.repeated == 1


def test_records_that_share_a_message_count_each_and_its_bytes_once() -> None:
    payload = json_columns.encode([record(1), record(2)], "bench", many=True)
    assert list(noted(payload).columns["wire_bytes"]) == [len(payload) + 8, 0]


def test_a_gap_is_a_record_without_readings() -> None:
    gap = OutRecord("out", 1, 5, Gap("press", "buffer full", 1, 2, 10, 19, 10))
    found = noted(json.encode([gap], "bench", many=False))
    assert (found.gaps, list(found.columns["source_seq"])) == (1, [0])


def test_the_counter_comes_back_after_a_broker_and_gets_what_its_session_kept(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, persistence=True) as broker, Counter(broker, tmp_path) as counter:
        for seq in (1, 2):
            payload = json.encode([record(seq)], "bench", many=False)
            begun_ns = time.time_ns()
            single("bench/press", payload, qos=1, hostname="127.0.0.1", port=broker.port)
            counter.wait(seq)
            assert begun_ns <= counter.arrivals()["arrival_ns"][-1] <= time.time_ns()
            broker.stop()
            broker.start()
