"""A condition from its text. The text is Python's grammar for expressions, of which only the listed forms are let through.

Nothing is evaluated: the tree of the text is translated node by node, and a form that is not listed is an error.
"""

import ast
import inspect
import math
from typing import Literal

from pellucid.course.expression import (
    And,
    Arithmetic,
    Call,
    Compare,
    Condition,
    Index,
    Name,
    Negative,
    Not,
    Number,
    Or,
    Order,
    Term,
    Text,
)
from pellucid.course.measures import measures
from pellucid.registry import unknown

LONGEST = 2000
"""Characters that a condition may have."""
DEEPEST = 30
"""Levels that it may be nested."""

ORDERS: dict[type[ast.cmpop], Order] = {ast.GtE: ">=", ast.Gt: ">", ast.LtE: "<=", ast.Lt: "<"}
OPERATORS: dict[type[ast.operator], Literal["+", "-", "*", "/"]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class ExpressionError(ValueError):
    """A text is no condition; says what stands where, and what would do."""


def parse(text: str) -> Condition:
    """The condition that the text writes. ExpressionError for anything else, however long or deep."""
    if len(text) > LONGEST:
        raise ExpressionError(f"a condition of {len(text)} characters; at most {LONGEST} are read")
    text = " ".join(text.split("\n")).strip()  # it may be written over several lines
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply, or holds what no text holds"
        raise ExpressionError(f"{_short(text)} cannot be read: {said}") from None
    return _condition(tree.body, text, 0)


def _condition(node: ast.expr, text: str, depth: int) -> Condition:
    _check_depth(text, depth)
    match node:
        case ast.BoolOp(op=op, values=values):
            made = tuple(_condition(value, text, depth + 1) for value in values)
            return And(made) if isinstance(op, ast.And) else Or(made)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_condition(operand, text, depth + 1))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            terms = [_term(side, text, depth + 1) for side in (left, *comparators)]
            for op in ops:
                if type(op) not in ORDERS:
                    raise _refused(text, node, "this comparison", "compare by >=, >, <= or <: equality has no margin")
            made = tuple(Compare(terms[i], ORDERS[type(op)], terms[i + 1]) for i, op in enumerate(ops))
            return made[0] if len(made) == 1 else And(made)
    raise _refused(text, node, _called(node), "a condition compares: such as share(lime[image], subject[image]) >= 0.5")


def _term(node: ast.expr, text: str, depth: int) -> Term:
    _check_depth(text, depth)
    match node:
        case ast.Constant(value=bool() | complex() | bytes() | None):
            pass
        case ast.Constant(value=int() | float() as value):
            if not math.isfinite(value) or abs(value) > 1e12:
                raise _refused(text, node, f"the number {value}", "numbers are finite and below 1e12")
            return Number(value)
        case ast.Constant(value=str() as value):
            return Text(value)
        case ast.Name(id=id):
            if id in measures:
                raise _refused(text, node, f"{id} without parentheses", f"it is a measure: {id}(...)")
            if id.startswith("__"):
                raise _refused(text, node, f"the name {id}", "names are those of artefacts, regions and parameters")
            return Name(id)
        case ast.Subscript(value=value, slice=key):
            keys = key.elts if isinstance(key, ast.Tuple) and key.elts else [key]
            return Index(_term(value, text, depth + 1), tuple(_term(one, text, depth + 1) for one in keys))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if not isinstance(value, bool):
            return _negated(_term(node.operand, text, depth + 1))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Negative(_term(operand, text, depth + 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return Arithmetic(OPERATORS[type(op)], _term(left, text, depth + 1), _term(right, text, depth + 1))
        case ast.Call(func=ast.Name(id=id), args=arguments, keywords=keywords):
            return _call(id, arguments, keywords, node, text, depth)
    raise _refused(
        text, node, _called(node),
        "terms are numbers, texts, names, name[key], measure(...), and + - * / of them; and, or, not join comparisons",
    )  # fmt: skip


def _call(id: str, arguments: list[ast.expr], keywords: list[ast.keyword], node: ast.Call, text: str, depth: int) -> Call:
    if id not in measures:
        raise ExpressionError(f"in {_short(text)}: {unknown('measure', id, sorted(measures))}")
    measure = measures[id]
    made = tuple(_term(one, text, depth + 1) for one in arguments)
    named: list[tuple[str, Term]] = []
    for keyword in keywords:
        if keyword.arg is None:
            raise _refused(text, node, "**", "name each argument")
        named.append((keyword.arg, _term(keyword.value, text, depth + 1)))
    signature = inspect.signature(measure.function)
    try:
        signature.bind(*made, **dict(named))
    except TypeError as error:
        raise ExpressionError(f"in {_short(text)}: {id} {error}; it is {id}{_plain(signature)}") from None
    return Call(measure, made, tuple(named))


def _negated(number: Term) -> Term:
    assert isinstance(number, Number)
    return Number(-number.value)


def _plain(signature: inspect.Signature) -> str:
    """A signature's names and defaults, without its types."""
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _check_depth(text: str, depth: int) -> None:
    if depth > DEEPEST:
        raise ExpressionError(f"{_short(text)} is nested deeper than {DEEPEST} levels")


def _refused(text: str, node: ast.expr, what: str, would_do: str) -> ExpressionError:
    written = ast.get_source_segment(text, node) or ""
    return ExpressionError(f"in {_short(text)}: {what} is not allowed here ({_short(written)}); {would_do}")


def _called(node: ast.expr) -> str:
    known = {
        ast.Attribute: "a dot", ast.Lambda: "lambda", ast.NamedExpr: ":=", ast.ListComp: "a comprehension",
        ast.GeneratorExp: "a comprehension", ast.SetComp: "a comprehension", ast.DictComp: "a comprehension",
        ast.IfExp: "if else", ast.JoinedStr: "an f-string", ast.Starred: "a star", ast.Slice: "a slice",
        ast.Await: "await", ast.Yield: "yield", ast.Call: "calling this", ast.Compare: "a comparison", ast.BoolOp: "and or or",
    }  # fmt: skip
    return known.get(type(node), f"a {type(node).__name__}".replace("a Constant", "this constant"))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 90 else f"{flat[:60]} ... {flat[-20:]}")
