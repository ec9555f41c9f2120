"""A device's commands: none twice, whatever dies and whatever the disk does."""

import errno
import os
from pathlib import Path

import pytest

from actors.commanding.answers import Answers
from actors.commanding.entries import begun
from actors.commanding.journal import LASTING, PASSING, Journal
from actors.commanding.journals import Journals
from tests.actors.commanding.hand import Bench, HandMailbox, refusing
from transports.clock import HandClock
from transports.messages import Command


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def cut_off(bench: Bench, command: Command) -> None:
    """A former process began it, and died."""
    journal = Journal(bench.lasting, LASTING) if command.lasting else Journal(bench.passing, PASSING)
    journal.load()
    journal.begin(begun(command, 1))
    journal.close()


@pytest.mark.parametrize("lasting", [True, False])
def test_a_key_whose_end_could_not_be_written_is_not_executed_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    with refusing(monkeypatch, "write", only=b'"done"'):
        assert bench.send("k", lasting=lasting)[0] == "done"
    assert bench.send("k", lasting=lasting)[0] == "done"
    assert bench.valve.written == [("x", 1)]
    bench.start()
    assert bench.send("k", lasting=lasting)[0] in ("done", "unknown")
    assert bench.valve.written == [("x", 1)]


def test_what_a_dead_process_had_begun_is_unknown_also_while_the_disk_is_full(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(bench, Command("k", "x", 1, 0.0))
    for _ in range(2):
        with refusing(monkeypatch, "write"):
            bench.start()
            assert bench.send("k")[0] == "unknown"
        assert bench.send("k")[0] == "unknown"
    assert bench.valve.written == []


def test_the_audit_hears_all_of_a_command_over_which_a_process_died(bench: Bench) -> None:
    for lasting in (True, False):
        command = Command(f"k{lasting}", "raw", b"\x00\xff", 0.0, "rule:cooling", "anna", "too hot", lasting=lasting)
        cut_off(bench, command)
        bench.start()
        assert Command(*bench.deeds()[0].command) == command
        assert bench.deeds()[0].outcome == "unknown"
        bench.start()
        assert bench.deeds() == []


@pytest.mark.parametrize(("tag", "value"), [("x", 2), ("f", 1)])
def test_a_key_under_which_something_else_was_commanded_is_rejected(bench: Bench, tag: str, value: int) -> None:
    bench.reads = lambda now: None
    bench.take("k", read_back=True)  # without an outcome
    bench.mailbox.turn()
    assert "another command's" in bench.send("k", value, tag)[1]
    bench.mailbox.turn(5.0)
    assert bench.outcomes("k") == ["rejected", "unknown"]
    assert "another command's" in bench.send("k", value, tag)[1]
    bench.start()
    assert "another command's" in bench.send("k", value, tag)[1]
    assert bench.send("k")[0] == "unknown"  # and its own outcome is what it was
    assert bench.valve.written == [("x", 1)]


def test_everybody_who_sent_the_key_hears_of_its_end(bench: Bench) -> None:
    bench.take("k", sender="anna")
    bench.take("k", sender="ben")
    bench.mailbox.turn()
    assert sorted((sender, said.outcome) for sender, said in bench.mailbox.answers) == [
        ("anna", "done"),
        ("ben", "done"),
    ]
    assert len(bench.valve.written) == 1


def test_what_has_begun_and_nobody_executes_is_unknown(tmp_path: Path) -> None:
    clock = HandClock()
    journals, mailbox = Journals(clock, tmp_path / "lasting", tmp_path / "passing"), HandMailbox(clock)
    command = Command("k", "x", 1, 0.0)
    assert list(journals.recovered()) == []
    journals.begin(command)
    assert Answers(mailbox, journals).is_known("me", command)  # type: ignore[arg-type]
    assert [said.outcome for _, said in mailbox.answers] == ["unknown"]


def test_a_key_is_looked_up_in_both_journals(bench: Bench) -> None:
    assert bench.send("a", lasting=True)[0] == "done"
    assert bench.send("b", lasting=False)[0] == "done"
    bench.start()
    assert bench.send("a", lasting=False)[0] == "done"
    assert bench.send("b", lasting=True)[0] == "done"
    assert len(bench.valve.written) == 2


def test_commands_of_rules_push_no_key_of_an_operator_out(bench: Bench) -> None:
    bench.send("operator's")
    for number in range(6_000):
        bench.take(f"cooling:{number}", lasting=False)
        bench.mailbox.turn()
    bench.valve.written.clear()
    assert bench.send("operator's")[0] == "done"
    assert bench.valve.written == []
    assert bench.lasting.read_bytes().count(b"\n") == 2


def test_rules_command_on_while_the_data_directory_is_full_or_broken(bench: Bench) -> None:
    bench.lasting.parent.parent.mkdir(parents=True)
    bench.lasting.parent.write_text("every write fails here")
    bench.start()
    assert bench.send("rule", lasting=False)[0] == "done"
    outcome, why = bench.send("operator", lasting=True)
    assert outcome == "rejected"
    assert "cannot be written" in why
    assert bench.valve.written == [("x", 1)]


def test_a_journal_that_cannot_be_read_holds_up_its_own_commands_until_it_can(bench: Bench) -> None:
    bench.lasting.mkdir(parents=True)
    bench.start()
    assert "cannot be read" in bench.send("k")[1]
    assert bench.send("rule", lasting=False)[0] == "done"
    bench.lasting.rmdir()
    cut_off(bench, Command("before", "x", 1, 0.0))
    assert "cannot be read" in bench.send("at once")[1]
    bench.mailbox.turn(6.0)
    assert bench.send("later")[0] == "done"
    assert bench.send("before")[0] == "unknown"
    assert bench.send("k")[0] == "rejected"
    assert len(bench.valve.written) == 2


def test_what_comes_while_the_journal_cannot_be_read_waits_for_no_link(bench: Bench) -> None:
    cut_off(bench, Command("k", "x", 1, 0.0))
    hidden = bench.lasting.rename(bench.lasting.with_suffix(".hidden"))
    bench.lasting.mkdir()
    bench.start()
    bench.link = None
    assert bench.send("k")[0] == "rejected"
    bench.lasting.rmdir()
    hidden.rename(bench.lasting)
    bench.mailbox.turn(6.0)
    bench.link = bench.valve
    assert bench.send("next")[0] == "done"
    assert bench.send("k")[0] == "unknown"
    assert bench.valve.written == [("x", 1)]


def test_a_disk_that_cannot_be_read_is_no_death(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "read_bytes", refused)
    bench.start()
    assert bench.send("k")[0] == "rejected"
