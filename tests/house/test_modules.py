"""What every module keeps: a first line, no sleep, and broad handlers only at the frontiers."""

import ast
from collections.abc import Iterator

import pytest

from tests.house.sources import MODULES, tree
from transports import catalog

# Where a stranger's code runs, or a failure becomes an exit code
FRONTIERS = {"supervisors/host.py", "supervisors/configuration/sections.py", "supervisors/zygote.py"}
BROAD = {"Exception", "BaseException"}


def test_every_module_says_in_its_first_line_what_it_is() -> None:
    first = {module: (ast.get_docstring(tree(module)) or "").partition("\n")[0] for module in MODULES}
    assert [module for module, line in first.items() if len(line) < 15 or not line.endswith((".", ":"))] == []


def test_no_module_sleeps() -> None:
    assert [f"{module}:{line}" for module in MODULES for line in sleeps(tree(module))] == []


def test_every_error_that_is_caught_is_named_but_at_the_frontiers() -> None:
    assert {module for module in MODULES if list(broad_handlers(tree(module)))} == FRONTIERS


def sleeps(module: ast.Module) -> Iterator[int]:
    """The lines of `time.sleep`, also under a name of its own."""
    for node in ast.walk(module):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                yield node.lineno
            case ast.ImportFrom(module="time", names=names) if any(each.name == "sleep" for each in names):
                yield node.lineno


def broad_handlers(module: ast.Module) -> Iterator[int]:
    """The lines of handlers that catch everything."""
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler):
            caught = {each.id for each in ast.walk(node.type) if isinstance(each, ast.Name)} if node.type else BROAD
            if caught & BROAD:
                yield node.lineno


@pytest.mark.parametrize(
    "text",
    ["try: pass\nexcept: pass", "try: pass\nexcept Exception: pass", "try: pass\nexcept (OSError, Exception): pass"],
)
def test_a_broad_handler_is_seen(text: str) -> None:
    assert list(broad_handlers(ast.parse(text))) == [2]


@pytest.mark.parametrize("text", ["import time\ntime.sleep(1)", "import time\nfrom time import sleep as rest"])
def test_a_sleep_is_seen(text: str) -> None:
    assert list(sleeps(ast.parse(text))) == [2]


@pytest.mark.parametrize("kind", [catalog.LINKS, catalog.UPLINKS, catalog.PAYLOADS])
def test_what_a_configuration_can_name_has_a_manual_page(kind: str) -> None:
    names = [name for name in catalog.names(kind) if catalog.is_own(kind, name)]
    pages = {name: ast.get_docstring(tree(f"transports/{kind}/{name}.py")) or "" for name in names}
    assert [name for name, page in pages.items() if len(page.splitlines()) < 3] == []
