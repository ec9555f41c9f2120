"""The benchmarks' table and JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.bench import suite
from tests.bench.report import FIGURES, as_json, percentile, table

VALUES = {"latency_ms_p50": [1.5, 9.0, 1.0, 2.5, 1.75], "passthrough_samples_per_s": [900_000.4] * 5}


def test_the_json_form_has_median_min_max_n_and_unit_of_each_name() -> None:
    assert as_json(VALUES)["latency_ms_p50"] == {"median": 1.75, "min": 1.0, "max": 9.0, "n": 5, "unit": "ms"}


def test_the_order_is_the_lists_and_what_was_not_measured_is_left_out() -> None:
    assert list(as_json(VALUES)) == ["passthrough_samples_per_s", "latency_ms_p50"]
    assert as_json({"outage_lost": []}) == {}


def test_the_json_form_survives_json() -> None:
    assert json.loads(json.dumps(as_json(VALUES))) == as_json(VALUES)


def test_the_table_shows_each_median_and_whether_its_aim_is_met() -> None:
    head, missed, met = table(VALUES).splitlines()
    assert head.split() == ["figure", "median", "min", "max", "n", "unit", "aim"]
    assert missed.split() == [
        "passthrough_samples_per_s",
        *["900,000"] * 3,
        "5",
        "samples/s",
        ">=",
        "1,000,000",
        "MISSED",
    ]
    assert met.split() == ["latency_ms_p50", "1.75", "1", "9", "5", "ms", "<=", "2", "met"]


def test_a_median_at_the_limit_meets_the_aim_and_zero_lost_is_met_by_zero_only() -> None:
    assert table({"latency_ms_p50": [2.0]}).endswith("met")
    assert table({"outage_lost": [0, 0, 1]}).endswith("met")
    assert table({"outage_lost": [0, 1, 1]}).endswith("MISSED")


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(at) for at in range(100, 0, -1)]
    assert [percentile(values, p) for p in (0, 1, 50, 99, 100)] == [1.0, 1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 99) == 7.0
    assert percentile([float(at) for at in range(1, 31)], 99) == 30.0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_measured_value_that_enough_others_do_not_exceed(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_every_figure_is_measured_by_exactly_one_benchmark() -> None:
    measured = [name for benchmark in suite.load() for name in benchmark.names]
    assert sorted(measured) == sorted(FIGURES)
