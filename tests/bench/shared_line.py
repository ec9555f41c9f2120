"""How well 24 live slaves keep their period of 1 s on one RS-485 line (19200 baud) on which 8 others are dead.

32 `modbus` devices of ten registers each, a process each, on one `[line]` over a pseudo-terminal whose far end takes
the time that such a line takes. An interval is that between two Good readings of a device, by the times at which their
answers came. Figures: by how much of the period the 99th of 100 intervals is off, and the share off by more than a
tenth. Measured once the line has found out who is dead.
"""

import json
from itertools import pairwise
from pathlib import Path

from tests.bench.report import Values, percentile
from tests.bench.rig import Bench, gateway, let_pass
from tests.peers.processes import start_peer

NAMES = ("line_off_p99", "line_off_share")
LIVE, DEAD, PERIOD_S = 24, 8, 1.0
LINE = """
[supervision]
start_within = "60s"
[line.hall]
port = "/dev/pts/{number}"
baud = 19200
[uplink.file]
type = "file"
path = "{output}"
"""
METER = """
[device.meter-{unit}]
driver = "modbus"
line = "hall"
unit = {unit}
period = "1s"
timeout = "100ms"
retry_ceiling = "10s"
tags = {{ r = {{ address = 0, count = 10 }} }}
"""


def measure(bench: Bench) -> Values:
    """Quick: 15 s. Thorough: 120 s."""
    output = bench.room() / "out.ndjson"
    with start_peer("rtu_slaves.py", "--units", f"1-{LIVE}", "--baud", "19200") as slaves:
        text = LINE.format(number=slaves.port, output=output)
        text += "".join(METER.format(unit=unit) for unit in range(1, LIVE + DEAD + 1))
        with gateway(bench, text) as running:
            running.wait(lambda _: running.child("hall")["state"].get("on_probation") == DEAD, within_s=60)
            let_pass(5.0)  # those that came late have found their place
            output.write_text("")
            let_pass(bench.either(15.0, 120.0))
            state = running.child("hall")["state"]
            off = [each for unit in range(1, LIVE + 1) for each in _off(output, f"meter-{unit}")]
    bench.say(f"{len(off)} intervals, the worst off by {max(off):.0%}; {state['timeouts']} time-outs")
    share = sum(each > 0.1 for each in off) / len(off)
    return {NAMES[0]: [percentile(off, 99)], NAMES[1]: [share]}


def _off(output: Path, device: str) -> list[float]:
    """By how much of the period each interval between two Good readings of a device is off."""
    records = (json.loads(line) for line in output.read_text().splitlines() if line.endswith("}"))
    mine = (record for record in records if record["device"] == device and "readings" in record)
    times = sorted({each["time"] for record in mine for each in record["readings"] if each.get("value") is not None})
    return [abs((b - a) / 1e9 - PERIOD_S) / PERIOD_S for a, b in pairwise(times)]
