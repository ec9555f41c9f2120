"""`holdfast logs`, `events` and `crashes`: what is on the disk, as an operator reads it, also after the end."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from supervisors.records.audit import AUDIT, Audit
from supervisors.records.crashes import Crash, Reports
from supervisors.records.events import Audited, ChildDied, ChildReady
from supervisors.records.journal import EVENTS, Form, Journal
from supervisors.records.logs import bound, log_path
from supervisors.verbs import records
from tests.peers.lifeline import die_with_parent
from transports.clock import HandClock
from transports.errors import HoldfastError, NotRunning

WITHIN_S = 30.0
T0 = datetime(2026, 5, 1, 12).timestamp()

app = typer.Typer()
for verb in (records.logs, records.events, records.crashes):
    app.command()(verb)


class Site:
    """The data directory of a gateway that runs no more; its clock began at noon."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        (data_dir / "logs").mkdir(parents=True)
        self.clock = HandClock(utc_ns=round(T0) * 10**9)
        with open(os.devnull, "w") as nowhere:
            audit = Audit(data_dir / AUDIT, self.clock)
            self.journal = Journal(data_dir / EVENTS, Form.HUMAN, self.clock, nowhere, audit=audit)
        self.reports = Reports(data_dir / "crashes", self.clock)

    def say(self, name: str, second: float, text: str, level: str = "INFO") -> None:
        """A line in a child's log, so many seconds after noon."""
        moment = datetime.fromtimestamp(T0 + second)
        prefix = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03} {level} {name}: "
        self.add(name, f"{prefix}{text}\n")

    def add(self, name: str, text: str) -> None:
        with log_path(self.data_dir, name).open("a") as file:
            file.write(text)

    def asked(self, *words: str) -> list[str]:
        """The lines that a verb prints."""
        done = self.run(*words)
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--data-dir", str(self.data_dir)], standalone_mode=True)

    @contextmanager
    def following(self, *words: str) -> "Iterator[subprocess.Popen[bytes]]":
        """A verb in a process of its own, ended with the block."""
        parent = os.getpid()
        code = "from tests.supervisors.records.test_records import app; app()"
        with subprocess.Popen(
            [sys.executable, "-c", code, *words, "--data-dir", str(self.data_dir)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            bufsize=0,
            preexec_fn=lambda: die_with_parent(parent),
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def line_of(process: "subprocess.Popen[bytes]") -> str:
    """The next line, when it comes."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], WITHIN_S)
    assert ready, "nothing comes"
    return process.stdout.readline().decode().rstrip("\n")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# --- logs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def told(site: Site) -> Site:
    """Two children and the root have said something, in turns."""
    site.say("press", 1, "one")
    site.say("mill", 2, "two")
    site.clock.advance(3)
    site.journal.say(ChildDied("press", 17, "exit code 1", 0.0, False))
    site.add("press", "Traceback:\n  ValueError: \x1b[31mred\n")
    site.say("press", 4, "four", "WARNING")
    return site


def test_a_child_s_log_is_printed_as_it_is_but_moves_no_cursor(told: Site) -> None:
    assert told.asked("logs", "press") == [
        "2026-05-01 12:00:01,000 INFO press: one",
        "Traceback:",
        "  ValueError: \\x1b[31mred",
        "2026-05-01 12:00:04,000 WARNING press: four",
    ]


def test_all_logs_are_merged_by_time_and_a_traceback_stays_with_its_line_and_its_child(told: Site) -> None:
    assert told.asked("logs") == [
        "2026-05-01 12:00:01,000 INFO press: one",
        "press | Traceback:",
        "press |   ValueError: \\x1b[31mred",
        "2026-05-01 12:00:02,000 INFO mill: two",
        "2026-05-01 12:00:03,000 WARNING root: press (pid 17) died: exit code 1; it is restarted at once",
        "2026-05-01 12:00:04,000 WARNING press: four",
    ]


def test_the_root_has_a_log_of_its_own(told: Site) -> None:
    assert [line[24:36] for line in told.asked("logs", "root")] == ["WARNING root"]


def test_a_pattern_means_several(told: Site) -> None:
    assert told.asked("logs", "m*") == ["2026-05-01 12:00:02,000 INFO mill: two"]


def test_as_json_a_line_says_who_when_and_how_grave(told: Site) -> None:
    lines = [json.loads(line) for line in told.asked("logs", "press", "--json")]
    assert [(line["name"], line["level"], line["text"]) for line in lines] == [
        ("press", "INFO", "one"),
        ("press", "INFO", "Traceback:"),
        ("press", "INFO", "  ValueError: \x1b[31mred"),
        ("press", "WARNING", "four"),
    ]
    assert datetime.fromisoformat(lines[3]["time"]).timestamp() == T0 + 4


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-n", "2"], ["three", "four"]),
        (["-n", "0"], []),
        (["-n", "99"], ["one", "two", "three", "four"]),
        (["--since", "2026-05-01T12:00:02"], ["two", "three", "four"]),
        (["--since", "2026-05-01T12:00:02", "-n", "1"], ["four"]),
        (["--since", "10000d"], ["one", "two", "three", "four"]),
        (["--since", "1s"], []),
    ],
)
def test_the_newest_or_those_since_a_moment(site: Site, options: list[str], expected: list[str]) -> None:
    for n, text in enumerate(["one", "two", "three", "four"], 1):
        site.say("press", n, text)
    os.utime(log_path(site.data_dir, "press"), (T0 + 4, T0 + 4))
    assert [line.rpartition(": ")[2] for line in site.asked("logs", "press", *options)] == expected


def test_what_was_put_aside_comes_first_and_a_last_word_without_an_end_last(site: Site) -> None:
    site.say("press", 1, "one")
    bound(log_path(site.data_dir, "press"), 10)
    site.say("press", 2, "two")
    site.add("press", "Fatal Python err")
    assert [line.rpartition(": ")[2] for line in site.asked("logs", "press")] == ["one", "two", "Fatal Python err"]


def test_an_unknown_name_is_met_with_the_nearest(told: Site) -> None:
    with pytest.raises(HoldfastError, match="no log of 'pres'; did you mean 'press'"):
        records.logs("pres", data_dir=told.data_dir)


def test_a_log_is_followed_across_its_cutting_and_new_children_come_along(site: Site) -> None:
    for n in range(20):
        site.say("press", n, f"old {n}")
    with site.following("logs", "-f") as reader:
        before = [line_of(reader) for _ in range(records.FOLLOWED_LINES)]
        assert before[-1].endswith("old 19")
        site.say("press", 30, "news")
        assert line_of(reader).endswith("press: news")
        bound(log_path(site.data_dir, "press"), 10)
        site.say("press", 31, "after the cut")
        assert line_of(reader).endswith("press: after the cut")
        site.say("mill", 32, "a new child")
        assert line_of(reader).endswith("mill: a new child")
        site.clock.advance(33)
        site.journal.say(ChildReady("mill", 1, 0.1))
        assert "INFO root: mill is running" in line_of(reader)


def test_a_reader_that_goes_away_ends_who_follows_for_it(site: Site) -> None:
    site.say("press", 1, "one")
    with site.following("logs", "-f") as reader:
        assert line_of(reader).endswith("press: one")
        assert reader.stdout is not None
        reader.stdout.close()
        assert reader.wait(WITHIN_S) == 0


# --- events ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def eventful(site: Site) -> Site:
    for second, name in enumerate(["press", "mill", "press"], 1):
        site.clock.advance(1)
        site.journal.say(ChildDied(name, second, f"a{'b' * second}", 0.0, False))
    site.clock.advance(1)
    site.journal.say(Audited("uid 1000 (anna)", "stop", ("press", "oven"), "a new belt", "held"))
    return site


def second_of(line: str) -> str:
    """Of `2026-05-01 12:00:03,000 ...` it is 3."""
    return line[18]


def test_events_are_lines_with_time_level_and_sentence(eventful: Site) -> None:
    assert eventful.asked("events")[0] == (
        "2026-05-01 12:00:01,000 WARNING press (pid 1) died: ab; it is restarted at once"
    )
    assert eventful.asked("events")[-1] == (
        "2026-05-01 12:00:04,000 INFO uid 1000 (anna): stop press oven: held (why: a new belt)"
    )


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ([], "1234"),
        (["press"], "134"),
        (["oven"], "4"),
        (["[mo]*"], "24"),
        (["nobody"], ""),
        (["-n", "2"], "34"),
        (["--since", "2026-05-01T12:00:03"], "34"),
        (["--audit"], "4"),
        (["--audit", "mill"], ""),
    ],
)
def test_events_are_chosen_by_name_number_and_time(eventful: Site, options: list[str], seconds: str) -> None:
    assert "".join(map(second_of, eventful.asked("events", *options))) == seconds


def test_as_json_events_are_the_records_themselves(eventful: Site) -> None:
    lines = eventful.asked("events", "--json")
    assert [json.loads(line) for line in lines] == [
        json.loads(line) for line in (eventful.data_dir / EVENTS).read_text().splitlines()
    ]


def test_a_torn_or_strange_line_hides_no_other(eventful: Site) -> None:
    with (eventful.data_dir / EVENTS).open("a") as file:
        file.write('nonsense\n[1]\n{"time": 7}\n{"torn')
    eventful.journal.note(20, "after the power cut")
    assert eventful.asked("events")[-1].endswith("INFO after the power cut")
    assert len(eventful.asked("events")) == 6


def test_events_are_followed(eventful: Site) -> None:
    with eventful.following("events", "-f", "press") as reader:
        assert [second_of(line_of(reader)) for _ in range(3)] == ["1", "3", "4"]
        eventful.journal.say(ChildReady("mill", 1, 0.1))
        eventful.journal.say(ChildReady("press", 2, 0.1))
        assert "press is running" in line_of(reader)


# --- crashes --------------------------------------------------------------------------------------------------------


def crash(name: str, how: str) -> Crash:
    return Crash(name, 17, how, "Traceback:\n  ValueError: a bug\n", ("a line",), 0.2, 3, 0.0, False, {"samples": 7})


@pytest.fixture
def crashed(site: Site) -> Site:
    for name, how in (("press", "first"), ("mill", "second"), ("oven", "third")):
        site.reports.write(crash(name, how))
        site.clock.advance(1)
    return site


def test_crashes_are_listed_newest_first_and_numbered(crashed: Site) -> None:
    heading, _, *rows = crashed.asked("crashes")
    assert heading.split() == ["n", "time", "name", "how", "then"]
    assert [row.split()[0::3][:2] for row in rows] == [["1", "oven"], ["2", "mill"], ["3", "press"]]
    assert "third" in rows[0]
    assert "started again at once" in rows[0]


def test_a_crash_is_shown_whole_by_its_number_in_what_is_listed(crashed: Site) -> None:
    assert "how: second" in crashed.asked("crashes", "--show", "2")
    page = crashed.asked("crashes", "press", "--show", "1")
    assert "how: first" in page
    assert {"  ValueError: a bug", "  a line", "  samples = 7"} < {"  " + line.strip() for line in page}


def test_as_json_each_crash_is_a_line_and_whole(crashed: Site) -> None:
    lines = [json.loads(line) for line in crashed.asked("crashes", "--json")]
    assert [(line["n"], line["name"], line["traceback"][:9]) for line in lines] == [
        (1, "oven", "Traceback"),
        (2, "mill", "Traceback"),
        (3, "press", "Traceback"),
    ]


def test_a_number_that_nobody_has_is_an_error(crashed: Site) -> None:
    with pytest.raises(HoldfastError, match="no report 4; there are 3"):
        records.crashes(show=4, data_dir=crashed.data_dir)


def test_no_crash_is_said_and_a_damaged_report_hides_no_other(site: Site) -> None:
    assert site.asked("crashes") == ["no crash reports"]
    assert site.asked("crashes", "--json") == []
    site.reports.write(crash("press", "first"))
    (site.data_dir / "crashes" / "20990101T000000.000000-mill.json").write_text('{"name": "mi')
    assert len(site.asked("crashes", "--json")) == 1


# --- where ----------------------------------------------------------------------------------------------------------


def test_without_a_gateway_the_cure_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=r"no gateway runs in .* read with --data-dir DIR"):
        records.found(None, tmp_path)
    with pytest.raises(HoldfastError, match="is no directory"):
        records.found(tmp_path / "absent", None)


@pytest.mark.parametrize("since", ["yesterday", "10", "2026-13-01"])
def test_a_moment_that_is_none_is_a_mistake_in_the_command(site: Site, since: str) -> None:
    done = site.run("events", "--since", since)
    assert done.exit_code == 2
    assert "neither a span such as 10m" in " ".join(done.output.replace("│", " ").split())
