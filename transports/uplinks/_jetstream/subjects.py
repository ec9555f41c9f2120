"""Subjects of NATS from templates, and whether a stream takes them: a decider.

    holdfast.{gateway}.{device}      tokens between dots; "*" is one token, ">" one or more at the end

What may not stand in a token (a device called "line.3", or "a > b") becomes "_", so that a name makes exactly one
token; the header Holdfast-Device carries the true name.
"""

import re
import string
from collections.abc import Iterator, Mapping

from transports.errors import Problem
from transports.uplinks._templates import field_problems, literals

SUBJECT_MAX_BYTES = 2048  # it must fit into the server's max_control_line (4096) beside where to answer
_OUTSIDE = re.compile(r"[.*>$\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_IN_TEMPLATE = re.compile(r"[*>\s\x00-\x1f\x7f-\x9f]")


def problems(path: str, template: str, fields: tuple[str, ...]) -> Iterator[Problem]:
    """What keeps a template from making subjects, given the fields that may stand in it."""
    yield from field_problems(path, template, fields)
    texts = literals(template)
    if texts is None:
        return
    for literal in texts:
        if _IN_TEMPLATE.search(literal) or "{" in literal or "}" in literal:
            yield Problem(path, repr(template), "must not contain * or >, nor spaces, nor braces of its own")
    if not all(template.split(".")) or template.startswith("$"):
        yield Problem(path, repr(template), "must be tokens with one dot between them, the first without a $")


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The subject. Raises KeyError for a field that nobody brought."""
    return template.format_map({name: token(value) for name, value in fields.items()})


def token(value: str) -> str:
    """A value as one token."""
    return _OUTSIDE.sub("_", value) or "_"


def pattern(template: str, fields: Mapping[str, str]) -> str:
    """Every subject that a template can make: a token with a field that is not among these becomes "*"."""
    made = []
    for part in template.split("."):
        names = {name for _, name, _, _ in string.Formatter().parse(part) if name is not None}
        made.append(filled(part, fields) if names <= fields.keys() else "*")
    return ".".join(made)


def covers(wide: str, narrow: str) -> bool:
    """Whether every subject of the pattern `narrow` is one of the pattern `wide`."""
    wanted, given = wide.split("."), narrow.split(".")
    for at, part in enumerate(wanted):
        if part == ">":
            return len(given) > at
        if at >= len(given) or given[at] == ">" or part not in ("*", given[at]):
            return False
    return len(wanted) == len(given)
