"""Run the field campaign: `python -m tests.field [FOR]`, such as 60s or 10m."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.field.run import run
from transports.units import parse_duration


def main() -> int:
    options = _options().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is taken down on the way out
    room = Path(tempfile.mkdtemp(prefix="hf-field-"))
    try:
        verdict = run(room, options.duration, options.seed or int(time.time()), lambda text: print(text, flush=True))
    finally:
        if options.keep:
            print(f"everything is kept in {room}", flush=True)
        else:
            shutil.rmtree(room, ignore_errors=True)
    return 0 if verdict.is_good else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.field", description=__doc__)
    parser.add_argument("duration", metavar="FOR", type=parse_duration, nargs="?", default=60.0, help="60s, 10m, ...")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the lengths of the outages")
    parser.add_argument("--keep", action="store_true", help="leave all files, to look at them")
    return parser


if __name__ == "__main__":
    sys.exit(main())
