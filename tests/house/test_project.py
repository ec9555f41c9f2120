"""pyproject.toml and requirements.lock: what is imported is declared, what is declared is used, and all is locked."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.pages import PAGES
from tests.house.sources import MODULES, PACKAGES, ROOT, imported
from transports import catalog

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
EXTRAS = PROJECT["project"]["optional-dependencies"]
WALLS = {contract["name"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}


def requirements(*lists: list[str]) -> dict[str, Requirement]:
    """By name; what the project asks of itself (the extra `all`) is left out."""
    wanted = [Requirement(text) for texts in lists for text in texts]
    return {canonicalize_name(each.name): each for each in wanted if each.name != PROJECT["project"]["name"]}


RUNTIME = requirements(PROJECT["project"]["dependencies"], *EXTRAS.values())
DIRECT = {**RUNTIME, **requirements(PROJECT["dependency-groups"]["dev"])}
LOCKED = [re.split(r"==| ", line)[:2] for line in LOCK.splitlines() if "==" in line.partition(";")[0]]


@pytest.mark.parametrize("name", DIRECT)
def test_a_dependency_is_locked_at_a_version_that_pyproject_allows(name: str) -> None:
    versions = [version for locked, version in LOCKED if locked == name]
    assert versions, "run make lock"
    assert all(DIRECT[name].specifier.contains(version) for version in versions)


def test_the_lock_has_a_hash_for_everything_and_names_no_index() -> None:
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--trusted-host|@", LOCK) == []


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_lock_has_one_version_of_each_package_for_every_python(version: str) -> None:
    environment = {"python_full_version": f"{version}.0", "python_version": version, "sys_platform": "linux"}
    wanted = [Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if line[:1].isalnum()]
    names = [each.name for each in wanted if each.marker is None or each.marker.evaluate(environment)]
    assert sorted(set(names)) == sorted(names)
    assert set(DIRECT) <= {canonicalize_name(name) for name in names}


def test_what_the_house_imports_is_declared() -> None:
    names = {name for module in MODULES for name in imported(module)} - set(PACKAGES) - set(sys.stdlib_module_names)
    owners = packages_distributions()
    unknown = {name for name in names if not {canonicalize_name(each) for each in owners.get(name, ())} & set(RUNTIME)}
    assert unknown == set()


def test_what_is_declared_is_imported() -> None:
    names = {name for module in MODULES for name in imported(module)}
    used = {canonicalize_name(each) for name in names for each in packages_distributions().get(name, ())}
    assert set(RUNTIME) - used == set()


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[0]
    lines = [
        line for line in text.partition("dependencies = [")[2].splitlines() if re.match(r' +"|\w+ = \["[^h]', line)
    ]
    assert len(lines) > 20
    assert [line for line in lines if "#" not in line] == []


def test_an_extra_is_what_a_driver_asks_for_and_all_has_each() -> None:
    asked = {extra for module in MODULES for extra in re.findall(r'^EXTRA = "(\w+)"', source(module), re.MULTILINE)}
    assert set(EXTRAS) == asked | {"demo", "all"}
    assert set(Requirement(EXTRAS["all"][0]).extras) == set(EXTRAS) - {"all"}


def source(module: str) -> str:
    return (ROOT / module).read_text()


@pytest.mark.parametrize(
    ("wall", "kind"),
    [
        ("Ways to the far end know nothing of each other", catalog.UPLINKS),
        ("Payload formats know nothing of each other", catalog.PAYLOADS),
    ],
)
def test_a_new_file_is_behind_the_wall_of_its_kind(wall: str, kind: str) -> None:
    own = [f"transports.{kind}.{name}" for name in catalog.names(kind) if catalog.is_own(kind, name)]
    assert sorted(WALLS[wall]["modules"]) == own


def test_the_deciders_behind_the_wall_are_there() -> None:
    deciders = WALLS["Deciders import no I/O, no clock and no dice"]["source_modules"]
    paths = [name.replace(".", "/") for name in deciders]
    assert [path for path in paths if f"{path}.py" not in MODULES and f"{path}/__init__.py" not in MODULES] == []


def test_each_payload_and_uplink_is_on_a_page() -> None:
    assert all(f"\n### {name}\n" in PAGES["docs/delivery.md"] for name in catalog.names(catalog.PAYLOADS))
    assert all(f'type = "{name}"' in PAGES["docs/configuration.md"] for name in catalog.names(catalog.UPLINKS))


def test_the_version_is_in_the_changelog() -> None:
    assert PROJECT["project"]["version"] in (ROOT / "CHANGELOG.md").read_text()
