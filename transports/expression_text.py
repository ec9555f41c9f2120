"""The text of an expression, taken apart: references, constants, functions, and a form that Python's parser takes.

    press-1.oil > 80 and not {press-1.door open}
    一          >  丁  and not 丂                        each leaf is one letter and the spaces that fill up its place

A device's name may hold a "-", so what is a name and what is a subtraction is told by the names that are known, the
longest first. As each letter stands where its leaf stood, the parser's positions are those of the text. Only signs and
words that are understood get as far as the parser.
"""

import re
from collections.abc import Collection, Iterator

from transports.expression_leaves import Constant, Leaves, Reference, Unreadable
from transports.settings import nearest

MAX_TEXT = 2_000  # characters of an expression
MAX_DEPTH = 100  # of parentheses, and of the tree: far below the interpreter's own limit

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_TEXT = re.compile(r"""'(?:[^'\\]|\\['"\\nt])*'|"(?:[^"\\]|\\['"\\nt])*\"""")
_ESCAPE = re.compile(r"\\(.)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(?=\.[A-Za-z_])|[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SIGN = re.compile(r"\*\*|//|<=|>=|==|!=|[-+*/%<>(),]")
_INSTEAD = {
    "&&": "and",
    "||": "or",
    "<>": "!=",
    "=": "==",
    "!": "not",
    "^": "** for a power",
    "&": "and, or bit(word, number) for a bit of a word",
    "|": "or, or bit(word, number) for a bit of a word",
    "?": "if(condition, then, else)",
}
_WRONG = re.compile("|".join(re.escape(sign) for sign in sorted(_INSTEAD, key=len, reverse=True)))
_CONSTANTS = {"true": True, "True": True, "false": False, "False": False}


class Reader:
    """One text, read from the left; `form` is what the parser takes, `leaves` what its letters stand for."""

    def __init__(self, text: str, functions: Collection[str], devices: Collection[str] | None) -> None:
        self._text, self._functions, self._devices = text, functions, devices
        self._longest_first = sorted(devices or (), key=len, reverse=True)
        self._at = self._start = 0
        self._value_is_next = True  # at the head, and after an operator, "(" or ","
        self._open: list[int] = []
        self.leaves = Leaves()
        self.form = "".join(self._read())

    def _read(self) -> Iterator[str]:
        if not self._text.strip():
            raise Unreadable(1, "there is no expression")
        if len(self._text) > MAX_TEXT:
            raise Unreadable(MAX_TEXT + 1, f"an expression has at most {MAX_TEXT} characters")
        while self._at < len(self._text):
            self._start = self._at
            piece = self._piece()
            yield piece.ljust(self._at - self._start)
        if self._open:
            raise Unreadable(self._open[-1] + 1, "this parenthesis is never closed")
        if self._value_is_next:
            raise self._unreadable("a value is missing at the end")

    def _piece(self) -> str:
        """The next piece of the parser's form; `_at` moves on behind what was read."""
        if self._match(_SPACE):
            return ""
        reference = self._reference()
        if reference is not None:
            return self._leaf(reference)
        if number := _NUMBER.match(self._text, self._at):
            return self._number(number[0])
        if text := self._match(_TEXT):
            return self._constant(_ESCAPE.sub(_unescaped, text[1:-1]))
        if word := _WORD.match(self._text, self._at):
            return self._word(word[0])
        if sign := _SIGN.match(self._text, self._at):
            return self._sign(sign[0])
        raise self._stranger()

    # --- leaves ------------------------------------------------------------------------------------------------------

    def _reference(self) -> Reference | None:
        if braced := _BRACES.match(self._text, self._at):
            reference = self._braced(braced[1].strip())
            self._at = braced.end()
            return reference
        for device in self._longest_first:
            if self._text.startswith(f"{device}.", self._at):
                tag = _TAG.match(self._text, self._at + len(device) + 1)
                if tag is not None:
                    self._at = tag.end()
                    return Reference(device, tag[0])
        return None

    def _braced(self, name: str) -> Reference:
        if not name:
            raise self._unreadable("there is no tag between the braces")
        if self._devices is None:
            return Reference("", name)
        device, _, tag = name.partition(".")
        if device not in self._devices:
            raise self._unreadable(f"there is no device {device!r:.60}; {nearest(device, sorted(self._devices))}")
        if not tag:
            raise self._unreadable("a tag is missing; write {device.tag}")
        return Reference(device, tag)

    def _word(self, word: str) -> str:
        follows = self._text[self._at + len(word) :].lstrip()[:1]
        if word == "if" and self._value_is_next and follows == "(":
            return self._function(word)
        if word in ("and", "or", "not", "if", "else"):
            return self._keyword(word)
        if word in _CONSTANTS:
            self._at += len(word)
            return self._constant(_CONSTANTS[word])
        if follows == "(" and "." not in word and self._value_is_next:
            if word not in self._functions:
                known = nearest(word, sorted(self._functions))
                raise self._unreadable(f"there is no function {word!r:.60}; {known}")
            return self._function(word)
        return self._leaf(self._plain(word))

    def _plain(self, word: str) -> Reference:
        """A tag without a device: only where all tags are of one."""
        if self._devices is None:
            tag = self._match(_TAG)
            if tag:
                return Reference("", tag)
            raise self._unreadable(f"a tag like {word!r:.60} is written in braces: {{{word:.60}}}")
        device, known = word, sorted(self._devices)
        if self._text.startswith(".", self._at + len(word)):
            raise self._unreadable(f"there is no device {device!r:.60}; {nearest(device, known)}")
        if word in self._functions:
            raise self._unreadable(f"{word!r} is a function; write {word}(...)")
        hint = nearest(word, ["and", "or", "not", "else", "true", "false", *sorted(self._functions)])
        hint = hint if hint.startswith("did you mean") else "a tag is written as device.tag"
        raise self._unreadable(f"{word!r:.60} means nothing here; {hint}")

    def _number(self, digits: str) -> str:
        behind = self._text[self._at + len(digits) : self._at + len(digits) + 1]
        if behind.isalnum() or behind == "_":
            raise self._unreadable(f"{digits + behind!r:.60} is neither a number nor a name")
        try:
            prefixed = digits[:2].lower() in ("0x", "0b")
            number = int(digits, 0) if prefixed else int(digits) if digits.isdigit() else float(digits)
        except ValueError as wrong:
            raise self._unreadable("is no number that can be computed with") from wrong
        if abs(number) > 1.7e308:
            raise self._unreadable("this number is too large")
        self._at += len(digits)
        return self._constant(number)

    def _constant(self, value: Constant) -> str:
        letter = self.leaves.letter()
        self.leaves.constants[letter] = value
        return self._placed(letter)

    def _leaf(self, reference: Reference) -> str:
        letter = self.leaves.letter()
        self.leaves.references[letter] = reference
        return self._placed(letter)

    def _function(self, name: str) -> str:
        letter = self.leaves.letter()
        self.leaves.functions[letter] = name
        self._at += len(name)
        return letter

    # --- order -------------------------------------------------------------------------------------------------------

    def _placed(self, letter: str) -> str:
        """A value, which must not follow another one."""
        if not self._value_is_next:
            raise Unreadable(self._start + 1, "an operator is missing before this")
        self._value_is_next = False
        return letter

    def _keyword(self, word: str) -> str:
        if (word == "not") != self._value_is_next:
            lacks = "an operator" if word == "not" else "a value"
            raise self._unreadable(f"{lacks} is missing before {word!r}")
        self._at += len(word)
        self._value_is_next = True
        return word

    def _sign(self, sign: str) -> str:
        called = self._text[: self._at].rstrip()[-1:] == "("
        if sign == "(":
            if not self._value_is_next:
                raise self._unreadable("an operator is missing before '('")
            self._open.append(self._at)
            if len(self._open) > MAX_DEPTH:
                raise self._unreadable("too many parentheses in each other")
        elif self._value_is_next and sign not in "+-" and not (sign == ")" and called):
            raise self._unreadable(f"a value is missing before {sign!r}")
        elif sign in ",)" and not self._open:
            raise self._unreadable(f"{sign!r} without '(' before it")
        elif sign == ")":
            self._open.pop()
        self._at += len(sign)
        self._value_is_next = sign != ")"
        return sign

    def _stranger(self) -> Unreadable:
        sign = self._text[self._at]
        if wrong := _WRONG.match(self._text, self._at):
            return self._unreadable(f"{wrong[0]!r} means nothing here; write {_INSTEAD[wrong[0]]}")
        if sign in "'\"":
            return self._unreadable("this text is never closed")
        if sign in "{}":
            return self._unreadable("a tag in braces is written as {device.tag}" if self._devices else "write {tag}")
        return self._unreadable(f"{sign!r} means nothing here")

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _unreadable(self, reason: str) -> Unreadable:
        return Unreadable(min(self._at, len(self._text) - 1) + 1, reason)


def _unescaped(escape: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(escape[1], escape[1])
