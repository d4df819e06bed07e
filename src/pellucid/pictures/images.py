"""Attributions and filters as pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from pellucid.again import check_explained
from pellucid.attribution import UNKNOWN, Attribution
from pellucid.evidence import Evidence, Trust
from pellucid.inputs.image import Images
from pellucid.methods.filter_image import FilterImage
from pellucid.methods.filter_maps import Patch, filter_maps
from pellucid.models.image import ImageClassifier
from pellucid.models.kinds import check_classifier
from pellucid.registry import OptionValue
from pellucid.render.colormaps import Scale
from pellucid.render.figures import Paper
from pellucid.render.numbers import number, percent
from pellucid.render.plots import filter_sheet
from pellucid.render.rows import Column, Row, heatmap_row, overlay_row, photograph_row, superpixel_row
from pellucid.render.sheets import explanation, sheet


def draw(
    model: ImageClassifier,
    source: Any,
    attributions: Attribution | Sequence[Attribution],
    *,
    evidence: Trust | Sequence[Trust] = (),
    paper: Paper = "light",
) -> Figure:
    """A figure of the attributions of these images: photograph, map and overlay of one, or a sheet of several.

    `source` is what was explained: images that were read, or anything that `model.read` takes. A sheet has the images in
    columns and the attributions in rows. Colours of a signed map are centred on zero, red for and blue against; the legend has
    the unit and the limits. `evidence`, that of each attribution, is told below the maps. Save the figure with
    `figure.savefig`, or see `pellucid.render.figures.save`.
    """
    check_classifier(model)
    images = model.read(source)
    attributions = [attributions] if isinstance(attributions, Attribution) else list(attributions)
    for attribution in attributions:
        check_explained(images, attribution)
    found: list[Trust | None] = [evidence] if isinstance(evidence, Trust) else list(evidence)
    if found and len(found) != len(attributions):
        raise ValueError(f"evidence on {len(found)} attributions, of {len(attributions)}; give that on each, or none")
    found = found or [None] * len(attributions)
    if len(images) == 1 and len(attributions) == 1:
        a = attributions[0]
        *before, last = map_rows(a, images)
        return explanation(
            [photograph_row(images.pixels), *before, replace(last, captions=("",))],  # the facts say it
            title=f"{a.method}: {images.names[0]}",
            facts=facts(model, images, a) + ([strip(found[0][0], a)] if found[0] is not None else []),
            paper=paper,
        )
    # attributions for several questions say theirs below each picture, those for one above the photographs
    one = len({(*a.target.tolist(), a.against) for a in attributions}) <= 1
    heads = columns(model, images, attributions[0] if attributions else None)
    rows = [photograph_row(images.pixels)]
    for a, on in zip(attributions, found, strict=True):
        asked = () if one else [head.answer for head in columns(model, images, a)]
        rows.append(map_rows(a, images, evidence=on, asked=asked)[-1])
    return sheet(heads if one else [Column(name) for name in images.names], rows, paper=paper)


def columns(model: ImageClassifier, images: Images, attribution: Attribution | None = None) -> list[Column]:
    """What stands above each image: its name, the class it is explained for and that class's probability."""
    answers = model.predict(images, top=len(model.labels))
    against = "" if attribution is None or attribution.against is None else model.labels[attribution.against]
    heads = []
    for i, name in enumerate(images.names):
        asked = UNKNOWN if attribution is None else int(attribution.target[i])
        wanted = answers[i][0].index if asked == UNKNOWN else asked
        probability = next(p.probability for p in answers[i] if p.index == wanted)
        heads.append(Column(name, model.labels[wanted], probability, against))
    return heads


def map_rows(
    a: Attribution, images: Images, title: str | None = None, evidence: Trust | None = None, asked: Sequence[str] = ()
) -> list[Row]:
    """The maps by themselves and over the photographs; of LIME, the superpixels that its view selects.

    Below each image of the last row stand what was asked, where that is given, the error and the evidence.
    """
    title = a.method if title is None else title
    note = option_text(a.options)
    told = ["" if e == 0 else f"{a.error_name} {number(e, 2)}" for e in a.error.tolist()]
    if "segments" in a.extras:
        fits = [f"R2 {number(float(r2), 2)}" for r2 in a.fit]
        told = [", ".join(filter(None, both)) for both in zip(fits, told, strict=True)]
    verdicts = [] if evidence is None else [_told(e, a) for e in evidence.evidence]
    parts = zip(*(list(part) or [""] * len(told) for part in (asked, told, verdicts)), strict=True)
    captions = ["\n".join(filter(None, lines)) for lines in parts]
    if "segments" in a.extras:
        top, least = a.view.get("top"), float(a.view.get("min_weight", 0.0))
        chosen = superpixel_row(
            title, images.pixels, a.segments, a.segment_weights, a.unit,
            top=None if top is None else int(top), min_weight=least, captions=captions, note=note,
        )  # fmt: skip
        return [heatmap_row("weights", a.map(), a.unit, scale=scale_of(a)), chosen]
    return [
        heatmap_row("map", a.map(), a.unit, scale=scale_of(a), meaning=meaning_of(a)),
        overlay_row(
            title, a.map(), images.pixels, a.unit, scale=scale_of(a), captions=captions, note=note, meaning=meaning_of(a)
        ),
    ]


def _told(e: Evidence, a: Attribution) -> str:
    """A line for the verdict and one for what it rests on."""
    return f"{e.verdict}\n{number(e.advantage.value, 2)} {advantage_unit(a)} over random"


def strip(e: Evidence, a: Attribution) -> str:
    """The evidence on one map in a line: verdict, deletion against random, dependence on the weights, spread over seeds."""
    low, high = (number(value, 2) for value in (e.advantage.low, e.advantage.high))
    said = [
        f"{e.verdict}: {number(e.advantage.value, 2)} {advantage_unit(a)} over random order ({low} to {high})",
        f"{number(e.randomised, 2)} left with random weights",
    ]
    return ", ".join(said + ([f"seeds agree {number(e.seeds, 2)}"] if e.seeds is not None else []))


def advantage_unit(a: Attribution) -> str:
    """What evidence measures the advantage over random orders in: `trust` removes pixels and looks at this output."""
    return "probability" if a.against is None else "logit"


def scale_of(a: Attribution) -> Scale:
    """How colours are spread: as the preset wants, else centred on zero for signed sums, from zero up for magnitudes."""
    wanted = a.view.get("scale")
    if wanted in ("symmetric", "magnitude", "minmax"):
        return wanted  # pyright: ignore[reportReturnType]
    return "symmetric" if a.signed and a.reduction == "sum" else "magnitude"


def meaning_of(a: Attribution) -> str:
    """What the legend says of the scores where unit and sign do not tell."""
    return "only what speaks for the target, the rest dropped" if a.options.get("rectify") else ""


def facts(model: ImageClassifier, images: Images, a: Attribution) -> list[str]:
    """What must be known to read the picture of one image: the question, the answer, the work."""
    head = columns(model, images, a)[0]
    rather = f" rather than {head.against}" if head.against else ""
    kinds = (("forward pass", a.work.forwards), ("backward pass", a.work.backwards))
    told = [" and ".join(f"{n:,} {kind}{'' if n == 1 else 'es'}" for kind, n in kinds if n) or "no network pass"]
    told += [f"R2 {number(float(a.fit[0]), 2)}"] if "segments" in a.extras else []
    told += [f"{a.error_name} {number(a.worst_error, 2)}"] if a.worst_error > 0 else []
    told += [f"{key} {value}" for key, value in a.notes.items()]
    return [f"{head.target}{rather}, probability {percent(head.probability or 0.0)}", ", ".join(told)]


def option_text(options: Mapping[str, OptionValue]) -> str:
    """The options in a line; empty ones and the seed left out."""
    return ", ".join(f"{name} {value}" for name, value in options.items() if value != "" and name != "seed")


def filter_names(model: ImageClassifier, layer: str, filters: Sequence[int]) -> list[str]:
    """`filter 3`; of the layer that gives the classes their values, the class as well: `filter 3, tiger shark`."""
    classes = next((one.shape == (len(model.labels),) for one in model.layers if one.name == layer), False)
    return [f"filter {f}, {model.labels[f]}" if classes else f"filter {f}" for f in filters]


def draw_filters(made: FilterImage, *, names: Sequence[str] = (), paper: Paper = "light") -> Figure:
    """The pictures made for filters, each over the curve of its activation; `names` are those of the filters, one a picture."""
    names = names or [f"filter {f}" for f in made.filters.tolist()]
    titles = [
        f"{name}{'' if start == 'noise' else f' from {start}'}{' (silent)' if dead else ''}"
        for name, start, dead in zip(names, made.starts, made.dead.tolist(), strict=True)
    ]
    whole = not made.objective.isnan().any()  # in mid-stream some pictures lag behind
    return filter_sheet(
        made.images, titles, made.objective.T if whole else None,
        unit="activation", across="step", at=made.points.float(), title=made.layer, columns=4, paper=paper,
    )  # fmt: skip


def draw_where(model: ImageClassifier, source: Any, layer: str, filters: Sequence[int], *, paper: Paper = "light") -> Figure:
    """Where each filter fires on each image: images in columns, filters in rows, each row on one scale."""
    images = model.read(source)
    maps = filter_maps(model, images, layer, filters).upsampled()
    rows = [
        overlay_row(name, maps[:, i], images.pixels, "activation", shared=True, signs=("above zero", "below"))
        for i, name in enumerate(filter_names(model, layer, filters))
    ]
    title = f"{layer}: where its filters fire"
    return sheet(columns(model, images), [photograph_row(images.pixels), *rows], title, paper=paper)


def draw_patches(patches: Sequence[Patch], layer: str, *, columns: int = 6, paper: Paper = "light") -> Figure:
    """The parts of images that excite filters most, in the order given, all at one size."""
    crops = [np.asarray(Image.fromarray(p.crop.numpy()).resize((112, 112), Image.Resampling.BICUBIC)) for p in patches]
    return filter_sheet(
        np.stack(crops), [f"filter {p.filter}" for p in patches], captions=[f"{number(p.value)} {p.name}" for p in patches],
        title=f"{layer}: the patches that excite each filter most", columns=columns, paper=paper,
    )  # fmt: skip
