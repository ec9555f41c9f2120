"""A program is ready when it gave the sign that its settings name, and not before."""

import pytest

from actors.programs.readiness import Sign, awaiting, passed, saw


@pytest.mark.parametrize(
    ("sign", "what", "missing"),
    [
        (Sign.PORT, "127.0.0.1:1883", "did not take connections on 127.0.0.1:1883"),
        (Sign.FILE, "/run/x.pid", "did not make the file /run/x.pid"),
        (Sign.LINE, "ready$", "did not print a line with 'ready$'"),
    ],
)
def test_the_awaited_sign_makes_it_ready_and_nothing_else_does(sign: Sign, what: str, missing: str) -> None:
    readiness = awaiting(sign, what, 100.0)
    for other in set(Sign) - {sign}:
        readiness = saw(readiness, other)
    readiness = passed(readiness, 1e9)
    assert not readiness.seen
    assert readiness.missing() == missing
    readiness = saw(readiness, sign)
    assert readiness.seen
    assert readiness.missing() == ""


def test_without_a_sign_it_is_ready_when_it_has_run_for_a_while() -> None:
    readiness = awaiting(Sign.TIME, 0.5, 100.0)
    assert not passed(readiness, 100.4).seen
    assert passed(readiness, 100.4).missing() == "did not run for 0.5 s"
    assert passed(readiness, 100.5).seen
    assert passed(awaiting(Sign.TIME, 0.0, 100.0), 100.0).seen
