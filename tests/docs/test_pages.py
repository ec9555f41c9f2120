"""Every page: its configurations load, its commands can be typed, its links and file names lead somewhere."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from supervisors.cli import app
from supervisors.configuration.config import load
from tests.docs.example_driver import installed
from tests.docs.pages import PAGES, ROOT, blocks, commands

CONFIGURATIONS = [(page, text) for page in PAGES for text in blocks(page, "toml")]
COMMANDS = [(page, words) for page in PAGES for text in blocks(page, "sh") for words in commands(text)]
OURS = ("holdfast", "make")
_SETTING = re.compile(r"(\w+)=\S*")
_PLACE = re.compile(r"`((?:transports|actors|supervisors|deploy|tests|docs)/[\w./-]*)`")


@pytest.fixture(scope="module", autouse=True)
def _example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(tmp_path_factory.mktemp("example")):
        yield


@pytest.mark.parametrize(("page", "text"), CONFIGURATIONS)
def test_a_configuration_on_a_page_loads(page: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(text)
    assert load(tmp_path / "gateway.toml").broken == ()


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_a_command_on_a_page_can_be_typed(page: str, words: Sequence[str]) -> None:
    program, *arguments = words
    if program == "holdfast":
        parsed(arguments)
    elif program == "make":
        assert all(known_to_make(word) for word in arguments), words
    else:
        assert program in (".", "gateway.toml"), f"who runs {words}?"  # activate, and a file that is redirected to


def parsed(arguments: Sequence[str]) -> None:
    """Raises what the command line would say of a wrong option or a missing argument; runs nothing."""
    command = get_command(app)
    with command.make_context("holdfast", list(arguments)) as context:
        name, verb, rest = command.resolve_command(context, [*context._protected_args, *context.args])  # type: ignore[attr-defined]
        with verb.make_context(name, rest, parent=context):
            pass


def known_to_make(word: str) -> bool:
    makefile = (ROOT / "Makefile").read_text()
    setting = _SETTING.fullmatch(word)
    return re.search(rf"^{setting[1]} \?=|^{word}:" if setting else rf"^{word}:", makefile, re.MULTILINE) is not None


@pytest.mark.parametrize("wrong", [["run"], ["status", "--jsn"], ["fly"], ["restart"], ["probe", "gateway.toml"]])
def test_a_command_that_cannot_be_typed_is_seen(wrong: list[str]) -> None:
    with pytest.raises(typer.TyperException):
        parsed(wrong)


@pytest.mark.parametrize("page", PAGES)
def test_a_command_in_the_text_of_a_page_exists(page: str) -> None:
    verbs = set(re.findall(r"`holdfast ([a-z]+)", PAGES[page]))
    assert verbs <= set(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES)
def test_a_link_on_a_page_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[page])
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_file_that_a_page_names_is_there(page: str) -> None:
    named = set(_PLACE.findall(PAGES[page])) - {"transports/links/ds18b20.py"}  # the reader's own
    assert sorted(place for place in named if not (ROOT / place).exists()) == []


def test_the_index_has_every_page() -> None:
    pages = {Path(page).name for page in PAGES if page.startswith("docs/")} - {"index.md"}
    assert {page for page in pages if f"({page})" not in PAGES["docs/index.md"]} == set()
