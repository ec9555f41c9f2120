"""What TAB completes: asked of real shells with the script of `holdfast completion` sourced, against a real gateway."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from supervisors.cli import app
from supervisors.verbs.completion import patterns, rejoined, unquoted
from supervisors.verbs.shells import DIRECTORIES, FILES, SCRIPTS, Shell
from supervisors.verbs.suggesting import suggestions
from tests.peers.gateway import Gateway
from tests.peers.lifeline import die_with_parent
from tests.supervisors.test_operating import CONFIG

WITHIN_S = 20.0
HOUSE = Path(__file__).parents[2]
# the command as a shell finds it: asked to complete it does, anything else is only printed
COMMAND = f"""#!{sys.executable}
import json, sys
sys.path.insert(0, {str(HOUSE)!r})
if sys.argv[1] != "complete":
    print("TYPED", json.dumps(sys.argv[1:]))
    sys.exit()
from supervisors.cli import main
main()
"""
SHELLS = [
    pytest.param(shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed"))
    for shell in Shell
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("line")
    with Gateway(directory, CONFIG.replace("out.ndjson", str(directory / "out.ndjson"))) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A directory to work in: a few files, the command in bin/, and a script for each shell."""
    command = tmp_path / "bin" / "holdfast"
    command.parent.mkdir()
    command.write_text(COMMAND)
    command.chmod(0o755)
    (tmp_path / "gateway.toml").write_text(CONFIG)
    (tmp_path / "press-of-paper").touch()
    (tmp_path / "sub dir").mkdir()
    for shell, script in SCRIPTS.items():
        (tmp_path / f"holdfast.{shell}").write_text(script)
    return tmp_path


def surroundings(desk: Path, run_dir: Path | None) -> dict[str, str]:
    path = f"{desk / 'bin'}:{os.environ['PATH']}"
    where = str(run_dir or desk / "nowhere")
    return {"PATH": path, "HOME": str(desk), "TERM": "xterm", "LC_ALL": "C.UTF-8", "HOLDFAST_RUN_DIR": where}


def ran(shell: str, script: str, desk: Path, run_dir: Path | None) -> "subprocess.CompletedProcess[str]":
    flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    return subprocess.run(
        [shell, *flags, "-c", script],
        cwd=desk,
        env=surroundings(desk, run_dir),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )


def bash(desk: Path, run_dir: Path | None, *words: str) -> list[str]:
    """COMPREPLY for these words of a line, the last one unfinished. Nothing may be said beside it."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _holdfast holdfast; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = ran("bash", f"source holdfast.bash; {ask}", desk, run_dir)
    assert (done.returncode, done.stderr) == (0, "")
    return [line for line in done.stdout.splitlines() if line]


def fish(desk: Path, run_dir: Path | None, line: str) -> dict[str, str]:
    """What fish offers for an unfinished line: the words, with their descriptions."""
    done = ran("fish", f"source holdfast.fish; complete -C '{line}'", desk, run_dir)
    assert (done.returncode, done.stderr) == (0, "")
    return {word: meaning for word, _, meaning in (line.partition("\t") for line in done.stdout.splitlines())}


# --- bash ------------------------------------------------------------------------------------------------------------


def test_bash_completes_names_supervisors_and_patterns_of_the_running_gateway(gateway: Gateway, desk: Path) -> None:
    assert bash(desk, gateway.run_dir, "holdfast", "restart", "pr") == ["press-1", "press-2", r"press-\*"]
    everybody = bash(desk, gateway.run_dir, "holdfast", "status", "")
    assert everybody == ["spooler", "local", "hall", "press-1", "press-2", "mixer", r"press-\*"]


def test_bash_completes_verbs_levels_and_choices(desk: Path) -> None:
    assert bash(desk, None, "holdfast", "rest") == ["restart"]
    assert bash(desk, None, "holdfast", "level", "mixer", "W") == ["WARNING"]
    assert bash(desk, None, "holdfast", "completion", "") == ["bash", "zsh", "fish"]
    assert bash(desk, None, "holdfast", "top", "--sort", "r") == ["rss", "restarts"]
    assert bash(desk, None, "holdfast", "top", "--sort", "=", "c") == ["cpu"]


def test_bash_completes_options_and_leaves_out_the_one_that_is_given(desk: Path) -> None:
    offered = bash(desk, None, "holdfast", "stop", "mixer", "--subtree", "--")
    assert {"--why", "--json", "--run-dir"} <= set(offered)
    assert "--subtree" not in offered


def test_a_run_directory_that_is_named_before_is_the_one_that_is_asked(gateway: Gateway, desk: Path) -> None:
    named = ("holdfast", "stop", "--run-dir", str(gateway.run_dir), "mi")
    assert bash(desk, None, *named) == ["mixer"]
    assert bash(desk, None, "holdfast", "stop", "--run-dir", "=", str(gateway.run_dir), "mi") == ["mixer"]


def test_only_devices_are_followed(gateway: Gateway, desk: Path) -> None:
    assert bash(desk, gateway.run_dir, "holdfast", "tail", "") == ["press-1", "press-2", "mixer"]
    assert bash(desk, gateway.run_dir, "holdfast", "tail", "mixer", "") == ["press-1", "press-2"]


def test_a_device_to_probe_is_one_of_the_file_s(desk: Path) -> None:
    assert bash(desk, None, "holdfast", "probe", "gateway.toml", "pr") == ["press-1", "press-2"]
    assert bash(desk, None, "holdfast", "probe", "missing.toml", "pr") == []


@pytest.mark.parametrize("verb", ["restart", "status", "logs"])
def test_without_a_gateway_nothing_is_offered_and_nothing_said(desk: Path, verb: str) -> None:
    assert bash(desk, None, "holdfast", verb, "") == []


def test_a_gateway_that_hangs_keeps_nobody_waiting(gateway: Gateway, desk: Path) -> None:
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        assert bash(desk, gateway.run_dir, "holdfast", "restart", "pr") == []
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    assert bash(desk, gateway.run_dir, "holdfast", "restart", "mi") == ["mixer"]


# --- fish ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_names_with_what_they_are_verbs_and_files(gateway: Gateway, desk: Path) -> None:
    assert fish(desk, gateway.run_dir, "holdfast restart pr") == {
        "press-1": "device, running",
        "press-2": "device, running",
        "press-*": "2 children",
    }
    assert fish(desk, gateway.run_dir, "holdfast stop ha")["hall"].startswith("supervisor, one_for_one, running")
    assert list(fish(desk, None, "holdfast rest")) == ["restart"]
    assert "gateway.toml" in fish(desk, None, "holdfast check gat")
    assert fish(desk, None, "holdfast top --sort=r").keys() == {"--sort=rss", "--sort=restarts"}
    assert "--run-dir=bin/" in fish(desk, None, "holdfast status --run-dir=b")
    assert fish(desk, None, "holdfast restart ") == {}


# --- at a terminal, key by key ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        ("holdfast resta\tmi\t", ["restart", "mixer"]),
        ("holdfast restart pre\t1\t", ["restart", "press-1"]),
        ("holdfast check gat\t", ["check", "gateway.toml"]),
        ("holdfast status --run-dir su\t", ["status", "--run-dir", "sub dir"]),
        ("holdfast run gat\t--run-dir=su\t", ["run", "gateway.toml", "--run-dir=sub dir"]),
        ("~/bin/holdfast stop mi\t", ["stop", "mixer"]),
    ],
)
def test_a_key_completes_the_word(shell: str, keys: str, typed: list[str], gateway: Gateway, desk: Path) -> None:
    with session(shell, desk, gateway.run_dir) as typing:
        assert [word.removesuffix("/") for word in typing.typed(keys)] == typed


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completed_pattern_reaches_the_command_and_not_the_shell_s_files(
    shell: str, gateway: Gateway, desk: Path
) -> None:
    """There is a file press-of-paper, which an unquoted press-* would become."""
    for star in (r"press-\*", "'press-*'", "'press-*"):
        with session(shell, desk, gateway.run_dir) as typing:
            assert typing.typed(f"holdfast restart {star}\t") == ["restart", "press-*"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_finds_the_script_in_its_path_of_functions(gateway: Gateway, desk: Path) -> None:
    (desk / "functions").mkdir()
    (desk / "functions" / "_holdfast").write_text(SCRIPTS[Shell.ZSH])
    with session("zsh", desk, gateway.run_dir, "fpath=(~/functions $fpath); compinit -u") as typing:
        assert typing.typed("holdfast restart mi\t") == ["restart", "mixer"]


class Session:
    """A shell at a terminal of its own."""

    def __init__(self, screen: int) -> None:
        self._screen, self.seen = screen, b""

    def typed(self, keys: str) -> Any:
        """The arguments with which the command was called after these keys and Enter."""
        os.write(self._screen, keys.encode() + b"\n")
        found = self.read_until(rb"TYPED (\[.*?\])\r")
        return json.loads(found[1])

    def read_until(self, pattern: bytes) -> "re.Match[bytes]":
        deadline = time.monotonic() + WITHIN_S
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            ready, _, _ = select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, self.seen[-3000:]
            self.seen += os.read(self._screen, 65_536)
        self.seen = self.seen[found.end() :]
        return found


SET_UP = {
    "bash": "source holdfast.bash",
    "zsh": "autoload -Uz compinit; compinit -u -D; source holdfast.zsh",
    "fish": "source holdfast.fish",
}
FLAGS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}


@contextmanager
def session(shell: str, desk: Path, run_dir: Path, set_up: str = "") -> Iterator[Session]:
    ours, theirs = pty.openpty()
    parent = os.getpid()
    with subprocess.Popen(
        [shell, *FLAGS[shell]],
        cwd=desk,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=surroundings(desk, run_dir),
        start_new_session=True,
        preexec_fn=lambda: take_terminal(parent),
    ) as process:
        typing = Session(ours)
        try:
            autoload = "autoload -Uz compinit; " if set_up else ""
            os.write(ours, f"{autoload}{set_up or SET_UP[shell]}; echo REA''DY\n".encode())
            typing.read_until(rb"READY")
            yield typing
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)


def take_terminal(parent: int) -> None:
    """In the shell's own process: its standard input becomes the terminal that it controls."""
    die_with_parent(parent)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# --- the parts -------------------------------------------------------------------------------------------------------


def offered(*words: str) -> list[str]:
    return [each.word for each in suggestions(typer.main.get_command(app), words)]


def test_every_argument_of_every_verb_can_be_completed() -> None:
    """A number and KEY=VALUE have nothing to offer; whatever else is typed after a verb has."""
    free = {("show", "number"), ("rollback", "number"), ("send", "writes"), ("simulate", "settings")}
    root: Any = typer.main.get_command(app)
    verbs = {**root.commands, **root.commands["config"].commands}
    bare = [
        (verb, parameter.name)
        for verb, command in verbs.items()
        for parameter in getattr(command, "params", ())
        if parameter.param_type_name == "argument" and verb != "complete" and (verb, parameter.name) not in free
        if not completes(parameter, command, verb)
    ]
    assert bare == []


def completes(parameter: Any, command: Any, verb: str) -> bool:
    """A path, a choice, or a function of its own, which Typer keeps under this name."""
    from supervisors.verbs.suggesting import _is_path

    if parameter._custom_shell_complete is not None or _is_path(command, parameter.name):
        return True
    context = command.make_context(verb, [], resilient_parsing=True)
    return bool(parameter.shell_complete(context, ""))


def test_paths_are_the_shell_s_business() -> None:
    assert offered("run", "") == [FILES]
    assert offered("run", "x.toml", "--run-dir", "") == [DIRECTORIES]
    assert offered("run", "x.toml", "--data-dir=/v") == [DIRECTORIES]
    assert offered("run", "x.toml", "") == []


def test_verbs_below_verbs_are_completed() -> None:
    assert offered("config", "h") == ["history"]
    assert offered("config", "--h") == ["--help"]
    assert "config" in offered("")
    assert "complete" not in offered("comp")


def test_what_is_no_verb_offers_nothing() -> None:
    assert offered("frobnicate", "") == []
    assert offered("stop", "--frobnicate", "--wh") == ["--why"]


def test_patterns_are_offered_for_what_several_names_begin_with() -> None:
    names = ["press-1", "press-2", "hall-1-valve", "hall-1-pump", "sensor1", "sensor2", "mixer", "hall-2"]
    assert list(patterns(names)) == [("press-*", "2 children"), ("hall-1-*", "2 children"), ("sensor*", "2 children")]
    assert list(patterns([])) == []


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["holdfast", "top", "--sort", "=", "c"], ["holdfast", "top", "--sort=c"]),
        (["holdfast", "top", "--sort", "="], ["holdfast", "top", "--sort="]),
        (["holdfast", "stop", "--why", "a", "="], ["holdfast", "stop", "--why", "a", "="]),
        (["holdfast", "stop", ""], ["holdfast", "stop", ""]),
    ],
)
def test_what_bash_splits_at_an_equals_sign_is_one_word_again(words: Sequence[str], whole: Sequence[str]) -> None:
    assert rejoined(words) == whole


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ("", ""),
        ("'press", "press"),
        ('"a b', "a b"),
        (r"a\ b", "a b"),
        ("a\\", "a"),
        (r"press-\*", "press-*"),
        ("'", ""),
    ],
)
def test_a_word_is_read_as_the_shell_would_also_unfinished(raw: str, word: str) -> None:
    assert unquoted(raw).rstrip("\\") == word
