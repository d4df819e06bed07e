"""How the questions of an assignment did: classical item analysis of who answered what.

Everything is over the students who answered at least one question; a question that one of them left out counts as wrong, as in
their grade. Only what is said of options is of those who answered their question: who left it out chose nothing. Intervals are
of 95 %. Sources: Wilson, JASA 22, 1927 (shares); Fisher, Metron 1, 1921 (correlations); Kuder and Richardson, Psychometrika 2,
1937 (KR-20); Cronbach, Psychometrika 16, 1951 (alpha); Feldt, Psychometrika 30, 1965 (its interval); Kelley, Journal of
Educational Psychology 30, 1939 (the upper and the lower 27 %).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

from pellucid.course.assignment import Assignment, Key

FEW = 30
"""Below so many students an item-rest correlation says next to nothing: its standard deviation is 0.17 at 30. Nor is a third
of so few a witness against the key."""
Z = 1.959963984540054
EXTREME = 0.27
Interval = tuple[float, float]
Answers = Mapping[str, Collection[str]]
"""One student's selections, by question."""


@final
@dataclass(frozen=True)
class OptionAnalysis:
    id: str
    correct: bool | None
    """None where the key accepts it either way."""
    chosen: float | None
    """Share who chose it of those who answered the question; None of nobody."""
    by_third: tuple[float | None, float | None, float | None]
    """The same among the lower, the middle and the upper third by total of all questions."""
    top_interval: Interval
    """Of the upper third's share."""
    disagrees: bool
    """Most of the upper third sees it otherwise than the key: a second, independent witness against the key.

    Said where 30 students answered the question and the whole interval of the upper third's share lies beyond a half.
    """


@final
@dataclass(frozen=True)
class QuestionAnalysis:
    id: str
    answered: int
    difficulty: float
    """Share of students whose latest answer earns the points (high is easy)."""
    difficulty_interval: Interval
    first_difficulty: float
    """The same of the first answer that each settled on (`storage.answers.first_attempts`)."""
    item_rest: float | None
    """Correlation of this question with the points of all others; None where one of the two does not vary."""
    item_rest_interval: Interval | None
    upper: float
    """Share right among the upper 27 % by total; ties at the border count in part."""
    lower: float
    discrimination: float
    """`upper - lower`."""
    alpha_if_deleted: float | None
    options: tuple[OptionAnalysis, ...]


@final
@dataclass(frozen=True)
class ItemAnalysis:
    n: int
    few: bool
    """Fewer than 30 students: read nothing into the numbers."""
    mean: float
    """Of the totals, in tenths."""
    sd: float
    kr20: float | None
    """Of right and wrong, every question weighing the same; None where nobody differs."""
    alpha: float | None
    """Of the points."""
    alpha_interval: Interval | None
    questions: tuple[QuestionAnalysis, ...]
    disagreements: tuple[tuple[str, str], ...]
    """(question, option) where the upper third disagrees with the key."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def analyse(
    assignment: Assignment, key: Key, latest: Sequence[Answers], first: Sequence[Answers] | None = None
) -> ItemAnalysis:
    """The analysis of these students' latest answers, one mapping a student; `first` are their first ones in the same order."""
    rows = [i for i, one in enumerate(latest) if any(one.values())]
    latest = [latest[i] for i in rows]
    first = latest if first is None else [first[i] for i in rows]
    right, first_right = marks(assignment, key, latest), marks(assignment, key, first)
    points = right * np.array([q.tenths for q in assignment.questions], dtype=float)
    total = points.sum(1)
    thirds = by_thirds(total)
    upper, lower = highest(total, EXTREME * len(rows)), highest(-total, EXTREME * len(rows))
    questions = []
    for j, question in enumerate(assignment.questions):
        r = correlation(right[:, j], total - points[:, j])
        wins, losses = share(right[:, j], upper), share(right[:, j], lower)
        correct = {o.id: _correct(key, question.id, o.id) for o in question.options}
        chosen = {o.id: np.array([float(o.id in one.get(question.id, ())) for one in latest]) for o in question.options}
        answered = np.array([bool(one.get(question.id)) for one in latest], dtype=bool)
        questions.append(QuestionAnalysis(
            question.id, int(answered.sum()),
            share(right[:, j]), wilson(right[:, j].sum(), len(rows)), share(first_right[:, j]),
            r, fisher(r, len(rows)), wins, losses, wins - losses, alpha(np.delete(points, j, 1)),
            tuple(_option(id, correct[id], chosen[id][answered], thirds[:, answered]) for id in chosen),
        ))  # fmt: skip
    a = alpha(points)
    return ItemAnalysis(
        len(rows), len(rows) < FEW, mean(total), float(total.std()) if rows else 0.0,
        kr20(right), a, feldt(a, *points.shape), tuple(questions),
        tuple((q.id, o.id) for q in questions for o in q.options if o.disagrees),
    )  # fmt: skip


def marks(assignment: Assignment, key: Key, answers: Sequence[Answers]) -> Float[np.ndarray, "student question"]:
    """1 where the answer earns the points of the question, else 0."""
    rows = [[key.right(q.id, one.get(q.id, ())) for q in assignment.questions] for one in answers]
    return np.array(rows, dtype=float).reshape(len(answers), len(assignment.questions))


def mean(values: Float[np.ndarray, " student"], weights: Float[np.ndarray, " student"] | None = None) -> float:
    """The weighted mean; 0.0 of nothing."""
    weights = np.ones(len(values)) if weights is None else weights
    return float(values @ weights / weights.sum()) if weights.sum() > 0 else 0.0


def share(marked: Float[np.ndarray, " student"], weights: Float[np.ndarray, " student"] | None = None) -> float:
    """The weighted share of ones among zeros; 0.0 of nothing."""
    return min(1.0, mean(marked, weights))  # subtle: a quotient of two equal sums of thirds may be 1 + 2e-16


def highest(total: Float[np.ndarray, " student"], size: float) -> Float[np.ndarray, " student"]:
    """Weights in [0, 1] that sum to `size`: 1 for the highest totals, and those who tie at the border share what is left.

    So the order in which students stand in the table decides nothing.
    """
    above = (total[None, :] > total[:, None]).sum(1)
    tied = (total[None, :] == total[:, None]).sum(1)
    return np.clip((size - above) / np.maximum(tied, 1), 0.0, 1.0)


def by_thirds(total: Float[np.ndarray, " student"]) -> Float[np.ndarray, "third student"]:
    """Weights of the lower, the middle and the upper third; the three of every student sum to 1."""
    third = len(total) / 3
    upper, lower = highest(total, third), highest(-total, third)
    # subtle: where more than a third ties, these students belong in part to all three
    return np.stack([lower, np.maximum(1.0 - upper - lower, 0.0), upper])


def wilson(successes: float | int, n: float | int) -> Interval:
    """Wilson's score interval of a share; all of [0, 1] where n is 0."""
    if n <= 0:
        return (0.0, 1.0)
    p, z2 = successes / n, Z * Z / n
    centre = (p + z2 / 2) / (1 + z2)
    half = Z * float(np.sqrt(p * (1 - p) / n + z2 / (4 * n))) / (1 + z2)
    return (max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def correlation(a: Float[np.ndarray, " student"], b: Float[np.ndarray, " student"]) -> float | None:
    """Pearson's r; None where one of the two does not vary."""
    a, b = a - a.mean() if len(a) else a, b - b.mean() if len(b) else b
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / norm, -1.0, 1.0)) if norm > 1e-9 else None


def fisher(r: float | None, n: int) -> Interval | None:
    """The interval of r by Fisher's z; None below four students or where r is 1 or -1."""
    if r is None or n < 4 or abs(r) >= 1:
        return None
    z, half = float(np.arctanh(r)), Z / float(np.sqrt(n - 3))
    return (float(np.tanh(z - half)), float(np.tanh(z + half)))


def kr20(right: Float[np.ndarray, "student question"]) -> float | None:
    """k / (k - 1) (1 - sum of p q / variance of the number right)."""
    p, k = right.mean(0) if len(right) else np.zeros(right.shape[1]), right.shape[1]
    variance = float(right.sum(1).var()) if len(right) else 0.0
    return float(k / (k - 1) * (1 - (p * (1 - p)).sum() / variance)) if k > 1 and variance > 0 else None


def alpha(points: Float[np.ndarray, "student question"]) -> float | None:
    """Cronbach's alpha; None for a single question or where no total differs."""
    k = points.shape[1]
    variance = float(points.sum(1).var()) if len(points) else 0.0
    return float(k / (k - 1) * (1 - points.var(0).sum() / variance)) if k > 1 and variance > 0 else None


def feldt(a: float | None, n: int, k: int) -> Interval | None:
    """Feldt's interval of alpha: (1 - alpha) / (1 - estimate) has an F distribution of n - 1 and (n - 1)(k - 1) degrees."""
    if a is None or n < 3 or k < 2:
        return None
    from scipy.special import fdtri

    free, between = n - 1, (n - 1) * (k - 1)
    return (float(1 - (1 - a) * fdtri(free, between, 0.975)), float(1 - (1 - a) * fdtri(free, between, 0.025)))


def _correct(key: Key, question: str, option: str) -> bool | None:
    """Whether the option belongs to what the key accepts; None where it may be chosen or not."""
    within = {option in one for one in key.accepted[question]}
    either = question in key.full or option in key.disregarded.get(question, ()) or len(within) != 1
    return None if either else within.pop()


def _option(
    id: str, correct: bool | None, chosen: Float[np.ndarray, " student"], thirds: Float[np.ndarray, "third student"]
) -> OptionAnalysis:
    low, middle, top = (share(chosen, weights) if weights.sum() > 0 else None for weights in thirds)
    n = float(thirds[2].sum())
    interval = wilson((top or 0.0) * n, n)
    disagrees = correct is not None and len(chosen) >= FEW and (interval[1] < 0.5 if correct else interval[0] > 0.5)
    return OptionAnalysis(id, correct, share(chosen) if len(chosen) else None, (low, middle, top), interval, disagrees)
