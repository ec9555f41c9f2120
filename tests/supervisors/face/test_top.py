"""What `holdfast top` shows: rates between two statuses, and the hungriest first."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from supervisors.face import top
from supervisors.face.ranking import Order
from supervisors.face.rates import Rate, rates
from tests.supervisors.face.test_panel import DEVICE, UPLINK, child, keeper, status
from transports.errors import NotRunning


def device(samples: int, beat_age_s: float | None = 0.0, name: str = "press-1", **changes: Any) -> dict[str, Any]:
    state = DEVICE | {"samples": samples, "scans": samples // 10}
    return child(name, state=state, beat_age_s=beat_age_s) | changes


def rate(was: dict[str, Any], now: dict[str, Any], known: Mapping[str, Rate] | None = None) -> Rate | None:
    """Over two seconds of the root's clock."""
    found = rates(status(was, uptime_s=10.0), status(now, uptime_s=12.0), known or {})
    return found.get(was["name"])


def test_readings_and_messages_are_counted_between_two_beats_and_not_between_two_looks() -> None:
    assert rate(device(1000), device(1200)) == Rate(100.0, 10.0)
    assert rate(device(1000, 0.5), device(1150, 1.0)) == Rate(100.0, 10.0)  # the beats are 1.5 s apart


def test_each_kind_counts_its_own_messages() -> None:
    uplink = child("cloud", "uplink", state=UPLINK, beat_age_s=0.0)
    later = uplink | {"state": UPLINK | {"messages": 50, "samples": 1220}}
    assert rate(uplink, later) == Rate(500.0, 20.0)
    spooler = child("spooler", "spooler", state={"appended": 300}, beat_age_s=0.0)
    assert rate(spooler, spooler | {"state": {"appended": 400}}) == Rate(None, 50.0)
    assert rate(child(kind="oracle", beat_age_s=0.0), child(kind="oracle", beat_age_s=0.0)) == Rate()


def test_who_has_not_beaten_again_keeps_its_rate() -> None:
    assert rate(device(1000), device(1000, 2.0), {"press-1": Rate(7.0, 1.0)}) == Rate(7.0, 1.0)
    assert rate(device(1000), device(1000, 2.0)) is None


def test_a_new_process_and_a_new_gateway_have_no_rate_yet() -> None:
    known = {"press-1": Rate(7.0, 1.0)}
    assert rate(device(1000), device(5, token=2), known) is None
    assert rate(device(1000), device(1000, None), known) is None
    assert rates(status(device(1000)), status(device(2000), pid=100), known) == {}


def lines(order: Order) -> list[str]:
    told = status(
        child("spooler", "spooler", rss_bytes=30, cpu=0.5),
        keeper("hall"),
        child("b", rss_bytes=90, cpu=0.1, restarts=9),
        child("a", rss_bytes=None, cpu=None, restarts=1, restarts_in_period=1),
    )
    return [line.row.name for line in top.lines(told, {}, order)]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (Order.CPU, ["spooler", "b", "a"]),
        (Order.RSS, ["b", "spooler", "a"]),
        (Order.RESTARTS, ["a", "b", "spooler"]),
        (Order.NAME, ["a", "b", "spooler"]),
    ],
)
def test_processes_are_sorted_as_asked_and_supervisors_are_none(order: Order, names: list[str]) -> None:
    assert lines(order) == names


def test_without_a_terminal_it_is_one_table_with_the_rates_of_a_moment() -> None:
    answers = iter([status(device(0), uptime_s=10.0), status(device(40), uptime_s=12.0)])
    out = io.StringIO()
    top.top(lambda: next(answers), Order.CPU, 0.0, Console(file=out, width=120))
    shown = out.getvalue().splitlines()
    assert shown[1] == "20 readings/s"
    assert shown[-1].split()[:6] == ["press-1", "device", "running", "-", "-", "-"]
    assert shown[-1].split()[6:8] == ["20", "2"]


def test_it_says_that_the_gateway_is_away_and_goes_on_when_it_is_back() -> None:
    answers = iter([status(device(0)), NotRunning("no gateway runs in /run/x"), status(device(9, name="back"), pid=7)])

    def ask() -> dict[str, Any]:
        answer = next(answers, None)
        if answer is None:
            raise KeyboardInterrupt
        if isinstance(answer, NotRunning):
            raise answer
        return answer

    out = io.StringIO()
    screen = Console(file=out, width=100, height=20, force_terminal=True, color_system=None, legacy_windows=False)
    top.top(ask, Order.CPU, 0.0, screen)
    before, _, rest = out.getvalue().partition("no gateway runs in /run/x; trying again")
    away, _, after = rest.partition("(pid 7)")
    assert "press-1" in before
    assert "press-1" in away
    assert "back" in after


def test_a_screen_shows_the_first_of_them_and_counts_the_rest() -> None:
    told = status(*(child(f"dev-{n}", cpu=n / 100) for n in range(99)))
    out = io.StringIO()
    Console(file=out, width=100).print(top.page(told, {}, Order.CPU, 100, height=20))
    assert len(out.getvalue().splitlines()) <= 20
    assert "dev-98" in out.getvalue()
    assert "and 85 more" in out.getvalue()


def test_as_json_each_child_has_its_rates() -> None:
    told = top.told_with_rates(status(device(1), child("b")), {"press-1": Rate(5.0, 0.5)})["children"]
    assert [(each["readings_s"], each["messages_s"]) for each in told] == [(5.0, 0.5), (None, None)]
