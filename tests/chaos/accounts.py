"""The gateway's own accounts, as `holdfast ledger --json` tells them."""

import json
import subprocess
import sys
from typing import Any

from tests.peers.gateway import Gateway


def accounts(gateway: Gateway, consumer: str) -> dict[str, dict[str, Any]]:
    """The rows of `out` for that uplink, by producer; the command's exit code says that all rows add up."""
    command = [sys.executable, "-m", "supervisors.cli", "ledger", "--json", "--run-dir", str(gateway.run_dir)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["adds_up"]
    rows = [row for row in told["rows"] if (row["topic"], row["consumer"]) == ("out", consumer)]
    return {row["producer"]: row for row in rows}


def is_drained(gateway: Gateway, consumer: str) -> bool:
    """Whether nothing waits for this uplink any more."""
    topics = gateway.child("spooler")["state"].get("topics")
    return topics is not None and topics["out"]["waiting"].get(consumer) == 0
