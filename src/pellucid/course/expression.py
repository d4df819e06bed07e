"""What makes an option true: a condition on measures of artefacts, with a margin that says by how much it holds or fails.

Quantitative semantics (Fainekos and Pappas, TCS 2009; Donzé and Maler, FORMATS 2010): a >= b has the margin a - b; `and` is the
least of its margins, `or` the greatest, `not` the negative. A condition holds where its margin is above zero.

In Python the same conditions are written with operators: `(call("share", Name("lime")[Text("3")]) >= 0.5) & ~other`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar, final

import numpy as np

from pellucid.course.artefacts import Missing
from pellucid.course.measures import Measure, NotComputable, measures

Order = Literal[">=", ">", "<=", "<"]


@final
@dataclass(frozen=True)
class Margin:
    """By how much a condition holds (above zero) or fails, and the two sides of the comparison that decided it."""

    margin: float
    value: float
    threshold: float


@final
@dataclass(frozen=True)
class Unit:
    """In what a margin is counted, and the least that an eye can tell of it."""

    name: str
    floor: float


@dataclass(frozen=True)
class Term:
    """Something with a value: a number where it is compared, whatever a measure takes where it is an argument."""

    def __ge__(self, other: "Term | int | float") -> "Compare":
        return Compare(self, ">=", _term(other))

    def __gt__(self, other: "Term | int | float") -> "Compare":
        return Compare(self, ">", _term(other))

    def __le__(self, other: "Term | int | float") -> "Compare":
        return Compare(self, "<=", _term(other))

    def __lt__(self, other: "Term | int | float") -> "Compare":
        return Compare(self, "<", _term(other))

    def __add__(self, other: "Term | int | float") -> "Arithmetic":
        return Arithmetic("+", self, _term(other))

    def __sub__(self, other: "Term | int | float") -> "Arithmetic":
        return Arithmetic("-", self, _term(other))

    def __mul__(self, other: "Term | int | float") -> "Arithmetic":
        return Arithmetic("*", self, _term(other))

    def __truediv__(self, other: "Term | int | float") -> "Arithmetic":
        return Arithmetic("/", self, _term(other))

    def __neg__(self) -> "Negative":
        return Negative(self)

    def __getitem__(self, keys: "Term | int | str | tuple[Term | int | str, ...]") -> "Index":
        return Index(self, tuple(_term(key) for key in (keys if isinstance(keys, tuple) else (keys,))))


@final
@dataclass(frozen=True)
class Number(Term):
    value: int | float

    def __str__(self) -> str:
        return repr(self.value) if self.value >= 0 else f"({self.value!r})"


@final
@dataclass(frozen=True)
class Text(Term):
    value: str

    def __str__(self) -> str:
        return repr(self.value)


@final
@dataclass(frozen=True)
class Name(Term):
    """An artefact, a region, or something that `each`, `let` or the parameters bind."""

    id: str

    def __str__(self) -> str:
        return self.id


@final
@dataclass(frozen=True)
class Index(Term):
    of: Term
    keys: tuple[Term, ...]

    def __str__(self) -> str:
        return f"{self.of}[{', '.join(map(str, self.keys))}]"


@final
@dataclass(frozen=True)
class Call(Term):
    measure: Measure
    arguments: tuple[Term, ...]
    named: tuple[tuple[str, Term], ...] = ()

    def __str__(self) -> str:
        return f"{self.measure.name}({', '.join([*map(str, self.arguments), *(f'{k}={v}' for k, v in self.named)])})"


@final
@dataclass(frozen=True)
class Arithmetic(Term):
    operator: Literal["+", "-", "*", "/"]
    left: Term
    right: Term

    def __str__(self) -> str:
        return f"({self.left} {self.operator} {self.right})"


@final
@dataclass(frozen=True)
class Negative(Term):
    of: Term

    def __str__(self) -> str:
        return f"(-{self.of})"


@dataclass(frozen=True)
class Condition:
    """Something that holds or fails by a margin."""

    def __and__(self, other: "Condition") -> "And":
        return And((self, other))

    def __or__(self, other: "Condition") -> "Or":
        return Or((self, other))

    def __invert__(self) -> "Not":
        return Not(self)

    def __bool__(self) -> bool:  # subtle: `0 <= x <= 1` and `a and b` would silently lose one half in Python
        raise TypeError("a condition has no truth before it is measured; combine conditions with &, | and ~")


@final
@dataclass(frozen=True)
class Compare(Condition):
    left: Term
    order: Order
    right: Term

    def __str__(self) -> str:
        return f"{self.left} {self.order} {self.right}"


@final
@dataclass(frozen=True)
class Not(Condition):
    of: Condition

    def __str__(self) -> str:
        return f"not ({self.of})"


@final
@dataclass(frozen=True)
class And(Condition):
    of: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(f"({one})" for one in self.of)


@final
@dataclass(frozen=True)
class Or(Condition):
    of: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(f"({one})" for one in self.of)


E = TypeVar("E", bound=Term | Condition)


def call(measure: str, *arguments: Term | int | float | str, **named: Term | int | float | str) -> Call:
    """A measure of terms. KeyError for an unknown measure."""
    return Call(measures[measure], tuple(map(_term, arguments)), tuple((k, _term(v)) for k, v in named.items()))


# ------------------------------------------------------------------------------------------------ what a condition is made of


def parts(of: Term | Condition) -> Iterator[Term | Condition]:
    """The expression itself and everything in it, from the outside in."""
    yield of
    for one in fields(of):
        held = getattr(of, one.name)
        for inner in held if isinstance(held, tuple) else (held,):
            inner = inner[1] if isinstance(inner, tuple) else inner
            if isinstance(inner, Term | Condition):
                yield from parts(inner)


def names(of: Term | Condition) -> frozenset[str]:
    """The names that it reads."""
    return frozenset(part.id for part in parts(of) if isinstance(part, Name))


def bound(of: E, binding: Mapping[str, int | float | str]) -> E:
    """The expression with these names replaced by their numbers and texts."""

    def filled(value: Any) -> Any:
        if isinstance(value, Name):
            return _term(binding[value.id]) if value.id in binding else value
        if isinstance(value, Term | Condition):
            return replace(value, **{f.name: filled(getattr(value, f.name)) for f in fields(value)})
        return tuple(map(filled, value)) if isinstance(value, tuple) else value

    return filled(of)


def unit(of: Condition) -> Unit | None:
    """In what its margin is counted; None where it mixes units, or a product or a quotient makes a unit of its own."""
    sides = [side for part in parts(of) if isinstance(part, Compare) for side in (part.left, part.right)]
    return _common([_unit(side) for side in sides])


_ANY = Unit("", 0.0)


def _unit(of: Term) -> Unit | None:
    match of:
        case Call():
            return Unit(of.measure.unit, of.measure.floor)
        case Negative():
            return _unit(of.of)
        case Arithmetic("+" | "-"):
            return _common([_unit(of.left), _unit(of.right)])
        case Number():
            return _ANY
        case _:
            return None


def _common(units: list[Unit | None]) -> Unit | None:
    counted = [one for one in units if one != _ANY]
    if not counted or any(one is None for one in counted) or len({one.name for one in counted if one}) > 1:
        return _ANY if units and not counted else None
    return Unit(counted[0].name, max(one.floor for one in counted if one)) if counted[0] else None


# ------------------------------------------------------------------------------------------------ measuring


@final
@dataclass(frozen=True)
class Measured:
    """The environment of one run, with the values of the calls that were already made in it."""

    environment: Mapping[str, Any]
    _calls: dict[Call, float] = field(default_factory=dict[Call, float])

    def margin(self, of: Condition) -> Margin:
        """By how much the condition holds. NotComputable where a measure has no value or a divisor is zero; ValueError for what
        does not fit together, such as a key that an artefact does not have."""
        match of:
            case Compare():
                left, right = self.number(of.left), self.number(of.right)
                return Margin(left - right if of.order in (">=", ">") else right - left, left, right)
            case Not():
                inner = self.margin(of.of)
                return replace(inner, margin=-inner.margin)
            case And():
                return min((self.margin(one) for one in of.of), key=lambda one: one.margin)
            case Or():
                return max((self.margin(one) for one in of.of), key=lambda one: one.margin)
            case _:
                raise TypeError(f"{type(of).__name__} is no condition")

    def number(self, of: Term) -> float:
        """The term's value, which must be one finite number."""
        found = self.value(of)
        if isinstance(found, np.ndarray | np.generic) and found.ndim == 0:
            found = found.item()
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise ValueError(f"{of} is {_shape(found)}, not a number; let a measure make a number of it")
        if not math.isfinite(found):
            raise NotComputable(f"{of} is {found}")
        return float(found)

    def value(self, of: Term) -> Any:
        """The term's value, whatever it is."""
        match of:
            case Number() | Text():
                return of.value
            case Name():
                if of.id not in self.environment:
                    raise ValueError(f"nothing is named {of.id!r} here")
                return self.environment[of.id]
            case Index():
                return _item(self.value(of.of), [self.value(key) for key in of.keys], of)
            case Call():
                if of not in self._calls:
                    named = {name: self.value(one) for name, one in of.named}
                    self._calls[of] = of.measure(*map(self.value, of.arguments), **named)
                return self._calls[of]
            case Negative():
                return -self.number(of.of)
            case Arithmetic():
                left, right = self.number(of.left), self.number(of.right)
                if of.operator == "/":
                    if right == 0:
                        raise NotComputable(f"{of.right} is zero, and divides {of.left}")
                    return left / right
                return left + right if of.operator == "+" else left - right if of.operator == "-" else left * right
            case _:
                raise TypeError(f"{type(of).__name__} is no term")


def _item(value: Any, keys: list[Any], of: Index) -> Any:
    found = _within(value, keys, of)
    if isinstance(found, Missing):
        raise NotComputable(f"{of}: {found.reason}")
    return found


def _within(value: Any, keys: list[Any], of: Index) -> Any:
    if isinstance(value, Mapping):
        for key in keys:
            if not isinstance(value, Mapping) or str(key) not in value:
                known = f"it has: {', '.join(map(str, value))}" if isinstance(value, Mapping) else f"it is {_shape(value)}"
                raise ValueError(f"{of}: there is no {key!r} in {of.of}; {known}")
            value = value[str(key)]
        return value
    if isinstance(value, np.ndarray) and all(isinstance(key, int) for key in keys):
        if len(keys) <= value.ndim and all(0 <= key < size for key, size in zip(keys, value.shape, strict=False)):
            return value[tuple(keys)]
        raise ValueError(f"{of}: {keys} is not within {_shape(value)}")
    raise ValueError(f"{of}: {of.of} is {_shape(value)} and has no {keys}")


def _shape(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {' x '.join(map(str, value.shape))}"
    return f"a mapping of {len(value)}" if isinstance(value, Mapping) else f"a {type(value).__name__} ({str(value)[:40]})"


def _term(value: Any) -> Term:
    if isinstance(value, Term):
        return value
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is a {type(value).__name__}; a term is a number, a text, a name or a measure of them")
    return Number(value)
