"""A course of two questions on artefacts that are made of nothing but numbers, with kinds and measures of its own."""

from pathlib import Path
from typing import Any

import numpy as np

from pellucid.course.artefacts import Axis, Entry, artefact, artefacts, scaled, seeds
from pellucid.course.measures import NotComputable, measure, measures
from pellucid.course.workshop import Workshop


class ToyEntry(Entry):
    levels: dict[str, float]
    """By image, or any other name."""
    jitter: float = 0.0
    bias: float = 0.0
    """How far fewer samples move it down, and more of them up."""


made: list[str] = []
"""What was really made, artefact and axis."""


def toy_axes(entry: ToyEntry) -> list[Axis]:
    return [*seeds(entry.seeds if entry.jitter else 1), *(scaled("samples") if entry.bias else [])]


if "toy" not in artefacts:

    @artefact("toy", entry=ToyEntry, axes=toy_axes)
    def toy(entry: ToyEntry, axis: Axis, workshop: Workshop) -> Any:
        made.append(axis.name)
        noise = np.random.default_rng(axis.get("seed", 0)).normal(0, entry.jitter, len(entry.levels)) if entry.jitter else 0
        shift = entry.bias * (axis.get("samples", 1.0) - 1)
        values = np.array(list(entry.levels.values())) + noise + shift
        return {id: np.array([value, 1 - value]) for id, value in zip(entry.levels, values, strict=True)}

    @measure(unit="share", floor=0.08, range=(-10, 10))
    def toy_share(value: Any, scale: float = 1.0) -> float:
        if value[0] < -5:
            raise NotComputable("nothing is there")
        return float(value[0]) * scale

    @measure(unit="rank", floor=2.0)
    def toy_rank(value: Any) -> float:
        return float(value[0] * 10)


assert "toy_share" in measures

COURSE = """\
assignment: {id: toy, title: {en: Toy}}
languages: [en]
points: {each: "0.5", total: "1"}
groups: {first: {en: First}, second: {en: Second}}
parts: [part.yaml]
"""
PART = """\
# the thresholds are what one edits
artefacts:
  steady: {kind: toy, levels: {a: 0.9, b: 0.8, c: 0.2, d: 0.1, e: 0.52}}
  noisy: {kind: toy, levels: {a: 0.9, b: 0.7, c: 0.3, d: 0.55}, jitter: 0.02, bias: 0.1, seeds: 20}
parameters:
  part: [a, b, c, d, e]
questions:
  - id: steady-share
    group: first
    points: each
    prompt: {en: Which parts hold at least half?}
    why: {en: "Part {part} holds {value:.2f}; the line is {threshold:.2f}."}
    candidates:
      - id: "{part}"
        each: part
        text: {en: "Part {part}"}
        when: toy_share(steady[part]) >= 0.5
    show: {options: 4, true: [1, 3]}
  - id: noisy-share
    group: second
    points: "0.5"
    prompt: {en: "Which parts hold less than half, in most runs?"}
    lab: "view=images&part={part}"
    let: {part: a}
    candidates:
      - {id: "n-{n}", each: {n: [a, b, c]}, text: {en: "Part {n}"}, when: "not toy_share(noisy[n]) >= 0.5"}
    show: {options: 3, true: [1, 2]}
"""


def write(folder: Path, course: str = COURSE, part: str = PART) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "course.yaml").write_text(course, encoding="utf-8")
    (folder / "part.yaml").write_text(part, encoding="utf-8")
    return folder
