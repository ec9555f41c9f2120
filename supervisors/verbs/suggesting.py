"""What may stand at the last word of a command line: found by walking the commands that Typer has made.

Only what click promises of commands, parameters and contexts is used, so that it does not matter whose click Typer has.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from supervisors.verbs.shells import DIRECTORIES, FILES


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word that may stand there, or FILES or DIRECTORIES; and what it means, "" when that goes without saying."""

    word: str
    meaning: str = ""


def suggestions(root: Any, words: Sequence[str]) -> list[Suggestion]:
    """Below the command `root`. `words` follow the command's name; the last one is the unfinished one, perhaps ""."""
    *before, unfinished = words or [""]
    command, verb = root, ""
    while before and before[0] in getattr(command, "commands", {}):
        verb = before.pop(0)
        command = command.commands[verb]
    if hasattr(command, "commands"):
        return [] if before else _items(command.shell_complete(typer.Context(command), unfinished))
    return list(_of_verb(command, verb, before, unfinished))


def _of_verb(command: Any, verb: str, before: list[str], unfinished: str) -> Iterator[Suggestion]:
    only_arguments = "--" in before
    joined, is_joined, value = unfinished.partition("=") if unfinished.startswith("--") else ("", "", "")
    if is_joined and not only_arguments:
        option = _awaiting(command, [joined])
        context = command.make_context(verb, before, resilient_parsing=True)
        for each in _values(context, option, value):
            yield each if each.word in (FILES, DIRECTORIES) else Suggestion(f"{joined}={each.word}", each.meaning)
        return
    option = None if only_arguments else _awaiting(command, before)
    context = command.make_context(verb, before[:-1] if option else before, resilient_parsing=True)
    if option is None and unfinished.startswith("-") and not only_arguments:
        yield from _items(command.shell_complete(context, unfinished))
        return
    yield from _values(context, option or _next_argument(context), unfinished)


def _awaiting(command: Any, before: Sequence[str]) -> Any:
    """The option whose value is to come, None when the last word is none such."""
    found = (each for each in command.params if each.param_type_name == "option" and before and before[-1] in each.opts)
    return next((each for each in found if not each.is_flag and not each.count), None)


def _next_argument(context: Any) -> Any:
    """The first argument that is still to come, or that takes any number."""
    arguments = (each for each in context.command.params if each.param_type_name == "argument")
    return next((each for each in arguments if each.nargs == -1 or not _is_given(context, each.name)), None)


def _is_given(context: Any, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _values(context: Any, parameter: Any, unfinished: str) -> list[Suggestion]:
    """What a parameter can be; a path is the shell's business."""
    if parameter is None:
        return []
    found = _items(parameter.shell_complete(context, unfinished))
    if not found and _is_path(context.command, parameter.name):
        return [Suggestion(DIRECTORIES if parameter.name.endswith("_dir") else FILES)]
    given = context.params.get(parameter.name) if parameter.nargs == -1 else None
    return [each for each in found if each.word not in (given or ())]


def _is_path(command: Any, name: str) -> bool:
    hints: Mapping[str, Any] = get_type_hints(command.callback)
    return name in hints and (hints[name] is Path or Path in get_args(hints[name]))


def _items(completions: Any) -> list[Suggestion]:
    return [Suggestion(str(each.value), " ".join((each.help or "").split())) for each in completions]
