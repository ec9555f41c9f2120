"""The program driver on real programs: shells and Pythons that print, fail, hang, and are not left behind."""

import os
import random
import select
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.links import Commanded, Link, Listening, program
from transports.samples import Scan, batch_of

PATIENCE_S = 20
EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
JSON = {"tags": {"t": {"path": "$.t"}}}


@contextmanager
def running(*command: str, **table: Any) -> Iterator[Any]:
    link = program.connect(build(program.Settings, {"command": list(command), **table}, "device.x"))
    try:
        yield link
    finally:
        link.close()


def shell(script: str, **table: Any) -> Any:
    return running("sh", "-c", script, **table)


def hear(link: Any, count: int) -> list[Scan]:
    scans: list[Scan] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(scans) < count and (left_s := deadline - time.monotonic()) > 0:
        if select.select([link.fileno()], [], [], left_s)[0]:
            scans += link.read()
    assert len(scans) == count
    return scans


def until_down(link: Any) -> tuple[list[Scan], str]:
    """Everything that it still says, and why it is down."""
    scans: list[Scan] = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert select.select([link.fileno()], [], [], PATIENCE_S)[0]
        try:
            scans += link.read()
        except LinkDown as down:
            return scans, str(down)
    raise AssertionError("the link is not down")


def gone(pid: int) -> bool:
    """Whether a process ends, or is only waited for any more."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        select.select([], [], [], 0.005)
    return False


def test_each_line_of_json_is_a_reading_exact_to_the_bit() -> None:
    tags = {"i": "int64", "u": "uint64", "f": "float64", "b": "bool", "s": "string", "w": "int64_array"}
    line = '{"i":-9223372036854775808,"u":18446744073709551615,"f":5e-324,"b":true,"s":"Größe","w":[1,-1]}'
    table = {name: {"path": f"$.{name}", "type": kind} for name, kind in tags.items()}
    with running("printf", "%s\n%s\n", line, line, tags=table) as link:
        assert isinstance(link, Link)
        assert isinstance(link, Listening)
        assert isinstance(link, Commanded)
        assert [list(scan.values) for scan in hear(link, 2)] == [
            [-(2**63), 2**64 - 1, 5e-324, True, "Größe", (1, -1)]
        ] * 2


def test_a_pattern_reads_text_and_other_lines_are_counted() -> None:
    script = 'echo "# start"; echo; echo "t=1 n=18446744073709551615"; printf "\\377\\376\\n"; echo "t=2 n=x"; cat'
    fields = {"n": {"type": "uint64"}}
    with shell(script, pattern=r"t=(?P<t>\S+) n=(?P<n>\S+)", fields=fields, writes={"t": {"line": "{value}"}}) as link:
        first, second = hear(link, 2)
        assert first.values == [1.0, 2**64 - 1]
        assert second.values == [2.0, None]
        assert link.rejected == 2
        assert link.last_rejected == "\N{REPLACEMENT CHARACTER}" * 2


def test_a_line_in_pieces_is_one_and_an_overlong_one_is_thrown_away() -> None:
    script = (
        "printf '{\"t\"'; sleep 0.05; printf ': 1}\\n'; head -c 100000 /dev/zero | tr '\\0' x; echo; echo '{\"t\": 2}'"
    )
    with shell(script, **JSON, max_line="1KiB") as link:
        scans, _ = until_down(link)
        assert [scan.values for scan in scans] == [[1.0], [2.0]]
        assert link.rejected == 1


def test_a_program_that_ends_is_down_with_its_code_and_last_words_and_loses_no_line() -> None:
    script = """echo '{"t": 1}'; echo first >&2; echo no sensor found >&2; echo '{"t": 2}'; printf '{"t": 3}'; exit 3"""
    with shell(script, **JSON) as link:
        scans, why = until_down(link)
        assert [scan.values for scan in scans] == [[1.0], [2.0], [3.0]]
        assert why == "sh ended with exit code 3: no sensor found"


def test_many_lines_before_an_end_are_all_read() -> None:
    with running(sys.executable, "-c", "for n in range(50000): print('{\"t\": %d}' % n)", **JSON) as link:
        scans, why = until_down(link)
        assert [scan.values[0] for scan in scans] == list(range(50000))
        assert "exit code 0" in why


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("kill -9 $$", "was ended by SIGKILL"),
        ("exec >&-; sleep 60", "closed its output, but runs on"),
        ("exec /nowhere/nothing", "exit code 127: "),
    ],
)
def test_each_end_is_told(script: str, why: str) -> None:
    with shell(script, **JSON) as link:
        assert why in until_down(link)[1]


def test_a_program_that_ended_is_started_again_by_connecting_anew(tmp_path: Path) -> None:
    script = f"echo x >> {tmp_path}/runs; printf '{{\"t\": %s}}\\n' $(wc -l < {tmp_path}/runs)"
    for run in (1.0, 2.0):
        with shell(script, **JSON) as link:
            assert [scan.values for scan in until_down(link)[0]] == [[run]]


COMPLAINS = """
import sys
for n in range(3):
    sys.stderr.write("x" * 300_000)
    print('{"t": %d}' % n, flush=True)
input()
"""


def test_a_program_that_complains_for_ever_is_still_heard() -> None:
    with running(sys.executable, "-c", COMPLAINS, **JSON, writes={"t": {"line": "{value}"}}) as link:
        assert [scan.values[0] for scan in hear(link, 3)] == [0.0, 1.0, 2.0]
        assert len(link._program.last_error) <= 300


def test_a_flood_is_read_in_bounded_pieces() -> None:
    with running("yes", '{"t": 1}', **JSON) as link:
        for _ in range(20):
            assert select.select([link.fileno()], [], [], PATIENCE_S)[0]
            assert len(link.read()) <= 65536 // 9 + 1


WRITES = {
    "t": {"line": '{"t": {json}}', "max": 100},
    "s": {"line": '{"s": "{value}"}', "type": "string"},
    "raw": {"line": "{json}", "type": "string"},
}


def test_a_command_is_a_line_of_its_input() -> None:
    with running("cat", **JSON, writes=WRITES) as link:
        assert set(link.writable) == {"t", "s", "raw"}
        link.write("t", 21.5)
        assert hear(link, 1)[0].values == [21.5]
        for tag, value in (
            ("u", 1.0),
            ("t", True),
            ("t", float("inf")),
            ("s", 'a"'),
            ("s", "a\nb"),
            ("raw", "x" * 5000),
        ):
            with pytest.raises(LinkRefused):
                link.write(tag, value)


def write_until_it_is_full(link: Any) -> None:
    for _ in range(10_000):
        link.write("raw", "x" * 4000)


def test_a_program_that_does_not_read_is_a_timeout_and_one_that_ended_is_down() -> None:
    with (
        running("sleep", "60", **JSON, writes=WRITES, timeout="100ms") as link,
        pytest.raises(LinkTimeout, match="does not read"),
    ):
        write_until_it_is_full(link)
    with running("true", **JSON, writes=WRITES) as link:
        until_down(link)
        with pytest.raises(LinkDown):
            link.write("t", 1.0)


@pytest.mark.parametrize("each", ["line", "run"])
def test_a_command_that_is_not_there_is_down_with_its_cure(each: str) -> None:
    with pytest.raises(LinkDown, match="no such program"), running("no-such-program", **JSON, each=each):
        pass


def test_a_directory_that_is_not_there_is_down_with_its_name() -> None:
    with running("true", **JSON, cwd="/no/such/directory") as link:
        assert "/no/such/directory: No such file" in until_down(link)[1]
    with (
        running("true", **JSON, each="run", cwd="/no/such/directory") as link,
        pytest.raises(LinkDown, match="/no/such/directory: No such file"),
    ):
        link.read()


def test_the_environment_is_ours_and_what_the_settings_add(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    (tmp_path / "key").write_text("7\n")
    env = {"A": "5", "KEY": {"file": str(tmp_path / "key")}}
    tags = {
        "a": {"path": "$.a"},
        "key": {"path": "$.key"},
        "n": {"path": "$.n", "type": "string"},
        "d": {"path": "$.d", "type": "string"},
    }
    script = 'printf \'{"a": %s, "key": %s, "n": "%s", "d": "%s"}\\n\' $A $KEY "$NOTIFY_SOCKET" "$PWD"'
    with shell(script, tags=tags, env=env, cwd=str(tmp_path)) as link:
        assert until_down(link)[0][0].values == [5.0, 7.0, "", str(tmp_path)]


def test_closing_ends_the_whole_group_politely_first(tmp_path: Path) -> None:
    script = (
        f"trap 'echo asked > {tmp_path}/asked; exit' TERM; sleep 60 & "
        "echo '{\"t\": '$!'}'; while :; do sleep 0.01; done"
    )
    with shell(script, **JSON) as link:
        child = int(hear(link, 1)[0].values[0])  # type: ignore[arg-type]
        shell_pid = link._program._process.pid
        link.close()
        link.close()
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert gone(child)
    assert gone(shell_pid)
    with pytest.raises(LinkDown):
        link.read()


def test_one_that_will_not_end_is_killed_after_its_grace() -> None:
    with shell("trap '' TERM; echo '{\"t\": '$$'}'; while :; do sleep 0.01; done", **JSON, grace="100ms") as link:
        pid = int(hear(link, 1)[0].values[0])  # type: ignore[arg-type]
    assert gone(pid)


DEVICE = """
import select
from transports.building import build
from transports.links import program
script = "trap '' TERM HUP; echo $$; while :; do sleep 0.05; done"
table = {"command": ["sh", "-c", script], "pattern": "(?P<pid>.*)"}
link = program.connect(build(program.Settings, table, "x"))
select.select([link.fileno()], [], [])
print(int(link.read()[0].values[0]), flush=True)
input()
"""


def test_it_dies_with_its_device_also_when_that_is_killed() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", DEVICE], stdin=pipe, stdout=pipe, text=True) as device:
        assert device.stdout is not None
        pid = int(device.stdout.readline())
        os.kill(pid, 0)
        os.kill(device.pid, signal.SIGKILL)
        device.wait()
        assert gone(pid)


def test_a_run_is_a_reading_of_all_its_lines() -> None:
    with shell("echo '{\"t\": 1}'; echo '{\"t\": 2}'", **JSON, each="run") as link:
        assert not isinstance(link, Listening)
        for _ in range(2):
            assert [scan.values for scan in link.read()] == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo '{\"t\": 1}'; echo broken >&2; exit 2", "exit code 2: broken"),
        ("sleep 60", "did not end within"),
        ("trap '' TERM; while :; do sleep 0.01; done", "did not end within"),
        ("while :; do echo x; done", "did not end within"),
        ("true", "nothing that fits"),
        ("echo what", "'what'"),
    ],
)
def test_a_run_that_fails_is_late_with_its_reason_and_left_behind_by_nobody(script: str, why: str) -> None:
    with shell(script, **JSON, each="run", timeout="300ms") as link, pytest.raises(LinkTimeout, match=why):
        link.read()


def test_a_run_does_not_wait_for_what_it_left_in_the_background() -> None:
    with shell("sleep 60 & echo '{\"t\": '$!'}'", **JSON, each="run", timeout="30s") as link:
        began = time.monotonic()
        (scan,) = link.read()
        assert time.monotonic() - began < 20
        assert gone(int(scan.values[0]))  # type: ignore[arg-type]
        with pytest.raises(LinkRefused, match="reads nothing"):
            link.write("t", 1.0)


def test_ten_thousand_damaged_lines_are_read_or_counted() -> None:
    dice = random.Random(5)
    tags = {"t": {"path": "$.t"}, "u": {"path": "$..u", "type": "uint64"}, "s": {"path": "$.s", "type": "string"}}
    lines = []
    for _ in range(10_000):
        line = bytearray('{"t": 21.5, "x": {"u": 18446744073709551615}, "s": "Größe"}'.encode())
        for _ in range(dice.choice((0, 1, 2, 5))):
            line[dice.randrange(len(line))] = dice.randrange(256)
        lines.append(bytes(line[: dice.randint(1, len(line) * 4)]).replace(b"\n", b"?"))
    with running("cat", tags=tags, writes=WRITES) as link:
        feed = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=link._program._process.stdin)
        scans = []
        assert feed.stdin is not None
        for at in range(0, len(lines), 200):
            feed.stdin.write(b"\n".join(lines[at : at + 200]) + b"\n")
            feed.stdin.flush()
            while len(scans) + link.rejected < at:
                assert select.select([link.fileno()], [], [], PATIENCE_S)[0]
                scans += link.read()
        feed.stdin.close()
        feed.wait()
        assert all(batch_of("x", 0, [scan]).samples for scan in scans)
        assert len(scans) > 1000
        assert link.rejected > 1000


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({"command": []}, "command", "a program and its arguments"),
        ({"command": "ls -l"}, "command", "a list"),
        ({"each": "time"}, "each", "one of line, run"),
        ({"tags": {}}, "tags", "either tags"),
        ({"pattern": "(?P<a>.)"}, "tags", "either tags"),
        ({"tags": {}, "pattern": "("}, "pattern", "regular expression"),
        ({"tags": {}, "pattern": "x"}, "pattern", "named group"),
        ({"tags": {}, "pattern": "(?P<a>.)", "fields": {"b": {}}}, "fields.b", "no group"),
        ({"each": "run", "writes": {"t": {"line": "{value}"}}}, "writes", 'each = "line"'),
        ({"writes": {"t": {"line": "on"}}}, "writes.t.line", "{value}"),
        ({"writes": {"t": {"line": "{value}\n"}}}, "writes.t.line", "one line"),
        ({"writes": {"u": {"line": "{value}"}}}, "writes.u.type", "is missing"),
        ({"timeout": "0s"}, "timeout", "more than 0"),
        ({"env": {"A": 5}}, "env.A", "must be"),
    ],
)
def test_each_mistake_is_one_problem_with_its_place_and_cure(table: dict[str, Any], path: str, cure: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        build(program.Settings, {"command": ["true"], **JSON, **table}, "device.x")
    (problem,) = wrong.value.problems
    assert problem.path == f"device.x.{path}"
    assert cure in problem.cure


def test_the_example_reads_what_its_programs_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = tomllib.loads((EXAMPLES / "program.toml").read_text())["device"]
    said = {
        "rtl_433": 'echo \'{"time" : "1780000000", "battery_ok" : 1, "temperature_C" : 21.3, "humidity" : 45}\'',
        "chronyc": "echo 'C0A80101,192.168.1.1,3,1780000000.5,-0.000012345,0.00001,0.00002'",
    }
    for name, script in said.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found: dict[str, Any] = {}
    for table in devices.values():
        for key in ("driver", "period", "silent_after"):
            table.pop(key, None)
        with running(*table.pop("command"), **table) as link:
            scan = until_down(link)[0][0] if isinstance(link, Listening) else link.read()[0]
            found.update(zip([tag.name for tag in scan.tags], scan.values, strict=True))
            assert scan.quality == 0
    assert found == {"temperature": 21.3, "humidity": 45.0, "battery_ok": True, "offset": -0.000012345}
