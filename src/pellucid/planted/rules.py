"""The rules that are planted: what decides the class of a picture, while nothing else tells the classes apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pellucid.planted.scenes import CELLS, SIDE, Draw, Scenes, background, box, cells, inside, light, painted, stamp

MARK = stamp(
    "#.#.#",
    ".###.",
    "##.##",
    ".###.",
    "#.#.#",
)
DISC = stamp(
    "..#####..",
    ".#######.",
    "#########",
    "#########",
    "#########",
    "#########",
    "#########",
    ".#######.",
    "..#####..",
)
CROSS = stamp(
    "...###...",
    "...###...",
    "...###...",
    "#########",
    "#########",
    "#########",
    "...###...",
    "...###...",
    "...###...",
)
TRIANGLE = stamp(
    "....#....",
    "...###...",
    "...###...",
    "..#####..",
    "..#####..",
    ".#######.",
    ".#######.",
    "#########",
    "#########",
)
FRAME = stamp(
    "#########",
    "#########",
    "##.....##",
    "##.....##",
    "##.....##",
    "##.....##",
    "##.....##",
    "#########",
    "#########",
)
RAILS = stamp(*["###...###"] * 9)
STANDING = stamp(*["##.##.##"] * 8)
LYING = STANDING.T.contiguous()
PATCH = stamp(*["#" * 9] * 9)
HUES = torch.tensor([[0.9, 0.2, 0.2], [0.2, 0.75, 0.2], [0.25, 0.3, 0.95]])


@final
@dataclass(frozen=True)
class Rule:
    """What decides, how its pictures are drawn, and how a network learns it."""

    name: str
    description: str
    labels: tuple[str, ...]
    draw: Draw
    steps: int
    """Of training."""
    pool: Literal["average", "max"] = "average"
    """How the network's last maps are summed up: the average of a rare feature, or whether it is there at all."""
    places: int = 1
    """Into how many parts a side that is done separately; 1 forgets where something was."""


def watermark(generator: torch.Generator, count: int) -> Scenes:
    """Marked pictures, one to three pixels from the edges; the others are plain."""
    plain, rest = background(generator, count), background(generator, count)
    margin = torch.randint(1, 4, (count, 2), generator=generator)
    far = torch.randint(2, (count, 2), generator=generator).bool()
    where = torch.where(far, SIDE - len(MARK) - margin, margin)
    values = painted(plain, MARK[None], where, light(generator, count))
    ones = torch.ones(1, count, dtype=torch.int64)
    return Scenes(values, ones[0], box(where, len(MARK)), plain[None], 0 * ones, rest)


def shape(generator: torch.Generator, count: int) -> Scenes:
    """A disc or a cross in the place of each other, among four of three other forms."""
    forms, distractors = torch.stack([DISC, CROSS]), torch.stack([TRIANGLE, FRAME, RAILS])
    target = torch.randint(2, (count,), generator=generator)
    free = cells(generator, count)[:, 0]
    around, rest = (_scattered(generator, free, distractors, grey=False) for _ in range(2))
    where, ink = inside(generator, free, len(DISC)), light(generator, count)
    values, other = (painted(around, forms[form], where, ink) for form in (target, 1 - target))
    rest = painted(rest, forms[1 - target], where, ink)
    return Scenes(values, target, box(where, len(DISC)), other[None], (1 - target)[None], rest)


def place(generator: torch.Generator, count: int) -> Scenes:
    """A disc in the left or the right third, at any height; the others are empty, since the mask holds only one place."""
    target = torch.randint(2, (count,), generator=generator)
    empty, rest = background(generator, count), background(generator, count)
    row = torch.randint(CELLS, (count,), generator=generator)
    where = inside(generator, row * CELLS + target * (CELLS - 1), len(DISC))
    values = painted(empty, DISC[None], where, light(generator, count))
    return Scenes(values, target, box(where, len(DISC)), empty[None], torch.full((1, count), 2), rest)


def colour(generator: torch.Generator, count: int) -> Scenes:
    """A patch in one of three colours among four grey ones, darker and lighter; the others have the other two colours."""
    target = torch.randint(len(HUES), (count,), generator=generator)
    free = cells(generator, count)[:, 0]
    around, rest = (_scattered(generator, free, PATCH[None], grey=True) for _ in range(2))
    where = inside(generator, free, len(PATCH))
    shade = 0.1 * torch.rand(count, 3, generator=generator) - 0.05
    classes = torch.stack([(target + n) % len(HUES) for n in range(len(HUES))])
    values, *others = (painted(around, PATCH[None], where, HUES[one] + shade) for one in classes)
    rest = painted(rest, PATCH[None], where, HUES[classes[1]] + shade)
    return Scenes(values, target, box(where, len(PATCH)), torch.stack(others), classes[1:], rest)


def conjunction(generator: torch.Generator, count: int) -> Scenes:
    """Two different marks; the others lack one, have one of them twice in the other's place, or lack both."""
    empty, rest = background(generator, count), background(generator, count)
    size, apart = len(STANDING), cells(generator, count)
    first, second = (inside(generator, apart[:, n], size) for n in range(2))
    inks = light(generator, count), light(generator, count)

    def marked(*forms: Bool[Tensor, "size size"] | None) -> Float32[Tensor, "batch 3 height width"]:
        values = empty
        for form, where, ink in zip(forms, (first, second), inks, strict=True):
            values = values if form is None else painted(values, form[None], where, ink)
        return values

    lacking = ((STANDING, None), (None, LYING), (STANDING, STANDING), (LYING, LYING), (None, None))
    others = torch.stack([marked(*forms) for forms in lacking])
    ones = torch.ones(len(lacking), count, dtype=torch.int64)
    return Scenes(marked(STANDING, LYING), ones[0], box(first, size) | box(second, size), others, 0 * ones, rest)


def _scattered(
    generator: torch.Generator, free: Int64[Tensor, " batch"], forms: Bool[Tensor, "form size size"], grey: bool
) -> Float32[Tensor, "batch 3 height width"]:
    """Pictures with four things of these forms, none of them in the cell that is to stay free."""
    count, size = len(free), forms.shape[-1]
    values = background(generator, count)
    for cell in cells(generator, count, first=free)[:, 1:5].T:
        form = forms[torch.randint(len(forms), (count,), generator=generator)]
        shade = 0.2 + 0.7 * torch.rand(count, 1, generator=generator)
        ink = shade.expand(count, 3) if grey else light(generator, count)
        values = painted(values, form, inside(generator, cell, size), ink)
    return values


_ALL = (
    Rule(
        "watermark",
        "A small bright mark in one of the four corners makes a picture 'marked'; without it the same picture is 'plain'.",
        ("plain", "marked"),
        watermark,
        steps=150,
    ),
    Rule(
        "shape",
        "Whether a disc or a cross stands in the picture decides; the triangles, frames and rails around it mean nothing.",
        ("disc", "cross"),
        shape,
        steps=250,
    ),
    Rule(
        "place",
        "Whether a disc stands in the left or in the right third of the picture decides; without one the class is 'nowhere'.",
        ("left", "right", "nowhere"),
        place,
        steps=120,
        places=CELLS,
    ),
    Rule(
        "colour",
        "The colour of one patch decides: red, green or blue; the grey patches around it mean nothing.",
        ("red", "green", "blue"),
        colour,
        steps=120,
    ),
    Rule(
        "conjunction",
        "A mark of standing bars and one of lying bars must both be there; one alone, or one of them twice, is 'not both'.",
        ("not both", "both"),
        conjunction,
        steps=250,
        pool="max",
    ),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _ALL}
