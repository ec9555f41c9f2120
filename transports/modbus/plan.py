"""Which requests read all points of a Modbus device: as few as the protocol allows.

    points, anywhere              blocks, in the order of address
    r0 r1 r2 ··· f(2) s(8)   ──>  [r0 r1 r2]   [f f s s s s s s s s]

Neighbours share a block; a block never asks for more than one request can carry, nor for a part of a value.
A decider: it imports no I/O.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from transports.modbus.tags import Point

# Modbus Application Protocol 1.1b3, 6.1 to 6.4: what one answer has room for
MOST: Mapping[str, int] = {"holding": 125, "input": 125, "coil": 2000, "discrete": 2000}


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers or bits from `address` on; `members` are the places of its points in the input."""

    register: str
    address: int
    count: int
    members: tuple[int, ...]
    """In the order of their addresses."""

    def __str__(self) -> str:
        return f"{self.register} {self.address}..{self.address + self.count - 1}"


def plan(
    points: Sequence[Point], max_gap: int = 0, left_out: Container[int] = (), cuts: Container[int] = ()
) -> tuple[Block, ...]:
    """The requests that read every point once; up to `max_gap` unwanted addresses are read to save a request.

    No request reads the places in `left_out`, nor over the gap that they leave; at a place in `cuts` one begins anew.
    """
    return tuple(block for register in MOST for block in _blocks(register, points, max_gap, left_out, cuts))


def _blocks(
    register: str, points: Sequence[Point], max_gap: int, left_out: Container[int], cuts: Container[int]
) -> Iterator[Block]:
    mine = [at for at, point in enumerate(points) if point.register == register]
    members: list[int] = []
    start = end = 0
    fresh = False
    for at in sorted(mine, key=lambda at: (points[at].address, points[at].end)):
        if at in left_out:
            fresh = True
            continue
        point = points[at]
        if members and (
            fresh or at in cuts or point.address > end + max_gap or max(end, point.end) > start + MOST[register]
        ):
            yield Block(register, start, end - start, tuple(members))
            members = []
        if not members:
            start = end = point.address
        members.append(at)
        end = max(end, point.end)
        fresh = False
    if members:
        yield Block(register, start, end - start, tuple(members))
