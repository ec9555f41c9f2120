"""A fake BlueZ, at the port only (its D-Bus interface), as there is no adapter here: the simulator in its own process.

with private_bus() as bus, Bluez(tmp_path, bus) as bluez:
    ...bluez.bus...                        # the address for the driver's `bus`
    bluez.suffer("unplugged", "hang press")
    bluez.kill()                           # SIGKILL; the bus lives
    bluez.start()                          # again on the same bus

Run as a script it serves until it is killed, and prints what it announces.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType

INTERVAL_S = 0.02


class Bluez:
    """BlueZ on the bus of that address, or (with "") on one of its own that dies with it."""

    def __init__(self, directory: Path, bus: str = "", interval_s: float = INTERVAL_S) -> None:
        self.bus = bus
        self._given, self._interval_s = bus, interval_s
        self._faults = directory / "bluez-faults"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Bluez":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until a driver can connect."""
        command = [sys.executable, "-m", "tests.peers.bluez", "--parent", str(os.getpid()), "--bus", self._given]
        command += ["--interval", str(self._interval_s), "--faults", str(self._faults)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), f"the fake BlueZ did not start: {line!r}"
        self.bus = line.removeprefix("listening on ").strip()

    def suffer(self, *faults: str) -> None:
        """Misbehave like this from the next interval on; without any, behave."""
        written = self._faults.with_suffix(".new")
        written.write_text("\n".join(faults))
        written.replace(self._faults)

    def stop(self) -> None:
        """End it with SIGTERM, as an operator does, and wait until it has gone."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(10) == 0
        self.kill()

    def kill(self) -> None:
        """End it with SIGKILL. May be called when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
            if not self._given:  # killed, it could not tidy up its bus
                shutil.rmtree(Path(self.bus.removeprefix("unix:path=").partition(",")[0]).parent, ignore_errors=True)


def main() -> None:
    from tests.peers.lifeline import die_with_parent
    from transports.simulators.ble import Settings, serve

    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--bus", required=True)
    parser.add_argument("--interval", type=float, required=True)
    parser.add_argument("--faults", required=True)
    given = parser.parse_args()
    die_with_parent(given.parent)
    settings = Settings(bus=given.bus, interval_s=given.interval, faults=given.faults)
    serve(settings, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
