"""One bad device is one bad device: the others do not miss a period, the status says what happened, and it heals."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.peers.gateway import Gateway

STRANGERS = Path(__file__).parents[1] / "peers" / "strangers"
PERIOD_S = 0.05
CONFIG = """
[gateway]
name = "moods"
[supervision]
intensity = 2
backoff_first = "100ms"
backoff_ceiling = "300ms"
heartbeat = "100ms"
hang_after = "1s"
start_within = "5s"
[device.moody]
driver = "moody"
period = "50ms"
retry_first = "100ms"
retry_ceiling = "200ms"
[device.steady]
driver = "sim"
period = "50ms"
tags = {{ n = {{ wave = "counter" }} }}
[uplink.file]
type = "file"
path = "{output}"
"""

# the mood, and what the status must say of it
MOODS = {
    "import-raise": "does not want to be imported",
    "import-segfault": "SIGSEGV",
    "connect-raise": "a driver's bug while connecting",
    "connect-down": "nobody answers",
    "read-raise": "a driver's bug",
    "garbage": "not a number",
    "hang": "hung",
    "segfault": "SIGSEGV",
}


def _says(child: dict[str, Any]) -> str:
    return f"{child['reason']} {child['last_end']} {child['state'].get('last_error', '')}"


def _readings(output: Path, device: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in output.read_text().splitlines()]
    return [reading for r in records if r["device"] == device and "readings" in r for reading in r["readings"]]


def _gaps(output: Path, device: str) -> list[str]:
    records = [json.loads(line) for line in output.read_text().splitlines()]
    return [record["gap"]["reason"] for record in records if record["device"] == device and "gap" in record]


@pytest.mark.parametrize("mood", MOODS)
def test_a_bad_driver_disturbs_nobody_is_explained_and_heals(tmp_path: Path, mood: str) -> None:
    moods, output = tmp_path / "mood", tmp_path / "out.ndjson"
    moods.write_text(mood)
    environment = {"MOODY": str(moods), "PYTHONPATH": f"{STRANGERS}:{Path.cwd()}"}
    with Gateway(tmp_path, CONFIG.format(output=output), environment) as gateway:
        gateway.wait(lambda _: MOODS[mood] in _says(gateway.child("moody")))
        if mood != "connect-down":  # a device that is away is no crash: its process lives and tries again
            gateway.wait(lambda _: gateway.child("moody")["restarts"] >= 3)
            assert gateway.child("moody")["on_probation"]
        begun = gateway.child("steady")["state"]["scans"]
        gateway.wait(lambda _: gateway.child("steady")["state"]["scans"] > begun + 1 / PERIOD_S)
        moods.write_text("well")
        gateway.wait(lambda _: gateway.child("moody")["state"].get("connected"))
        gateway.wait(lambda _: gateway.child("moody")["state"].get("scans", 0) >= 3)
        steady = gateway.child("steady")
        assert steady["restarts"] == 0
        assert steady["state"]["overruns"] == 0
        assert gateway.stop() == 0
    counted = [reading["value"] for reading in _readings(output, "steady")]
    assert counted == list(range(1, len(counted) + 1))
    assert [r for r in _readings(output, "moody") if r["value"] is not None], "it never came back"
    if mood != "connect-down":
        reasons = [reason for reason in _gaps(output, "moody") if reason.startswith("process is down")]
        assert any(MOODS[mood] in reason for reason in reasons), "silence was not announced"
