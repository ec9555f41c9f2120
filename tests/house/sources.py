"""The house's own modules as the tests of its rules see them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("transports", "actors", "supervisors")
MODULES = tuple(
    path.relative_to(ROOT).as_posix() for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
)


@cache
def tree(module: str) -> ast.Module:
    """The syntax tree of a module, by its path in the repository."""
    return ast.parse((ROOT / module).read_text())


def imported(module: str) -> Iterator[str]:
    """The top names of everything that it imports, wherever the import stands."""
    for node in ast.walk(tree(module)):
        match node:
            case ast.Import(names=names):
                yield from (each.name.partition(".")[0] for each in names)
            case ast.ImportFrom(module=str(name), level=0):
                yield name.partition(".")[0]
