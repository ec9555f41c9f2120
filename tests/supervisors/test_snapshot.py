"""The status that the root tells, from a tree as a value."""

import json
from dataclasses import replace
from math import inf
from typing import cast

from supervisors import plan
from supervisors.life import Life
from supervisors.limits import Usage
from supervisors.plan import Phase, Then, Tree
from supervisors.plan.tree import change
from supervisors.process import Process
from supervisors.snapshot import Root, snapshot
from supervisors.spec import ChildSpec, Rules, Strategy

ROOT = Root("line", 99, 60.0, 1.0, 5, True)
USAGE = Usage(45 * 2**20, 9.0, 0.25, 12)


class Pid:
    pid = 4711


def tree(*phases: Phase) -> Tree:
    """A supervisor `hall` over dev-0, dev-1, ... in these phases since 100 s, one phase each."""
    devices = tuple(ChildSpec(f"dev-{index}", "device", waits=False) for index in range(len(phases)))
    hall = ChildSpec("hall", "supervisor", rules=Rules(Strategy.ONE_FOR_ALL), children=devices)
    planted = plan.planted(ChildSpec("root", "supervisor", rules=Rules(period_s=10.0), children=(hall,)), (), 0.0)
    for index, phase in enumerate(phases):
        planted = change(planted, f"dev-{index}", phase=phase, since=100.0)
    return planted


def test_a_process_tells_what_it_uses_and_how_long_it_has_been_ready() -> None:
    life = Life(1, cast(Process, Pid()), 90.0, 107.5, ready=True, progress=7, state={"samples": 3})
    told = snapshot(
        ROOT,
        tree(Phase.RUNNING),
        {"dev-0": life},
        {"dev-0": "exit code 1"},
        110.0,
        {"dev-0": USAGE},
        {"dev-0": ["CPU"]},
    )
    hall, device = told["children"]
    assert (
        device
        | {
            "pid": 4711,
            "ready_s": 10.0,
            "beat_age_s": 2.5,
            "last_end": "exit code 1",
            "rss_bytes": 45 * 2**20,
            "cpu": 0.25,
            "descriptors": 12,
            "over": ["CPU"],
            "state": {"samples": 3},
            "supervisor": "hall",
            "depth": 1,
            "strategy": None,
        }
        == device
    )
    assert (hall["strategy"], hall["supervisor"], hall["depth"], hall["pid"]) == ("one_for_all", "root", 0, None)


def test_who_has_no_process_or_was_not_looked_at_tells_so() -> None:
    told = snapshot(ROOT, tree(Phase.QUARANTINED), {}, {}, 110.0)["children"][1]
    assert [told[key] for key in ("pid", "rss_bytes", "cpu", "descriptors", "ready_s", "beat_age_s")] == [None] * 6


def test_the_root_tells_of_itself_and_of_its_configuration() -> None:
    config, reload = {"file": "/etc/g.toml", "number": 3}, {"phase": "idle"}
    root = replace(ROOT, data_dir="/data", config=config, reload=reload)
    told = snapshot(root, tree(), {}, {}, 1.0, {"root": USAGE})
    assert (told["data_dir"], told["config"], told["reload"]) == ("/data", config, reload)
    assert (told["rss_bytes"], told["cpu"], told["descriptors"]) == (45 * 2**20, 0.25, 12)
    assert snapshot(ROOT, tree(), {}, {}, 1.0)["reload"] is None


def test_a_next_probe_is_told_only_where_there_is_one() -> None:
    waiting = change(tree(Phase.WAITING, Phase.QUARANTINED, Phase.RUNNING), "dev-0", due=112.5)
    waiting = change(change(waiting, "dev-1", due=inf), "dev-2", due=115.0)
    told = snapshot(ROOT, waiting, {}, {}, 110.0)["children"][1:]
    assert [each["next_in_s"] for each in told] == [2.5, None, None]


def test_held_is_told_from_the_stop_on() -> None:
    stopping = change(tree(Phase.STOPPING, Phase.STOPPING, Phase.HELD), "dev-0", then=Then.HOLD)
    assert [each["held"] for each in snapshot(ROOT, stopping, {}, {}, 1.0)["children"][1:]] == [True, False, True]


def test_a_child_that_sigkill_does_not_end_is_told_when_its_time_is_over() -> None:
    dying = change(tree(Phase.DYING, Phase.DYING, Phase.STOPPING), "dev-0", killed=True, due=inf)
    dying = change(dying, "dev-1", killed=True, due=115.0)
    told = snapshot(ROOT, dying, {}, {}, 110.0)["children"][1:]
    assert [each["unkillable"] for each in told] == [True, False, False]


def test_restarts_count_for_the_period_of_the_child_s_own_supervisor() -> None:
    restarted = change(tree(Phase.RUNNING), "dev-0", recent=(40.0, 60.0, 100.0), restarts=9)
    restarted = change(restarted, "hall", recent=(60.0, 101.0), restarts=2)
    hall, device = snapshot(ROOT, restarted, {}, {}, 110.0)["children"]
    assert (device["restarts"], device["restarts_in_period"]) == (9, 2)  # hall's own period is 60 s
    assert (hall["restarts"], hall["restarts_in_period"]) == (2, 1)  # the root's is 10 s


def test_whatever_phase_it_can_be_told_as_json() -> None:
    told = snapshot(ROOT, tree(*Phase), {}, {}, 110.0)
    assert [each["phase"] for each in json.loads(json.dumps(told, allow_nan=False))["children"][1:]] == list(Phase)
