"""The demo's count: a hole is a loss unless a gap names it, and nothing else is one."""

from hypothesis import given
from hypothesis import strategies as st

from supervisors.demo.ledger import Ledger, Ranges

DEVICE, TAG = "plant", "reads"


def batch(seq: int, first_scan: int, scans: int = 1, epoch: int = 1, device: str = DEVICE, tag: str = TAG) -> dict:
    readings = [{"tag": tag, "value": 1, "time": 0, "quality": 0, "scan": first_scan + at} for at in range(scans)]
    head = {"gateway": "demo", "topic": "out", "epoch": epoch, "seq": seq, "device": device}
    return head | {"source_seq": first_scan, "readings": readings}


def gap(seq: int, device: str = DEVICE, first: int | None = None, last: int | None = None, epoch: int = 1) -> dict:
    count = None if first is None or last is None else last - first + 1
    told = {"reason": "process ended", "since": 0, "until": 0, "first_seq": first, "last_seq": last, "count": count}
    return {"gateway": "demo", "topic": "out", "epoch": epoch, "seq": seq, "device": device, "gap": told}


def ledger(*records: dict) -> Ledger:
    made = Ledger({DEVICE: TAG})
    for record in records:
        made.heard(record)
    return made


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=30))
def test_ranges_are_the_set_of_their_numbers(added):
    ranges, numbers = Ranges(), set()
    for first, more in added:
        ranges.add(first, first + more)
        numbers.update(range(first, first + more + 1))
    assert [number in ranges for number in range(80)] == [number in numbers for number in range(80)]
    assert ranges.last == max(numbers, default=0)
    assert ranges.missing(0) == ranges.last - len(numbers)
    assert ranges.missing(100) == 100 - len(numbers)


def test_what_comes_without_holes_is_counted_and_nothing_is_lost():
    heard = ledger(batch(1, 1, 3), batch(2, 4), batch(3, 5, 2))
    assert (heard.readings, heard.records, heard.lost, heard.scans(DEVICE)) == (6, 3, 0, 6)


def test_what_comes_again_is_counted_once():
    heard = ledger(batch(1, 1), batch(2, 2), batch(1, 1), batch(2, 2), batch(3, 3))
    assert (heard.readings, heard.records, heard.repeated, heard.lost) == (3, 3, 2, 0)


def test_a_missing_record_is_a_loss_and_none_when_it_comes_later_after_all():
    aggregated = {"device": "other", "tag": "mean"}
    heard = ledger(batch(1, 1, **aggregated), batch(3, 3, **aggregated))
    assert heard.lost == 1
    heard.heard(batch(2, 2, **aggregated))
    assert heard.lost == 0


def test_the_first_record_of_all_may_not_be_missing_either():
    assert ledger(batch(2, 1)).lost == 1


def test_ids_count_on_through_the_epochs():
    assert ledger(batch(1, 1, epoch=1), batch(2, 2, epoch=2), batch(3, 3, epoch=4)).lost == 0
    assert ledger(batch(1, 1, epoch=1), batch(3, 2, epoch=2)).lost == 1


def test_ids_that_a_gap_of_the_spool_names_are_not_lost():
    assert ledger(batch(1, 1), gap(5, "spool/out/1", 2, 5), batch(6, 6)).lost == 0
    assert ledger(batch(1, 1), batch(6, 6), gap(7, "spool/out/1", 2, 4)).lost > 0  # 5 is named by nobody


def test_a_missing_scan_is_a_loss_though_all_ids_are_there():
    assert ledger(batch(1, 1), batch(2, 4)).lost == 2


def test_scans_that_a_gap_names_are_not_lost():
    heard = ledger(batch(1, 1), gap(2, DEVICE, 2, 3), batch(3, 4))
    assert (heard.lost, heard.gaps) == (0, 1)
    assert ledger(batch(1, 1), gap(2, DEVICE, 2, 2), batch(3, 4)).lost == 1


def test_a_device_that_was_started_again_owes_a_gap():
    assert ledger(batch(1, 1), batch(2, 2), gap(3), batch(4, 1)).lost == 0
    assert ledger(batch(1, 1), batch(2, 2), batch(3, 1)).lost == 1


def test_an_aggregate_of_a_device_does_not_disturb_the_count_of_its_scans():
    assert ledger(batch(1, 1), batch(2, 77, tag="temperature"), batch(3, 2)).lost == 0


def test_what_was_promised_to_have_come_is_missing_when_it_has_not():
    heard = ledger(batch(1, 1), batch(2, 2))
    heard.promised("out", 2)
    assert heard.lost == 0
    heard.promised("out", 4)
    assert heard.lost == 2
    silent = ledger()
    silent.promised("out", 3)
    assert silent.lost == 3


def test_what_went_by_while_the_broker_was_away_is_told_apart_from_a_loss():
    heard = ledger(batch(1, 1), batch(2, 2))
    heard.looked_away()
    for record in (batch(2, 2), batch(5, 5), batch(6, 6)):
        heard.heard(record)
    assert (heard.unseen, heard.lost) == (2, 0)
    heard.heard(batch(8, 8))
    assert heard.lost == 1


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.data())
def test_lost_is_exactly_what_did_not_come_whatever_is_repeated(came, data):
    records = [batch(seq, seq) for seq, has_come in enumerate(came, 1) if has_come]
    again = data.draw(st.lists(st.sampled_from(records), max_size=10)) if records else []
    heard = ledger(*records)
    for record in again:
        assert not heard.heard(record)
    heard.promised("out", len(came))
    assert heard.lost == came.count(False)
    assert (heard.readings, heard.repeated) == (len(records), len(again))
