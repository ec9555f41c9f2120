"""What can be written in a table `[program.NAME]`: a command of another maker's, and how to see that it is ready."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from transports.errors import Problem
from transports.settings import Secret, duration, setting

# The signals that programs are known to end on; without an answer within `grace` follows SIGKILL
STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2")
LOCAL = "127.0.0.1"
_PORTS = range(1, 65_536)
_PORT_RULE = 'must be a port from 1 to 65535, such as 1883 or "broker:1883"'


def _address(port: int | str) -> tuple[str, int]:
    """Host and port; raises ValueError where it is none."""
    host, _, number = str(port).rpartition(":")
    host = host.removeprefix("[").removesuffix("]")  # "[::1]:1883"
    if not number.isdecimal() or int(number) not in _PORTS or set(host) & set("/ "):
        raise ValueError(port)
    return host or LOCAL, int(number)


def _port_rule(port: int | str) -> str | None:
    try:
        _address(port)
    except ValueError:
        return _PORT_RULE
    return None


def _pattern_rule(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as wrong:
        return f"must be a regular expression: {wrong}"
    return None


def _command_rule(command: tuple[str, ...]) -> str | None:
    if not command or not command[0]:
        return 'must name a program, such as ["mosquitto", "-v"]'
    if "/" in command[0] and not command[0].startswith("/"):
        return "must begin with the name of a program, which is looked for in PATH, or with an absolute path"
    return 'must not have the character "\\0" in it' if any("\0" in word for word in command) else None


def _environment_rule(environment: Mapping[str, str | Secret]) -> str | None:
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name + (value if isinstance(value, str) else ""):
            return f'must have names without "=" and nothing with "\\0"; {name!r} cannot be set'
    return None


def _user_rule(user: str) -> str | None:
    return None if user and not set(user) & set("/: \0") else 'must be the name of a user, such as "mosquitto"'


@dataclass(frozen=True)
class Ready:
    """How a program shows that it is ready: by exactly one of these."""

    port: int | str | None = setting(
        None, help="it takes connections on this TCP port, 1883 or host:1883", example="1883", check=_port_rule
    )
    file: Path | None = setting(None, help="it makes this file, such as its pid file", example="/run/mosquitto.pid")
    line: str | None = setting(
        None, help="it prints a line in which this regular expression is found", example="ready", check=_pattern_rule
    )

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to connect to; None when it is not seen by a port."""
        return None if self.port is None else _address(self.port)

    def problems(self, path: str) -> Iterator[Problem]:
        """None of the ways, or more than one."""
        given = [key for key in ("port", "file", "line") if getattr(self, key) is not None]
        if len(given) != 1:
            cure = "must say exactly one of port, file and line" + (f", not {' and '.join(given)}" if given else "")
            yield Problem(path, "" if given else "{}", cure)


@dataclass(frozen=True)
class Settings:
    """What every [program.NAME] says; nothing is looked up before the program is started."""

    command: tuple[str, ...] = setting(
        help="the program and its arguments, without a shell; it must stay in the foreground",
        example='["mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"]',
        check=_command_rule,
    )
    environment: Mapping[str, str | Secret] = setting(
        {}, help="variables that it gets beside those of holdfast, as text or as a secret", check=_environment_rule
    )
    user: str | None = setting(
        None,
        help="the user it runs as, where holdfast runs as root; by default the same",
        example="mosquitto",
        check=_user_rule,
    )
    directory: Path | None = setting(
        None, help="where it is started; by default the directory of holdfast", example="/var/lib/mosquitto"
    )
    ready: Ready | None = setting(
        None, help="how it shows that it is ready, by port, file or line; by default it ran for settle"
    )
    settle_s: float = duration(
        "500ms", ge=0, le=3600.0, help="without ready: it is ready once it has run for this long"
    )
    stop_signal: str = setting("SIGTERM", choices=STOP_SIGNALS, help="what asks it to end")
