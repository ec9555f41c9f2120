"""The I2C simulator in a process of its own, started by a test and gone with it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_SERVE = """
import json, os, sys
from supervisors.lifeline import die_with
from transports.building import build
from transports.simulators.i2c import Settings, serve
die_with(int(sys.argv[1]))
serve(build(Settings, json.loads(sys.argv[2]), "i2c"), lambda text: print(text, flush=True))
"""


@contextmanager
def simulated(*chips: str, folder: Path | None = None) -> Iterator[Path]:
    """A simulated bus (its usual chips when none are given): the folder with its `bus` and its `faults`."""
    with TemporaryDirectory() as own:
        here = folder or Path(own)
        with serving(here, *chips):
            yield here


@contextmanager
def serving(here: Path, *chips: str) -> "Iterator[subprocess.Popen[str]]":
    """The simulator over `here`, until the block ends; it is killed, so that it leaves its socket behind."""
    table = {"socket": str(here / "bus"), "faults": str(here / "faults")} | ({"chips": list(chips)} if chips else {})
    command = [sys.executable, "-c", _SERVE, str(os.getpid()), json.dumps(table)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("listening on ")
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
