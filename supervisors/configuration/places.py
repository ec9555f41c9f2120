"""Which line of a TOML file says what: dotted paths and their line numbers.

The standard library's reader gives values without their places, so this reads the text once more, for the places only.
It never fails: it is also asked about files that are not TOML, where it answers for what stands before the mistake.
Paths are written as the problems write them: `device.press-1.tags[0].register`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# TOML 1.0: comments, the four kinds of string (a closing triple may follow up to two quotes of the text), the rest
_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\#[^\n]*)
      | (?P<newline>\n)
      | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
      | (?P<mark>[\[\]{}=,.])
      | (?P<word>[^\s\[\]{}=,.\#"']+)
      | (?P<odd>.)""",
    re.VERBOSE | re.DOTALL,
)
_END = ("newline", "\n", 0)


@dataclass(frozen=True, slots=True)
class Places:
    """Every table and key of one file with its line (from 1), in file order."""

    found: tuple[tuple[str, int], ...]

    def line_of(self, path: str) -> int:
        """The line where `path` is written or, when it is missing, the line of the nearest table around it."""
        while path:
            for known, line in self.found:
                if known == path:
                    return line
            for known, line in self.found:
                if known.startswith((f"{path}.", f"{path}[")):
                    return line
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return 1

    def path_at(self, line: int) -> str:
        """The last path that begins on or before a line: what the writer was writing there."""
        paths = [path for path, at in self.found if at <= line]
        return paths[-1] if paths else ""


def places(text: str) -> Places:
    """The places of a TOML text."""
    return Places(tuple(_Reader(text).statements()))


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens, self._at = list(_tokens(text)), 0
        self._counts: dict[str, int] = {}  # how many [[tables]] of a path there were so far

    def statements(self) -> Iterator[tuple[str, int]]:
        table = ""
        while self._at < len(self._tokens):
            kind, text, line = self._peek()
            if text == "[" and kind == "mark":
                table = self._header()
                yield table, line
            elif kind in ("word", "text"):
                path = self._below(table, self._keys())
                yield path, line
                if self._take("="):
                    yield from self._value(path)
            self._skip_line()

    def _header(self) -> str:
        many = self._take("[") and self._take("[")
        path = self._below("", self._keys(), last_is_new=many)
        if many:
            self._counts[path] = self._counts.get(path, 0) + 1
            path = f"{path}[{self._counts[path] - 1}]"
        return path

    def _below(self, path: str, keys: list[str], last_is_new: bool = False) -> str:
        for at, key in enumerate(keys):
            path = f"{path}.{key}" if path else key
            if path in self._counts and not (last_is_new and at == len(keys) - 1):
                path = f"{path}[{self._counts[path] - 1}]"
        return path

    def _keys(self) -> list[str]:
        keys = []
        while self._peek()[0] in ("word", "text"):
            kind, text, _ = self._next()
            keys.append(text[1:-1] if kind == "text" else text)
            if not self._take("."):
                break
        return keys

    def _value(self, path: str) -> Iterator[tuple[str, int]]:
        if self._take("["):
            yield from self._list(path)
        elif self._take("{"):
            yield from self._inline(path)
        else:
            while self._peek()[0] != "newline" and self._peek()[1] not in (",", "]", "}"):
                self._next()

    def _list(self, path: str) -> Iterator[tuple[str, int]]:
        at = 0
        while self._at < len(self._tokens) and not self._take("]"):
            kind, text, line = self._peek()
            if kind == "newline" or text in (",", "}"):
                self._next()
                continue
            yield f"{path}[{at}]", line
            yield from self._value(f"{path}[{at}]")
            at += 1

    def _inline(self, path: str) -> Iterator[tuple[str, int]]:
        while self._peek()[0] != "newline" and not self._take("}"):
            line, keys = self._peek()[2], self._keys()
            if keys and self._take("="):
                yield f"{path}.{'.'.join(keys)}", line
                yield from self._value(f"{path}.{'.'.join(keys)}")
            elif not self._take(","):
                self._next()

    def _skip_line(self) -> None:
        while self._next()[0] != "newline":
            pass

    def _take(self, mark: str) -> bool:
        kind, text, _ = self._peek()
        if kind == "mark" and text == mark:
            self._at += 1
            return True
        return False

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _next(self) -> tuple[str, str, int]:
        token = self._peek()
        self._at += 1
        return token


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    line = 1
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup or "odd"
        if kind != "skip":
            yield kind, token.group(), line
        line += token.group().count("\n")
