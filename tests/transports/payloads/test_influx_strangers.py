"""Line protocol as a parser that others wrote reads it: line-protocol-parser, in a venv of its own.

It is written in C and knows neither subnormal floats nor a zero in a text, so it is not asked about those.
"""

import fcntl
import hashlib
import json as library
import os
import subprocess
import sys
import tempfile
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.transports.payloads.batches import GAPS, batches, records
from tests.transports.payloads.line_protocol import points
from transports.payloads import influx

PACKAGE = "line-protocol-parser==2.0.1"
PROGRAM = """
import json, sys
from line_protocol_parser import parse_line
for line in sys.stdin:
    print(json.dumps(parse_line(json.loads(line))), flush=True)
"""


def venv():
    """Its interpreter; made once for each machine, user and version."""
    name = hashlib.sha256(f"{PACKAGE} {sys.version} {os.getuid()}".encode()).hexdigest()[:16]
    home = Path(tempfile.gettempdir()) / f"holdfast-line-protocol-{name}"
    home.mkdir(mode=0o700, exist_ok=True)
    python, ready = home / "venv/bin/python", home / "ready"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", home / "venv"], check=True, timeout=60)
            install = [python, "-m", "pip", "install", "--quiet", "--retries", "0", "--timeout", "10", PACKAGE]
            if subprocess.run(install, capture_output=True, timeout=60).returncode:
                pytest.skip(f"{PACKAGE} cannot be installed here: no package index, or no compiler")
            ready.touch()
    return python


@pytest.fixture(scope="module")
def parse():
    command = [venv(), "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parser:

        def one(line):
            parser.stdin.write(library.dumps(line) + "\n")
            parser.stdin.flush()
            return library.loads(parser.stdout.readline())

        try:
            yield one
        finally:
            parser.kill()


def is_beyond_it(point, line):
    return "\0" in line or any(
        isinstance(v, float) and isfinite(v) and 0 < abs(v) < sys.float_info.min for v in point.fields.values()
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=records(batches() | GAPS))
def test_a_parser_of_others_reads_what_ours_reads(parse, record):
    payload = influx.encode([record], "plant-7", False)
    for point, line in zip(points(payload), payload.decode().split("\n"), strict=True):
        if not is_beyond_it(point, line):
            got = parse(line)
            assert (got["measurement"], got["tags"], got["time"]) == (point.measurement, point.tags, point.time_ns)
            assert got["fields"] == point.fields
