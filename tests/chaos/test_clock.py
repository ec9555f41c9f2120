"""The wall clock is set a year ahead, and two years back: nobody restarts, no period is missed, nothing is lost."""

import json
from pathlib import Path

from tests.peers.gateway import Gateway

JUMPING = Path(__file__).parents[1] / "peers" / "jumping"
YEAR_S = 365 * 86_400
CONFIG = """
[gateway]
name = "clock"
[supervision]
heartbeat = "100ms"
hang_after = "1s"
[device.a]
driver = "sim"
period = "50ms"
tags = {{ n = {{ wave = "counter" }} }}
[device.b]
driver = "sim"
period = "50ms"
tags = {{ n = {{ wave = "counter" }} }}
[uplink.file]
type = "file"
path = "{output}"
live_first = false # what was kept before the jump looks a year old after it; this promises the order all the same
"""


def _goes_on(gateway: Gateway, scans: int = 40) -> None:
    """Both devices read as many times more, and what they read is delivered."""
    begun = {name: gateway.child(name)["state"]["scans"] for name in ("a", "b")}
    gateway.wait(lambda _: all(gateway.child(n)["state"]["scans"] > begun[n] + scans for n in begun))
    sent = gateway.child("file")["state"]["messages"]
    gateway.wait(lambda _: gateway.child("file")["state"]["messages"] > sent)


def test_a_wall_clock_that_jumps_by_a_year_restarts_nobody_and_loses_nothing(tmp_path: Path) -> None:
    jump, output = tmp_path / "jump", tmp_path / "out.ndjson"
    environment = {"PYTHONPATH": f"{JUMPING}:{Path.cwd()}", "JUMP": str(jump)}
    with Gateway(tmp_path, CONFIG.format(output=output), environment) as gateway:
        gateway.wait(lambda status: all(child["phase"] == "running" for child in status["children"]))
        before = gateway.pids()
        for offset_s in (YEAR_S, -YEAR_S, 0):
            jump.write_text(str(offset_s))
            _goes_on(gateway)
        assert gateway.pids() == before
        status = gateway.status()
        assert sum(child["restarts"] for child in status["children"]) == 0
        assert all(gateway.child(name)["state"]["overruns"] == 0 for name in ("a", "b"))
        assert len((gateway.data_dir / "events.ndjson").read_text().splitlines()) < 30, "nor is there a storm of events"
        assert gateway.stop() == 0
    readings = [(r["device"], x) for r in map(json.loads, output.open()) for x in r.get("readings", ())]
    for device in ("a", "b"):
        counted = [reading["value"] for name, reading in readings if name == device]
        assert counted == list(range(1, len(counted) + 1))
    times = sorted(reading["time"] for _, reading in readings)
    assert times[-1] - times[0] > 1.9 * YEAR_S * 1e9, "the clock did jump"
