"""A real small file system of its own, that is gone with the test: ext4 in a file, or tmpfs, mounted for real.

    with small_disk(tmp_path, mebibytes=24) as disk:
        ...disk.path...
        disk.fill()          # another program's file takes what is left
        disk.free()

Tests that ask for it are skipped, with the reason, where mounting is not permitted.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_MIB = 1 << 20


@dataclass(frozen=True)
class SmallDisk:
    """A mounted file system."""

    path: Path
    kind: str

    @property
    def _other(self) -> Path:
        return self.path / "other-program"

    @property
    def free_bytes(self) -> int:
        """What may still be written."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave_bytes: int = 0) -> None:
        """Have another file take all the room but this."""
        with self._other.open("ab", buffering=0) as file, suppress(OSError):  # full: that is the intention
            os.posix_fallocate(file.fileno(), file.tell(), max(1, self.free_bytes - leave_bytes))
            while leave_bytes == 0:  # what is left beside whole blocks for metadata
                file.write(bytes(4096))

    def free(self) -> None:
        """Take the other file away."""
        self._other.unlink(missing_ok=True)


@contextmanager
def small_disk(directory: Path, mebibytes: int, kind: str = "ext4") -> Iterator[SmallDisk]:
    """Mount one below `directory` until the block ends."""
    path = directory / f"{kind}-disk"
    path.mkdir()
    _mount(directory, path, mebibytes, kind)
    try:
        yield SmallDisk(path, kind)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def _mount(directory: Path, path: Path, mebibytes: int, kind: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    if kind == "tmpfs":
        _run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", str(path))
        return
    image = directory / f"{kind}.image"
    with image.open("wb") as file:
        file.truncate(mebibytes * _MIB)
    _run(f"mkfs.{kind}", "-q", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(path))


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"{command[0]} is not installed")
    except subprocess.CalledProcessError as refused:
        pytest.skip(f"{' '.join(command[:3])} is not permitted here: {refused.stderr.strip()[:200]}")
