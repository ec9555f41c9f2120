"""What the gateway tells of itself: every change once, everything now and then, and the picture is always whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.diagnosing import facts, telling
from actors.diagnosing.facts import Facts
from actors.diagnosing.telling import Told
from transports.samples import DataType, Scan, batch_of

NAMES = st.sampled_from(["a", "b", "c"])
PHASES = st.sampled_from(["running", "restarting", "quarantined"])
TREES = st.dictionaries(NAMES, st.tuples(PHASES, st.integers(0, 3), st.booleans() | st.none()))
TURNS = st.lists(st.tuples(TREES, st.booleans()), max_size=12)


def child(name, phase="running", restarts=0, reason="", last_end="", **state):
    return {
        "name": name, "phase": phase, "restarts": restarts, "held": False, "reason": reason, "last_end": last_end,
        "state": state,
    }  # fmt: skip


def status(*children):
    return {"uptime_s": 12.5, "children": children}


def seen(tree):
    children = (
        child(name, phase, restarts, **({} if linked is None else {"connected": linked}))
        for name, (phase, restarts, linked) in tree.items()
    )
    return facts.of_tree(status(*children))


@given(TURNS)
def test_whoever_lays_all_that_was_told_over_each_other_has_the_facts_as_they_are(turns):
    told, heard = Told(), {}
    for tree, is_due in turns:
        now = seen(tree)
        told, news = (telling.everything if is_due else telling.changed)(told, now)
        heard |= news
        assert {name: heard[name] for name in now.watched} == dict(now.watched)
        there = {name for name in heard if name.endswith("/phase") and heard[name] != telling.REMOVED}
        assert there == {name for name in now.watched if name.endswith("/phase")}, "none is there that has left"


@given(TURNS)
def test_what_has_not_changed_is_not_told_again_before_its_time(turns):
    told = Told()
    for tree, _ in turns:
        told, _ = telling.changed(told, seen(tree))
        assert telling.changed(told, seen(tree))[1] == {}


def test_a_child_that_dies_changes_what_concerns_it_and_nothing_else():
    before = facts.of_tree(status(child("press-1"), child("oven")))
    told, _ = telling.everything(Told(), before)
    dead = child("press-1", "quarantined", 4, "killed by SIGKILL", "killed by SIGKILL")
    _, news = telling.changed(told, facts.of_tree(status(dead, child("oven"))))
    assert news == {
        "tree/press-1/phase": "quarantined",
        "tree/press-1/restarts": 4,
        "tree/press-1/reason": "killed by SIGKILL",
        "gateway/not_running": 1,
    }


def test_a_lost_connection_is_told_with_its_reason_and_so_is_its_return():
    told, _ = telling.everything(Told(), facts.of_tree(status(child("press-1", connected=True, last_error=""))))
    lost = facts.of_tree(status(child("press-1", connected=False, last_error="no answer")))
    told, news = telling.changed(told, lost)
    assert news == {"tree/press-1/connected": False, "tree/press-1/reason": "no answer"}
    _, news = telling.changed(told, facts.of_tree(status(child("press-1", connected=True, last_error=""))))
    assert news == {"tree/press-1/connected": True, "tree/press-1/reason": ""}


def test_a_ledger_that_does_not_add_up_is_news_and_its_figures_alone_are_not():
    told, all_of_it = telling.everything(Told(), facts.of_ledger([("out", "press-1", "cloud", 10, 7, 2, 1)]))
    assert all_of_it == {
        "ledger/adds_up": True,
        "ledger/out/press-1/cloud/read": 10,
        "ledger/out/press-1/cloud/delivered": 7,
        "ledger/out/press-1/cloud/waiting": 2,
        "ledger/out/press-1/cloud/gaps": 1,
    }
    told, news = telling.changed(told, facts.of_ledger([("out", "press-1", "cloud", 20, 18, 1, 1)]))
    assert news == {}
    _, news = telling.changed(told, facts.of_ledger([("out", "press-1", "cloud", 20, 18, 0, 1)]))
    assert news == {"ledger/adds_up": False}


def test_whoever_is_held_or_has_ended_by_intent_is_not_counted_as_not_running():
    children = (child("a", "stopped"), child("b", "ended"), child("c", "broken"), child("d", "restarting"))
    assert facts.of_tree(status(*children)).watched["gateway/not_running"] == 2


@given(st.integers(0, 3 * telling.TAGS_MOST))
def test_very_many_facts_are_several_scans_and_each_fits_its_tags(count):
    kinds = [True, 7, 2.5, "text"]
    news = {f"fact/{n}": kinds[n % 4] for n in range(count)}
    heard = {}
    for tags, values in telling.scans(news):
        assert len(tags) <= telling.TAGS_MOST
        batch = batch_of("diagnostics", 1, [Scan(1, tags, values)])
        heard |= dict(zip((tag.name for tag in tags), next(batch.rows())[1], strict=True))
    assert heard == news


@pytest.mark.parametrize(
    ("fact", "kind"), [(True, DataType.BOOL), (1, DataType.INT64), (1.0, DataType.FLOAT64), ("", DataType.STRING)]
)
def test_a_fact_keeps_its_type(fact, kind):
    ((tags, _),) = telling.scans({"x": fact})
    assert tags[0].type is kind


def test_a_reason_without_end_is_cut():
    made = facts.of_tree(status(child("a", "broken", reason="x" * 10_000)))
    assert len(made.watched["tree/a/reason"]) == facts.REASON_MOST


def test_facts_of_two_sources_stand_side_by_side():
    both = Facts({"a": 1}, {"b": 2}) | Facts({"c": 3})
    assert both.all() == {"a": 1, "b": 2, "c": 3}
