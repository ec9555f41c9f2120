"""What is confirmed is exactly what was taken, in few ranges, to whoever waits for it."""

from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from transports.receiving import confirming
from transports.receiving.confirming import confirmations, ranges
from transports.receiving.rows import RecordId

IDS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)))
NAMES = st.sampled_from(["a", "b"])
TAKEN = st.lists(
    st.tuples(st.sampled_from(["", "x", "y"]), st.builds(RecordId, NAMES, NAMES, st.integers(0, 2), st.integers(0, 9)))
)


def unfolded(found):
    return [(epoch, seq) for epoch, first, last in found for seq in range(first, last + 1)]


@given(IDS)
def test_ranges_mean_exactly_the_ids_in_order_and_never_touch(ids):
    found = ranges(ids)
    assert unfolded(found) == sorted(set(ids))
    assert all(not (a[0] == b[0] and a[2] + 1 == b[1]) for a, b in pairwise(found))


@given(TAKEN)
def test_everybody_hears_of_what_they_wait_for_and_of_nothing_else(taken):
    told = set()
    for reply, payload in confirmations(taken):
        said = orjson.loads(payload)
        told |= {(reply, (said["gateway"], said["topic"], *each)) for each in unfolded(said["taken"])}
    assert told == {(reply, tuple(name)) for reply, name in taken if reply}


def test_a_confirmation_of_very_many_ranges_is_several_messages():
    taken = [("x", RecordId("g", "out", 1, 2 * seq)) for seq in range(confirming.RANGES_MOST + 1)]
    sizes = [len(orjson.loads(payload)["taken"]) for _, payload in confirmations(taken)]
    assert sizes == [confirming.RANGES_MOST, 1]
