"""What a program prints reaches the log whole, harmless and bounded."""

from hypothesis import given
from hypothesis import strategies as st

from actors.programs.output import LINE_COST_BYTES, Flow, Lines, readable

chunks = st.lists(st.binary(max_size=40) | st.sampled_from([b"a\n", b"\n\n", b"x" * 50, b"\r\n"]), max_size=20)


def cut(data: bytes, max_bytes: int = 1000) -> list[str]:
    lines = Lines(max_bytes)
    return [*lines.feed(data), *lines.end()]


def test_lines_come_when_they_are_whole_and_the_last_one_at_the_end() -> None:
    lines = Lines()
    assert list(lines.feed(b"one\ntw")) == ["one"]
    assert list(lines.feed(b"o\r\n\nthr")) == ["two"]
    assert list(lines.feed(b"ee")) == []
    assert list(lines.end()) == ["three"]
    assert list(lines.end()) == []


def test_a_line_that_is_too_long_is_cut_and_says_so() -> None:
    assert cut(b"a" * 10 + b"\nshort\n", 4) == ["aaaa [and 6 bytes]", "shor [and 1 bytes]"]


def test_what_is_no_text_or_steers_a_terminal_is_shown_as_escapes() -> None:
    assert readable(b"\xff\x00 \x1b[31mred\x07 \xc2\x9b ok\ttab") == "\\xff\\x00 \\x1b[31mred\\x07 \\x9b ok\ttab"
    assert readable("wärm 25 °C, 東京 \u202e".encode()) == "wärm 25 °C, 東京 \\u202e"


@given(chunks)
def test_the_lines_do_not_depend_on_how_the_bytes_were_cut(parts: list[bytes]) -> None:
    lines = Lines(16)
    pieces = [line for part in parts for line in lines.feed(part)] + list(lines.end())
    assert pieces == cut(b"".join(parts), 16)


@given(chunks)
def test_every_line_is_printable_and_bounded(parts: list[bytes]) -> None:
    for line in cut(b"".join(parts), 16):
        assert "\n" not in line
        assert all(letter.isprintable() or letter == "\t" for letter in line)
        assert len(line) <= 4 * 16 + len(" [and 1000 bytes]")


@given(st.lists(st.sampled_from([b"a", b"bc\n", b"\n", b"d" * 30]), max_size=12).map(b"".join), st.integers(0, 9))
def test_skipping_leaves_the_same_unfinished_line_as_reading(data: bytes, size: int) -> None:
    read, skipped = Lines(16), Lines(16)
    parts = [data[:size], data[size:]]
    seen = [line for part in parts for line in read.feed(part)]
    told = [skipped.skip(part) for part in parts]
    assert sum(count for count, _ in told) == data.count(b"\n")
    whole = [part for part in parts if b"\n" in part]
    if whole and whole[-1].endswith(b"bc\n"):
        assert told[parts.index(whole[-1])][1] == seen[-1]
    assert list(skipped.feed(b"end\n")) == list(read.feed(b"end\n"))


def test_a_flood_leaves_one_hole_until_it_is_told_and_then_the_next_lines_come() -> None:
    line, cost = "x" * 36, 36 + LINE_COST_BYTES
    flow = Flow(0.0, bytes_a_second=10 * cost, burst_bytes=20 * cost)
    admitted = [flow.admits(line, 0.0) for _ in range(50)]
    assert admitted == [True] * 20 + [False] * 30
    assert not flow.admits(line, 0.9), "a hole is one hole"
    assert flow.told() == 31
    assert flow.told() == 0
    assert sum(flow.admits(line, 1.0) for _ in range(50)) == 10
    assert flow.left_out == 31 + 40


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 300), st.booleans()), max_size=60))
def test_what_gets_through_never_exceeds_the_burst_and_the_rate(events: list[tuple[float, int, bool]]) -> None:
    flow, now, through = Flow(0.0, bytes_a_second=500, burst_bytes=1000), 0.0, 0
    for wait_s, letters, told in events:
        now += wait_s
        if told:
            flow.told()
        if flow.admits("x" * letters, now):
            through += letters + LINE_COST_BYTES
        assert through <= 1000 + 500 * now + 1e-6
