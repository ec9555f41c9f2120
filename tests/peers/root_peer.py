"""A real root over puppets, in a process of its own: the real loop, zygote and host; only the children are made up.

`--children` is JSON: a list of tables for ChildSpec, `mood` and all. It prints its pid when its mailbox is open.
"""

import argparse
import json
import logging
import os
from pathlib import Path
from typing import Any

import zmq
from lifeline import die_with_parent

from supervisors import supervisor
from supervisors.house import House
from supervisors.lifeline import adopt_orphans
from supervisors.spec import AutoShutdown, ChildSpec, Exhausted, Limits, Restart, Rules, Strategy
from supervisors.supervisor import Supervisor
from transports.backoff import Backoff
from transports.clock import MachineClock
from transports.mailbox import Mailbox
from transports.names import ROOT

BACKOFF = Backoff(first_s=0.1, ceiling_s=0.5)


def spec(mood: str = "well", **fields: Any) -> ChildSpec:
    """A puppet; with `rules` and `children` (tables themselves) a supervisor of puppets."""
    if "restart" in fields:
        fields["restart"] = Restart(fields["restart"])
    if "limits" in fields:
        fields["limits"] = Limits(**fields["limits"])
    if "rules" in fields:
        children = tuple(spec(**each) for each in fields.pop("children"))
        return ChildSpec(
            kind="supervisor", backoff=BACKOFF, rules=rules(**fields.pop("rules")), children=children, **fields
        )
    return ChildSpec(kind="puppet", table={"mood": mood}, backoff=BACKOFF, **fields)


def rules(
    strategy: str = "one_for_one", on_exhausted: str = "quarantine", auto_shutdown: str = "never", **fields: Any
) -> Rules:
    return Rules(
        strategy=Strategy(strategy),
        on_exhausted=Exhausted(on_exhausted),
        auto_shutdown=AutoShutdown(auto_shutdown),
        **fields,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--children", type=json.loads, required=True)
    parser.add_argument("--rules", type=json.loads, default={})
    parser.add_argument("--zygote-within", type=float, default=supervisor.ZYGOTE_WITHIN_S)
    options = parser.parse_args()
    die_with_parent(options.parent)
    logging.basicConfig(level="INFO", filename=options.home / "root.log")
    adopt_orphans()
    run_dir, data_dir = options.home / "run", options.home / "data"
    supervisor.ZYGOTE_WITHIN_S = options.zygote_within
    mailbox, context = Mailbox(), zmq.Context[zmq.Socket[bytes]]()
    mailbox.open(run_dir, ROOT, MachineClock(), context)
    house = House("test", run_dir, data_dir, heartbeat_s=0.1, preload=["tests.peers.puppets"])
    children = tuple(spec(**fields) for fields in options.children)
    tree = ChildSpec(ROOT, "supervisor", rules=rules(**{"intensity": 3, **options.rules}), children=children)
    root = Supervisor(house, tree, MachineClock(), mailbox)
    print(os.getpid(), flush=True)
    root.run()


if __name__ == "__main__":
    main()
