"""The reading plan's promises, for any set of points."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from transports.modbus.plan import MOST, Block, plan
from transports.modbus.tags import BITS, Point


def point(register: str, address: int, width: int = 1) -> Point:
    return Point(f"{register}{address}", register, address, "uint16", width)


def run(register: str, first: int, count: int, width: int = 1) -> list[Point]:
    return [point(register, first + at * width, width) for at in range(count)]


@st.composite
def a_point(draw: st.DrawFn) -> Point:
    register = draw(st.sampled_from(list(MOST)))
    width = 1 if register in BITS else draw(st.sampled_from([1, 1, 2, 4, 17, 125]))
    near = draw(st.integers(0, 400) | st.integers(0, 65535))
    return point(register, min(near, 65536 - width), width)


some_points = st.lists(a_point(), max_size=60)
some_gap = st.integers(0, 124)


def spans(points: Sequence[Point], blocks: Sequence[Block]) -> list[tuple[Block, Point]]:
    return [(block, points[member]) for block in blocks for member in block.members]


@given(some_points, some_gap)
def test_every_point_is_read_exactly_once_and_whole(points: list[Point], gap: int) -> None:
    blocks = plan(points, gap)
    assert sorted(member for block in blocks for member in block.members) == list(range(len(points)))
    for block, inside in spans(points, blocks):
        assert inside.register == block.register
        assert block.address <= inside.address
        assert inside.end <= block.address + block.count


@given(some_points, some_gap)
def test_no_request_asks_for_more_than_an_answer_can_carry(points: list[Point], gap: int) -> None:
    for block in plan(points, gap):
        assert 1 <= block.count <= MOST[block.register]
        assert block.address + block.count <= 65536


@given(some_points, some_gap)
def test_no_request_reads_over_a_longer_gap_than_allowed(points: list[Point], gap: int) -> None:
    for block in plan(points, gap):
        wanted = {address for at in block.members for address in range(points[at].address, points[at].end)}
        longest = unwanted = 0
        for address in range(block.address, block.address + block.count):
            unwanted = 0 if address in wanted else unwanted + 1
            longest = max(longest, unwanted)
        assert longest <= gap


@given(some_points, some_gap)
def test_no_two_neighbouring_requests_could_have_been_one(points: list[Point], gap: int) -> None:
    blocks = plan(points, gap)
    for one, next_one in pairwise(blocks):
        first = points[next_one.members[0]]
        joined = first.end - one.address <= MOST[one.register]
        near = first.address <= one.address + one.count + gap
        assert one.register != next_one.register or not (joined and near)


@given(st.sampled_from(list(MOST)), st.integers(1, 2500), st.randoms())
def test_contiguous_points_take_the_fewest_requests_in_any_order(register: str, count: int, luck: object) -> None:
    points = run(register, 100, count)
    luck.shuffle(points)  # type: ignore[attr-defined]
    assert len(plan(points)) == -(-count // MOST[register])


def test_doubles_fill_a_request_with_62_and_none_is_split() -> None:
    assert [block.count for block in plan(run("holding", 0, 125, width=4))] == [124, 124, 124, 124, 4]


def test_a_gap_costs_a_request_unless_it_may_be_read_over() -> None:
    points = [point("holding", 0), point("holding", 5)]
    assert [(block.address, block.count) for block in plan(points)] == [(0, 1), (5, 1)]
    assert [(block.address, block.count) for block in plan(points, max_gap=4)] == [(0, 6)]
    assert len(plan(points, max_gap=3)) == 2


@given(some_points, some_gap, st.sets(st.integers(0, 59)), st.sets(st.integers(0, 59)))
def test_what_is_left_out_is_not_read_and_where_a_cut_is_a_request_begins(
    points: list[Point], gap: int, left_out: set[int], cuts: set[int]
) -> None:
    blocks = plan(points, gap, left_out, cuts)
    members = [member for block in blocks for member in block.members]
    assert sorted(members) == [at for at in range(len(points)) if at not in left_out]
    assert all(member not in cuts for block in blocks for member in block.members[1:])
    assert all(1 <= block.count <= MOST[block.register] for block in blocks)


def test_no_request_reads_over_what_is_left_out() -> None:
    points = run("holding", 0, 5)
    assert [block.members for block in plan(points, max_gap=9, left_out={2})] == [(0, 1), (3, 4)]


def test_the_four_tables_are_never_mixed() -> None:
    assert len(plan([point(register, 0) for register in MOST])) == 4


def test_two_tags_on_one_register_share_its_request() -> None:
    (block,) = plan([point("holding", 3), point("holding", 2, 2), point("holding", 3)])
    assert (block.address, block.count, sorted(block.members)) == (2, 2, [0, 1, 2])


def test_a_block_names_what_it_reads() -> None:
    assert str(Block("holding", 100, 4, ())) == "holding 100..103"
