"""Run the benchmarks: `python -m tests.bench [--quick] [--only NAME] [--json bench.json]`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import machine, suite
from tests.bench.report import FIGURES, Values, as_json, table
from tests.bench.rig import Bench

WITHIN_S = 300  # for one benchmark


def main() -> int:
    options = _options().parse_args()
    directory = Path(tempfile.mkdtemp(prefix="hf-bench-"))
    bench = Bench(options.quick, directory, lambda text: print(f"  {text}", flush=True))
    print(f"{machine.facts()}{' (quick)' if options.quick else ''}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is taken down on the way out
    try:
        values, failed = _measured(bench, options.only)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"\n{machine.facts()}\n\n{table(values)}", flush=True)
    options.json.write_text(json.dumps(as_json(values), indent=1) + "\n")
    return 1 if failed else 0


def _measured(bench: Bench, only: str | None) -> tuple[Values, bool]:
    """The values of every benchmark, or of the one figure that is wanted, and whether any benchmark failed."""
    values: dict[str, list[float]] = {}
    failed = False
    for benchmark in suite.load():
        if only and only not in benchmark.names:
            continue
        begun = time.monotonic()
        print(benchmark.title, flush=True)
        try:
            with _within(WITHIN_S):
                values |= {name: list(found) for name, found in benchmark.measure(bench).items()}
        except Exception:  # noqa: BLE001  one that fails, however, leaves the others their figures
            failed = True
            print(f"  FAILED\n{traceback.format_exc()}", flush=True)
        print(f"  {time.monotonic() - begun:.1f} s", flush=True)
    return {name: found for name, found in values.items() if only in (None, name)}, failed


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the block when it takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter spans; the whole suite in less than a minute")
    parser.add_argument("--only", choices=FIGURES, metavar="NAME", help="one figure: " + ", ".join(FIGURES))
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
