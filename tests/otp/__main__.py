"""`python -m tests.otp N`: all written and N generated scenarios on Erlang/OTP and on the plan.

Prints what came of it; the last line is `S scenarios, D undocumented differences`. Exit code 1 when there are any.
`--keep FILE` keeps what OTP did, and `--answers FILE` takes it from there: with the same N and seed, no erl is needed.
"""

import argparse
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.otp import erlang
from tests.otp.campaign import campaign
from tests.otp.generated import drawn
from tests.otp.shrink import smallest
from tests.otp.written import WRITTEN

SHOWN = 3


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.otp", description="The plan against Erlang/OTP.")
    parser.add_argument("number", type=int, nargs="?", default=500, help="of generated scenarios")
    parser.add_argument("--seed", type=int, default=None, help="for the same scenarios again")
    parser.add_argument("--keep", type=Path, help="a file for OTP's answers")
    parser.add_argument("--answers", type=Path, help="OTP's answers, kept earlier")
    asked = parser.parse_args(words)
    if asked.answers is None and erlang.missing():
        print(erlang.missing(), file=sys.stderr)
        return 2
    seed = secrets.randbelow(10**6) if asked.seed is None else asked.seed
    scenarios = [*WRITTEN, *drawn(asked.number, seed)]
    told = asked.answers.read_text() if asked.answers else erlang.told(scenarios)
    if asked.keep:
        asked.keep.write_text(told)
    result = campaign(scenarios, erlang.read(told))
    for verdict in result.undocumented[:SHOWN]:
        print(verdict if asked.answers else smallest(verdict), end="\n\n")
    print(f"--seed {seed}")
    print(result)
    return 1 if result.undocumented else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
