"""Ways to break the spool: a text in it, and what to write instead.

The campaign is worth what it notices: each of these, in a copy of the packages, must be found within 2,000 states.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mutation:
    """`text` stands exactly once in the package, and so does the text in `also`, for rules that are kept twice."""

    name: str
    text: str
    instead: str
    also: tuple[str, str] = ("", "")


MUTATIONS = (
    Mutation(
        "a new segment's name is not synced",
        '        files.rename(f"{path}.new", path)\n        files.fsync_dir(place.folder)\n',
        '        files.rename(f"{path}.new", path)\n',
    ),
    Mutation(
        "a segment is named before its head is durable",
        '        file.fdatasync()\n        files.rename(f"{path}.new", path)',
        '        files.rename(f"{path}.new", path)',
    ),
    Mutation(
        "acknowledged before the sync",
        "written.file.fdatasync()",
        "written.file.pread(0, 0)",
    ),
    Mutation(
        "a segment is closed without a sync",
        "        job.run()\n        log.roll(now_ns)",
        "        log.roll(now_ns)",
    ),
    Mutation(
        "deleted before the commit is durable",
        "cursors = [self._durable.get((topic, name), NOWHERE)",
        "cursors = [self._now.get((topic, name), NOWHERE)",
        (
            "        if changed:\n            self._topics.sync()\n\n    def remove_consumed",
            "\n    def remove_consumed",
        ),
    ),
    Mutation(
        "the epoch stays at an opening",
        "max(log.epoch, furthest.epoch) + 1",
        "max(log.epoch, furthest.epoch, 1)",
    ),
    Mutation(
        "a commit is synced before what it commits",
        "for written in self.written:",
        "for written in reversed(self.written):",
    ),
    Mutation(
        "a transaction has no end",
        "MORE if at < last or commit is not None else 0",
        "0",
    ),
    Mutation(
        "records behind a lost page are kept",
        "torn[0] if torn else complete",
        "complete",
    ),
    Mutation(
        "what recovery keeps is not made durable",
        "                raise\n        self._file.fdatasync()",
        "                raise\n        self._file.pread(0, 0)",
    ),
    Mutation(
        "pages are trusted after a sync that failed",
        "for offset in range(durable, size, BLOCK_BYTES):",
        "for offset in range(size, size, BLOCK_BYTES):",
    ),
    Mutation(
        "a record is taken each time it is sent",
        "known = max(0, last + 1 - pseq)",
        "known = 0",
    ),
)


def broken_copy(mutation: Mutation | None, where: Path) -> Path:
    """What the campaign needs, with one rule broken; None breaks none."""
    leave_out = shutil.ignore_patterns("__pycache__", "test_*.py")
    for package in ("transports", "tests/crashpoints"):
        shutil.copytree(ROOT / package, where / package, ignore=leave_out)
    shutil.copy(ROOT / "tests" / "__init__.py", where / "tests")
    for text, instead in texts(mutation) if mutation else ():
        (path,) = places(text, where)
        path.write_text(path.read_text().replace(text, instead))
    return where


def texts(mutation: Mutation) -> list[tuple[str, str]]:
    """What is to be replaced, and by what."""
    return [pair for pair in ((mutation.text, mutation.instead), mutation.also) if pair[0]]


def places(text: str, root: Path = ROOT) -> list[Path]:
    """The files where the text stands, once for each time."""
    sources = sorted((root / "transports" / "spool").glob("*.py"))
    return [path for path in sources for _ in range(path.read_text().count(text))]
