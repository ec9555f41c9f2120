"""What was lost: pure, from the ledger, from what devices say of themselves, from the output and from promises.

Each account stands for itself, so one lost reading may be counted by two of them; 0 is 0 in all.

    the ledger            read = delivered + waiting + gaps, nothing waits, no gap; delivered is what the file has
    the devices           samples that were dropped, or too large to be kept
    the spool's numbers   every (epoch, seq) is in the file
    the devices' numbers  every scan that a device has numbered is in the file
    promises              all that a far end was told to be durable (PUBACK, 2xx) is in the file
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.field.readings import Output


@dataclass(frozen=True, slots=True)
class Lost:
    """So many, and where they are missing."""

    count: int
    where: str


@dataclass(frozen=True, slots=True)
class Promise:
    """What was acknowledged to a far end, by the keys of a stream; without keys only how often."""

    what: str
    acknowledged: Sequence[int]
    arrived: Iterable[int]

    def lost(self) -> Lost:
        """Those acknowledged that are not in the output."""
        missing = set(self.acknowledged) - set(self.arrived)
        return Lost(len(missing), f"{self.what}: acknowledged, but not in the output: {_some(missing)}")


@dataclass(frozen=True, slots=True)
class Tally:
    """What was acknowledged so often, and how often it is in the output, where it has no key."""

    what: str
    acknowledged: int
    arrived: int

    def lost(self) -> Lost:
        """As many as were acknowledged more often than they are there."""
        missing = max(0, self.acknowledged - self.arrived)
        return Lost(missing, f"{self.what}: {self.acknowledged} acknowledged, {self.arrived} in the output")


def losses(
    ledger: Mapping[str, Any],
    states: Mapping[str, Mapping[str, Any]],
    output: Output,
    promises: Iterable[Promise | Tally],
) -> list[Lost]:
    """All that is missing anywhere; empty when nothing is. `ledger` is what `holdfast ledger --json` prints."""
    found = [
        *(lost for row in ledger["rows"] for lost in _of_row(row, output)),
        *(lost for name, state in states.items() for lost in _of_device(name, state)),
        *_of_numbers(output),
        *(each.lost() for each in promises),
    ]
    return [lost for lost in found if lost.count]


def _of_row(row: Mapping[str, Any], output: Output) -> Iterator[Lost]:
    who = f"ledger, {row['producer']} for {row['consumer']} in {row['topic']}"
    yield Lost(abs(row["read"] - row["delivered"] - row["waiting"] - row["gaps"]), f"{who}: does not add up")
    yield Lost(row["waiting"], f"{who}: still waits")
    yield Lost(row["gaps"], f"{who}: given up in gaps")
    arrived = output.samples.get(row["producer"], 0)
    yield Lost(abs(row["delivered"] - arrived), f"{who}: {row['delivered']} delivered, {arrived} in the file")


def _of_device(name: str, state: Mapping[str, Any]) -> Iterator[Lost]:
    yield Lost(state.get("dropped_samples", 0), f"{name}: dropped before they were kept")
    yield Lost(state.get("too_large", 0), f"{name}: too large to be kept")


def _of_numbers(output: Output) -> Iterator[Lost]:
    for epoch, numbers in output.places.items():
        yield Lost(len(numbers.holes), f"the spool's epoch {epoch}: records {_some(numbers.holes)}")
    for device, numbers in output.scans.items():
        yield Lost(len(numbers.holes), f"{device}: scans {_some(numbers.holes)}")


def _some(numbers: Iterable[int]) -> str:
    first = sorted(numbers)[:5]
    return ", ".join(map(str, first)) + (" ..." if len(first) == 5 else "")
