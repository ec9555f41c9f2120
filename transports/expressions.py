"""Expressions over tags, as rules and derived tags have them: `press-1.oil_temp > 80 and not press-1.door`.

    numbers 5 0x1f 2.5e3   texts "on"   true false   + - * / // % **   < <= > >= == !=   and or not   ( )
    abs min max sqrt exp log log10 log2 sin cos tan asin acos atan atan2 floor ceil round clamp
    bit(word, number)   if(condition, then, else)   then if condition else other
    press-1.oil_temp     a tag of a device; in a pipeline of one device just oil_temp
    {press-1.oil temp/2} a tag with anything else in its name than letters, digits, "_" and "."

The tree is Python's, of which only these parts are let in, and it is walked by simpleeval; nothing is ever handed to
`eval`. Text, tree, numbers and made texts are bounded, so every evaluation ends soon and within little memory. How good
a reading is, is the caller's business: it says what a Bad one means.
"""

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpleeval  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

from transports.expression_leaves import ExpressionError as ExpressionError
from transports.expression_leaves import Leaves
from transports.expression_leaves import Reference as Reference
from transports.expression_leaves import Unreadable as Unreadable
from transports.expression_text import MAX_DEPTH, Reader
from transports.expression_values import (
    ARITHMETIC,
    FUNCTIONS,
    SIGNED,
    Scalar,
    added,
    applied,
    as_flag,
    chosen,
    compared,
    finished,
    is_column,
    negated,
)
from transports.expression_values import Incomputable as Incomputable

_BINARY: dict[type[ast.AST], str] = {
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_UNARY: dict[type[ast.AST], str] = {ast.USub: "-", ast.UAdd: "+"}
_COMPARISONS: dict[type[ast.AST], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_NODES: set[type[ast.AST]] = {ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Load}
_ALLOWED: tuple[type[ast.AST], ...] = (*_NODES, ast.Add, ast.And, ast.Or, ast.Not, *_BINARY, *_UNARY, *_COMPARISONS)


class Expression:
    """One expression, read once and computed as often as wanted. `references` are the tags that it needs, each once.

    With `known_devices` every tag is written with its device, one of them; without, all are of one device. Raises
    Unreadable for a text that is no expression.
    """

    def __init__(self, text: str, known_devices: Collection[str] | None = None) -> None:
        self.text = text
        reader = Reader(text, (*FUNCTIONS, "if"), known_devices)
        self._leaves = reader.leaves
        self._tree = _tree(reader)
        self.references: tuple[Reference, ...] = tuple(dict.fromkeys(self._leaves.references.values()))
        self._walk = _Walk()

    def value(self, readings: Mapping[Reference, Any]) -> Scalar:
        """The value for single readings: bool, int, float or str. Raises Incomputable, and nothing else: Missing where
        a reading is not there and the others do not decide without it (`true or x` is true, `false and x` false)."""
        names = {letter: _found(each, readings) for letter, each in self._leaves.references.items()}
        return finished(self._computed(names))

    def column(self, columns: Mapping[Reference, Any], length: int) -> NDArray[Any]:
        """The values for columns: vectors (length,) of floats, flags or texts (objects), or single values.

        What comes out is a vector of floats or flags, NaN or infinite where there is no value. Raises Incomputable.
        """
        names = {letter: _vector(each, columns) for letter, each in self._leaves.references.items()}
        with np.errstate(all="ignore"):
            value = self._computed(names)
        if isinstance(value, str):
            raise Incomputable("the result is a text")
        made = np.asarray(value, None if is_column(value) or isinstance(value, bool) else np.float64)
        return np.broadcast_to(made, (length,))

    def _computed(self, names: dict[str, Any]) -> Any:
        try:
            return self._walk.over(self._tree, names)
        except (simpleeval.InvalidExpression, ArithmeticError, ValueError, TypeError) as wrong:
            raise Incomputable(f"has no value: {wrong}") from wrong


class Missing(Incomputable):
    """A reading that is not to be had is needed for the value: whatever it were, it would decide."""


@dataclass(frozen=True, slots=True)
class _Absent:
    """In the place of a reading that is not to be had; only who needs it is told."""

    reference: Reference


def _found(reference: Reference, readings: Mapping[Reference, Any]) -> Any:
    return _Absent(reference) if readings.get(reference) is None else _single(reference, readings)


def _single(reference: Reference, readings: Mapping[Reference, Any]) -> Scalar:
    value = readings.get(reference)
    if not isinstance(value, (bool, int, float, str)):
        shown = "has no value" if value is None else f"is {type(value).__name__}, which cannot be computed with"
        raise Incomputable(f"{reference} {shown}")
    return value


def _vector(reference: Reference, columns: Mapping[Reference, Any]) -> Any:
    value = columns.get(reference)
    if not is_column(value):
        single = _single(reference, columns)
        return (
            single
            if isinstance(single, str)
            else np.array([single], np.bool_ if isinstance(single, bool) else np.float64)
        )
    if value.dtype.kind == "O":
        if not all(isinstance(each, str) for each in value):
            raise Incomputable(f"{reference} cannot be computed with")
        return value
    return value if value.dtype.kind in "bf" else value.astype(np.float64)


def _tree(reader: Reader) -> ast.expr:
    form = f"({reader.form})"  # in parentheses, because the parser takes no space at the head
    try:
        body = ast.parse(form, mode="eval").body
    except SyntaxError as wrong:
        at = max(1, min((wrong.offset or 1) - 1, len(reader.form)))
        why = wrong.msg.removeprefix("invalid syntax").lstrip(". ")
        raise Unreadable(at, f"cannot be understood from here{why and f': {why}'}") from wrong
    except (ValueError, MemoryError, RecursionError) as wrong:
        raise Unreadable(1, "is nested too deeply; make two of it") from wrong
    _check_depth(body)
    return _Made(reader.leaves, form).visit(body)  # type: ignore[no-any-return]


def _check_depth(body: ast.expr) -> None:
    level: list[ast.AST] = [body]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise Unreadable(1, f"has more than {MAX_DEPTH} steps in each other; make two of it")


class _Made(ast.NodeTransformer):
    """The tree with constants for their letters and with the names of its functions; what is not let in is refused."""

    def __init__(self, leaves: Leaves, form: str) -> None:
        self._leaves, self._bytes = leaves, form.encode()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, _ALLOWED):
            lacking = isinstance(node, ast.Tuple) and not node.elts
            raise self._unreadable(node, "there is nothing in it" if lacking else "a list of values means nothing here")
        return super().generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._leaves.constants:
            return ast.copy_location(ast.Constant(self._leaves.constants[node.id]), node)
        if node.id in self._leaves.functions:
            raise self._unreadable(node, f"{self._leaves.functions[node.id]!r} is a function; write it with (...)")
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = self._leaves.functions.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if name is None or node.keywords or any(isinstance(each, ast.Starred) for each in node.args):
            raise self._unreadable(node, "this is no function")
        args = [self.visit(each) for each in node.args]
        least, most = (3, 3) if name == "if" else (FUNCTIONS[name].least, FUNCTIONS[name].most)
        if not least <= len(args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self._unreadable(
                node, f"{name}(...) has {wanted} value{'s' * (most > 1)} in it, here are {len(args)}"
            )
        if name == "if":
            return ast.copy_location(ast.IfExp(*args), node)
        return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), args, []), node)

    def _unreadable(self, node: ast.AST, reason: str) -> Unreadable:
        before = self._bytes[: getattr(node, "col_offset", 0)]
        return Unreadable(max(1, len(before.decode(errors="ignore"))), reason)


class _Walk(simpleeval.SimpleEval):  # type: ignore[misc, unused-ignore]
    """simpleeval's walk over the tree, with operators that take columns as well and are bounded for single values."""

    def __init__(self) -> None:
        super().__init__(operators={}, functions={}, names={})
        self.nodes = {
            ast.Constant: lambda node: node.value,
            ast.Name: self._named,
            ast.UnaryOp: self._signed,
            ast.BinOp: self._combined,
            ast.BoolOp: self._joined,
            ast.Compare: self._compared,
            ast.IfExp: self._either,
            ast.Call: self._called,
        }

    def over(self, tree: ast.expr, names: dict[str, Any]) -> Any:
        """The value of the tree with these values of its names."""
        self.names = names
        return self._eval(tree)

    def _named(self, node: ast.Name) -> Any:
        value = self.names[node.id]
        if isinstance(value, _Absent):
            raise Missing(f"{value.reference} has no value")
        return value

    def _signed(self, node: ast.UnaryOp) -> Any:
        value = self._eval(node.operand)
        if isinstance(node.op, ast.Not):
            return negated(value)
        sign = _UNARY[type(node.op)]
        return applied(sign, SIGNED[sign], (value,))

    def _combined(self, node: ast.BinOp) -> Any:
        left, right = self._eval(node.left), self._eval(node.right)
        if isinstance(node.op, ast.Add):
            return added(left, right)
        sign = _BINARY[type(node.op)]
        return applied(sign, ARITHMETIC[sign], (left, right))

    def _joined(self, node: ast.BoolOp) -> Any:
        """Single values only as far as needed: `n != 0 and x / n > 2`. Columns all of them, elementwise."""
        needs_all = isinstance(node.op, ast.And)
        joined: Any = needs_all
        missing: Missing | None = None
        for each in node.values:
            try:
                flag = as_flag(self._eval(each))
            except Missing as absent:  # another one may decide without it
                missing = missing or absent
                continue
            if is_column(flag) or is_column(joined):
                joined = np.logical_and(joined, flag) if needs_all else np.logical_or(joined, flag)
            else:
                joined = flag
                if joined is not needs_all:
                    return joined
        if missing is not None:
            raise missing
        return joined

    def _compared(self, node: ast.Compare) -> Any:
        """`a < b < c` is `a < b and b < c`."""
        left, together = self._eval(node.left), None
        for sign, each in zip(node.ops, node.comparators, strict=True):
            right = self._eval(each)
            holds = compared(_COMPARISONS[type(sign)], left, right)
            together = holds if together is None else np.logical_and(together, holds)
            left = right
        return together if is_column(together) else bool(together)

    def _either(self, node: ast.IfExp) -> Any:
        condition = as_flag(self._eval(node.test))
        if not is_column(condition):
            return self._eval(node.body if condition else node.orelse)
        return chosen(condition, self._eval(node.body), self._eval(node.orelse))

    def _called(self, node: ast.Call) -> Any:
        name = node.func.id  # type: ignore[attr-defined]
        return applied(name, FUNCTIONS[name], tuple(self._eval(each) for each in node.args))
