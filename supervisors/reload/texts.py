"""A configuration as the bytes of a text, loaded as if it stood in CONFIG: whatever file it really comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from supervisors.configuration import config, document
from supervisors.configuration.document import Located
from supervisors.configuration.gateway import Gateway
from transports.errors import HoldfastError, Problem, SettingsError


@dataclass(frozen=True, slots=True)
class Source:
    """What `holdfast run` was given: the file, and the directories that win over what it says."""

    config: Path
    data_dir: Path | None = None
    run_dir: Path | None = None


def read(path: Path) -> bytes:
    """The bytes of a configuration file. Raises SettingsError with the cure."""
    try:
        return path.read_bytes()
    except OSError as failed:
        document.read(path)  # says what is wrong with it
        raise HoldfastError(f"{path} cannot be read ({failed.strerror})") from failed


def load(text: bytes, source: Source, scratch: Path) -> Gateway:
    """The gateway that the text describes. Every mistake names CONFIG as its file: SettingsError.

    `scratch` is a directory of the caller's, where the text stands for the moment under the name that CONFIG has: a
    gateway without a name is called like its file.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = scratch / source.config.name
    copy.write_bytes(text)
    try:
        gateway = config.load(copy, source.data_dir, source.run_dir)
    except SettingsError as wrong:
        raise SettingsError(*(_of(source.config, problem) for problem in wrong.problems)) from None
    finally:
        copy.unlink()
    return replace(
        gateway,
        warnings=tuple(_of(source.config, problem) for problem in gateway.warnings),
        broken=tuple(_of(source.config, problem) for problem in gateway.broken),
    )


def fixed(gateway: Gateway) -> Mapping[str, str]:
    """What a gateway cannot change while it runs, by its path in the configuration."""
    return {
        "gateway.name": gateway.name,
        "gateway.data_dir": str(gateway.data_dir),
        "gateway.run_dir": str(gateway.run_dir),
        "gateway.log_level": gateway.log_level,
        "gateway.log_format": gateway.log_format,
        "supervision.heartbeat": f"{gateway.supervision.heartbeat_s:g}s",
    }


def unchangeable(now: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """A line for each of them that a new configuration would change."""
    return [
        f"{path} = {wanted[path]!r}: cannot change while the gateway runs ({now[path]!r} now); change it back, or "
        f"restart the gateway"
        for path in now
        if path in wanted and wanted[path] != now[path]
    ]


def _of(config: Path, problem: Problem) -> Problem:
    return replace(problem, file=str(config)) if isinstance(problem, Located) else problem
