"""A new configuration is read by another process, and comes to the root as plain data or as its mistakes."""

import os
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest
from hypothesis import given

from supervisors.configuration import tree
from supervisors.configuration.config import load
from supervisors.reload import texts
from supervisors.reload.changes import changes
from supervisors.reload.reader import Reader
from supervisors.reload.texts import Source
from supervisors.reload.wire import Reading, Unread, pack, unpack
from supervisors.spec import ChildSpec, Limits
from tests.supervisors.family import gone, new_home
from tests.supervisors.reload.trees import leaf, root, trees
from tests.transports.desk import Desk
from transports.backoff import Backoff
from transports.errors import NotUnderstood, SettingsError

STRANGERS = Path(__file__).parents[2] / "peers" / "strangers"
GOOD = """[device.press-1]
driver = "sim"
tags = { level = { wave = "sine" } }
[device.press-2]
driver = "sim"
tags = { level = { wave = "sine" } }
[uplink.local]
type = "file"
path = "/tmp/x"
[supervisor.line]
strategy = "rest_for_one"
children = ["press-*"]
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as made:
        yield made


@pytest.fixture
def desk(home: Path) -> Iterator[Desk]:
    with Desk(home / "run") as open_desk:
        yield open_desk


def source(home: Path, text: str = GOOD) -> Source:
    file = home / "site.toml"
    file.write_text(text)
    return Source(file, home / "data", home / "run")


def read(desk: Desk, of: Source, text_file: Path | None = None, within_s: float = 60.0) -> Reading | Unread:
    told: list[Reading | Unread] = []
    reader = Reader(of, of.config.parent / "run" / "reading", desk.clock, desk.mailbox)
    reader.read(text_file or of.config, told.append, within_s)
    (pid,) = reader.pids()
    desk.until(lambda: told)
    assert reader.pids() == set()
    assert gone([pid])
    return told[0]


# --- the wire --------------------------------------------------------------------------------------------------------


@given(trees())
def test_a_tree_comes_back_as_it_was(spec: ChildSpec) -> None:
    reading = Reading(b"text", spec, {"gateway.name": "x"}, ("actors.device",), ("w",), {"a": "why"})
    assert unpack(pack(reading)) == reading


def test_all_of_a_spec_comes_back_and_is_no_change() -> None:
    table = {"n": 2**64 - 1, "m": -(2**63), "x": 0.1, "inf": inf, "list": [1, [True, None]], "b": b"\x00"}
    whole = ChildSpec(
        "a", "device", table, backoff=Backoff(1.5), limits=Limits(memory_hard_bytes=5), grace_s=inf, broken="why"
    )
    told = unpack(pack(Reading(b"", root(whole), {})))
    assert isinstance(told, Reading)
    assert not changes(root(whole), told.root).any


@pytest.mark.parametrize("odd", [b"", b"\xc1", b"\x90", b"\x80", pack(Reading(b"", root(leaf("a")), {}))[:-5]])
def test_anything_else_is_not_understood(odd: bytes) -> None:
    with pytest.raises(NotUnderstood):
        unpack(odd)


# --- the process -----------------------------------------------------------------------------------------------------


def test_a_good_configuration_is_the_tree_that_the_root_would_build_itself(desk: Desk, home: Path) -> None:
    of = source(home)
    gateway = texts.load(GOOD.encode(), of, home / "scratch")
    told = read(desk, of)
    assert isinstance(told, Reading)
    assert not changes(tree.root(gateway), told.root).any
    assert (told.text, told.fixed["gateway.name"]) == (GOOD.encode(), "site")
    assert told.fixed == texts.fixed(gateway)
    assert "transports.links.sim" in told.modules


def test_every_mistake_is_told_with_its_place_in_the_file(desk: Desk, home: Path) -> None:
    wrong = GOOD.replace("driver", "drivr", 1).replace('type = "file"', 'type = "fil"')
    told = read(desk, source(home, wrong))
    assert isinstance(told, Unread)
    with pytest.raises(SettingsError) as checked:
        load(home / "site.toml")  # as `holdfast check` does
    assert list(told.problems) == str(checked.value).splitlines()
    assert len(told.problems) >= 2


def test_another_text_is_read_as_if_it_stood_in_the_file(desk: Desk, home: Path) -> None:
    of, earlier = source(home), home / "000007.toml"
    earlier.write_text(GOOD + "[device.more]\ndriver = 'host'\n")
    told = read(desk, of, earlier)
    assert isinstance(told, Reading)
    assert (told.fixed["gateway.name"], told.root.children[-1].name) == ("site", "more")
    earlier.write_text("[device.more]\ndriver = 'hst'\n")
    told = read(desk, of, earlier)
    assert isinstance(told, Unread)
    assert told.problems[0].startswith(f"{home}/site.toml:2: device.more.driver")


def test_a_file_that_is_not_there_is_one_mistake(desk: Desk, home: Path) -> None:
    of = source(home)
    of.config.unlink()
    told = read(desk, of)
    assert isinstance(told, Unread)
    assert "cannot be read" in told.problems[0]


def stranger(monkeypatch: pytest.MonkeyPatch, home: Path, code: str) -> None:
    """The driver `moody`, from outside the house, begins with this code."""
    folder = home / "strangers"
    folder.mkdir()
    (folder / "holdfast_moody.py").write_text(code)
    (folder / "holdfast_strangers-1.0.dist-info").symlink_to(STRANGERS / "holdfast_strangers-1.0.dist-info")
    monkeypatch.setenv("PID_FILE", str(home / "pid"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))


PID_LEFT = "open(os.environ['PID_FILE'], 'w').write(str(os.getpid()))\n"
MOODY = '[device.guest]\ndriver = "moody"\n' + GOOD


def test_a_strangers_module_that_kills_its_process_breaks_one_child(
    desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger(monkeypatch, home, "import ctypes\nctypes.string_at(0)")
    told = read(desk, source(home, MOODY))
    assert isinstance(told, Reading)
    assert (list(told.broken), "SIGSEGV" in told.broken["guest"]) == (["guest"], True)


def test_a_strangers_module_may_print_what_it_likes(desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger(monkeypatch, home, "print('x' * 1_000_000)\nraise RuntimeError('no')")
    told = read(desk, source(home, MOODY))
    assert isinstance(told, Reading)
    assert told.broken["guest"].endswith("cannot run: RuntimeError: no")


def test_reading_that_does_not_end_is_ended(desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger(monkeypatch, home, f"import os, threading\n{PID_LEFT}threading.Event().wait()")
    told = read(desk, source(home, MOODY), within_s=2.0)
    assert isinstance(told, Unread)
    assert "takes too long" in told.why
    assert gone([int((home / "pid").read_text())])


def test_a_reader_that_ends_without_an_answer_is_told_of(
    desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger(monkeypatch, home, f"import os, signal\n{PID_LEFT}os.kill(os.getppid(), signal.SIGKILL)")
    told = read(desk, source(home, MOODY))
    assert isinstance(told, Unread)
    assert "ended without an answer (killed by SIGKILL)" in told.why
    assert gone([int((home / "pid").read_text())])


def test_what_cannot_change_while_the_gateway_runs_is_named(home: Path) -> None:
    now = {"gateway.name": "a", "gateway.data_dir": "/x"}
    (line,) = texts.unchangeable(now, {"gateway.name": "b", "gateway.data_dir": "/x"})
    assert line == (
        "gateway.name = 'b': cannot change while the gateway runs ('a' now); change it back, or restart the gateway"
    )
