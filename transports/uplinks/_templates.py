"""What every template with {fields} must keep to, whatever is made of it."""

import string
from collections.abc import Iterator

from transports.errors import Problem
from transports.settings import nearest


def field_problems(path: str, template: str, fields: tuple[str, ...]) -> Iterator[Problem]:
    """Braces that do not pair, and fields that there are not."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        yield Problem(path, repr(template), "must have each { closed by a }")
        return
    for _, name, form, conversion in parts:
        if name is not None and (name not in fields or form or conversion):
            yield Problem(path, repr(template), f"{{{name}}} is unknown; {nearest(name, fields)}")


def literals(template: str) -> list[str] | None:
    """What stands between the fields; None where braces do not pair."""
    try:
        return [literal for literal, _, _, _ in string.Formatter().parse(template)]
    except ValueError:
        return None
