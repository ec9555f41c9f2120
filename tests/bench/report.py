"""What the benchmarks found, as a table and as JSON: pure.

{"name": {"median": 1.0, "min": 0.9, "max": 1.2, "n": 5, "unit": "ms"}, ...}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

AT_LEAST, AT_MOST = ">=", "<="


@dataclass(frozen=True)
class Aim:
    """What a figure should be: its unit, and the limit for its median, if there is one."""

    unit: str
    sense: str = ""
    limit: float = 0.0

    def met(self, value: float) -> bool | None:
        """Whether the median keeps the limit; None without one."""
        match self.sense:
            case ">=":
                return value >= self.limit
            case "<=":
                return value <= self.limit
        return None

    def __str__(self) -> str:
        return f"{self.sense} {shown(self.limit)}" if self.sense else ""


_CELLS = ("100b_one", "100b_many", "10k_one", "10k_many")  # payload, messages in flight

# Every figure that there is, in the order of the table. The aims are for two cores, broker and subscriber included.
FIGURES: Mapping[str, Aim] = {
    "passthrough_samples_per_s": Aim("samples/s", AT_LEAST, 1_000_000),
    "aggregated_samples_per_s": Aim("samples/s"),
    "modbus_samples_per_s": Aim("samples/s", AT_LEAST, 200_000),
    "modbus_cpu_s_per_million": Aim("s", AT_MOST, 10),
    "latency_ms_p50": Aim("ms", AT_MOST, 2),
    "latency_ms_p99": Aim("ms", AT_MOST, 6),
    "rule_ms_p50": Aim("ms", AT_MOST, 3),
    "rule_ms_p99": Aim("ms", AT_MOST, 10),
    "line_off_p99": Aim("of a period", AT_MOST, 0.1),
    "line_off_share": Aim("of the intervals", AT_MOST, 0.01),
    "stage_ns_median": Aim("ns", AT_MOST, 50),
    "stage_ns_slowest": Aim("ns", AT_MOST, 50),
    "restart_ms_p50": Aim("ms", AT_MOST, 8),
    "restart_ms_p99": Aim("ms", AT_MOST, 20),
    "restart_erl_ms_p50": Aim("ms"),
    "restart_erl_ms_p99": Aim("ms"),
    "flapping_verb_ms_p50": Aim("ms"),
    "flapping_verb_ms_max": Aim("ms", AT_MOST, 500),
    "flapping_root_cpu": Aim("of a core", AT_MOST, 0.2),
    "flapping_lines_per_s": Aim("lines/s", AT_MOST, 10),
    "pss_mib_per_device": Aim("MiB", AT_MOST, 4),
    "spool_append_samples_per_s": Aim("samples/s", AT_LEAST, 2_000_000),
    "spool_append_cpu_s_per_million": Aim("s", AT_MOST, 0.5),
    "spool_open_s": Aim("s", AT_MOST, 2),
    "spool_open_memory_mib": Aim("MiB", AT_MOST, 20),
    "spool_fetch_ratio": Aim("of a small one's", AT_MOST, 1.5),
    "spool_bytes_per_sample": Aim("bytes", AT_MOST, 9),
    "drain_messages_per_s": Aim("messages/s"),
    "drain_of_paho_ratio": Aim("of bare paho's", AT_LEAST, 0.8),
    "outage_lost": Aim("readings", AT_MOST, 0),
    "first_delivery_after_outage_s": Aim("s", AT_MOST, 5),
    "wire_bytes_per_sample_raw": Aim("bytes"),
    "wire_bytes_per_sample_aggregated": Aim("bytes"),
    **{f"uplinks_https_{what}_{cell}": Aim("of MQTT's") for what in ("time", "cpu") for cell in _CELLS},
    **{f"uplinks_https_bytes_{size}": Aim("of MQTT's") for size in ("100b", "10k")},
    **{f"uplinks_tls_cpu_{cell}": Aim("of plain MQTT's", AT_MOST, 1.25) for cell in _CELLS},
    **{f"uplinks_of_paho_{cell}": Aim("of bare paho's", AT_LEAST, 0.8) for cell in _CELLS},
}

Values = Mapping[str, Sequence[float]]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed (nearest rank): always one that was measured."""
    ordered = sorted(values)
    return ordered[max(0, -int(-percent * len(ordered) // 100) - 1)]


def as_json(values: Values) -> dict[str, dict[str, Any]]:
    """The figures by name, in the table's order; names without a value are left out."""
    return {name: _summed_up(name, values[name]) for name in FIGURES if values.get(name)}


def table(values: Values) -> str:
    """One line a figure: median, min, max, number of values, unit, and whether the aim was met."""
    rows = [("figure", "median", "min", "max", "n", "unit", "aim", "")]
    for name, figure in as_json(values).items():
        aim = FIGURES[name]
        numbers = (shown(figure["median"]), shown(figure["min"]), shown(figure["max"]), str(figure["n"]))
        rows.append((name, *numbers, aim.unit, str(aim), _VERDICT[aim.met(figure["median"])]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def shown(value: float) -> str:
    """A number with as many digits as anyone needs."""
    if value == round(value) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"


_VERDICT = {True: "met", False: "MISSED", None: ""}
_LEFT = (0, 5, 6, 7)  # the columns of text; the others are numbers


def _summed_up(name: str, values: Sequence[float]) -> dict[str, Any]:
    figures = {"median": float(median(values)), "min": float(min(values)), "max": float(max(values))}
    return {**figures, "n": len(values), "unit": FIGURES[name].unit}


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.ljust(w) if at in _LEFT else cell.rjust(w) for at, (cell, w) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
