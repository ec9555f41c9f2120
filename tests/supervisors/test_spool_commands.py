"""`holdfast spool ...` and `holdfast ledger` as an operator types them: against a real gateway, and what one left."""

import io
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import typer

from supervisors import control
from supervisors.control import ask
from supervisors.face.spooled import LEDGER
from supervisors.verbs.spooler import ledger, ledger_rows, samples_at_stake, sums
from tests.peers.gateway import Gateway
from tests.peers.lifeline import die_with_parent
from tests.peers.processes import start_peer
from transports import codec
from transports.errors import AskTimeout, HoldfastError, NotRunning
from transports.messages import Ledger, Operate
from transports.names import SPOOLER
from transports.samples import Gap, Scan, Tag, batch_of
from transports.spool import ALARM, GAP, Commit, Settings, Spool

WITHIN_S = 20.0
NOW_NS = 1_795_000_000_000_000_000
MINUTE_NS = 60 * 10**9
# the verbs as the lead registers them; where cli.py has them already, nothing is added
COMMAND = """
from supervisors import cli
from supervisors.verbs import spool
if "spool" not in {group.name for group in cli.app.registered_groups}:
    cli.app.add_typer(spool.spool_app, name="spool")
    cli.app.command()(spool.ledger)
cli.main()
"""
CONFIG = """
[gateway]
name = "plant-7"
[supervision]
heartbeat = "100ms"
[device.press-1]
driver = "sim"
period = "50ms"
tags = {{ level = {{ wave = "sine", unit = "mm" }}, count = {{ wave = "counter" }} }}
[device.press-2]
driver = "sim"
period = "50ms"
tags = {{ on = {{ wave = "constant", type = "bool" }} }}
[uplink.local]
type = "file"
path = "{output}"
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = 1
"""


@contextmanager
def started(*arguments: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.PIPE) -> Iterator[Any]:
    """`holdfast ARGUMENTS`, ended with the test."""
    parent = os.getpid()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(parent),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def holdfast(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of one command."""
    with started(*arguments) as process:
        out, err = process.communicate(timeout=WITHIN_S)
    return process.returncode, out, err


# --- a gateway that runs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("line")
    with Gateway(directory, CONFIG.format(output=directory / "out.ndjson")) as running:
        running.wait(lambda status: kept(status) > 20)
        yield running


def kept(status: Mapping[str, Any]) -> int:
    state = next(child["state"] for child in status["children"] if child["name"] == "spooler")
    end: int = state.get("topics", {}).get("out", {}).get("end", [0, 0])[1]
    return end


def asked(gateway: Gateway, *arguments: str) -> tuple[int, str, str]:
    return holdfast(*arguments, "--run-dir", str(gateway.run_dir))


def test_the_ledger_adds_up_for_every_device_and_uplink(gateway: Gateway) -> None:
    code, out, err = asked(gateway, "ledger", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["adds_up"]
    rows = {(row["producer"], row["consumer"]): row for row in told["rows"] if row["topic"] == "out"}
    assert {("press-1", "local"), ("press-2", "local"), ("press-1", "cloud"), ("press-2", "cloud")} <= rows.keys()
    for row in rows.values():
        assert row["read"] == row["delivered"] + row["waiting"] + row["gaps"]
    assert rows["press-1", "cloud"]["waiting"] > 0, "its broker is not there"
    assert rows["press-1", "local"]["delivered"] > 0
    assert isinstance(rows["press-1", "local"]["in_device"], int), "what the device's process has not handed over"


def test_the_ledger_is_a_table_with_the_sums_at_its_end(gateway: Gateway) -> None:
    code, out, _ = asked(gateway, "ledger")
    heading, _, *lines = out.splitlines()
    assert code == 0
    assert all(
        name in heading
        for name in ("producer", "consumer", "read", "in the device", "delivered", "waiting", "gaps", "adds up")
    )
    assert [line.split()[1] for line in lines][-1] == "all"
    assert all(line.split()[-1] == "yes" for line in lines)


def test_stat_shows_what_waits_for_whom_while_the_gateway_writes(gateway: Gateway) -> None:
    code, out, err = asked(gateway, "spool", "stat")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["out", "cloud"] in [line[:2] for line in lines]
    told = json.loads(asked(gateway, "spool", "stat", "--json")[1])
    (topic,) = [each for each in told if each["topic"] == "out"]
    assert topic["consumers"]["cloud"]["waiting"] > topic["consumers"]["local"]["waiting"]
    assert topic["versions"] == {"2": topic["segments"]}
    assert topic["end"][1] > 20
    assert topic["oldest_ns"] <= topic["newest_ns"]


def test_verify_finds_no_damage_in_a_spool_that_is_being_written(gateway: Gateway) -> None:
    for _ in range(2):
        code, out, _ = asked(gateway, "spool", "verify", "--json")
        sums_told = [json.loads(line) for line in out.splitlines() if json.loads(line)["found"] == "sum"]
        assert code == 0, out
        assert {each["topic"] for each in sums_told} >= {"raw", "out"}
        assert sum(each["records"] for each in sums_told) > 20


def test_dump_shows_the_newest_readings_in_words(gateway: Gateway) -> None:
    code, out, err = asked(gateway, "spool", "dump", "out", "--last", "4", "--producer", "press-1")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 4
    assert all(" data press-1 #" in line and "level=" in line and "count=" in line for line in out.splitlines())


def test_export_writes_what_the_uplink_writes(gateway: Gateway, tmp_path: Path) -> None:
    """The same record under the same key: whoever has both can throw one away."""
    target = tmp_path / "backlog.ndjson"
    code, out, err = asked(gateway, "spool", "export", "out", str(target), "--consumer", "cloud")
    assert (code, out) == (0, "")
    exported = [json.loads(line) for line in target.read_text().splitlines()]
    assert f"{len(exported)} records" in err
    delivered = [json.loads(line) for line in (gateway.output.parent / "out.ndjson").read_text().splitlines()]
    keys = {(each["epoch"], each["seq"]): each for each in exported}
    both = [each for each in delivered if (each["epoch"], each["seq"]) in keys]
    assert len(both) > 10
    for each in both:
        assert keys[each["epoch"], each["seq"]] == {key: value for key, value in each.items() if key != "historical"}
    assert list(tmp_path.iterdir()) == [target], "nothing temporary stays"


def test_purge_asks_on_a_terminal_and_says_what_goes(gateway: Gateway) -> None:
    words = ("spool", "purge", "out", "--consumer", "cloud", "--run-dir", str(gateway.run_dir))
    code, said = typed(words, "n\n")
    assert code == 0
    assert "records (" in said
    assert "samples) wait for cloud, kept from" in said
    assert "nothing was done" in said
    before = json.loads(asked(gateway, "ledger", "--json")[1])
    code, said = typed(words, "y\n")
    assert (code, "records were given up (purged)" in said) == (0, True)
    after = json.loads(asked(gateway, "ledger", "--json")[1])
    (row,) = [row for row in after["rows"] if (row["producer"], row["consumer"]) == ("press-1", "cloud")]
    (was,) = [row for row in before["rows"] if (row["producer"], row["consumer"]) == ("press-1", "cloud")]
    assert row["gaps"] >= was["waiting"], "what was given up is a gap"
    assert after["adds_up"]


def test_purge_without_a_terminal_needs_to_be_told_so(gateway: Gateway) -> None:
    code, out, err = asked(gateway, "spool", "purge", "out", "--consumer", "cloud")
    assert (code, out) == (2, "")
    assert "--yes" in err
    code, out, err = asked(
        gateway, "spool", "purge", "out", "--consumer", "cloud", "--yes", "--why", "a test", "--json"
    )
    assert (code, err) == (0, "")
    assert [topic for topic, *_ in json.loads(out)["dropped"]] == ["out"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("spool", "purge", "out", "--consumer", "nobody", "--yes"), 1, "nobody"),
        (("spool", "purge", "nowhere", "--yes"), 1, "nowhere"),
        (("spool", "purge", "out", "--forget", "--yes"), 2, "--consumer"),
        (("spool", "dump", "nowhere"), 1, "allowed here"),
        (("spool", "dump", "out", "--from", "soon"), 2, "EPOCH/SEQ"),
        (("spool", "dump", "out", "--since", "soon"), 2, "--since"),
        (("spool", "export", "out", "-", "--until", "soon"), 2, "--until"),
        (("spool", "export", "out", "-", "--consumer", "nobody"), 1, "nobody"),
    ],
)
def test_what_cannot_be_done_is_one_line(gateway: Gateway, words: tuple[str, ...], code: int, said: str) -> None:
    failed, out, err = asked(gateway, *words)
    assert (failed, out) == (code, "")
    assert len(err.splitlines()) == 1
    assert said in err


def typed(words: tuple[str, ...], keys: str) -> tuple[int, str]:
    """A command on a terminal where somebody types: its exit code and everything that was to be seen."""
    master, slave = pty.openpty()
    seen = b""
    try:
        parent = os.getpid()
        with subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "NO_COLOR": "1", "TERM": "dumb"},
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(parent),
        ) as process:
            os.close(slave)
            while select.select([master], [], [], WITHIN_S)[0]:
                try:
                    seen += os.read(master, 4096)
                except OSError:  # EIO: the command has ended
                    break
                if keys and b"[y/N]" in seen:
                    os.write(master, keys.encode())
                    keys = ""
            return process.wait(WITHIN_S), seen.decode().replace("\r\n", "\n")
    finally:
        os.close(master)


# --- nobody there to be asked -----------------------------------------------------------------------------------------


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "r"


def test_what_needs_a_gateway_says_so_and_what_to_do(run_dir: Path) -> None:
    run_dir.mkdir()
    for words in (("ledger",), ("spool", "purge", "out", "--yes"), ("spool", "stat"), ("spool", "verify")):
        code, out, err = holdfast(*words, "--run-dir", str(run_dir))
        assert (code, out, len(err.splitlines())) == (3, "", 1), words
    assert "delete DATA_DIR/spool/out" in holdfast("spool", "purge", "out", "--yes", "--run-dir", str(run_dir))[2]


def test_a_gateway_without_its_spooler_is_told_from_no_gateway(run_dir: Path) -> None:
    run_dir.mkdir(mode=0o700)
    with pytest.raises(NotRunning):
        ask(run_dir, Ledger(), to=SPOOLER)
    with start_peer("mailbox_peer.py", "--run-dir", str(run_dir), "--name", "root"):
        with pytest.raises(
            HoldfastError, match="the gateway runs, but its spooler does not; see why: holdfast"
        ) as told:
            ask(run_dir, Ledger(), to=SPOOLER)
        assert not isinstance(told.value, NotRunning)
        with start_peer("mailbox_peer.py", "--run-dir", str(run_dir), "--name", SPOOLER):
            assert ask(run_dir, Operate("echo", "here"), to=SPOOLER) == "here"
            with pytest.raises(AskTimeout, match="the spooler does not answer in time"):
                ask(run_dir, Operate("silence"), timeout_s=0.2, to=SPOOLER)


# --- what a gateway left ----------------------------------------------------------------------------------------------

TAGS = (Tag("force", unit="kN"),)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with a spool of 30 records, one a minute, in several files: readings, a gap, an alarm."""
    spool = Spool.open(str(tmp_path / "d" / "spool"), Settings(segment_bytes=1500), {"out": ("cloud",)}, NOW_NS)
    for pseq in range(1, 29):
        now_ns = NOW_NS + pseq * MINUTE_NS
        reading = codec.pack(batch_of("press-1", pseq, [Scan(now_ns, TAGS, [pseq / 8])]))
        spool.append("out", "press-1", pseq, [reading], now_ns, counts=[1])
    now_ns = NOW_NS + 29 * MINUTE_NS
    gap = codec.pack(Gap("press-1", "buffer full", now_ns, now_ns, 29, 31, 3))
    spool.append("out", "press-1", 29, [gap], now_ns, kind=GAP, counts=[3])
    spool.append("out", "alarms", 1, [b"\xff\x1b[2Jnot ours"], now_ns, kind=ALARM, counts=[1])
    spool.commit(Commit("out", "cloud", spool.fetch("out", "cloud", 800).end))
    spool.close()
    return tmp_path / "d"


def left(data_dir: Path, *arguments: str) -> tuple[int, str, str]:
    """As `holdfast`, but in this process: the command needs nobody else."""
    said, complained = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        redirect_stdout(said),
        redirect_stderr(complained),
        patch.object(sys, "argv", ["holdfast", "spool", *arguments, "--data-dir", str(data_dir)]),
        pytest.raises(SystemExit) as ended,
    ):
        exec(COMMAND, {})
    out, err = (stream.buffer.getvalue().decode() for stream in (said, complained))
    return int(ended.value.code or 0), out, err


def damaged(data_dir: Path) -> tuple[Path, int]:
    """One record in the middle of the second file is hit: the file, and the seq."""
    path = sorted((data_dir / "spool" / "out").iterdir())[1]
    content = bytearray(path.read_bytes())
    at = content.find(b"force", len(content) // 2)
    content[at] ^= 1
    path.write_bytes(content)
    told = json.loads(left(data_dir, "verify", "out", "--json")[1].splitlines()[0])
    return path, int(told["first"][1])


def test_verify_names_file_bytes_and_records_of_a_damage_and_fails(data_dir: Path) -> None:
    assert left(data_dir, "verify")[0] == 0
    path, seq = damaged(data_dir)
    code, out, err = left(data_dir, "verify")
    assert (code, err) == (1, "")
    damage, total = out.splitlines()
    assert f"DAMAGED {path} bytes " in damage
    assert f"lost: 1/{seq} to 1/{seq} (1 records, between " in damage
    assert total.endswith("29 records: damaged in 1 places, 1 records are lost")


def test_a_torn_end_is_normal(data_dir: Path) -> None:
    newest = max((data_dir / "spool" / "out").iterdir())
    newest.write_bytes(newest.read_bytes()[:-70])
    code, out, _ = left(data_dir, "verify")
    assert code == 0
    assert "never acknowledged, so this is normal" in out


def test_dump_shows_readings_gaps_holes_and_what_it_cannot_read(data_dir: Path) -> None:
    _, seq = damaged(data_dir)
    code, out, err = left(data_dir, "dump", "out")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 30
    assert lines[seq - 1].startswith(f"1/{seq} to 1/{seq}: 1 records are lost (damaged), between ")
    assert "press-1 scan 1 at" in lines[0]
    assert lines[0].endswith(": force=0.125")
    assert "gap of press-1: buffer full, scans 29 to 31 (3)" in lines[-2]
    assert " alarm alarms #1: 13 bytes that are no readings: ff 1b 5b 32 4a" in lines[-1]
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        (("--last", "3"), [28, 29, 30]),
        (("--from", "1/28"), [28, 29, 30]),
        (("--kind", "gap", "--kind", "alarm"), [29, 30]),
        (("--producer", "alarms"), [30]),
        (("--producer", "press-1", "--last", "1", "--kind", "data"), [28]),
        (("--from", "1/5", "--last", "100", "--kind", "gap"), [29]),
        (("--from", "2/1"), []),
    ],
)
def test_dump_shows_only_what_is_asked_for(data_dir: Path, words: tuple[str, ...], seqs: list[int]) -> None:
    code, out, _ = left(data_dir, "dump", "out", "--json", *words)
    assert (code, [json.loads(line)["seq"] for line in out.splitlines()]) == (0, seqs)


def test_dump_and_export_end_quietly_when_nobody_reads_on(data_dir: Path) -> None:
    spool = Spool.open(str(data_dir / "spool"), Settings(), {"out": ("cloud",)}, NOW_NS)
    for pseq in range(30, 500):
        spool.append("out", "press-1", pseq, [bytes(500)], NOW_NS)
    spool.close()
    for words in (("dump", "out", "--json"), ("export", "out", "-")):
        reader, writer = os.pipe()
        with started("spool", *words, "--data-dir", str(data_dir), stdout=writer) as process:
            os.close(writer)
            assert os.read(reader, 10)
            os.close(reader)
            _, err = process.communicate(timeout=WITHIN_S)
        assert "Traceback" not in err
        assert "BrokenPipe" not in err
        assert process.returncode in (0, 1)


def test_export_of_a_time_and_of_what_a_consumer_has_not_had(data_dir: Path) -> None:
    code, everything, err = left(data_dir, "export", "out", "-")
    records = [json.loads(line) for line in everything.splitlines()]
    assert (code, len(records)) == (0, 30)
    assert "30 records, of which 1 are gaps; 1 hold no readings" in err
    cursor = json.loads(left(data_dir, "stat", "--json")[1])[0]["consumers"]["cloud"]
    rest = left(data_dir, "export", "out", "-", "--consumer", "cloud")[1].splitlines()
    assert [json.loads(line)["seq"] for line in rest] == list(range(cursor["position"][1] + 1, 31))
    assert len(rest) == cursor["waiting"]
    since, until = (datetime.fromtimestamp(NOW_NS / 1e9 + 60 * minutes, UTC).isoformat() for minutes in (10, 12))
    middle = left(data_dir, "export", "out", "-", "--since", since, "--until", until)[1].splitlines()
    assert [json.loads(line)["seq"] for line in middle] == [10, 11, 12]


def test_an_exported_hole_is_a_gap_under_the_id_of_its_last_record(data_dir: Path) -> None:
    _, seq = damaged(data_dir)
    _, out, err = left(data_dir, "export", "out", "-", "--gateway", "plant-7")
    (hole,) = [json.loads(line) for line in out.splitlines() if json.loads(line)["seq"] == seq]
    assert (hole["gateway"], hole["device"]) == ("plant-7", "spool/out/1")
    assert (hole["gap"]["first_seq"], hole["gap"]["last_seq"], hole["gap"]["count"]) == (seq, seq, 1)
    assert "1 more are lost, told as 1 gaps" in err


def test_export_replaces_a_file_only_when_told_so_and_whole(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "backlog.ndjson"
    target.write_text("precious")
    code, _, err = left(data_dir, "export", "out", str(target))
    assert (code, "--force" in err, target.read_text()) == (1, True, "precious")
    assert left(data_dir, "export", "out", str(target), "--force")[0] == 0
    assert len(target.read_text().splitlines()) == 30
    code, _, err = left(data_dir, "export", "out", str(tmp_path / "no" / "where"))
    assert (code, len(err.splitlines())) == (1, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"d", "backlog.ndjson"}


def test_looking_into_a_directory_that_is_none_is_one_line(tmp_path: Path) -> None:
    for directory, said in ((tmp_path / "nothing", "is no directory"), (tmp_path, "has no spool")):
        code, out, err = left(directory, "stat")
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert said in err


# --- the ledger's arithmetic ------------------------------------------------------------------------------------------

ROWS = [
    ("out", "press-1", "cloud", 100, 60, 35, 5),
    ("out", "press-1", "local", 100, 100, 0, 0),
    ("out", "press-2", "cloud", 10, 2, 8, 0),
]
CHILDREN = [
    {"name": "press-1", "state": {"ledger": {"out": {"waiting": 7}, "raw": {"waiting": 1}}, "waiting_samples": 8}},
    {"name": "press-2", "state": {"waiting_samples": 3}},
]


def test_what_waits_in_a_device_stands_beside_its_rows() -> None:
    rows = ledger_rows([*ROWS, ("out", "gone", "cloud", 1, 1, 0, 0)], CHILDREN)
    assert [(row["producer"], row["consumer"], row["in_device"]) for row in rows] == [
        ("gone", "cloud", None),
        ("press-1", "cloud", 7),
        ("press-2", "cloud", 3),
        ("press-1", "local", 7),
    ]


def test_the_sums_are_of_each_consumer_because_everyone_gets_everything() -> None:
    cloud, local = sums(ledger_rows(ROWS, CHILDREN))
    assert (cloud["read"], cloud["delivered"], cloud["waiting"], cloud["gaps"]) == (110, 62, 43, 5)
    assert (local["read"], local["consumer"], local["adds_up"]) == (100, "local", True)
    assert samples_at_stake(ROWS, "out", "") == 43
    assert samples_at_stake(ROWS, "out", "local") == 0


def test_a_ledger_that_does_not_add_up_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = {"Status": {"children": CHILDREN}, "Ledger": {"rows": [*ROWS, ("out", "saw", "cloud", 5, 1, 1, 1)]}}
    monkeypatch.setattr(control, "ask", lambda where, question, *_, **__: answers[type(question).__name__])
    with pytest.raises(typer.Exit) as left_with:
        ledger(tmp_path)
    assert left_with.value.exit_code == 1
    (row,) = [row for row in ledger_rows(answers["Ledger"]["rows"], ()) if not row["adds_up"]]
    assert LEDGER[-1].cell(row) == "NO: -2"
