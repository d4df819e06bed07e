"""What students write in the notebooks, checked: the message says what was wrong, what was given, and what would do.

A function that a student writes becomes an `Exercise`, which the notebook goes on with: the student's own once it passes, and
until then the library's.
"""

import html
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float64

from pellucid.course.settings import kind

Ours = Callable[[np.ndarray, np.ndarray], float]
Numbers = Sequence[int | float]

CLOSE = 1e-6
"""How far a student's number may be from ours, as a share of the larger one, or in all where that is more: rounding."""
DIMENSIONS = 384
"""Of the random vectors: as many as a hidden state of the shipped encoders has."""
PAIRS = 20


@final
@dataclass(frozen=True)
class Exercise:
    """A function that a student was to write, and what became of it."""

    name: str
    passed: bool
    message: str
    function: Ours
    """What the notebook goes on with: the student's once it passes, until then the library's."""

    def __call__(self, a: np.ndarray, b: np.ndarray) -> float:
        return float(self.function(a, b))

    @property
    def whose(self) -> str:
        """For a caption."""
        return f"your {self.name}" if self.passed else f"the library's {self.name}, not yet yours"

    def matrix(self, vectors: Float[np.ndarray, "vector dimension"]) -> Float64[np.ndarray, "vector vector"]:
        """Of each vector with each."""
        return np.array([[self(a, b) for b in vectors] for a in vectors], dtype=np.float64)

    def __str__(self) -> str:
        return f"{'Yours' if self.passed else 'Not yet yours'}: {self.message}"

    def _repr_html_(self) -> str:
        colour, mark = ("#009e73", "✓ Yours") if self.passed else ("#d55e00", "✗ Not yet yours")
        return (
            f'<div style="border-left: 5px solid {colour}; padding: 0.4em 0.9em; margin: 0.4em 0">'
            f"<strong>{mark}: <code>{html.escape(self.name)}</code></strong><br>{html.escape(self.message)}</div>"
        )


@final
@dataclass(frozen=True)
class Task:
    """What is to be written: the library's answer, vectors to compare with, and the mistakes that we know by what they give."""

    name: str
    library: Ours
    first: tuple[Numbers, Numbers]
    """Two short vectors, with which a difference is easily followed by hand."""
    known: tuple[tuple[str, Numbers, Numbers], ...]
    """More of them, each with what they are to each other."""
    mistakes: Mapping[str, Ours]
    """By what to say about it: `you gave ...`."""
    refuses_zero: bool


def cosine_similarity(own: object) -> Exercise:
    """A student's cosine similarity of two vectors."""
    return _checked(COSINE, own)


def euclidean_distance(own: object) -> Exercise:
    """A student's Euclidean distance of two vectors."""
    return _checked(EUCLIDEAN, own)


class Wrong(Exception):
    """What to tell the student."""


def _checked(task: Task, own: Any) -> Exercise:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):  # a division by zero is told of in words
            warnings.simplefilter("ignore")
            done = _tried(task, own)
    except Wrong as wrong:
        return Exercise(task.name, False, f"{wrong} Until it passes, the library's own is used below.", task.library)
    return Exercise(task.name, True, f"{done} It is used below.", own)


def _tried(task: Task, own: object) -> str:
    """What was tried, when all is well. Raises Wrong at the first thing that is not."""
    if not callable(own):
        raise Wrong(f"{task.name} is {own!r}, {kind(own)}; write a function, def {task.name}(a, b): ...")
    pairs = [(f"{task.name}({_shown(a)}, {_shown(b)})", _array(a), _array(b)) for a, b in [task.first]]
    pairs += [(f"{task.name}({_shown(a)}, {_shown(b)}), {what},", _array(a), _array(b)) for what, a, b in task.known]
    rng = np.random.default_rng(0)
    for n in range(PAIRS):
        a, b = rng.standard_normal((2, DIMENSIONS)) * 10.0 ** rng.integers(-2, 3, size=(2, 1))
        pairs.append((f"{task.name} of two random vectors of {DIMENSIONS} numbers (pair {n})", a, b))
    given: list[float] = []
    for which, a, b in pairs:
        given.append(_number(own, which, a, b))
        right = task.library(a, b)
        if not _alike(given[-1], right):
            raise Wrong(f"{which} gave {_digits(given[-1])}; {_digits(right)} is right. {_diagnosis(task, own, pairs)}".strip())
    _refuses_shapes(task, own)
    if task.refuses_zero:
        _refuses_zero(task, own)
        return f"it agrees with the library's on {len(pairs)} pairs of vectors, and refuses other shapes and a length of zero."
    return f"it agrees with the library's on {len(pairs)} pairs of vectors, and refuses other shapes."


def _number(own: Callable[..., Any], which: str, a: np.ndarray, b: np.ndarray) -> float:
    """What the student's function gives for these; Wrong unless that is one number, and it leaves the vectors alone."""
    left, right = a.copy(), b.copy()
    try:
        value = own(left, right)
    except NotImplementedError:
        raise Wrong("nothing is written yet; put the formula between the marks.") from None
    except Exception as error:  # whatever a student's function may raise
        raise Wrong(f"{which} ended in {_said(error)}.") from None
    if value is None or value is Ellipsis:
        raise Wrong(f"{which} gave nothing back; end your function with return and a number.")
    if not (np.array_equal(left, a) and np.array_equal(right, b)):
        raise Wrong(
            f"{which} changed the vectors that it was given, as /= and -= do; make new ones instead, such as a / length."
        )
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{which} gave {value!r:.60}, {kind(value)}; return one number.") from None
    if array.ndim:
        raise Wrong(f"{which} gave an array of shape {array.shape}; return one number, the sum over all places included.")
    return float(array)


def _diagnosis(task: Task, own: Callable[..., Any], pairs: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> str:
    """What the student's function does instead, where it is a mistake that we know."""
    some = pairs[:8]
    try:
        given = [_number(own, which, a, b) for which, a, b in some]
    except Wrong:
        return ""
    for what, mistake in task.mistakes.items():
        if all(_alike(value, mistake(a, b)) for value, (_, a, b) in zip(given, some, strict=True)):
            return f"You gave {what}."
    return ""


def _refuses_shapes(task: Task, own: Callable[..., Any]) -> None:
    for a, b in (((1.0, 2.0, 3.0), (4.0, 5.0)), ((2.0,), (1.0, 2.0, 3.0))):
        which = f"{task.name}({_shown(a)}, {_shown(b)}), vectors of {len(a)} and {len(b)} numbers,"
        cure = "two vectors of different lengths cannot be compared, so raise ValueError when a.shape != b.shape."
        _must_refuse(own, which, _array(a), _array(b), cure)


def _refuses_zero(task: Task, own: Callable[..., Any]) -> None:
    zero, other = (0.0, 0.0, 0.0), (1.0, 2.0, 3.0)
    cure = "a vector of length zero has no direction and so no cosine: raise ValueError when a length is 0."
    for a, b in ((zero, other), (other, zero)):
        _must_refuse(own, f"{task.name}({_shown(a)}, {_shown(b)})", _array(a), _array(b), cure)


def _must_refuse(own: Callable[..., Any], which: str, a: np.ndarray, b: np.ndarray, cure: str) -> None:
    try:
        value = own(a, b)
    except ValueError:
        return
    except Exception as error:  # whatever a student's function may raise
        raise Wrong(f"{which} ended in {_said(error)}; {cure}") from None
    raise Wrong(f"{which} gave {value!r:.60}; {cure}")


def _said(error: Exception) -> str:
    """As a traceback ends: an assert without a text has its name alone."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _alike(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)


def _array(values: Numbers) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def _shown(values: Numbers) -> str:
    return f"[{', '.join(f'{v:g}' for v in values)}]"


def _digits(value: float) -> str:
    return f"{value:.6g}"


# ------------------------------------------------------------------------------------------------------ the two tasks


def _library(metric: str) -> Ours:
    def ours(a: np.ndarray, b: np.ndarray) -> float:
        import torch  # late: settings are checked without it

        from pellucid.analysis import similarity

        pair = torch.from_numpy(np.stack([a, b]).astype(np.float64))[None]
        found = similarity.cosine(pair) if metric == "cosine" else similarity.euclidean(pair)
        return float(found[0, 0, 1])

    return ours


def _length(a: np.ndarray) -> float:
    return float(np.linalg.norm(a))


COSINE = Task(
    name="cosine_similarity",
    library=_library("cosine"),
    first=((3, 4), (4, 3)),
    known=(
        ("two of the same direction", (1, 2, 2), (2, 4, 4)),
        ("two at right angles", (1, 0), (0, 5)),
        ("two of opposite directions", (1, -2), (-2, 4)),
        ("two more than a right angle apart", (1, 2, 0), (-3, 0, 1)),
    ),
    mistakes={
        "the scalar product; divide it by the lengths of both vectors": lambda a, b: float(a @ b),
        "the mean product; take the sum, and divide it by the lengths of both vectors": lambda a, b: float((a * b).mean()),
        "1 minus the cosine, which is a distance; the similarity is wanted": lambda a, b: 1 - COSINE.library(a, b),
        "the angle in radians; its cosine is wanted": lambda a, b: math.acos(COSINE.library(a, b)),
        "the angle in degrees; its cosine is wanted": lambda a, b: math.degrees(math.acos(COSINE.library(a, b))),
        "the scalar product over the squared lengths; take their roots": lambda a, b: float(a @ b / (a @ a * (b @ b))),
        "the scalar product over the length of a alone; divide by that of b too": lambda a, b: float(a @ b) / _length(a),
        "the scalar product over the length of b alone; divide by that of a too": lambda a, b: float(a @ b) / _length(b),
        "the scalar product over the sum of the lengths; divide by their product": lambda a, b: (
            float(a @ b) / (_length(a) + _length(b))
        ),
        "the square of the cosine": lambda a, b: COSINE.library(a, b) ** 2,
        "the magnitude of the cosine; keep its sign": lambda a, b: abs(COSINE.library(a, b)),
    },
    refuses_zero=True,
)
EUCLIDEAN = Task(
    name="euclidean_distance",
    library=_library("euclidean"),
    first=((1, 2), (4, 6)),
    known=(
        ("twice the same", (1, -2, 2), (1, -2, 2)),
        ("a vector and zero", (2, 3, 6), (0, 0, 0)),
        ("two of opposite directions", (1, -2), (-2, 4)),
    ),
    mistakes={
        "the squared distance; take the root": lambda a, b: float((a - b) @ (a - b)),
        "the sum of the magnitudes; square the differences, and take the root of their sum": lambda a, b: float(
            np.abs(a - b).sum()
        ),
        "the largest difference; all of them count": lambda a, b: float(np.abs(a - b).max()),
        "the root of the mean square; take the sum in place of the mean": lambda a, b: _length(a - b) / math.sqrt(len(a)),
        "the difference of the two lengths; take the length of the difference": lambda a, b: abs(_length(a) - _length(b)),
        "the length of the sum; take that of the difference": lambda a, b: _length(a + b),
        "the sum of the differences, in which they cancel; square them first": lambda a, b: float((a - b).sum()),
        "the scalar product": lambda a, b: float(a @ b),
    },
    refuses_zero=False,
)
