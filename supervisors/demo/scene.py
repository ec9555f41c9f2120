"""Where the demo takes place: a directory of its own, free ports, and the gateway's configuration.

/tmp/holdfast-UID/demo-XXXX/      also the run directory, where `holdfast status` finds a gateway by itself
    demo.lock                     held by the demo; its directory is removed with it, or by the next demo
    demo.toml   data/   logs/     the gateway's file, its spool and reports, what each process printed
    thermometer                   the serial line
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from transports.errors import HoldfastError
from transports.names import own, owner_pid

LOCK = "demo.lock"
GATEWAY = "demo"
UPLINK = "cloud"
STRAIGHT = {"host": "uptime", "plant": "reads", "sensor": "humidity"}  # of each device a tag that no aggregate takes


@dataclass(frozen=True, slots=True)
class Scene:
    """The directory and the ports."""

    directory: Path
    broker_port: int
    plant_port: int

    @property
    def run_dir(self) -> Path:
        return self.directory

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def config(self) -> Path:
        return self.directory / "demo.toml"

    @property
    def serial_line(self) -> Path:
        return self.directory / "thermometer"

    def log(self, name: str) -> Path:
        """Where the process of that name prints."""
        return self.directory / "logs" / f"{name}.log"


@contextmanager
def scene(keep: bool) -> Iterator[Scene]:
    """A new scene, removed at the end unless it is to be kept; what killed demos left behind is removed before."""
    root = _root()
    for left in root.glob(f"demo-*/{LOCK}"):
        if not owner_pid(left):
            shutil.rmtree(left.parent, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix="demo-", dir=root))
    with ExitStack() as at_end:
        at_end.callback(_remove_if_empty, root)
        if not keep:
            at_end.callback(shutil.rmtree, directory, ignore_errors=True)
            at_end.callback(own(directory / LOCK, f"the demo in {directory}").release)
        (directory / "logs").mkdir()
        made = Scene(directory, *free_ports(2))
        made.config.write_text(configuration(made))
        yield made


def free_ports(count: int) -> list[int]:
    """So many different TCP ports of the loopback that nobody uses at the moment."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def configuration(scene: Scene) -> str:
    """The gateway of the demo, as an operator would write it."""
    return f"""\
[gateway]
name = "{GATEWAY}"

[supervision]
heartbeat = "250ms"

[spool]
raw_max = "64MiB"
out_max = "256MiB"

[device.host]
driver = "host"

[device.plant]
driver = "modbus"
host = "127.0.0.1"
port = {scene.plant_port}
period = "100ms"
retry_first = "200ms"
retry_ceiling = "2s"

[device.plant.tags]
level = {{ register = "input", address = 0, scale = 0.01, unit = "%" }}
pump = {{ register = "input", address = 1, unit = "1/min" }}
temperature = {{ register = "input", address = 2, type = "int16", scale = 0.01, unit = "degC" }}
outflow = {{ register = "input", address = 3, scale = 0.01, unit = "l/s" }}
reads = {{ register = "input", address = 4, type = "uint32" }}

[device.sensor]
driver = "serial"
port = "{scene.serial_line}"
pattern = 'T=(?P<temperature>-?\\d+\\.\\d\\d) RH=(?P<humidity>\\d+\\.\\d)'
tags = {{ temperature = {{ unit = "degC" }}, humidity = {{ unit = "%" }} }}
retry_first = "200ms"
retry_ceiling = "2s"

[aggregate.load] # the machine's load, summed up every 5 s
from = ["host.cpu_percent", "host.memory_percent"]
window = "5s"
statistics = ["mean", "max"]

[aggregate.warmth] # the tank's temperature, when it changes, and every 10 s all the same
from = ["plant.temperature"]
deadband = 0.2
max_silence = "10s"

[uplink.{UPLINK}]
type = "mqtt"
host = "127.0.0.1"
port = {scene.broker_port}
topic = "holdfast/{{gateway}}/{{device}}"
payload = "json"
retry_first = "3s" # a broker that was restarted is to know the witness before it gets anything for it
retry_ceiling = "3s"
"""


def _remove_if_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()


def _root() -> Path:
    """The user's own directory below /tmp: a socket's path must be short. Raises HoldfastError if it is another's."""
    root = Path(f"/tmp/holdfast-{os.getuid()}")
    root.mkdir(mode=0o700, exist_ok=True)
    if root.is_symlink() or root.lstat().st_uid != os.getuid():
        raise HoldfastError(f"{root} belongs to somebody else; remove it, then start the demo again")
    return root
