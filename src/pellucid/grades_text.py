"""Methods for text graded: do they find the words that decide, and does the answer hang on what they rank first; at what price?

The encoders of `planted_text` are taught a rule, so that the words that decide are known and shown to decide. In a
passage that a question is asked of nobody knows them; there it is measured what removing words does to the answer.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float64

from pellucid.analysis.erasure import comprehensiveness, sufficiency
from pellucid.analysis.planted_text import TextPlant
from pellucid.analysis.token_scores import TokenMethod, TokenScores, token_scores
from pellucid.grades import CANNOT, Progress, between, over, places, price, probability_above
from pellucid.measurement import Interval
from pellucid.models.text import TextEncoder
from pellucid.trust import passes


@final
@dataclass(frozen=True)
class TextGrade:
    """How one method did."""

    method: str
    found: Interval | None
    """On planted encoders: the probability that a word of the rule ranks above another one (area under the ROC curve); 0.5 is
    chance. Mean over the texts of all plants; None where there were no plants."""
    by_plant: Mapping[str, float]
    comprehensiveness: Interval | None
    """In passages: how much more of the answer's probability goes with the words it ranks first than with random ones."""
    sufficiency: Interval | None
    """How much more of it stays with those words alone than with random ones: above 0 is good, unlike in the bare metric."""
    rank: tuple[int, int] | None
    """Place among the methods by `found` (by `comprehensiveness` without plants), 1 being best: 95 % of resamples lie between
    these."""
    passes: float
    """A text, a gradient counted as three; in passages, or on plants where there were none."""
    seconds: float
    """A text, on this machine."""
    failed: str = ""
    """Why the method gave nothing."""

    def row(self) -> dict[str, str]:
        """Its line of a table, by column."""
        shown = (self.found, self.comprehensiveness, self.sufficiency)
        columns = ("FINDS THE CAUSE", "COMPREHENSIVE", "SUFFICIENT")
        return {"METHOD": self.method, **dict(zip(columns, map(between, shown), strict=True)), **price(self)}


def grade_text(
    names: Sequence[TokenMethod],
    plants: Sequence[TextPlant],
    encoder: TextEncoder | None = None,
    passages: Sequence[tuple[str, str]] = (),
    *,
    orders: int = 20,
    seed: int = 0,
    progress: Progress = lambda share, what: None,
) -> tuple[TextGrade, ...]:
    """Each method of `token_scores` by name, with its defaults, best first. One that cannot be asked is named with the reason.

    `encoder` answers the questions of `passages`, each a question and what it is to read. Random rankings, `orders` of them,
    come from `seed`.
    """
    raw: dict[TokenMethod, _Raw] = {name: _Raw() for name in names}
    for n, (name, mine) in enumerate(raw.items()):
        for plant in plants:
            progress(n / len(raw), f"{name} on {plant.name}")
            try:
                mine.add_plant(plant, name, seed)
            except CANNOT as error:
                mine.failed.append(f"{plant.name}: {error}")
        if encoder is not None and passages:
            progress((n + 0.5) / len(raw), f"{name} on passages")
            try:
                mine.add_passages(encoder, passages, name, orders, seed)
            except CANNOT as error:
                mine.failed.append(f"passages: {error}")
    ranks = places({name: one.scores(len(plants)) for name, one in raw.items()}, seed)
    grades = [one.grade(name, ranks.get(name)) for name, one in raw.items()]
    progress(1.0, "graded")
    return tuple(sorted(grades, key=lambda g: (g.rank is None, sum(g.rank or (0, 0)), g.method)))


@dataclass
class _Raw:
    """What is gathered of one method."""

    found: dict[str, list[float]] = field(default_factory=dict)
    lost: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    passes: float = 0.0
    seconds: float = 0.0

    def add_plant(self, plant: TextPlant, name: TokenMethod, seed: int) -> None:
        scores = self._scored(plant.encoder, plant.tokens, name, seed)
        self.found[plant.name] = [
            probability_above(row[~row.isnan()], cause[~row.isnan()])
            for row, cause in zip(scores.scores, plant.cause, strict=True)
        ]

    def add_passages(
        self, encoder: TextEncoder, passages: Sequence[tuple[str, str]], name: TokenMethod, orders: int, seed: int
    ) -> None:
        scores = self._scored(encoder, list(passages), name, seed)
        for measured, gained, sign in ((comprehensiveness, self.lost, 1), (sufficiency, self.kept, -1)):
            m = measured(encoder, scores, orders=orders, seed=seed)
            assert m.chance is not None
            gained += (sign * (m.values - m.chance)).tolist()

    def _scored(self, encoder: TextEncoder, texts: object, name: TokenMethod, seed: int) -> TokenScores:
        start = time.perf_counter()
        scores = token_scores(encoder, texts, method=name, seed=seed)  # pyright: ignore[reportArgumentType]
        self.seconds, self.passes = (time.perf_counter() - start) / len(scores), passes(scores.work) / len(scores)
        return scores

    def scores(self, plants: int) -> Float64[np.ndarray, " text"]:
        """What the method is ranked by; nothing where it did not answer for all of so many plants."""
        found = [value for one in self.found.values() for value in one] if len(self.found) == plants else []
        return np.array(found if plants else self.lost, dtype=np.float64)

    def grade(self, name: str, rank: tuple[int, int] | None) -> TextGrade:
        return TextGrade(
            name,
            found=over([value for one in self.found.values() for value in one]),
            by_plant={title: float(np.mean(values)) for title, values in self.found.items()},
            comprehensiveness=over(self.lost),
            sufficiency=over(self.kept),
            rank=rank,
            passes=self.passes,
            seconds=self.seconds,
            failed="; ".join(self.failed),
        )
