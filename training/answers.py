"""What counts as a right answer: SQuAD's exact match and F1, and the margin at which a passage is said to hold no answer."""

import collections
import json
import math
import re
import string
from pathlib import Path
from typing import NamedTuple

from written import written

EVALUATION = Path(__file__).parent / "evaluation"


class Item(NamedTuple):
    question: str
    passage: str
    answers: list[str]  # none: the passage does not answer


class Given(NamedTuple):
    text: str  # the best span
    margin: float  # score of 'no answer' above that of the best span


def hand_written(name: str) -> list[Item]:
    """The questions of a set under evaluation/; those without an answer take their passages from answers.json."""
    entries = json.loads((EVALUATION / f"{name}.json").read_text(encoding="utf-8"))
    if name == "no_answer":
        passages = {e["title"]: e["passage"] for e in json.loads((EVALUATION / "answers.json").read_text(encoding="utf-8"))}
        return [Item(e["question"], passages[e["title"]], []) for e in entries]
    items = [Item(q["question"], e["passage"], q["answers"]) for e in entries for q in e["questions"]]
    if (more := EVALUATION / f"{name}.txt").exists():
        items += [Item(w.question, w.passage, list(w.answers)) for w in written([more])]
    return items


def normal(text: str) -> list[str]:
    """Words as SQuAD compares them: small letters, no punctuation, no articles."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def exact(given: str, wanted: str) -> float:
    return float(normal(given) == normal(wanted))


def f1(given: str, wanted: str) -> float:
    a, b = normal(given), normal(wanted)
    common = sum((collections.Counter(a) & collections.Counter(b)).values())
    return 2 * common / (len(a) + len(b)) if common else float(a == b)


def scores(items: list[Item], given: list[Given], threshold: float = float("inf")) -> dict[str, float]:
    """Exact match, F1 and the number of questions; beyond the threshold the answer given is none."""
    texts = [g.text if g.margin <= threshold else "" for g in given]
    wanted = [i.answers or [""] for i in items]
    found = {}
    for name, measure in (("exact", exact), ("f1", f1)):
        values = [max(measure(text, w) for w in ws) for text, ws in zip(texts, wanted, strict=True)]
        found[name] = round(100 * sum(values) / max(1, len(values)), 1)
    return {**found, "n": len(items)}


RECOGNISED = 0.7
"""Of the questions without an answer, the share that has to be recognised."""


def mildest_threshold(items: list[Item], given: list[Given]) -> float:
    """The highest threshold at which `RECOGNISED` of the questions without an answer are said to have none.

    It lies in the middle between two margins.
    """
    none = sorted((g.margin for i, g in zip(items, given, strict=True) if not i.answers), reverse=True)
    last = none[math.ceil(RECOGNISED * len(none)) - 1]
    below = [g.margin for g in given if g.margin < last]
    return round((last + max(below, default=last - 1)) / 2, 3)
