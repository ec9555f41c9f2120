import pytest

from transports.opcua.sequence import HIGHEST, Sequence, heard


def missed(*told: tuple[int, bool]) -> int:
    numbers = Sequence()
    for number, keepalive in told:
        numbers = heard(numbers, number, keepalive)
    return numbers.missed


@pytest.mark.parametrize(
    "told",
    [
        [(1, False), (2, False), (3, False)],
        [(1, True), (1, False), (2, False), (3, True), (3, True), (3, False)],  # as the standard has it
        [(1, False), (2, True), (3, True), (4, False)],  # a server that uses numbers up for "still here"
        [(HIGHEST, False), (1, False), (2, False)],
        [(7, False), (8, False), (7, False), (8, False)],  # sent again
        [(900, False)],
    ],
)
def test_a_sequence_without_gaps_misses_nothing(told: list[tuple[int, bool]]) -> None:
    assert missed(*told) == 0


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ([(1, False), (3, False)], 1),
        ([(1, False), (10, False), (12, False)], 9),
        ([(1, False), (2, True), (5, False)], 3),
        ([(HIGHEST - 1, False), (2, False)], 2),
    ],
)
def test_what_never_came_is_counted(told: list[tuple[int, bool]], count: int) -> None:
    assert missed(*told) == count
