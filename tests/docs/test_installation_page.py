"""docs/installation.md: its commands are run below a directory of the test's own, its places are where things are."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.deploy.wheels import holdfast, seeded_python, wheel
from tests.docs.pages import PAGES, ROOT, blocks, commands
from tests.docs.test_pages import parsed

PAGE = PAGES["docs/installation.md"]
UNIT = (ROOT / "deploy" / "holdfast.service").read_text()
COMMANDS = [
    words[1:] if words[0] == "sudo" else words
    for text in blocks("docs/installation.md", "sh", "as-root")
    for words in commands(text)
]
INSTALLS = [words for words in COMMANDS if words[0] == "deploy/install.sh"]
OTHERS = [words for words in COMMANDS if words not in INSTALLS]
SYSTEMS = {
    ("apt-get", "install"),
    ("systemctl", "start"),
    ("systemctl", "restart"),
    ("systemctl", "reload"),
    ("systemctl", "status"),
    ("systemctl", "edit"),
    ("journalctl", "-u"),
}


def test_the_installer_s_commands_work_in_the_order_of_the_page(tmp_path: Path) -> None:
    package = holdfast(tmp_path, "1")
    wheel(tmp_path, "my_driver", "1.0", {"my_driver.py": ""})
    (tmp_path / "wheels").mkdir()
    (tmp_path / "lock").write_text("")
    tiny = [
        "--python",
        str(seeded_python(tmp_path)),
        "--lock",
        str(tmp_path / "lock"),
        "--root",
        str(tmp_path / "machine"),
    ]
    for number, (_, *words) in enumerate(INSTALLS):
        if not {"--rollback", "--uninstall", "--purge"} & set(words):
            package = holdfast(tmp_path, str(number))
        done = subprocess.run(
            [ROOT / "deploy" / "install.sh", *tiny, "--wheel", package, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    assert [path for path in (tmp_path / "machine").rglob("*") if not path.is_dir()] == []


@pytest.mark.parametrize("words", OTHERS, ids=" ".join)
def test_every_other_command_can_be_typed(words: Sequence[str]) -> None:
    match words:
        case ["holdfast", *arguments]:
            parsed(arguments)
        case ["sudoedit", "/etc/holdfast/gateway.toml"]:
            pass
        case ["python3", "-m", "pip", *arguments]:
            helped = subprocess.run(
                [sys.executable, "-m", "pip", arguments[0], "--help"], capture_output=True, text=True
            )
            assert [each for each in arguments if each.startswith("--") and each not in helped.stdout] == []
        case [program, verb, *rest]:
            assert (program, verb) in SYSTEMS
            assert program == "apt-get" or "holdfast" in rest


def test_the_places_on_the_page_are_those_of_the_installer_and_the_unit() -> None:
    installer = (ROOT / "deploy" / "install.sh").read_text()
    table = PAGE.partition("| place | what |")[2].partition("\n\n")[0]
    places = re.findall(r"^\| `(/[^`]*)`", table, re.MULTILINE)
    assert len(places) >= 7
    for place in places:
        assert place in UNIT or place in installer, place


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze")
def test_the_drop_ins_on_the_page_are_understood_by_systemd(tmp_path: Path) -> None:
    table = PAGE.partition("| need |")[2].partition("\n\n")[0]
    lines = [line for line in re.findall(r"`(\w+=[^`]+)`", table) if not line.endswith("=")]
    assert len(lines) >= 4
    unit = UNIT.replace("/opt/holdfast/bin/holdfast", "/bin/true").replace(
        "[Install]", "\n".join([*lines, "[Install]"])
    )
    (tmp_path / "holdfast.service").write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "holdfast.service")], capture_output=True, text=True
    )
    assert "holdfast.service" not in done.stderr


def test_the_page_says_how_long_systemd_waits() -> None:
    waits = re.search(r"^WatchdogSec=(\d+)s$", UNIT, re.MULTILINE)
    assert waits is not None
    assert f"{waits[1]} s the root must show that it works" in " ".join(PAGE.split())
