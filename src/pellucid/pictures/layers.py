"""Projections and phases as pictures: what the pieces below know, as the arrays and names that the drawing wants."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from pellucid.analysis.phases import Phases
from pellucid.analysis.projection import Projection
from pellucid.render.figures import Paper
from pellucid.render.layers import CurvePanel, layer_curves, layer_grid
from pellucid.render.numbers import number

TITLES = {
    "topics": "1  Words of one topic gather",
    "attributes": "2  Entities meet their attributes",
    "support": "3  The question meets its supporting facts",
    "answer": "4  The answer stands apart",
}


def draw_layers(
    projection: Projection,
    facts: Sequence[int] = (),
    *,
    title: str = "",
    trails: bool = False,
    columns: int = 4,
    paper: Paper = "light",
) -> Figure:
    """A scatter plot a layer. `facts` are the tokens of the supporting facts (`Groups.facts`), which are outlined.

    ValueError for trails in pictures that have each their own axes.
    """
    p = projection
    if trails and p.basis != "shared":
        raise ValueError("trails need one basis for all layers: project(..., basis='shared')")
    layers, tokens, components = p.coordinates.shape
    what = "wordpieces" if p.pooled is None else f"words (their pieces pooled by {p.pooled})"
    how = (
        "one PCA of all layers' vectors together, same axes and limits everywhere"
        if p.basis == "shared"
        else "one PCA a layer"
        + (", turned or mirrored onto the layer before (Procrustes), never stretched" if p.aligned else "")
    )
    drawn = "" if components == 2 else f", the first 2 of {components} components"
    lines = [
        f"{layers} x {tokens} {what} of {p.axes.shape[2]} dimensions; {how}{drawn}. "
        f"Trustworthiness by {p.neighbours} neighbours: 1 when each one's nearest in the picture are its nearest in full space."
    ]
    return layer_grid(
        p.coordinates, p.labels, p.roles, p.explained_variance_ratio, p.trustworthiness,
        outlined=[at in set(facts) for at in p.places], axis="axis" if p.aligned else "component", title=title, facts=lines,
        shared=p.basis == "shared", trails=trails, columns=columns, paper=paper,
    )  # fmt: skip


def draw_phases(models: Mapping[str, Phases], *, title: str = "", paper: Paper = "light") -> Figure:
    """The four phases of one or more models over the layers, with bands."""
    if not models:
        raise ValueError("no model's phases to draw")
    first = next(iter(models.values()))
    panels = []
    for n, phase in enumerate(first.all):
        mine = {name: phases.all[n] for name, phases in models.items()}
        sizes = " + ".join(map(str, phase.size))
        notes = [f"resampled: {sizes} {phase.resampled}"] if phase.measured else [f"not measured: {phase.why_not}"]
        lines = {name: (p.value, p.low, p.high) for name, p in mine.items()}
        panels.append(CurvePanel(TITLES[phase.name], lines, phase.meaning, tuple(notes)))
    pooled = "wordpieces" if first.pooled is None else f"words, their pieces pooled by {first.pooled}"
    facts = [
        f"Of {pooled}; cosines after the layer's mean has been taken off. Zero: like any other words. Band: 95 % of "
        f"{number(first.samples, 4)} bootstrap samples, seed {first.seed}; it speaks of this text's words, not of other texts."
    ]
    return layer_curves(panels, title=title, facts=facts, paper=paper)
