"""What was found at a server as the lines of a table of tags, for an engineer to keep what is wanted.

Each variable is a line with a name of its own: the last of the names on the way to it, with the ones before it as far
as it takes to tell two apart. Nothing is made writable here: that is a decision; the remark says what the server lets.
"""

import json
from collections import Counter
from collections.abc import Sequence

from transports.opcua.browsing import Found
from transports.opcua.types import name_of, type_of
from transports.tag_names import distinct, word

_UNKNOWN = "type not known: write type = ..."
_LONGEST = 60  # letters of a name


def table_of_found(found: Sequence[Found]) -> str:
    """Lines of TOML, one a variable; what has no type here is a remark."""
    names = tag_names([each.path for each in found])
    return "".join(f"{_line(name, each)}\n" for name, each in zip(names, found, strict=True))


def tag_names(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each path, no two the same: as short as it can be while they differ."""
    words = [[word(part)[:_LONGEST] for part in path if word(part)] or ["tag"] for path in paths]
    taken = [1] * len(words)
    for _ in range(max(map(len, words), default=0)):
        names = [_joined(each, count) for each, count in zip(words, taken, strict=True)]
        often = Counter(names)
        taken = [count + (often[name] > 1) for name, count in zip(names, taken, strict=True)]
    return distinct(_joined(each, count) for each, count in zip(words, taken, strict=True))


def _joined(words: Sequence[str], count: int) -> str:
    return "_".join(words[-count:])


def _line(name: str, each: Found) -> str:
    remark = name_of(each.built_in, each.array) if each.built_in else _UNKNOWN
    if each.writable:
        remark += "; can be written: writable = true"
    line = f"{name} = {{ node = {quoted(each.node)} }}  # {remark}"
    return line if not each.built_in or type_of(each.built_in, each.array) else f"# {line} has no place here"


def quoted(text: str) -> str:
    """A string of TOML. JSON's escapes are TOML's, and DEL has to be escaped, too (TOML 1.0, String)."""
    plain = text.encode(errors="replace").decode()
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007F")
