"""Which of a question's candidates are shown: drawn once and for all, by hashes instead of a generator.

Every candidate has its own rank, which depends on nothing but the question, the candidate and the author's `draw`. So another
question, another candidate or another threshold changes as little of what is shown as can be.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from pellucid.course.source import IfAmbiguous
from pellucid.course.verdicts import Judgement


@final
@dataclass(frozen=True)
class Shown:
    """The options that are shown, in the candidates' order, and what keeps them from a release."""

    options: tuple[str, ...]
    disregarded: frozenset[str] = frozenset()
    """Shown options that may be chosen or not."""
    full: bool = False
    """Whether everybody who answers has the points."""
    problems: tuple[str, ...] = ()
    """What an instructor must decide before a release."""


def sample(
    question: str,
    judged: Mapping[str, Judgement],
    *,
    options: int,
    true: tuple[int, int],
    if_ambiguous: IfAmbiguous = "swap",
    draw: str = "",
) -> Shown:
    """So many options, of which at least `true[0]` and at most `true[1]` are true, and never all or none of them."""
    usable = [id for id, one in judged.items() if one.verdict != "INVALID"]
    safe = [id for id in usable if judged[id].verdict == "SAFE"]
    problems: list[str] = []
    chosen = _chosen(question, usable if if_ambiguous != "swap" else safe, judged, options, true, draw)
    if chosen is None and if_ambiguous == "swap":
        counts = f"{sum(judged[id].correct for id in safe)} true and {sum(not judged[id].correct for id in safe)} false"
        problems.append(
            f"{counts} candidates are SAFE, which is too few for {options} options with {true[0]} to {true[1]} true; "
            "write more candidates, or move thresholds away from the values"
        )
        chosen = _chosen(question, usable, judged, options, true, draw, before=frozenset(safe))
    if chosen is None:
        counts = f"{sum(judged[id].correct for id in usable)} true and {sum(not judged[id].correct for id in usable)} false"
        problems.append(
            f"{counts} candidates can be computed, which is too few for {options} options with {true[0]} to {true[1]} true"
        )
        chosen = frozenset(usable)
    shown = tuple(id for id in judged if id in chosen)
    doubtful = frozenset(id for id in shown if judged[id].verdict == "AMBIGUOUS")
    if doubtful and if_ambiguous == "block":
        problems.append(f"AMBIGUOUS options are shown: {', '.join(sorted(doubtful))}")
    return Shown(
        shown,
        doubtful if if_ambiguous == "disregard" else frozenset(),
        bool(doubtful) and if_ambiguous == "always_correct",
        tuple(problems),
    )


def _chosen(
    question: str,
    pool: Sequence[str],
    judged: Mapping[str, Judgement],
    options: int,
    true: tuple[int, int],
    draw: str,
    before: frozenset[str] = frozenset(),
) -> frozenset[str] | None:
    """The ids drawn from the pool, those in `before` first; None where the pool is too small."""
    ranked = sorted(pool, key=lambda id: (id not in before, _rank(draw, question, "candidate", id)))
    right = [id for id in ranked if judged[id].correct]
    wrong = [id for id in ranked if not judged[id].correct]
    counts = range(max(true[0], 1, options - len(wrong)), min(true[1], options - 1, len(right)) + 1)
    if not counts:
        return None
    many = min(
        counts, key=lambda n: (_lacking(right[:n] + wrong[: options - n], before), _rank(draw, question, "true", str(n)))
    )
    return frozenset(right[:many] + wrong[: options - many])


def _lacking(chosen: Sequence[str], before: frozenset[str]) -> int:
    return sum(id not in before for id in chosen) if before else 0


def _rank(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
