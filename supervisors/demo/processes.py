"""Broker, plant, thermometer, and the gateway's root: processes that are started, and kept.

Each is tied to this process, in a session of its own (Ctrl-C is for this process alone, which ends them in order), and
started again when it ends by itself: at once, but not more often than once a second.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from supervisors.demo.scene import Scene
from transports.clock import Clock
from transports.errors import HoldfastError, Problem, SettingsError

AGAIN_AFTER_S = 1.0
GRACE_S = 15.0
BROKERS = ("auto", "mosquitto", "amqtt")
_NO_BROKER = "no MQTT broker is installed here; install Mosquitto, or the embedded one: pip install 'holdfast[demo]'"


@dataclass(slots=True)
class Kept:
    """One process and what it is; `restarts` counts how often it was started again."""

    name: str
    kind: str
    command: Sequence[str]
    process: "subprocess.Popen[bytes]"
    started: float
    restarts: int = 0

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


class Processes:
    """All of them, in the order in which they were started."""

    def __init__(self, scene: Scene, clock: Clock) -> None:
        self._scene, self._clock = scene, clock
        self.all: dict[str, Kept] = {}

    def start(self, name: str, kind: str, command: Sequence[str]) -> None:
        """Start one, and keep it until `end`. Call from the main thread: the kernel ties it to the calling thread."""
        self.all[name] = Kept(name, kind, command, self._spawned(name, command), self._clock.now())

    def mend(self) -> None:
        """Start again what has ended by itself."""
        now = self._clock.now()
        for each in self.all.values():
            if not each.alive and now >= each.started + AGAIN_AFTER_S:
                each.process, each.started = self._spawned(each.name, each.command), now
                each.restarts += 1

    def end(self, name: str) -> None:
        """End one in order; kill it if it takes too long. It is no longer kept."""
        process = self.all.pop(name).process
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End all at once."""
        for each in self.all.values():
            each.process.send_signal(signal.SIGKILL)
        for each in self.all.values():
            each.process.wait()
        self.all.clear()

    def last_words(self, name: str) -> str:
        """The end of what it printed."""
        lines = self._scene.log(name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-5:])

    def _spawned(self, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        tied = [sys.executable, "-m", "supervisors.demo.tied", str(os.getpid()), *command]
        with self._scene.log(name).open("ab") as log:
            return subprocess.Popen(
                tied,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._scene.directory,
                start_new_session=True,
            )


def start_around(scene: Scene, kept: Processes, broker: str) -> None:
    """Broker, plant and thermometer. Raises what `chosen` raises, and HoldfastError when a library is missing."""
    for library, extra in (("pymodbus", "modbus"), ("serial", "serial")):
        if find_spec(library) is None:
            raise HoldfastError(f"the demo needs {library}, which is not installed: pip install 'holdfast[{extra}]'")
    kept.start("broker", *chosen(broker, scene))
    kept.start("plant-plc", "Modbus TCP", _python("plant", str(scene.plant_port)))
    kept.start("thermometer", "serial", _python("thermometer", str(scene.serial_line)))


def start_gateway(scene: Scene, kept: Processes) -> None:
    """The gateway itself, as `holdfast run` would start it."""
    places = ["--data-dir", str(scene.data_dir), "--run-dir", str(scene.run_dir)]
    kept.start("gateway", "root", [sys.executable, "-m", "supervisors.cli", "run", str(scene.config), *places])


def chosen(broker: str, scene: Scene) -> tuple[str, Sequence[str]]:
    """Which broker it is, and its command. Raises SettingsError for an unknown one, HoldfastError if it is missing."""
    if broker not in BROKERS:
        raise SettingsError(Problem("broker", repr(broker), f"must be one of {', '.join(BROKERS)}"))
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if mosquitto and broker != "amqtt":
        return "mosquitto", _mosquitto(mosquitto, scene)
    if broker == "mosquitto":
        raise HoldfastError("Mosquitto is not installed here; install it, or choose the embedded broker, amqtt")
    if find_spec("amqtt") is None:
        raise HoldfastError(_NO_BROKER)
    return "amqtt", _python("amqtt_broker", str(scene.broker_port))


def _mosquitto(executable: str, scene: Scene) -> Sequence[str]:
    file = scene.directory / "mosquitto.conf"
    options = ("allow_anonymous true", "persistence false", "max_queued_messages 0", "log_dest stderr")
    stay = ["user root"] if os.getuid() == 0 else []  # it would become a user that this machine may not have
    file.write_text("\n".join([f"listener {scene.broker_port} 127.0.0.1", *options, *stay, ""]))
    return [executable, "-c", str(file)]


def _python(module: str, *arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", f"supervisors.demo.{module}", *arguments]
