"""The driver on docs/drivers.md, installed as its reader would: a module and an entry point on the import path."""

import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.pages import blocks

PAGE = "docs/drivers.md"
NAME = "ds18b20"


def install(directory: Path) -> None:
    """What `pip install` leaves: the module, and the metadata that the page's pyproject.toml makes."""
    (project,) = (tomllib.loads(text)["project"] for text in blocks(PAGE, "toml", "pyproject.toml"))
    (source,) = blocks(PAGE, "python")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {module}" for name, module in points.items())]
        for module in points.values():
            (directory / f"{module}.py").write_text(source)
    metadata = directory / f"{re.sub('-', '_', project['name'])}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    (metadata / "entry_points.txt").write_text("\n".join(lines))


@contextmanager
def installed(directory: Path) -> Iterator[None]:
    """The driver is there for this process; afterwards it is gone, its module too."""
    install(directory)
    before = set(sys.modules)
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        for name in {name for name in set(sys.modules) - before if name.startswith("holdfast_")}:
            del sys.modules[name]
