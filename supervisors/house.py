"""What the root needs to know beside its children: where it is, and what it is called."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class House:
    """One gateway's house. `preload` are modules for the zygote; `reloading` is told when a reload begins (True), and
    when it is over."""

    gateway: str
    run_dir: Path
    data_dir: Path
    heartbeat_s: float = 1.0
    log_level: str = "INFO"
    preload: Sequence[str] = ()
    reloading: Callable[[bool], None] = lambda _: None
