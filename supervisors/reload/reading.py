"""The process that reads a new configuration for the root: `python -m supervisors.reload.reading`.

Strangers' modules are imported here, and may print, hang or die; the root only sees the answer (wire.py), which is
written to the descriptor `--answer` as the last thing before this process ends.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from supervisors.configuration import tree
from supervisors.configuration.gateway import Gateway
from supervisors.lifeline import die_with
from supervisors.reload.texts import Source, fixed, load, read
from supervisors.reload.wire import Reading, Unread, pack
from transports.errors import SettingsError

POLITE = 5  # who reads devices goes first


def reading(text_file: Path, source: Source, scratch: Path) -> Reading | Unread:
    """The text in that file as a configuration for CONFIG, or every mistake in it."""
    try:
        text = read(text_file)
        gateway = load(text, source, scratch)
    except SettingsError as wrong:
        return Unread(tuple(str(wrong).splitlines()))
    return told(text, gateway)


def told(text: bytes, gateway: Gateway) -> Reading:
    """What the root needs to know of a configuration."""
    return Reading(
        text=text,
        root=tree.root(gateway),
        fixed=fixed(gateway),
        modules=tuple(tree.modules(gateway)),
        warnings=tuple(map(str, gateway.warnings)),
        broken={problem.path.partition(".")[2]: str(problem) for problem in gateway.broken},
    )


def command(python: str, text_file: Path, source: Source, scratch: Path, answer: int) -> Sequence[str]:
    """How to start it as a child of this process."""
    options = {"--text": text_file, "--config": source.config, "--scratch": scratch, "--root": os.getpid()}
    given = {"--data-dir": source.data_dir, "--run-dir": source.run_dir, "--answer": answer}
    written = [f"{key}={value}" for key, value in {**options, **given}.items() if value is not None]
    return [python, "-P", "-m", "supervisors.reload.reading", *written]


def _take_along_whoever_is_forked() -> None:
    """A module is tried in a forked process first (trial.py): one that hangs must not outlive whoever waits for it."""
    forking: list[int] = []
    os.register_at_fork(before=lambda: forking.append(os.getpid()), after_in_child=lambda: die_with(forking[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for path in ("--text", "--config", "--scratch", "--data-dir", "--run-dir"):
        parser.add_argument(path, type=Path)
    parser.add_argument("--root", type=int, required=True)
    parser.add_argument("--answer", type=int, required=True)
    given = parser.parse_args()
    die_with(given.root)
    _take_along_whoever_is_forked()
    os.nice(POLITE)
    os.set_inheritable(given.answer, False)
    source = Source(given.config, given.data_dir, given.run_dir)
    answer = pack(reading(given.text, source, given.scratch))
    with open(given.answer, "wb") as file:
        file.write(answer)


if __name__ == "__main__":
    main()
