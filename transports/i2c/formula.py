"""A formula from a register's number to a value, such as "raw * 0.0625 - 40": numbers, operators, a few functions.

What may stand in one is a list of syntax and a list of functions; it is parsed and held against both when the
configuration is read, and evaluated by simpleeval, never by Python. A result that is no number (division by zero, the
root of a negative number, overflow) is None.
"""

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from simpleeval import SimpleEval  # type: ignore[import-untyped]

MOST_CHARACTERS, MOST_DEPTH = 500, 30  # bounds what one evaluation may cost
_MOST_BITS = 4096  # of a whole number on the way
_UNFIT = (ArithmeticError, ValueError, TypeError)
_SYNTAX = (
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Call,
    ast.Name,
    ast.Constant,
    ast.Load,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
)


def _shift_left(number: Any, by: Any) -> Any:
    return _bounded(number << by) if by <= _MOST_BITS else _too_large()


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > _MOST_BITS:
        _too_large()
    return base**exponent


def _times(left: Any, right: Any) -> Any:
    return _bounded(left * right)


def _bounded(number: Any) -> Any:
    return _too_large() if isinstance(number, int) and number.bit_length() > _MOST_BITS else number


def _too_large() -> Any:
    raise OverflowError("a number on the way is too large")


_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.LShift: _shift_left,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.Invert: operator.invert,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "atan": math.atan,
}
_CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e}


def formula_cure(text: str, variable: str) -> str:
    """What is wrong with a formula, as a sentence; "" when nothing is."""
    if len(text) > MOST_CHARACTERS:
        return f"must have at most {MOST_CHARACTERS} characters"
    try:
        tree = ast.parse(text.strip(), mode="eval")
        parts = list(ast.walk(tree.body))
    except SyntaxError as wrong:
        return f'must be a formula such as "{variable} * 0.5" ({wrong.msg})'
    except (ValueError, RecursionError, MemoryError):
        return f'must be a formula such as "{variable} * 0.5"'
    if _depth(tree.body) > MOST_DEPTH:
        return "is nested too deeply; work a part of it out in a stage"
    return next(_mistakes(parts, variable), "")


class Formula:
    """A formula of one variable that `formula_cure` finds nothing wrong with."""

    def __init__(self, text: str, variable: str) -> None:
        self._text, self._variable = text, variable
        self._body = ast.parse(text.strip(), mode="eval").body
        self._names: dict[str, int | float] = {**_CONSTANTS}
        self._evaluator = SimpleEval(operators=_OPERATORS, functions=dict(_FUNCTIONS), names=self._names)

    def number(self, value: int | float) -> int | float | None:
        """The result; None when it is none."""
        self._names[self._variable] = value
        try:
            result = self._evaluator.eval(self._text, self._body)
        except _UNFIT:
            return None
        return result if isinstance(result, (int, float)) else None  # a root may have become complex

    def value(self, value: int | float) -> float | None:
        """The result as a float; None when it is none, or not finite though `value` is."""
        result = self.number(value)
        try:
            made = None if result is None else float(result)
        except OverflowError:
            return None
        if made is not None and not math.isfinite(made) and math.isfinite(value):
            return None
        return made


def _depth(tree: ast.AST) -> int:
    """How many levels of parts within parts there are, up to one too many."""
    level, depth = [tree], 0
    while level and depth <= MOST_DEPTH:
        level = [child for part in level for child in ast.iter_child_nodes(part)]
        depth += 1
    return depth


def _mistakes(parts: list[ast.AST], variable: str) -> Iterator[str]:
    functions = {id(part.func) for part in parts if isinstance(part, ast.Call)}
    for part in parts:
        match part:
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
                pass
            case ast.Call():
                yield f"calls what is no function here; there are {', '.join(_FUNCTIONS)}"
            case ast.Name(id=name) if id(part) not in functions and name != variable and name not in _CONSTANTS:
                yield f"names {name!r}; it may name {variable}, {', '.join(_CONSTANTS)}"
            case ast.Constant(value=value) if isinstance(value, bool) or not isinstance(value, (int, float)):
                yield f"has {value!r:.20} where only numbers may stand"
            case ast.Is() | ast.IsNot() | ast.In() | ast.NotIn() | ast.MatMult():
                yield f"uses {type(part).__name__}, which is not for numbers"
            case _ if not isinstance(part, _SYNTAX):
                yield f"uses {type(part).__name__}; only numbers, operators and functions may stand in it"
