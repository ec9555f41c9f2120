"""The pages as their readers take them: blocks of code by language, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}

_BLOCK = re.compile(r"^```(\w+) *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BETWEEN_COMMANDS = ("|", "&&", ";", ">")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code; `mark` is what stands behind its language, such as the file it is meant for."""

    language: str
    mark: str
    text: str


def blocks(page: str, language: str, mark: str = "") -> list[str]:
    """The blocks of that language and mark on a page, in order."""
    found = (Block(*match) for match in _BLOCK.findall(PAGES[page]))
    return [block.text for block in found if (block.language, block.mark) == (language, mark)]


def commands(text: str) -> Iterator[list[str]]:
    """Each command of a shell block as its words; comments are left out."""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        for between, command in groupby(words, _BETWEEN_COMMANDS.__contains__):
            if not between:
                yield list(command)
