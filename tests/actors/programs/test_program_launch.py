"""What a program is started with, and that whatever is missing comes with its cure."""

import errno
import os
import pwd
from pathlib import Path

import pytest

from actors.program_settings import Settings
from actors.programs.launch import looked_up, refusal
from transports.errors import SettingsError
from transports.settings import Secret

OURS = {"PATH": "/usr/bin:/bin", "HOME": "/home/gateway", "NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "1"}
US = os.geteuid()


def test_a_program_is_found_in_the_path_and_where_servers_lie(tmp_path: Path) -> None:
    assert Path(looked_up(Settings(("sh", "-c", "x")), "program.p", OURS, US).command[0]).name == "sh"
    assert looked_up(Settings(("/bin/sh", "-c", "x")), "program.p", OURS, US).command == ("/bin/sh", "-c", "x")
    assert looked_up(Settings(("mosquitto",)), "program.p", OURS, US).command[0].endswith("/mosquitto")
    mine = tmp_path / "mine"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    settings = Settings(("mine",), environment={"PATH": str(tmp_path)})
    assert looked_up(settings, "program.p", OURS, US).command == (str(mine),)


def test_it_gets_our_environment_and_its_own_but_not_our_line_to_systemd(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    settings = Settings(("sh",), environment={"HOME": "/elsewhere", "PASSWORD": Secret(file=str(secret))})
    found = looked_up(settings, "program.p", OURS, US).environment
    assert found == {"PATH": "/usr/bin:/bin", "HOME": "/elsewhere", "PASSWORD": "hunter2"}


def test_another_user_comes_with_its_groups_and_its_home() -> None:
    nobody = pwd.getpwnam("nobody")
    launch = looked_up(Settings(("sh",), user="nobody"), "program.p", OURS, 0)
    assert launch.account is not None
    assert (launch.account.user, launch.account.group) == (nobody.pw_uid, nobody.pw_gid)
    assert nobody.pw_gid in launch.account.groups
    assert launch.environment["HOME"] == nobody.pw_dir
    assert launch.environment["USER"] == launch.environment["LOGNAME"] == "nobody"


def test_to_stay_who_one_is_needs_no_rights() -> None:
    nobody = pwd.getpwnam("nobody")
    assert looked_up(Settings(("sh",), user="nobody"), "program.p", OURS, nobody.pw_uid).account is None


@pytest.mark.parametrize(
    ("settings", "us", "text"),
    [
        (Settings(("no-such-program",)), US, r"program\.p\.command = 'no-such-program': there is no .*install it"),
        (Settings(("sh",), user="no-such-user"), 0, r"program\.p\.user = 'no-such-user': is no user of this machine"),
        (Settings(("sh",), user="root"), 65534, r"program\.p\.user = 'root': only root can .* as nobody; leave out"),
        (Settings(("sh",), environment={"A": Secret(env="HF_NOT_SET")}), US, "environment variable HF_NOT_SET"),
    ],
)
def test_what_cannot_be_found_here_is_named_with_its_cure(settings: Settings, us: int, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as refused:
        looked_up(settings, "program.p", OURS, us)
    assert "\n" not in str(refused.value)


def test_a_step_that_failed_names_its_setting() -> None:
    settings = Settings(("/etc/passwd",), directory=Path("/nowhere"), user="nobody")
    assert str(refusal(settings, "program.p", "directory", errno.ENOENT)).startswith(
        "program.p.directory = '/nowhere': cannot be entered: No such file or directory"
    )
    assert str(refusal(settings, "program.p", "command", errno.EACCES)).startswith(
        "program.p.command = ['/etc/passwd']: cannot be executed: Permission denied"
    )
    assert "program.p.user = 'nobody': becoming" in str(refusal(settings, "program.p", "user", errno.EPERM))
    assert str(refusal(settings, "program.p", "start", errno.EAGAIN)).startswith("program.p: the system refused")
