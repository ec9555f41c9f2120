"""A reload from the request to its outcome, over the real plan and the real disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisors import plan
from supervisors.records.events import Audited, Reloaded, ReloadRolledBack
from supervisors.reload import reloader as module
from supervisors.reload.events import ConfigPassedOver, ReloadRefused
from supervisors.reload.history import Outcome
from supervisors.reload.records import Records
from tests.supervisors.family import new_home
from tests.supervisors.reload.premises import CONFIG, ReaderHere, Site
from transports.messages import Reload

MORE = '[device.press-3]\ndriver = "sim"\ntags = { level = { wave = "sine" } }\n'
PRESS_1 = ('[device.press-1]\ndriver = "sim"', '[device.press-1]\ndriver = "sim"\nperiod = "2s"')


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as made:
        yield made


@pytest.fixture(autouse=True)
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Reader", ReaderHere)


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    with Site(home) as made:
        made.desk.until(lambda: len(made.running()) == 4)
        made.started.clear()
        yield made


@pytest.fixture
def again(site: Site, home: Path) -> Callable[[], Site]:
    """The gateway of `site` is killed as it is, and started again."""

    def start() -> Site:
        site.desk.__exit__(None, None, None)
        return Site(home)

    return start


# --- what goes well --------------------------------------------------------------------------------------------------


def test_one_changed_device_is_the_only_one_that_is_restarted(site: Site) -> None:
    site.write(PRESS_1)
    answer = site.ask(who="uid 7", why="slower")
    assert (answer["result"], answer["changes"], answer["untouched"]) == ("under way", {"changed": ["press-1"]}, 3)
    assert (site.ended()["outcome"], site.started) == ("confirmed", ["press-1"])
    assert site.table("press-1")["period_s"] == 2.0
    assert [(e.number, e.outcome, e.who, e.why) for e in site.entries] == [
        (1, Outcome.STARTED, "root", "the gateway was started with it"),
        (2, Outcome.CONFIRMED, "uid 7", "slower"),
    ]
    assert (answer["number"], site.in_force["number"], site.in_force["passed_over"]) == (2, 2, "")


def test_a_device_that_is_added_starts_and_one_that_is_taken_out_ends(site: Site) -> None:
    site.write((CONFIG[CONFIG.index("[device.press-2]") :], MORE))
    assert site.ask()["changes"] == {"removed": ["press-2"], "added": ["press-3"]}
    assert site.ended()["outcome"] == "confirmed"
    assert (site.running(), site.started) == (["spooler", "local", "press-1", "press-3"], ["press-3"])


def test_a_dry_run_tells_what_would_change_and_changes_nothing(site: Site) -> None:
    site.write(PRESS_1, more=MORE)
    answer = site.ask(dry_run=True)
    assert (answer["result"], answer["changes"]) == ("dry run", {"changed": ["press-1"], "added": ["press-3"]})
    assert (site.started, len(site.entries), site.status["phase"], site.notified) == ([], 1, "idle", [True, False])


def test_a_file_that_is_as_before_is_nothing_to_do(site: Site) -> None:
    assert (site.ask()["result"], len(site.entries), site.status["phase"]) == ("unchanged", 1, "idle")


def test_a_comment_changes_no_child_and_is_kept(site: Site) -> None:
    text = site.write(more="# a word\n")
    assert (site.ask()["changes"], site.ended()["outcome"], site.started) == ({}, "confirmed", [])
    assert site.history.text(2) == text


def test_it_is_said_who_asked_and_what_came_of_it(site: Site) -> None:
    site.write(PRESS_1)
    site.ask(who="uid 7", why="slower")
    site.ended()
    assert [str(event) for event in site.said if isinstance(event, (Audited, Reloaded))] == [
        "uid 7: reload: under way: changed press-1 (why: slower)",
        "the configuration was reloaded: configuration 2, changed press-1",
    ]
    assert site.notified == [True, False]


def test_modules_of_a_new_driver_are_passed_on_to_the_next_zygote(site: Site) -> None:
    site.write(more='[device.box]\ndriver = "host"\n')
    site.ask()
    site.ended()
    assert "transports.links.host" in site.preloaded


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_broken_file_changes_nothing_and_every_mistake_is_told(site: Site) -> None:
    site.write(("driver = ", "drivr = "))
    answer = site.ask()
    assert [line.split(": ")[1] for line in answer["problems"]] == ["device.press-1.drivr", "device.press-2.drivr"]
    assert (site.started, len(site.entries), site.status["phase"]) == ([], 1, "idle")
    assert any(isinstance(event, ReloadRefused) for event in site.said)


def test_what_cannot_change_while_it_runs_is_refused(site: Site) -> None:
    site.write(('name = "site"', 'name = "other"\nlog_level = "debug"'), more=MORE)
    problems = site.ask()["problems"]
    assert [line.split(" = ")[0] for line in problems] == ["gateway.name", "gateway.log_level"]
    assert all("restart the gateway" in line for line in problems)
    assert site.started == []


def test_a_second_reload_waits_for_the_end_of_the_first(site: Site) -> None:
    site.slow.add("press-1")
    site.write(PRESS_1)
    site.ask(within_s=5.0)
    site.desk.until(lambda: site.status["phase"] == "confirming")
    assert "another reload is in progress (confirming, 5 s left)" in site.ask()["error"]
    site.desk.until(lambda: site.status["waits_for"] == {"press-1": "is starting"})
    assert site.status["touched"] == ["press-1"]


@pytest.mark.parametrize("within_s", [0.0, 0.9, -1.0, 1e9, float("nan"), float("inf")])
def test_a_time_to_confirm_that_makes_no_sense_is_refused(site: Site, within_s: float) -> None:
    assert "between 1s and 24h" in site.ask(within_s=within_s)["error"]


def test_a_gateway_that_stops_takes_no_new_configuration(site: Site) -> None:
    site.decide(plan.asked_shutdown(site.tree, site.desk.clock.now()))
    assert site.ask() == {"error": "the gateway is stopping"}


def test_a_system_without_a_process_to_give_is_no_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(ReaderHere, "read", refuse)
        assert "cannot be read now" in site.ask()["error"]
    assert site.ask()["result"] == "unchanged"


# --- what is taken back ----------------------------------------------------------------------------------------------


def test_a_device_that_is_not_well_in_time_has_its_old_configuration_again(site: Site) -> None:
    site.sick.add("press-1")
    site.write(PRESS_1, more=MORE)
    site.ask()
    site.desk.until(lambda: site.status["phase"] == "restoring" or site.status["outcome"])
    site.sick.clear()
    told = site.ended()
    assert (told["outcome"], site.started.count("press-3")) == ("rolled back", 1)
    assert told["why"].startswith("after 1 s press-1 ")
    assert "it is sick" in told["why"]
    assert (site.table("press-1")["period_s"], "press-3" in site.tree.children) == (1.0, False)
    assert (site.entries[-1].outcome, site.entries[-1].reason) == (Outcome.ROLLED_BACK, told["why"])
    assert "was tried and taken back" in site.in_force["passed_over"]
    assert any(isinstance(event, ReloadRolledBack) for event in site.said)


def test_an_ailing_device_that_is_not_touched_does_not_count(site: Site) -> None:
    site.sick.add("press-2")
    site.decide(plan.asked_restart(site.tree, "press-2", site.desk.clock.now()))
    site.write(PRESS_1)
    site.ask()
    assert site.ended()["outcome"] == "confirmed"


def test_who_is_removed_and_does_not_end_makes_the_whole_change_go_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisors.reload.confirm.PATIENCE_S", -4.5)  # of its grace of 5 s, half a second
    site.stuck.add("press-2")
    site.write((CONFIG[CONFIG.index("[device.press-2]") :], MORE))
    site.ask()
    site.desk.until(lambda: site.status["phase"] == "restoring")
    site.let_go()
    assert (site.ended()["why"], "press-3" in site.started) == ("press-2 cannot be ended", False)
    site.desk.until(lambda: "press-2" in site.running())


def test_an_operator_may_hold_what_is_being_tried(site: Site) -> None:
    site.sick.add("press-1")
    site.write(PRESS_1)
    site.ask(within_s=20.0)
    site.desk.until(lambda: site.status["phase"] == "confirming")
    site.decide(plan.asked_stop(site.tree, "press-1", site.desk.clock.now()))
    assert site.ended()["outcome"] == "confirmed"


def test_the_file_is_the_operators_and_stays_as_it_is(site: Site) -> None:
    site.sick.add("press-1")
    text = site.write(PRESS_1)
    site.ask()
    site.ended()
    assert site.config.read_bytes() == text


def test_a_disk_that_is_full_does_not_keep_a_reload_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Records, "tried", full)
    site.write(PRESS_1)
    answer = site.ask()
    assert "No space left" in answer["warnings"][0]
    assert (site.ended()["outcome"], site.table("press-1")["period_s"]) == ("confirmed", 2.0)


def test_a_gateway_that_is_stopped_while_it_tries_touches_nobody_any_more(site: Site) -> None:
    site.slow.add("press-1")
    site.write(PRESS_1, more=MORE)
    site.ask(within_s=1.0)
    site.desk.until(lambda: site.status["phase"] == "confirming")
    site.decide(plan.asked_shutdown(site.tree, site.desk.clock.now()))
    late: list[bool] = []
    site.desk.after(1.2, lambda: late.append(True))
    site.desk.until(lambda: late and site.tree.over)
    assert (site.status["phase"], "press-3" in site.tree.children) == ("confirming", True)
    assert site.entries[-1].outcome is Outcome.TRYING


# --- after a restart of the gateway ----------------------------------------------------------------------------------


def test_a_gateway_that_is_killed_while_it_tries_starts_with_what_was_before(
    site: Site, again: Callable[[], Site]
) -> None:
    site.slow.add("press-1")
    site.write(PRESS_1)
    site.ask(within_s=30.0)
    site.desk.until(lambda: site.status["phase"] == "confirming")
    with again() as other:
        assert (other.table("press-1")["period_s"], other.in_force["number"]) == (1.0, 1)
        assert "as configuration 2 and not confirmed" in other.in_force["passed_over"]
        assert [str(e) for e in other.said if isinstance(e, ConfigPassedOver)] == [other.in_force["passed_over"]]
        assert other.entries[-1].outcome is Outcome.ABANDONED


def test_a_gateway_that_is_restarted_after_a_rollback_does_not_start_what_was_rejected(
    site: Site, again: Callable[[], Site]
) -> None:
    site.sick.add("press-1")
    site.write(PRESS_1)
    site.ask()
    site.ended()
    with again() as other:
        assert other.table("press-1")["period_s"] == 1.0
        assert "not confirmed (after 1 s press-1" in other.in_force["passed_over"]
        assert other.ask()["changes"] == {"changed": ["press-1"]}
        assert (other.ended()["outcome"], other.in_force["passed_over"]) == ("confirmed", "")


def test_a_gateway_that_is_restarted_after_a_confirmed_reload_starts_with_it(
    site: Site, again: Callable[[], Site]
) -> None:
    site.write(PRESS_1)
    site.ask()
    site.ended()
    with again() as other:
        assert (other.table("press-1")["period_s"], other.in_force["number"], len(other.entries)) == (2.0, 2, 2)


def test_an_edited_file_is_started_whatever_was_rejected_before(site: Site, again: Callable[[], Site]) -> None:
    site.sick.add("press-1")
    site.write(PRESS_1)
    site.ask()
    site.ended()
    site.write(('period = "2s"', 'period = "3s"'))
    with again() as other:
        assert (other.table("press-1")["period_s"], other.in_force["passed_over"]) == (3.0, "")


def test_taking_the_edit_back_by_hand_ends_the_exception(site: Site) -> None:
    site.sick.add("press-1")
    site.write(PRESS_1)
    site.ask()
    site.ended()
    site.write((PRESS_1[1], PRESS_1[0]))
    assert (site.ask()["result"], site.in_force["passed_over"]) == ("unchanged", "")


def test_a_history_that_cannot_be_read_back_starts_the_file_and_says_so(site: Site, again: Callable[[], Site]) -> None:
    site.sick.add("press-1")
    site.write(PRESS_1)
    site.ask()
    site.ended()
    site.history.text_path(1).write_bytes(b"gone")
    with again() as other:
        assert other.table("press-1")["period_s"] == 2.0
        assert "configuration 1 cannot be used" in str(other.said[0])


# --- config rollback -------------------------------------------------------------------------------------------------


def test_a_rollback_brings_back_an_earlier_text_for_good(site: Site, again: Callable[[], Site]) -> None:
    first = site.config.read_bytes()
    site.write(PRESS_1)
    site.ask()
    site.ended()
    answer = site.ask(to=1, who="uid 7")
    assert (answer["changes"], answer["number"]) == ({"changed": ["press-1"]}, 3)
    assert (site.ended()["outcome"], site.config.read_bytes()) == ("confirmed", first)
    with again() as other:
        assert (other.table("press-1")["period_s"], other.in_force["passed_over"]) == (1.0, "")


def test_a_rollback_that_is_not_well_is_taken_back_and_leaves_the_file(site: Site) -> None:
    text = site.write(PRESS_1)
    site.ask()
    site.ended()
    site.sick.add("press-1")
    site.ask(to=1)
    assert (site.ended()["outcome"], site.config.read_bytes()) == ("rolled back", text)
    assert site.in_force == {**site.in_force, "number": 2, "passed_over": ""}


def test_a_rollback_replaces_a_rejected_file_by_what_is_in_force_anyway(site: Site) -> None:
    first = site.config.read_bytes()
    site.sick.add("press-1")
    rejected = site.write(PRESS_1)
    site.ask()
    site.ended()
    assert site.ask(to=1)["changes"] == {}
    assert (site.ended()["outcome"], site.config.read_bytes(), site.in_force["passed_over"]) == ("confirmed", first, "")
    assert site.history.text(2) == rejected


def test_a_number_that_is_not_kept_is_refused(site: Site) -> None:
    assert "there is no configuration 9; 1 to 1 are kept" in site.ask(to=9)["error"]
    assert site.ask()["result"] == "unchanged"


def test_a_signal_needs_nobody_who_waits_for_the_answer(site: Site) -> None:
    site.write(PRESS_1)
    site.reloader.request(Reload(1.0, who="SIGHUP"))
    site.desk.until(lambda: site.status["outcome"])
    assert (site.status["outcome"], site.entries[-1].who) == ("confirmed", "SIGHUP")


def test_what_was_asked_over_an_uplink_is_not_well_before_that_has_its_far_end(site: Site) -> None:
    before, text = site.config.read_bytes(), site.config.read_text() + MORE
    site.deaf = {"local"}
    site.ask(text=text.encode(), over="local")
    site.desk.until(lambda: site.status["phase"] == "confirming")
    assert "far end" in site.status["waits_for"]["local"]
    assert site.ended()["outcome"] == "rolled back"
    assert site.config.read_bytes() == before
    site.deaf.clear()
    site.ask(text=text.encode(), over="local")
    assert site.ended()["outcome"] == "confirmed"
    assert site.config.read_text() == text


def test_the_text_that_was_asked_for_is_not_left_lying_about(site: Site, home: Path) -> None:
    for text in (b"mistaken", site.config.read_bytes() + MORE.encode()):
        site.ask(text=text)
        site.ended()
        assert not [*(home / "run").rglob("*.toml")]
