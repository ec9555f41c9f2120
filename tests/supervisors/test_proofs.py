"""When a sign of life is due: only while all three have proved themselves, and once a round."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.proofs import Proof, Proofs, due, fed, overdue, planted, proven

LIMIT_S, EXCUSE_S = 10.0, 60.0
MOMENTS = st.floats(0, 1e6, allow_nan=False)


def after(now: float, *silent: Proof) -> Proofs:
    """All began at 0; everybody but these proved himself just now."""
    proofs = planted(0.0, LIMIT_S, EXCUSE_S)
    for what in Proof:
        if what not in silent:
            proofs = proven(proofs, what, now)
    return proofs


@pytest.mark.parametrize("silent", list(Proof))
def test_each_of_the_three_alone_makes_it_starve(silent: Proof) -> None:
    for now, expected in ((LIMIT_S, []), (LIMIT_S + 0.001, [silent])):
        assert overdue(after(now, silent), now, replaced=False) == expected
    assert not due(after(LIMIT_S + 0.001, silent), LIMIT_S + 0.001, replaced=False)


def test_it_is_fed_once_a_round() -> None:
    proofs = proven(planted(0.0, LIMIT_S, EXCUSE_S), Proof.LOOP, 1.0)
    assert due(proofs, 1.0, replaced=False)
    proofs = fed(proofs, 1.0)
    assert not due(proofs, 2.0, replaced=False)
    assert due(proven(proofs, Proof.LOOP, 3.0), 3.0, replaced=False)


def test_a_zygote_that_is_being_replaced_is_excused_but_not_for_ever() -> None:
    for now, expected in ((LIMIT_S + 1, True), (EXCUSE_S, True), (EXCUSE_S + 0.001, False)):
        assert due(after(now, Proof.ZYGOTE), now, replaced=True) is expected


def test_the_excuse_is_the_zygote_s_alone() -> None:
    for silent in (Proof.LOOP, Proof.CONTROL):
        assert overdue(after(LIMIT_S + 1, silent), LIMIT_S + 1, replaced=True) == [silent]


def test_what_has_starved_is_fed_again_as_soon_as_the_proof_is_there() -> None:
    proofs = after(100.0, Proof.CONTROL)
    assert not due(proofs, 100.0, replaced=False)
    assert due(proven(proofs, Proof.CONTROL, 100.0), 100.0, replaced=False)


@given(st.lists(st.tuples(st.sampled_from(Proof), MOMENTS)), MOMENTS, st.booleans())
def test_it_is_never_due_when_any_of_them_was_silent_for_longer_than_its_patience(
    news: list[tuple[Proof, float]], now: float, replaced: bool
) -> None:
    proofs = planted(0.0, LIMIT_S, EXCUSE_S)
    for what, when in news:
        proofs = proven(proofs, what, when)
    newest = {what: max([0.0, *(when for each, when in news if each is what)]) for what in Proof}
    patience_s = {what: EXCUSE_S if replaced and what is Proof.ZYGOTE else LIMIT_S for what in Proof}
    assert due(proofs, now, replaced) == all(now - newest[what] <= patience_s[what] for what in Proof)
