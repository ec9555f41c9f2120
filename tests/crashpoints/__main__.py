"""`python -m tests.crashpoints N`: N states of a spool after a crash, each opened and held against the promises.

Prints each violation and how to bring it back; the last line is `N states, V violations`. Exit code 1 if any.
`--all` looks at every point and, where they are few, at every decision there; `--only NAME` at one state.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.crashpoints.campaign import Campaign, Name, Violation
from tests.crashpoints.lives import lived

SEED = 4
SHOWN = 10


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crashpoints", description="The spool against every crash.")
    parser.add_argument("number", type=int, nargs="?", default=2000, help="of states")
    parser.add_argument("--seed", type=int, default=SEED, help="another workload and other states")
    parser.add_argument("--acts", type=int, default=60, help="length of each life in the workload")
    parser.add_argument("--all", action="store_true", help="every point, however long it takes")
    parser.add_argument(
        "--strict", action="store_true", help="a word in the ledger is not enough for what was given up"
    )
    parser.add_argument("--only", type=Name.parse, help="one state, by the name that a violation has")
    asked = parser.parse_args(words)
    campaign = Campaign(lived(asked.seed, asked.acts), asked.strict)
    if asked.only:
        campaign.look_again(asked.only)
        campaign.seen.add(0)
    elif asked.all:
        campaign.exhausted()
    else:
        campaign.sampled(asked.number, asked.seed)
    for violation in campaign.violations[:SHOWN]:
        print(told(violation, asked.seed, asked.acts), end="\n\n")
    print(f"{len(campaign.seen)} states, {len(campaign.violations)} violations")
    return 1 if campaign.violations else 0


def told(violation: Violation, seed: int, acts: int) -> str:
    """A violation in words, with the way back to it."""
    lines = "\n".join(f"  {wrong}" for wrong in violation.wrong)
    return f"{lines}\n  python -m tests.crashpoints --seed {seed} --acts {acts} --only {violation.name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
