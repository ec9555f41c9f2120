"""A disk in trouble is tried again ever more slowly, and counts as well only when a sync has returned."""

from actors.spooling.trouble import BACKOFF, WELL


def test_the_first_try_is_soon_and_later_ones_come_ever_more_slowly_up_to_a_ceiling() -> None:
    trouble, waits = WELL, []
    for _ in range(9):
        trouble = trouble.failed("sync /x: Input/output error", 50.0, 7, luck=0.5)
        waits.append(trouble.next_at - 50.0)
    assert [round(wait, 6) for wait in waits[:3]] == [0.2, 0.4, 0.8]
    assert waits == sorted(waits)
    assert round(waits[-1], 6) == BACKOFF.ceiling_s


def test_it_says_since_when_and_when_it_is_tried_next() -> None:
    trouble = WELL.failed("sync /x: Input/output error", 50.0, 7, luck=0.5)
    trouble = trouble.failed("open /x: Read-only file system", 60.0, 17, luck=0.5)
    assert trouble.what == "open /x: Read-only file system"
    assert (trouble.since, trouble.since_ns) == (50.0, 7)
    assert trouble.told(60.1) == {"disk_since_ns": 7, "disk_next_try_s": 0.3}
    assert WELL.told(60.1) == {}


def test_a_disk_that_opens_and_fails_again_is_not_tried_at_once() -> None:
    first = WELL.failed("sync /x: Input/output error", 50.0, 7, luck=0.5)
    again = first.opened().failed("sync /x: Input/output error", 51.0, 8, luck=0.5)
    assert again.next_at - 51.0 > first.next_at - 50.0
    assert again.since == 50.0


def test_an_open_spool_tells_nothing() -> None:
    assert WELL.failed("sync /x: Input/output error", 50.0, 7, luck=0.5).opened().told(51.0) == {}
