"""Tens of thousands of restarts leave the root as it was: its memory and its descriptors do not grow.

Puppets that leave as soon as they are ready are restarted for ever. Now and then all are stopped, and what the root
then has is a sample: nobody lives, nothing is under way, so descriptors must be the same to the last one.

Memory is not that exact. Python takes it in arenas of 1 MiB, and what is kept on purpose (the last end of each child,
asks and timers that are not due yet, the allocator's own fragments) finds its level within some hundred restarts. So
the first third of the samples is left out, and the slope of the rest is the median of the slopes between all pairs
(Theil-Sen), which one late arena does not move. A leak that matters is an object for each restart: a lasting reference
to a Life or a Timer is 200 bytes and more. Two late arenas over the 33,000 restarts that count are 64 bytes a restart,
hence that bound for 50,000. Over 2,000 restarts one arena is 500 bytes a restart, so the short run only tells a large
leak from none.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

import pytest

from tests.supervisors.family import Family, a_root, new_home

ROOT_DIR = Path(__file__).parents[2]
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """The root at rest, after so many restarts."""

    restarts: int
    rss_bytes: int
    descriptors: int


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT_DIR))


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as home:
        yield home


@pytest.mark.timeout(300)
def test_two_thousand_restarts_leave_the_root_as_it_was(home: Path) -> None:
    samples = taken(home, restarts=2_000, puppets=60)
    assert len({sample.descriptors for sample in samples}) == 1, samples
    assert slope(samples) < 500, samples


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_thousand_restarts_leave_the_root_as_it_was(home: Path) -> None:
    samples = taken(home, restarts=50_000, puppets=150)
    assert len({sample.descriptors for sample in samples}) == 1, samples
    assert slope(samples) < 64, samples


def taken(home: Path, restarts: int, puppets: int, count: int = 12) -> list[Sample]:
    """So many samples of a root, spread over that many restarts."""
    names = [f"p{number}" for number in range(puppets)]
    children = ({"name": name, "mood": "exit", "waits": False} for name in names)
    with a_root(home, *children, rules={"intensity": 1_000_000, "period_s": 1.0}) as family:
        samples = []
        for number in range(1, count + 1):
            reached(family, restarts * number // count)
            samples.append(rested(family, names))
            for name in names:
                family.operate("start", name)
        print("\n".join(map(str, samples)), f"{slope(samples):.1f} bytes a restart", sep="\n")
        return samples


def reached(family: Family, restarts: int) -> None:
    """Wait for so many, as long as there are more and more of them."""
    seen, at = 0, time.monotonic()
    while seen < restarts:
        now = sum(child["restarts"] for child in family.status()["children"])
        if now > seen:
            seen, at = now, time.monotonic()
        assert time.monotonic() < at + 30, f"no restart any more after {seen}"
        time.sleep(0.25)  # polls a condition; more often would be the root's work too


def rested(family: Family, names: list[str]) -> Sample:
    for name in names:
        family.operate("stop", name)
    family.wait(lambda: {child["phase"] for child in family.status()["children"]} == {"stopped"})
    restarts = sum(child["restarts"] for child in family.status()["children"])
    resident = int(Path(f"/proc/{family.root}/statm").read_text().split()[1]) * PAGE_BYTES
    return Sample(restarts, resident, min(descriptors(family.root) for _ in range(20)))


def descriptors(pid: int) -> int:
    """A moment later: the connection of the last question may just be closing."""
    time.sleep(0.01)
    return len(os.listdir(f"/proc/{pid}/fd"))


def slope(samples: list[Sample]) -> float:
    """Bytes a restart, by Theil and Sen, without the first third."""
    settled = samples[len(samples) // 3 :]
    return median((b.rss_bytes - a.rss_bytes) / (b.restarts - a.restarts) for a, b in combinations(settled, 2))
