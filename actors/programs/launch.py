"""What a program is started with: its settings, looked up on this machine. Every failure here has a cure.

It runs with holdfast's own environment and what its settings add, without the variables by which systemd talks to
holdfast itself: a program that answers in its name would be believed.
"""

import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.program_settings import Settings
from transports.errors import Problem, SettingsError
from transports.settings import Secret

SYSTEMD_TO_US = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
SERVERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # where servers lie, missing in the PATH of most users
STEPS: Mapping[str, str] = {
    "user": "becoming this user failed: {}",
    "directory": "cannot be entered: {}; it must exist and be open to the user that the program runs as",
    "command": "cannot be executed: {}; it must be a program of this machine, executable for its user",
    "start": "the system refused to start it: {}",
}


@dataclass(frozen=True, slots=True)
class Account:
    """Who a program becomes."""

    user: int
    group: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, slots=True)
class Launch:
    """A program, ready to be started; `account` is None for the user that holdfast runs as."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    account: Account | None


def looked_up(settings: Settings, path: str, ours: Mapping[str, str], us: int) -> Launch:
    """What to start; `ours` is the environment of this process, `us` its user. Raises SettingsError.

    `path` is where the settings stand in the configuration, for the error.
    """
    account = _account(settings.user, us, f"{path}.user")
    environment = _environment(settings, ours, account, f"{path}.environment")
    command = _found(settings.command[0], environment.get("PATH", os.defpath), f"{path}.command")
    return Launch((command, *settings.command[1:]), environment, str(settings.directory or ""), account)


def refusal(settings: Settings, path: str, step: str, errno: int) -> SettingsError:
    """Why the program could not be started, when `step` of it failed (see keeper.py)."""
    values = {"user": settings.user, "directory": str(settings.directory), "command": list(settings.command)}
    where, value = (f"{path}.{step}", repr(values[step])) if step in values else (path, "")
    return SettingsError(Problem(where, value, STEPS.get(step, "{}").format(os.strerror(errno))))


def _account(name: str | None, us: int, path: str) -> Account | None:
    if name is None:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        cure = "is no user of this machine; create it, or name one that getent passwd lists"
        raise SettingsError(Problem(path, repr(name), cure)) from None
    if entry.pw_uid == us:
        return None
    if us != 0:
        cure = f"only root can start a program as another user, and holdfast runs as {_name(us)}; leave out user"
        raise SettingsError(Problem(path, repr(name), cure))
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return Account(entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _environment(settings: Settings, ours: Mapping[str, str], account: Account | None, path: str) -> Mapping[str, str]:
    kept = {name: value for name, value in ours.items() if name not in SYSTEMD_TO_US}
    who = {"HOME": account.home, "USER": settings.user or "", "LOGNAME": settings.user or ""} if account else {}
    return {**kept, **who, **{name: _text(value, f"{path}.{name}") for name, value in settings.environment.items()}}


def _text(value: str | Secret, path: str) -> str:
    text = value.reveal() if isinstance(value, Secret) else value
    if "\0" in text:
        raise SettingsError(Problem(path, "", 'a variable cannot have the character "\\0" in it'))
    return text


def _found(program: str, search: str, path: str) -> str:
    """Its absolute path. One that cannot be executed is the keeper's to find out, as its own user."""
    if "/" in program:
        return program
    places = os.pathsep.join(dict.fromkeys((*search.split(os.pathsep), *SERVERS)))
    found = shutil.which(program, path=places)
    if found is None:
        cure = f"there is no such program in {places}; install it, or write its absolute path"
        raise SettingsError(Problem(path, repr(program), cure))
    return str(Path(found).absolute())
