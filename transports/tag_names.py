"""Tag names made of what a machine calls its parts: lower-case words, no two the same."""

import re
from collections.abc import Iterable


def word(text: str) -> str:
    """`text` in lower-case letters and digits; anything else becomes one underscore, none at the ends."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def distinct(names: Iterable[str]) -> list[str]:
    """The names in their order, with a number added to one that has been there already: a, b, a_2."""
    taken: set[str] = set()
    for_all: list[str] = []
    for name in names:
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        for_all.append(free)
    return for_all
