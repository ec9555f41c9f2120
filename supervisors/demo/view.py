"""What there is to show of the demo at one moment, as plain values, and the hints that go with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervisors.demo.processes import Kept

SHOWN_MOST = 6  # tags of one device


@dataclass(frozen=True, slots=True)
class Row:
    """One process."""

    name: str
    kind: str
    phase: str
    pid: int | None
    restarts: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One moment."""

    rows: Sequence[Row]
    values: Mapping[str, str]
    readings: int
    records: int
    repeated: int
    gaps: int
    unseen: int
    waiting: int | None  # None: the spool does not tell at the moment
    lost: int
    left_s: float | None
    stage: str

    @property
    def restarts(self) -> int:
        """Of all processes together."""
        return sum(row.restarts for row in self.rows)

    def delivered(self) -> str:
        """What was delivered, in one sentence."""
        said = [
            f"delivered {self.readings} readings in {self.records} messages",
            f"waiting {'?' if self.waiting is None else self.waiting}",
        ]
        said += [f"repeated {self.repeated}", f"gaps {self.gaps}", f"lost {self.lost}"]
        return ", ".join([*said, f"not seen {self.unseen} while the broker was away"] if self.unseen else said)

    def last_line(self) -> str:
        """How the demo ended."""
        return f"delivered {self.readings} readings, lost {self.lost}, restarts {self.restarts}"


@dataclass(slots=True)
class Values:
    """The newest reading of each tag, by where it came from."""

    _known: dict[str, dict[str, str]] = field(default_factory=dict)

    def heard(self, record: Mapping[str, Any]) -> None:
        """Note the readings of one record of the payload format `json`."""
        for reading in record.get("readings", ()):
            window_ns = reading.get("window_ns")
            source = f"{record['device']}, every {window_ns / 1e9:g} s" if window_ns else record["device"]
            self._known.setdefault(source, {})[reading["tag"]] = _shown(reading)

    def shown(self) -> Mapping[str, str]:
        """A line for each source, its first tags."""
        return {
            source: "  ".join(f"{tag} {value}" for tag, value in list(tags.items())[:SHOWN_MOST])
            for source, tags in sorted(self._known.items())
        }


def rows(kept: Sequence[Kept], children: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row for each process: those that the demo keeps, the gateway's root last, then the root's children."""
    return [_row_of(each) for each in kept] + [_row_of_child(each) for each in children]


def _row_of(kept: Kept) -> Row:
    return Row(kept.name, kept.kind, "running" if kept.alive else "ended", kept.process.pid, kept.restarts)


def _row_of_child(child: Mapping[str, Any]) -> Row:
    note = child["reason"] or child["state"].get("last_error", "")
    return Row(child["name"], child["kind"], child["phase"], child["pid"], child["restarts"], note)


def _shown(reading: Mapping[str, Any]) -> str:
    value, unit = reading["value"], reading.get("unit", "")
    if value is None:
        return f"bad 0x{reading['quality']:08X}"
    return f"{value:.6g} {unit}".strip() if isinstance(value, float) else f"{value} {unit}".strip()
