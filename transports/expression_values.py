"""What the operators and functions of an expression make of values: of single ones exactly, or of whole columns.

Single whole numbers are Python's, so 64 bits stay exact and nothing overflows unseen; what would not be a finite number
is an error. A column is a vector of numpy: its numbers are floats, exact up to 2^53, and what has no value is NaN or an
infinity there, for the caller to see.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from transports.expression_leaves import ExpressionError

MAX_LETTERS = 1_000  # of a text that an expression makes
_MAX_BITS = 1_024  # of a whole number on the way; as many as the largest float has

Scalar = bool | int | float | str


class Incomputable(ExpressionError):
    """The expression has no value for these readings: division by zero, wrong types, out of range."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done with single values, what with columns, and how many there may be."""

    scalars: Callable[..., Any]
    columns: Callable[..., Any]
    least: int
    most: int


def is_column(value: Any) -> TypeGuard[NDArray[Any]]:
    """Whether it is a column and not a single value."""
    return isinstance(value, np.ndarray)


def applied(name: str, operation: Operation, values: tuple[Any, ...]) -> Any:
    """The operation on numbers. Raises Incomputable for texts, and for a single result that is not finite."""
    if any(_is_text(value) for value in values):
        raise Incomputable(f"{name} cannot be computed with a text")
    if any(map(is_column, values)):
        return operation.columns(*map(_as_floats, values))
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        raise Incomputable(f"{name} of what is not a finite number")
    try:
        return _in_bounds(operation.scalars(*values))
    except ZeroDivisionError as zero:
        raise Incomputable("division by zero") from zero
    except (OverflowError, ValueError) as wrong:
        raise Incomputable(f"{name} has no value here: {wrong}") from wrong


def added(left: Any, right: Any) -> Any:
    """The sum of numbers, or two single texts as one."""
    if isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAX_LETTERS:
            raise Incomputable(f"a text of more than {MAX_LETTERS} characters")
        return left + right
    return applied("+", _SUM, (left, right))


def compared(sign: str, left: Any, right: Any) -> Any:
    """Numbers with numbers, texts with texts. NaN is neither equal to anything nor less nor greater."""
    if _is_text(left) != _is_text(right):
        raise Incomputable(f"{sign} cannot compare a text with a number")
    if is_column(left) or is_column(right):
        left, right = (value if _is_text(value) else _as_floats(value) for value in (left, right))
        return np.asarray(_COMPARED[sign](left, right), np.bool_)
    return _COMPARED[sign](left, right)


def as_flag(value: Any) -> Any:
    """A condition: true or false, or a number that is not 0."""
    if _is_text(value):
        raise Incomputable("a text is no condition; compare it with another")
    return value.astype(np.bool_) if is_column(value) else bool(value)


def negated(value: Any) -> Any:
    """`not` of a condition."""
    flag = as_flag(value)
    return ~flag if is_column(flag) else not flag


def chosen(condition: Any, then: Any, otherwise: Any) -> Any:
    """Elementwise the one or the other, where the condition is a column."""
    if _is_text(then) or _is_text(otherwise):
        raise Incomputable("a choice by column is between numbers")
    if all(_is_flag(value) for value in (then, otherwise)):
        return np.where(condition, then, otherwise)
    return np.where(condition, _as_floats(then), _as_floats(otherwise))


def finished(value: Any) -> Scalar:
    """A single result that can be sent. Raises Incomputable for what no type of tag holds."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise Incomputable("the result is a whole number beyond 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise Incomputable("the result is not a finite number")
    return value  # type: ignore[no-any-return]


def _is_text(value: Any) -> bool:
    return value.dtype.kind not in "bf" if isinstance(value, np.ndarray) else isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return value.dtype.kind == "b" if isinstance(value, np.ndarray) else isinstance(value, bool)


def _as_floats(value: Any) -> Any:
    try:
        return value.astype(np.float64, copy=False) if isinstance(value, np.ndarray) else float(value)
    except OverflowError as wrong:
        raise Incomputable("a whole number that is too large for a float") from wrong


def _in_bounds(value: Any) -> Any:
    if isinstance(value, complex):
        raise Incomputable("a root of a negative number")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise Incomputable("a whole number that is too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise Incomputable("a number that is too large")
    return value


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        if abs(base) > 1 and (abs(base).bit_length() - 1) * exponent > _MAX_BITS:
            raise Incomputable("a power that is too large")
        return base**exponent
    return float(base) ** exponent if exponent else 1


def _rounded(value: Any, digits: Any = 0) -> Any:
    if not isinstance(digits, int) or not -20 <= digits <= 20:
        raise Incomputable("round takes -20 to 20 digits")
    return round(value, digits) if digits else round(value)


def _round_column(value: Any, digits: Any = 0.0) -> Any:
    if is_column(digits) or not -20 <= digits <= 20:
        raise Incomputable("round takes -20 to 20 digits")
    return np.round(value, int(digits))


def _clamped(value: Any, low: Any, high: Any) -> Any:
    if low > high:
        raise Incomputable("the lower end of clamp is above the upper")
    return min(max(value, low), high)


def _bit(word: Any, number: Any) -> bool:
    if word != int(word) or number != int(number) or not 0 <= number <= 63:
        raise Incomputable("bit takes a whole number and which bit of it, 0 to 63")
    return bool(int(word) >> int(number) & 1)


def _bit_column(word: Any, number: Any) -> Any:
    return np.floor_divide(word, np.exp2(number)) % 2 == 1


def _logarithm(value: Any, base: Any = math.e) -> Any:
    return math.log(value) if base == math.e else math.log(value, base)


def _log_column(value: Any, base: Any = math.e) -> Any:
    return np.log(value) if not is_column(base) and base == math.e else np.log(value) / np.log(base)


def _many(pairwise: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def all_of(first: Any, *rest: Any) -> Any:
        for each in rest:
            first = pairwise(first, each)
        return first

    return all_of


_SUM = Operation(operator.add, np.add, 2, 2)
ARITHMETIC: Mapping[str, Operation] = {
    "-": Operation(operator.sub, np.subtract, 2, 2),
    "*": Operation(operator.mul, np.multiply, 2, 2),
    "/": Operation(operator.truediv, np.divide, 2, 2),
    "//": Operation(operator.floordiv, np.floor_divide, 2, 2),
    "%": Operation(operator.mod, np.mod, 2, 2),
    "**": Operation(_power, np.power, 2, 2),
}
SIGNED: Mapping[str, Operation] = {
    "-": Operation(operator.neg, np.negative, 1, 1),
    "+": Operation(operator.pos, np.positive, 1, 1),
}
_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
FUNCTIONS: Mapping[str, Operation] = {
    "abs": Operation(abs, np.abs, 1, 1),
    "min": Operation(_many(min), _many(np.minimum), 1, 100),
    "max": Operation(_many(max), _many(np.maximum), 1, 100),
    "sqrt": Operation(math.sqrt, np.sqrt, 1, 1),
    "exp": Operation(math.exp, np.exp, 1, 1),
    "log": Operation(_logarithm, _log_column, 1, 2),
    "log10": Operation(math.log10, np.log10, 1, 1),
    "log2": Operation(math.log2, np.log2, 1, 1),
    "sin": Operation(math.sin, np.sin, 1, 1),
    "cos": Operation(math.cos, np.cos, 1, 1),
    "tan": Operation(math.tan, np.tan, 1, 1),
    "asin": Operation(math.asin, np.arcsin, 1, 1),
    "acos": Operation(math.acos, np.arccos, 1, 1),
    "atan": Operation(math.atan, np.arctan, 1, 1),
    "atan2": Operation(math.atan2, np.arctan2, 2, 2),
    "floor": Operation(math.floor, np.floor, 1, 1),
    "ceil": Operation(math.ceil, np.ceil, 1, 1),
    "round": Operation(_rounded, _round_column, 1, 2),
    "clamp": Operation(_clamped, np.clip, 3, 3),
    "bit": Operation(_bit, _bit_column, 2, 2),
}
