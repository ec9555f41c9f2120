"""What an operator reads in `holdfast status`, from the plain data that a gateway answers."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from supervisors import panel
from supervisors.plan import Phase
from supervisors.standing import MOODS, Row, ailment, complaints, headline, rows
from supervisors.terminal import console
from supervisors.wording import amount, plain, quality_text, reading, span, value_text
from transports.errors import NotRunning
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
        since="1m15s",
        restarts="7/2",
        sign="0.4s",
        does="connected, 1,234 readings",
    )


def test_a_child_without_a_process_has_no_pid_and_no_sign_of_life() -> None:
    held = row(phase="stopped", reason="held by the operator")
    assert (held.pid, held.sign, held.mood) == ("-", "-", "off")


def test_a_quarantined_child_says_when_it_is_tried_next() -> None:
    quarantined = row(phase="quarantined", on_probation=True, next_in_s=4.2)
    assert (quarantined.state, quarantined.mood) == ("quarantined, next try in 4.2 s", "bad")
    assert row(on_probation=True).state == "running, on probation"


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


def test_the_table_fits_eighty_columns_and_loses_no_word() -> None:
    sick = child("filling-station-12", phase="quarantined", next_in_s=281.5, on_probation=True, reason="x" * 200)
    told = status(child("spooler", "spooler", state=SPOOLER), child("sums", "aggregator"), sick)
    shown = printed(told)
    assert max(map(len, shown.splitlines())) <= 80
    folded = "".join(shown.split())
    assert "x" * 200 in folded
    assert "filling-station-12" in shown
    assert "281.5" in shown
    assert "aggregator" in shown


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
