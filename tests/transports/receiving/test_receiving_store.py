"""The database holds each record once, exact to the bit, and whatever contradicts it beside it."""

import sqlite3
from contextlib import closing

import msgpack
import orjson
import pytest

from tests.transports.receiving.served import record
from transports.errors import SettingsError, SpoolError
from transports.receiving import store as store_module
from transports.receiving.reading import understood
from transports.receiving.store import Arrival, Kept, Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "readings.sqlite"


def arrival(payload, at_ns=1):
    return Arrival("holdfast/plant-7/press-1", payload, at_ns, understood(payload))


def keep(path, *payloads):
    with closing(Store(path)) as store:
        return store.keep([arrival(payload) for payload in payloads])


def asked(path, question):
    with closing(sqlite3.connect(path)) as base:
        return base.execute(question).fetchall()


def test_two_deliveries_of_a_record_make_one_row_in_one_batch_and_in_two(path):
    assert keep(path, record(1), record(1)) == Kept(records=1, repeated=1)
    assert keep(path, record(1), record(2)) == Kept(records=1, repeated=1)
    assert asked(path, "SELECT seq FROM records") == [(1,), (2,)]
    assert asked(path, "SELECT integer FROM readings") == [(1,), (2,)]


def test_a_repetition_is_one_also_when_it_comes_late_or_in_another_format(path):
    columns = orjson.loads(record(1)) | {
        "times": [1_700_000_000_000_000_001], "tags": ["n"], "values": [[1]], "quality": 0
    }  # fmt: skip
    del columns["readings"]
    assert keep(path, record(1), record(1, historical=True), msgpack.packb(columns)) == Kept(1, 2)
    assert asked(path, "SELECT count(*) FROM readings") == [(1,)]


def test_another_record_of_an_id_that_is_taken_is_set_aside_and_not_passed_over(path):
    other = record(1, device="press-2")
    assert keep(path, record(1), other) == Kept(records=1, unreadable=1)
    ((payload, reason, records),) = asked(path, "SELECT payload, reason, records FROM unreadable")
    assert payload == other
    assert "data directory replaced" in reason
    assert orjson.loads(records) == [["plant-7", "out", 1, 1]]


def test_values_are_exact_to_64_bits_and_each_stands_where_its_kind_says(path):
    values = [True, -(2**63), 2**63 - 1, 2**64 - 1, 0.1, float("nan"), float("inf"), "a\0b", b"\xff", [1, 2.5], None]
    columns = {"times": [5], "tags": [str(at) for at in range(len(values))], "values": [values], "quality": 0}
    head = {"gateway": "g", "topic": "out", "epoch": 1, "seq": 1, "device": "d", "source_seq": 1}
    keep(path, msgpack.packb(head | columns))
    assert asked(path, "SELECT kind, coalesce(integer, real, text, blob) FROM readings ORDER BY rowid") == [
        ("bool", 1),
        ("integer", -(2**63)),
        ("integer", 2**63 - 1),
        ("integer", str(2**64 - 1)),
        ("real", 0.1),
        ("real", "NaN"),
        ("real", float("inf")),
        ("text", "a\0b"),
        ("bytes", b"\xff"),
        ("list", "[1, 2.5]"),
        (None, None),
    ]


def test_a_gap_is_a_row_with_its_reason(path):
    gap = {"reason": "quota", "since": 1, "until": 9, "first_seq": 4, "last_seq": 8, "count": None, "detail": ""}
    part = {**orjson.loads(record(3)), "gap": gap}
    del part["readings"]
    keep(path, orjson.dumps(part))
    assert asked(path, "SELECT gateway, device, reason, since_ns, until_ns, first_seq, last_seq, count FROM gaps") == [
        ("plant-7", "press-1", "quota", 1, 9, 4, 8, None)
    ]


def test_what_is_unreadable_is_kept_once_however_often_it_comes(path):
    assert keep(path, b"noise", record(1), b"noise") == Kept(records=1, unreadable=2)
    ((payload, times),) = asked(path, "SELECT payload, times FROM unreadable")
    assert (payload, times) == (b"noise", 2)


def test_strangers_cannot_fill_the_disk_and_do_not_push_out_what_was_confirmed(path, monkeypatch):
    monkeypatch.setattr(store_module, "UNREADABLE_MOST", 3)
    broken = orjson.dumps(orjson.loads(record(7)) | {"readings": 0})
    keep(path, broken, *(b"noise %d" % n for n in range(10)))
    payloads = [payload for (payload,) in asked(path, "SELECT payload FROM unreadable ORDER BY rowid")]
    assert payloads == [broken, b"noise 7", b"noise 8", b"noise 9"]


def test_a_batch_is_stored_whole_or_not_at_all(path):
    keep(path, record(1))
    with closing(Store(path)) as store:
        store._base.execute("PRAGMA max_page_count = 20")  # a disk that is full
        with pytest.raises(SpoolError, match="full"):
            store.keep([arrival(record(seq, device="x" * 3000)) for seq in range(2, 60)])
        assert asked(path, "SELECT count(*) FROM records") == [(1,)]
    assert keep(path, record(2)).records == 1, "and it goes on when there is room"


def test_a_commit_waits_for_the_disk_and_readers_wait_for_nobody(path):
    with closing(Store(path)) as store:
        (mode,) = store._base.execute("PRAGMA journal_mode").fetchone()
        (full,) = store._base.execute("PRAGMA synchronous").fetchone()
    assert (mode, full) == ("wal", 2)


def test_a_database_of_something_else_is_refused_and_left_as_it_is(path):
    with closing(sqlite3.connect(path)) as base:
        base.execute("CREATE TABLE mine (x)")
        base.commit()
    with pytest.raises(SettingsError, match="something else"):
        Store(path)
    assert asked(path, "SELECT name FROM sqlite_master") == [("mine",)]


def test_a_file_that_is_no_database_is_refused(path):
    path.write_bytes(b"a letter to my mother, long enough to be no header of SQLite\n" * 20)
    with pytest.raises(SettingsError, match="no SQLite database"):
        Store(path)


def test_a_place_where_no_file_can_be_is_trouble_and_no_crash(tmp_path):
    with pytest.raises(SpoolError, match="unable to open"):
        Store(tmp_path / "no such directory" / "readings.sqlite")
