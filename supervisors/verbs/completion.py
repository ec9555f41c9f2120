"""`holdfast completion`: TAB completes verbs, options, files, and the names of the children of the running gateway.

An argument that is a child's name says so where it is declared: `typer.Argument(autocompletion=everybody)`. Whoever
asks waits for an answer of the gateway for a moment only; without one there is nothing to suggest, and nothing is said.
"""

import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from supervisors import control
from supervisors.verbs.shells import DIRECTORIES, FILES, SCRIPTS, Shell
from supervisors.verbs.suggesting import Suggestion, suggestions
from transports.errors import HoldfastError
from transports.messages import Status

ANSWER_WITHIN_S = 0.15
Words = list[tuple[str, str]]  # (word, what it means)
_LAST_PART = re.compile(r"[^-_]*$")


def completion(shell: Annotated[Shell, typer.Argument(help="the shell it is for")]) -> None:
    """Print a script that makes TAB complete verbs and names; in bash: source <(holdfast completion bash)."""
    typer.echo(SCRIPTS[shell], nl=False)


def complete(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument()],
    words: Annotated[list[str] | None, typer.Argument()] = None,
) -> None:
    """Answer a shell's script: what may stand at the last of these words."""
    raw = words or []
    joined = rejoined(raw) if shell is Shell.BASH else raw
    found = suggestions(context.find_root().command, [unquoted(word) for word in joined[1:]])
    for suggestion in found:
        sys.stdout.write(f"{_told(suggestion, shell, raw)}\n")


# --- what an argument can be ------------------------------------------------------------------------------------------


def everybody(context: typer.Context) -> Words:
    """All children, supervisors, and the patterns that mean several."""
    children = _children(context)
    names = [child["name"] for child in children]
    return [(child["name"], _meaning(child)) for child in children] + list(patterns(names))


def devices(context: typer.Context) -> Words:
    """The devices of the running gateway."""
    return [(child["name"], _meaning(child)) for child in _children(context) if child["kind"] == "device"]


def configured_devices(context: typer.Context) -> Words:
    """The devices of the configuration that is named before; none when it cannot be read."""
    import tomllib

    try:
        with open(context.params["config"], "rb") as file:
            table = tomllib.load(file).get("device", {})
    except (OSError, ValueError, TypeError):  # no file, no TOML, no file named yet
        return []
    return [(str(name), "") for name in table] if isinstance(table, dict) else []


def drivers(context: typer.Context) -> Words:
    """The drivers that are there."""
    from transports import catalog

    return [(name, "") for name in catalog.names(catalog.LINKS)]


def simulators(context: typer.Context) -> Words:
    """The far ends that can be simulated."""
    from transports import catalog

    return [(name, "") for name in catalog.names(catalog.SIMULATORS)]


def profiles(context: typer.Context) -> Words:
    """The profiles that are shipped, and those in the folder that is named before."""
    from supervisors.configuration.profiles import Shelf

    return [(name, "") for name in Shelf(context.params.get("folder")).names()]


def patterns(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Patterns by what several names begin with: press-* for press-1 and press-2."""
    heads = Counter(head for name in names if (head := _head(name)))
    return ((f"{head}*", f"{count} children") for head, count in heads.items() if count > 1)


def _head(name: str) -> str:
    """A name without its last part, or without the number at its end."""
    head = _LAST_PART.sub("", name)
    return head or name.rstrip("0123456789")


def _children(context: typer.Context) -> Sequence[Mapping[str, Any]]:
    try:
        where = control.find_run_dir(context.params.get("run_dir"))
        told: dict[str, Any] = control.ask(where, Status(), timeout_s=ANSWER_WITHIN_S)
    except HoldfastError:
        return []
    return list(told["children"])


def _meaning(child: Mapping[str, Any]) -> str:
    if child.get("strategy"):
        return f"supervisor, {child['strategy']}, {child['phase']}; with --subtree"
    return f"{child['kind']}, {child['phase']}"


# --- how the shells write words ---------------------------------------------------------------------------------------


def rejoined(words: Sequence[str]) -> list[str]:
    """The words as they stand in the line: bash splits `--sort=cpu` into three (COMP_WORDBREAKS)."""
    whole: list[str] = []
    for index, word in enumerate(words):
        follows = index and (words[index - 1] == "=" or word == "=") and whole[-1].startswith("--")
        if follows and (word == "=" or whole[-1].endswith("=")):
            whole[-1] += word
        else:
            whole.append(word)
    return whole


def unquoted(word: str) -> str:
    """The word that a shell makes of it; a quotation that is still open ends where the word does."""
    if word.endswith("\\") and not word.endswith("\\\\"):
        word = word[:-1]  # it escapes what is not typed yet
    for closing in ("", "'", '"'):
        with suppress(ValueError):
            return "".join(shlex.split(word + closing))
    return word


def is_open(word: str) -> bool:
    """Whether a quotation begins with the word that does not end in it."""
    try:
        shlex.split(word)
    except ValueError:
        return word.startswith(("'", '"'))
    return False


def _told(suggestion: Suggestion, shell: Shell, words: Sequence[str]) -> str:
    if suggestion.word in (FILES, DIRECTORIES):
        return suggestion.word
    if shell is not Shell.BASH:
        return f"{suggestion.word}\t{suggestion.meaning}"
    last = words[-1] if words else ""
    word = suggestion.word
    if word.startswith("--") and "=" in word and not last.startswith("-"):
        word = word.partition("=")[2]  # what is before it is another word to bash
    return word if is_open(last) else re.sub(r"([^\w@%+=:,./-])", r"\\\1", word)
