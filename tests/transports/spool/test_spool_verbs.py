"""What a producer and a consumer can rely on while nothing breaks, and across reopening."""

from collections.abc import Callable

import pytest
from spool_disks import NOW_NS

from transports.errors import NotUnderstood, SettingsError
from transports.spool import DATA, GAP, START, Commit, Position, Record, Spool

Open = Callable[..., Spool]


def payloads(spool: Spool, topic: str, consumer: str, **how: bool) -> list[bytes]:
    return [record.payload for record in spool.fetch(topic, consumer, 1 << 20, **how).records]


def test_what_is_appended_is_fetched_in_order_and_once(open_spool: Open) -> None:
    spool = open_spool()
    assert spool.append("raw", "press", 1, [b"a", b"b"], NOW_NS) == 2
    assert spool.append("raw", "oven", 7, [b"c"], NOW_NS + 1, kind=GAP) == 7
    fetched = spool.fetch("raw", "agg", 1 << 20)
    assert fetched.records == [
        Record(Position(1, 1), NOW_NS, "press", 1, DATA, b"a"),
        Record(Position(1, 2), NOW_NS, "press", 2, DATA, b"b"),
        Record(Position(1, 3), NOW_NS + 1, "oven", 7, GAP, b"c"),
    ]
    assert (fetched.holes, fetched.end) == ([], Position(1, 3))
    assert spool.fetch("raw", "agg", 1 << 20) == ([], [], Position(1, 3))


def test_a_batch_keeps_to_its_size_but_one_record_always_comes(open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [bytes(1000), bytes(300), bytes(300), bytes(300), bytes(500_000)], NOW_NS)
    sizes = []
    while records := spool.fetch("raw", "agg", 750).records:
        sizes.append([len(record.payload) for record in records])
    assert sizes == [[1000], [300, 300], [300], [500_000]]


def test_resent_records_are_taken_once_also_across_reopening(open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"1", b"2"], NOW_NS)
    assert spool.append("raw", "press", 1, [b"1", b"2", b"3"], NOW_NS + 5) == 3
    spool = open_spool()
    assert spool.producer("raw", "press") == (3, NOW_NS + 5)
    assert spool.append("raw", "press", 2, [b"2", b"3"], NOW_NS) == 3
    assert spool.append("raw", "press", 9, [b"9"], NOW_NS) == 9, "a producer may leave numbers out"
    assert payloads(spool, "raw", "agg") == [b"1", b"2", b"3", b"9"]
    assert spool.producer("raw", "stranger") == (0, 0)


def test_a_commit_with_records_that_are_all_known_is_not_applied_again(open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"1", b"2"], NOW_NS)
    spool.append("out", "agg", 1, [b"sum"], NOW_NS, Commit("raw", "agg", Position(1, 1), b"one"))
    spool.append("out", "agg", 1, [b"sum"], NOW_NS, Commit("raw", "agg", Position(1, 2), b"two"))
    assert spool.cursor("raw", "agg") == (Position(1, 1), b"one")
    assert payloads(spool, "out", "cloud") == [b"sum"]


def test_a_cursor_goes_on_after_reopening_wherever_it_was_committed(open_spool: Open) -> None:
    spool = open_spool()
    assert spool.cursor("raw", "agg") == (START, b"")
    spool.append("raw", "press", 1, [b"1", b"2", b"3", b"4"], NOW_NS)
    spool.commit(Commit("raw", "agg", Position(1, 1), b"plain"))
    spool.append("out", "agg", 1, [], NOW_NS, Commit("raw", "agg", Position(1, 3), b"travelling"))
    spool.commit(Commit("raw", "agg", Position(1, 2), b"back"))
    for _ in range(3):
        assert spool.cursor("raw", "agg") == (Position(1, 3), b"travelling")
        spool = open_spool()
    assert payloads(spool, "raw", "agg") == [b"4"]


def test_at_the_same_position_the_newer_state_wins_in_whichever_log_it_lies(open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"1"], NOW_NS)
    spool.append("out", "agg", 1, [b"x"], NOW_NS, Commit("raw", "agg", Position(1, 1), b"z: older"))
    spool.commit(Commit("raw", "agg", Position(1, 1), b"a: newer"))
    assert open_spool().cursor("raw", "agg") == (Position(1, 1), b"a: newer")


def test_a_consumer_that_restarts_begins_after_its_commit_again(open_spool: Open) -> None:
    spool = open_spool()
    spool.append("out", "agg", 1, [b"1", b"2", b"3"], NOW_NS)
    payloads(spool, "out", "cloud")
    spool.commit(Commit("out", "cloud", Position(1, 1)))
    assert payloads(spool, "out", "cloud") == []
    spool.rewind("out", "cloud")
    assert payloads(spool, "out", "cloud") == [b"2", b"3"]
    assert payloads(spool, "out", "archive") == [b"1", b"2", b"3"]


def test_reading_goes_on_through_segments_that_roll_under_it(open_spool: Open) -> None:
    spool = open_spool(segment_bytes=500)
    for pseq in range(1, 101):
        spool.append("raw", "press", pseq, [str(pseq).encode()], NOW_NS)
        if pseq % 3 == 0:
            assert payloads(spool, "raw", "agg") == [str(n).encode() for n in (pseq - 2, pseq - 1, pseq)]
    assert spool.stat()["raw"].segments > 10
    spool = open_spool(segment_bytes=500)
    assert len(payloads(spool, "raw", "agg")) == 100


def test_only_what_was_synced_is_handed_out_as_durable(open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"1"], NOW_NS)
    job = spool.dirty()
    spool.append("raw", "press", 2, [b"2"], NOW_NS)
    job.run()
    assert payloads(spool, "raw", "agg", durable=True) == []
    spool.synced(job)
    assert (spool.durable("raw"), spool.end("raw")) == (Position(1, 1), Position(1, 2))
    assert payloads(spool, "raw", "agg", durable=True) == [b"1"]
    assert payloads(spool, "raw", "agg") == [b"2"]
    spool.sync()
    assert (spool.durable("raw"), bool(spool.dirty())) == (Position(1, 2), False)


def test_what_was_read_ahead_but_not_synced_is_not_handed_out_as_durable(open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"1", b"2"], NOW_NS)
    assert [record.payload for record in spool.fetch("raw", "agg", 1).records] == [b"1"]
    assert payloads(spool, "raw", "agg", durable=True) == []
    assert payloads(spool, "raw", "agg") == [b"2"]


def test_waiting_counts_what_is_not_committed(open_spool: Open) -> None:
    spool = open_spool()
    assert spool.waiting("raw", "agg") == 0
    spool.append("raw", "press", 1, [b"1", b"2", b"3"], NOW_NS)
    spool.commit(Commit("raw", "agg", Position(1, 2)))
    assert spool.waiting("raw", "agg") == 1
    spool = open_spool()
    assert spool.waiting("raw", "agg") == 1
    spool.commit(Commit("raw", "agg", Position(1, 3)))
    assert spool.waiting("raw", "agg") == 0


def test_a_wrong_request_is_refused_and_changes_nothing(open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"1"], NOW_NS)
    before = spool.stat()
    for wrong in (
        lambda: spool.append("nowhere", "press", 1, [b"x"], NOW_NS),
        lambda: spool.append("raw", "press", 2, [b"x"], NOW_NS, Commit("raw", "stranger", Position(1, 1))),
        lambda: spool.append("raw", "press", 2, [b"x"], NOW_NS, Commit("raw", "agg", Position(1, 9))),
        lambda: spool.append("raw", "p" * 1001, 1, [b"x"], NOW_NS),
        lambda: spool.append("raw", "\udc80", 1, [b"x"], NOW_NS),
        lambda: spool.append("raw", "other", 0, [b"x", b"y"], NOW_NS),
        lambda: spool.append("raw", "other", 2**64, [b"x"], NOW_NS),
        lambda: spool.fetch("raw", "stranger", 100),
        lambda: spool.commit(Commit("raw", "agg", Position(2, 1))),
    ):
        with pytest.raises(NotUnderstood):
            wrong()
    assert spool.stat() == before
    with pytest.raises(SettingsError):
        open_spool(consumers={"../raw": ()})
