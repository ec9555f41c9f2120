"""What an operator reads in `holdfast status`, from the plain data that a gateway answers."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from supervisors.face import panel
from supervisors.face.standing import MOODS, Row, ailment, chosen, complaints, headline, reloading, rows, totals
from supervisors.face.terminal import console
from supervisors.face.wording import amount, count, plain, quality_text, reading, share, size, span, value_text
from supervisors.plan import Phase
from transports.errors import HoldfastError, NotRunning
from transports.samples import Quality, Tag

DEVICE = {"connected": True, "samples": 1234, "timeouts": 0, "dropped": 0, "last_error": ""}
UPLINK = {"connected": True, "messages": 10, "samples": 220, "in_flight": 3, "refused": 0, "last_error": ""}
TOPIC = {"bytes": 6144, "damaged": 0, "quarantined": 0, "waiting": {"cloud": 17, "file": 0}}
SPOOLER = {"appended": 300, "topics": {"raw": {**TOPIC, "waiting": {}}, "out": TOPIC}}


def child(name: str = "press-1", kind: str = "device", phase: str = "running", **changes: Any) -> dict[str, Any]:
    """One child as the root tells of it (Supervisor.status)."""
    alive = phase in ("running", "starting", "stopping", "dying")
    told = {
        "name": name,
        "kind": kind,
        "phase": phase,
        "pid": 4711 if alive else None,
        "token": 1,
        "for_s": 75.0,
        "restarts": 0,
        "restarts_in_period": 0,
        "on_probation": False,
        "reason": "",
        "last_end": "",
        "next_in_s": None,
        "beat_age_s": 0.4 if alive else None,
        "progress": 1,
        "state": {},
    }
    return told | changes


def below(keeper: str, name: str, depth: int = 1, **changes: Any) -> dict[str, Any]:
    """A process that this supervisor keeps."""
    return child(name, supervisor=keeper, strategy=None, depth=depth, **changes)


def keeper(
    name: str, strategy: str = "one_for_one", depth: int = 0, above: str = "root", **changes: Any
) -> dict[str, Any]:
    """A supervisor, which has no process."""
    told = child(name, "supervisor", pid=None, beat_age_s=None, supervisor=above, strategy=strategy, depth=depth)
    return told | changes


def status(*children: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {"gateway": "line", "pid": 99, "uptime_s": 7260.0, "zygote": {"pid": 5, "ready": True}, "ending": False}
    return whole | {"children": list(children)} | changes


def row(**changes: Any) -> Row:
    return rows(status(child(**changes)))[0]


def printed(told: dict[str, Any], width: int = 80, colours: bool = False) -> str:
    out = io.StringIO()
    screen = Console(file=out, width=width, force_terminal=colours, color_system="standard" if colours else None)
    panel.show(told, screen)
    return out.getvalue()


def test_a_row_says_who_how_and_what() -> None:
    assert row(state=DEVICE, restarts=7, restarts_in_period=2, last_end="exit code 1") == Row(
        name="press-1",
        kind="device",
        state="running",
        mood="wait",
        pid="4711",
        uptime="1m15s",
        restarts="7/2",
        last_exit="exit code 1",
        rss="-",
        cpu="-",
        queue="-",
        probe="-",
        sign="0.4s",
        does="connected, 1,234 readings",
    )


def test_a_row_says_what_the_child_uses_and_what_waits() -> None:
    used = row(state=DEVICE | {"waiting": 12_345}, rss_bytes=45 * 2**20, cpu=0.034)
    assert (used.rss, used.cpu, used.queue) == ("45M", "3.4%", "12,345")


def test_what_a_program_s_processes_use_counts_with_it() -> None:
    state = {"program_pid": 77, "processes": 3, "rss_bytes": 30 * 2**20, "lines": 8, "left_out": 0}
    told = row(kind="program", state=state, rss_bytes=20 * 2**20)
    assert (told.rss, told.does) == ("50M", "pid 77, 3 processes, 8 lines")


def test_an_uplink_s_queue_is_what_the_spool_still_has_for_it() -> None:
    told = rows(status(child("spooler", "spooler", state=SPOOLER), child("cloud", "uplink", state=UPLINK)))
    assert [each.queue for each in told] == ["17", "17"]
    assert row(kind="uplink", state=UPLINK).queue == "3"


def test_a_child_without_a_process_has_no_pid_and_no_sign_of_life() -> None:
    held = row(phase="stopped", reason="held by the operator")
    assert (held.pid, held.sign, held.mood) == ("-", "-", "off")


def test_a_quarantined_child_says_when_it_is_tried_next() -> None:
    quarantined = row(phase="quarantined", on_probation=True, next_in_s=4.2)
    assert (quarantined.state, quarantined.probe, quarantined.mood) == ("quarantined", "4.2s", "bad")
    assert ailment(child(phase="quarantined", next_in_s=4.2, reason="oops")) == "quarantined, next try in 4.2 s: oops"
    assert row(on_probation=True).state == "running, on probation"


def test_a_child_that_the_kernel_does_not_end_is_said_to_be_so() -> None:
    told = child(phase="dying", reason="hung", unkillable=True)
    assert row(**told).state == "dying, unkillable"
    assert ailment(told) == "dying: hung; does not even end by SIGKILL (pid 4711); no other is started beside it"


def test_a_child_over_a_soft_limit_is_not_well() -> None:
    assert ailment(child(over=["CPU", "memory"])) == "uses more CPU and memory than its soft limit"


# --- the tree --------------------------------------------------------------------------------------------------------


def test_children_stand_below_their_supervisor_with_its_strategy() -> None:
    told = status(
        child("spooler", "spooler", supervisor="root", strategy=None, depth=0),
        keeper("hall", "rest_for_one"),
        keeper("cell", "one_for_all", 1, "hall"),
        below("cell", "press-1", 2),
        below("cell", "press-2", 2, phase="stopped"),
        below("hall", "mixer"),
    )
    assert [(each.name, each.does) for each in rows(told) if each.kind == "supervisor"] == [
        ("hall", "rest_for_one, 2 of 2 are well"),
        ("  cell", "one_for_all, 1 of 2 are well"),
    ]
    assert [each.name for each in rows(told)] == ["spooler", "hall", "  cell", "    press-1", "    press-2", "  mixer"]
    assert headline(told).endswith("3 of 4 are well")


def test_a_held_supervisor_says_how_all_below_it_are_let_run() -> None:
    held = keeper("hall", phase="stopped", reason="held by the operator")
    assert ailment(held) == "held by the operator; holdfast start hall --subtree lets it run"


def test_a_name_means_one_a_supervisor_all_below_it_and_a_pattern_whoever_matches() -> None:
    told = status(
        child("spooler", "spooler", supervisor="root", strategy=None, depth=0),
        keeper("hall"),
        keeper("cell", depth=1, above="hall"),
        below("cell", "press-1", 2),
        below("root", "press-2", 0),
    )

    def names(pattern: str) -> list[str]:
        return [each["name"] for each in chosen(told, pattern)["children"]]

    assert names("press-1") == ["press-1"]
    assert names("hall") == ["hall", "cell", "press-1"]
    assert names("press-*") == ["press-1", "press-2"]
    assert rows(chosen(told, "cell"))[0].name == "cell"
    with pytest.raises(HoldfastError, match="did you mean 'press-1'"):
        chosen(told, "pres-1")


# --- the gateway as a whole ------------------------------------------------------------------------------------------


def test_what_all_use_together_is_told_with_the_root_s_own_part() -> None:
    told = status(child(rss_bytes=10 * 2**20, cpu=0.5), child(), rss_bytes=30 * 2**20, cpu=0.25)
    assert totals(told) == "all use 40M and 75% of a core (the root 30M, 25%)"
    assert totals(status(child())) == ""


def test_a_reload_is_told_while_it_is_tried_and_when_it_was_taken_back() -> None:
    idle = {"attempt": 1, "phase": "idle", "touched": [], "waits_for": {}, "left_s": None, "number": 2}
    tried = idle | {"phase": "confirming", "waits_for": {"press-1": "starting"}, "left_s": 42.0}
    assert reloading(status(reload=tried)) == "reload: confirming, 42s left, waits for press-1"
    back = idle | {"outcome": "rolled back", "why": "press-1 was not well in time"}
    assert reloading(status(reload=back)) == "the last reload was rolled back: press-1 was not well in time"
    assert reloading(status(reload=idle | {"outcome": "confirmed", "why": ""})) == ""
    assert reloading(status(reload=None)) == reloading(status()) == ""


def test_a_configuration_that_was_passed_over_is_told() -> None:
    told = status(config={"file": "g.toml", "number": 3, "passed_over": "number 4 was not confirmed"})
    assert complaints(told) == [("configuration", "number 4 was not confirmed")]


# --- the words -------------------------------------------------------------------------------------------------------


def test_each_kind_says_what_it_does() -> None:
    assert row(kind="spooler", state=SPOOLER).does == "300 appended, waiting: cloud 17, file 0, 12.0 KiB"
    assert row(kind="uplink", state=UPLINK).does == "connected, 10 messages, 220 samples, 3 in flight"
    aggregator = {"samples": 28, "outputs": 8, "late": 4, "damaged": 0}
    assert row(kind="aggregator", state=aggregator).does == "28 samples in, 8 out, 4 late"


def test_a_lost_device_shows_its_error_short_in_the_table_and_in_full_beneath() -> None:
    error = "10.0.0.7:502: " + "no route to host, " * 20
    lost = child(state={**DEVICE, "connected": False, "last_error": error})
    assert row(**lost).does == "10.0.0.7:502: no route to host, no route to h..., 1,234 readings"
    assert complaints(status(lost)) == [("press-1", f"not connected: {plain(error)}")]


def test_a_device_that_answers_late_is_not_well_though_it_is_connected() -> None:
    late = child(state={**DEVICE, "last_error": "no answer within 1 s", "timeouts": 2})
    assert ailment(late) == "no answer within 1 s"
    assert row(**late).does == "no answer within 1 s, 1,234 readings, 2 timeouts"


def test_each_child_that_is_not_well_has_its_own_line_and_the_others_none() -> None:
    told = status(
        child("good", state=DEVICE),
        child("dead", phase="restarting", reason="exit code 1: ValueError: 7", last_end="exit code 1: ValueError: 7"),
        child("odd", phase="broken", reason="ImportError: no module"),
        child("off", phase="stopped", reason="held by the operator"),
        child("back", restarts_in_period=1, last_end="killed by SIGSEGV"),
        child("doubtful", on_probation=True, last_end="hung: no sign of life for 10 s"),
    )
    assert complaints(told) == [
        ("dead", "restarting: exit code 1: ValueError: 7"),
        ("odd", "broken: ImportError: no module"),
        ("off", "held by the operator; holdfast start off lets it run"),
        ("back", "restarted: killed by SIGSEGV"),
        ("doubtful", "on probation: hung: no sign of life for 10 s"),
    ]
    assert headline(told) == "gateway line (pid 99), up 2h01m: 1 of 6 are well"


def test_a_damaged_spool_and_a_missing_zygote_are_told() -> None:
    hurt = {**SPOOLER, "topics": {"out": {**TOPIC, "damaged": 2, "quarantined": 1}}}
    told = status(child("spooler", "spooler", state=hurt), zygote={"pid": 0, "ready": False}, ending=True)
    assert complaints(told) == [
        ("zygote", "is being started; new processes wait for it"),
        ("spooler", "out: 2 damaged records, 1 segments set aside"),
    ]
    assert ", is stopping:" in headline(told)


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_a_mood_and_only_running_is_well(phase: Phase) -> None:
    assert phase in MOODS
    assert (ailment(child(phase=phase)) == "") is (phase is Phase.RUNNING)


def test_what_another_version_does_not_tell_is_not_shown() -> None:
    assert row(kind="oracle", state={"wisdom": 7}).does == ""
    assert row(phase="pondering").mood == "wait"
    assert row(state={}).does == ""


def test_a_device_s_text_cannot_move_the_cursor_or_be_taken_for_markup() -> None:
    told = status(child(state={**DEVICE, "connected": False, "last_error": "\x1b[2J\x9bm [bold]oops[/] :boom:\n2nd"}))
    shown = printed(told, width=200)
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "press-1: not connected: [2J m [bold]oops[/] :boom: 2nd" in shown


def busy() -> dict[str, Any]:
    """A gateway that has something to say in every column."""
    sick = below(
        "hall", "filling-station-12", phase="quarantined", next_in_s=281.5, on_probation=True, reason="x" * 200
    )
    return status(
        child("spooler", "spooler", state=SPOOLER, rss_bytes=30 * 2**20, cpu=0.1),
        child("sums", "aggregator", rss_bytes=2 * 2**30, cpu=1.5),
        keeper("hall", "one_for_all"),
        sick | {"last_end": "exit code 1: " + "y" * 99, "restarts": 1234, "restarts_in_period": 6},
        below("hall", "press-1", state=DEVICE | {"waiting": 7}, on_probation=True, rss_bytes=9 * 2**20, cpu=0.004),
    )


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_the_table_fits_the_terminal_and_loses_no_word(width: int) -> None:
    shown = printed(busy(), width)
    assert max(map(len, shown.splitlines())) <= width
    folded = "".join(shown.split())
    assert "x" * 200 in folded
    for word in ("filling-station-12", "quarantined", "281.5", "press-1", "one_for_all"):
        assert word in folded


def test_a_wide_terminal_shows_all_columns_and_a_narrow_one_the_most_important() -> None:
    def headings(told: dict[str, Any], width: int) -> str:
        return next(line for line in printed(told, width).splitlines() if line.startswith("name"))

    every = "name kind state pid uptime restarts last exit RSS CPU queue probe sign what it does"
    assert headings(busy(), 170).split() == every.split()
    assert headings(busy(), 80).split() == ["name", "state", "uptime", "restarts", "what", "it", "does"]


def test_a_column_that_says_nothing_of_anybody_makes_room_first() -> None:
    calm = status(child("filling-station-1", state=DEVICE, rss_bytes=30 * 2**20, cpu=0.1))
    shown = printed(calm, 90)
    assert "probe" not in shown
    assert "last exit" not in shown
    assert "RSS" in shown


@given(st.integers(30, 250))
def test_a_line_of_the_table_is_never_longer_than_the_terminal(width: int) -> None:
    assert max(map(len, printed(busy(), width).splitlines())) <= width


def test_a_watched_tree_that_does_not_fit_the_screen_shows_the_sick_and_counts_the_rest() -> None:
    told = status(*(child(f"dev-{n}", phase="broken" if n == 70 else "running", reason="oops") for n in range(99)))
    out = io.StringIO()
    Console(file=out, width=100).print(panel.panel(told, 100, height=20))
    assert len(out.getvalue().splitlines()) <= 20
    shown = {line.split()[0] for line in out.getvalue().splitlines() if line.startswith("dev-")}
    assert {"dev-0", "dev-70", "dev-70:"} <= shown
    assert f"and {99 - len(shown - {'dev-70:'})} more" in out.getvalue()


def test_piped_output_has_no_colours_and_one_line_for_each_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    out = io.StringIO()
    panel.show(status(child("spooler", "spooler", state=SPOOLER), child(state=DEVICE)), console(out))
    lines = out.getvalue().splitlines()
    assert "\x1b" not in out.getvalue()
    assert len([line for line in lines if line.startswith("press-1")]) == 1
    assert next(line for line in lines if line.startswith("spooler")).rstrip().endswith("12.0 KiB")


def test_a_terminal_sees_trouble_in_colour() -> None:
    assert "\x1b[1;31mquarantined" in printed(status(child(phase="quarantined")), 120, colours=True)


def test_watching_goes_on_while_the_gateway_is_away_and_ends_with_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([status(child(state=DEVICE)), NotRunning("no gateway runs in /run/x"), status(child("back-again"))])

    def ask() -> dict[str, Any]:
        answer = next(answers, None)
        if answer is None:
            raise KeyboardInterrupt
        if isinstance(answer, NotRunning):
            raise answer
        return answer

    monkeypatch.setattr(panel, "WATCH_S", 0.0)
    out = io.StringIO()
    panel.watch(ask, Console(file=out, width=100))
    before, _, rest = out.getvalue().partition("no gateway runs in /run/x; trying again")
    away, _, after = rest.partition("back-again")
    assert "press-1" in before
    assert "press-1" in away
    assert after


@given(st.floats(0, 3e9))
def test_a_span_fits_its_column(seconds: float) -> None:
    assert len(span(seconds)) <= 6
    assert span(seconds)[0].isdigit()


def test_spans_and_amounts_are_told_in_the_unit_that_fits() -> None:
    assert [span(s) for s in (0, 9.94, 9.96, 59.4, 59.6, 3599.6, 86_399.7, 1e6)] == [
        "0.0s",
        "9.9s",
        "10s",
        "59s",
        "1m00s",
        "1h00m",
        "1d00h",
        "11d13h",
    ]
    assert [amount(n) for n in (0, 1023, 1024, 5 * 2**20, 3 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 MiB",
        "3.0 GiB",
    ]


@given(st.integers(0, 2**53))
def test_a_size_and_a_count_fit_their_columns(number: int) -> None:
    assert len(size(number)) <= 5
    assert len(count(number)) <= 6


def test_sizes_counts_and_shares_are_told_in_the_unit_that_fits() -> None:
    assert [size(n) for n in (0, 1023, 1024, 10_000, 45 * 2**20, 2**30 - 1)] == [
        "0",
        "1023",
        "1.0K",
        "9.8K",
        "45M",
        "1.0G",
    ]
    assert [count(n) for n in (0, 0.44, 12.5, 99_999, 123_456, 1_250_000)] == [
        "0",
        "0.4",
        "12.5",
        "99,999",
        "123k",
        "1.2M",
    ]
    assert [share(n) for n in (0.0, 0.004, 0.0996, 0.38, 1.2)] == ["0.0%", "0.4%", "10%", "38%", "120%"]


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    assert plain(text).isprintable()
    assert "".join(plain(text).split()) == "".join("".join(c if c.isprintable() else " " for c in text).split())


def test_values_are_exact_where_they_can_be_and_never_more_than_a_line() -> None:
    assert value_text(2**64 - 1) == "18446744073709551615"
    assert value_text(123456789.5) == "123456789.5"
    assert value_text(12.300000190734863) == "12.3"
    assert (value_text(True), value_text(None), value_text(float("nan"))) == ("true", "?", "nan")
    assert value_text("a\x1b[2Jb\n") == "'a\\x1b[2Jb\\n'"
    assert value_text(bytes(range(40))).endswith("1e1f... (40 bytes)")
    assert value_text(tuple(range(9))) == "[0, 1, 2, 3, 4, 5, 6, 7, ... (9)]"


def test_qualities_are_told_by_name_or_by_severity_and_number() -> None:
    assert (quality_text(Quality.GOOD), quality_text(0x00A2_0000)) == ("", "")
    assert quality_text(Quality.BAD_TIMEOUT) == "BadTimeout"
    assert quality_text(0x8035_0000) == "Bad 0x80350000"
    assert quality_text(0x40A4_0000) == "Uncertain 0x40a40000"


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), (1.0, float("inf"))])
def test_what_json_cannot_say_is_not_called_good(value: Any) -> None:
    assert reading(Tag("t"), value, Quality.GOOD)["quality"] == Quality.UNCERTAIN_SUB_NORMAL
    assert reading(Tag("t"), value, Quality.BAD_TIMEOUT)["quality"] == Quality.BAD_TIMEOUT
    assert reading(Tag("t", unit="V"), 1.5, Quality.GOOD) == {"tag": "t", "value": 1.5, "quality": 0, "unit": "V"}


def test_a_warning_stays_as_long_as_it_is_true_and_a_dead_link_is_one() -> None:
    warned = child(
        "cloud", "uplink", state={**UPLINK, "warnings": ["tls.verify is false: whoever answers is believed"]}
    )
    assert ailment(warned) == "tls.verify is false: whoever answers is believed"
    assert row(name="cloud", kind="uplink", state=warned["state"]).mood == "wait"
    refused = child("cloud", "uplink", state={**UPLINK, "refused": 2, "last_refused": "a message of 4000 bytes"})
    assert ailment(refused) == "2 set aside, lately: a message of 4000 bytes"
    links = {"ethernet": {"trouble": "eth0 has no carrier"}, "cellular": {"trouble": ""}}
    network = child("network", "network", state={"links": links})
    assert ailment(network) == "the link ethernet: eth0 has no carrier"
    assert row(kind="network", state=network["state"]).does == "ethernet down, cellular up"
