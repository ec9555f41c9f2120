"""A spool for a test: on a disk in memory or a real one, opened as often as the test likes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from spool_disks import CONSUMERS, NOW_NS, HandOnDisk, MemoryFiles

from transports.spool import Settings, Spool

Open = Callable[..., Spool]


@pytest.fixture
def disk() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
def open_spool(disk: MemoryFiles) -> Open:
    """Opens the spool of the memory disk, as after a crash: whatever was open before is forgotten."""

    def opened(
        now_ns: int = NOW_NS,
        consumers: Mapping[str, Any] = CONSUMERS,
        files: Any = None,
        starts: Any = None,
        dilute: Any = None,
        **words: Any,
    ) -> Spool:
        return Spool.open("spool", Settings(**words), consumers, now_ns, files or disk, dilute, starts)

    return opened


@pytest.fixture
def real_disk() -> HandOnDisk:
    return HandOnDisk()


@pytest.fixture
def open_real(tmp_path: Path, real_disk: HandOnDisk) -> Open:
    def opened(now_ns: int = NOW_NS, consumers: Mapping[str, Any] = CONSUMERS, **words: Any) -> Spool:
        return Spool.open(str(tmp_path / "spool"), Settings(**words), consumers, now_ns, files=real_disk)

    return opened
