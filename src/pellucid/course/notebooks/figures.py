"""Figures of the notebooks for which the library has no single call: ten photographs in bands, one in variants."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from matplotlib.figure import Figure

from pellucid.analysis.projection import Projection
from pellucid.attribution import Attribution
from pellucid.inputs.image import Images, to_pixels
from pellucid.methods.filter_maps import filter_maps
from pellucid.models.activations import Activations
from pellucid.models.image import ImageClassifier
from pellucid.pictures.images import columns, map_rows, meaning_of, scale_of
from pellucid.render.numbers import number, percent
from pellucid.render.rows import Column, Row, heatmap_row, overlay_row, photograph_row
from pellucid.render.sheets import sheet

ACROSS = 5
"""Photographs side by side: with more, their captions could not be read in a notebook."""


def photographs(model: ImageClassifier, images: Images) -> list[Figure]:
    """The photographs as the network reads them, with the three classes that it finds likeliest."""
    said = ["\n".join(f"{p.label} {percent(p.probability)}" for p in top) for top in model.predict(images, top=3)]
    return banded(columns(model, images), [photograph_row(images.pixels, captions=said)])


def explained(model: ImageClassifier, images: Images, a: Attribution, *, top: int | None = None) -> list[Figure]:
    """The photographs with their maps and the maps laid over them; of LIME, the `top` heaviest superpixels."""
    shown = a if top is None else replace(a, view={**a.view, "top": top})
    return banded(
        columns(model, images, a), [photograph_row(images.pixels), *map_rows(shown, images, a.method.replace("_", " "))]
    )


def fires(model: ImageClassifier, images: Images, layer: str, filters: Sequence[int]) -> list[Figure]:
    """Where each filter fires on the photographs: a row a filter, one scale for all photographs of it."""
    found = filter_maps(model, images, layer, filters)
    maps = found.upsampled()
    rows: list[Row] = []
    for n, f in enumerate(filters):
        strengths = zip(found.mean[:, n].tolist(), found.peak[:, n].tolist(), strict=True)
        says = [f"mean {number(mean)}, peak {number(peak)}" for mean, peak in strengths]
        signs = ("above zero", "below")
        rows.append(
            overlay_row(f"filter {f}", maps[:, n], images.pixels, "activation", shared=True, signs=signs, captions=says)
        )
    return banded(columns(model, images), [photograph_row(images.pixels), *rows])


def variants(
    image: Images,
    named: Mapping[str, Attribution],
    *,
    captions: Sequence[str] = (),
    baselines: bool = False,
    shared: bool = False,
) -> Figure:
    """One photograph explained in several ways, a column each: the map, and the map laid over the photograph.

    By default each caption has the method's own error. With `baselines` the first row is what the photograph was compared
    with. `shared` spreads maps of one unit between the same limits.
    """
    each = list(named.values())
    pixels = image.pixels.expand(len(each), -1, -1, -1)
    maps = torch.cat([a.map() for a in each])
    captions = captions or [f"{a.error_name} {number(a.worst_error, 2)}" if a.worst_error > 0 else "" for a in each]
    alike = {(a.unit, scale_of(a), meaning_of(a)) for a in each}
    top: list[Row] = []
    if baselines:
        against = torch.cat([to_pixels(image.displayed(a.extras["baseline"])) for a in each])
        top = [photograph_row(against, "compared with")]
    if len(alike) == 1:
        unit, scale, meaning = each[0].unit, scale_of(each[0]), meaning_of(each[0])
        rows = [
            heatmap_row("map", maps, unit, scale=scale, shared=shared, meaning=meaning),
            overlay_row(
                "over the photograph", maps, pixels, unit, scale=scale, shared=shared, captions=captions, meaning=meaning
            ),
        ]
    else:  # maps of several units have no common legend: each says its own
        singles = [
            (
                heatmap_row("map", a.map(), a.unit, scale=scale_of(a)),
                overlay_row("over the photograph", a.map(), image.pixels, a.unit, scale=scale_of(a)),
            )
            for a in each
        ]
        units = ["\n".join([_range(a), *a.unit.replace(" per ", "\nper ").split("\n")]) for a in each]
        rows = [
            _joined("map", [one for one, _ in singles], units),
            _joined("over the photograph", [o for _, o in singles], captions),
        ]
    return sheet([Column(name) for name in named], [*top, *rows], image.names[0], first=None)


def _joined(title: str, rows: Sequence[Row], captions: Sequence[str]) -> Row:
    return Row(
        title, tuple(row.images[0] for row in rows), tuple(captions), note="red for, blue against; without a sign, bright"
    )


def _range(a: Attribution) -> str:
    largest = number(float(np.quantile(np.abs(a.map().numpy()), 0.995)), 2)
    return f"±{largest}" if scale_of(a) == "symmetric" else f"0 to {largest}"


def banded(heads: Sequence[Column], rows: Sequence[Row]) -> list[Figure]:
    """A sheet for every five photographs, numbered on; a row has one scale, if it has one, over all of them."""
    figures = []
    for at in range(0, len(heads), ACROSS):
        part = slice(at, at + ACROSS)
        some = [replace(row, images=row.images[part], captions=row.captions[part]) for row in rows]
        figures.append(sheet(heads[part], some, first=at))
    return figures


def layer_table(model: ImageClassifier) -> str:
    """The convolutions that run once in a pass, three a line: name, filters, size of their maps."""
    found = [x for x in model.layers if "Conv" in x.kind and len(x.shape) == 3 and x.calls == 1]
    cells = [f"{x.name}  {x.shape[0]} x {x.shape[1]} x {x.shape[2]}" for x in found]
    wide = max(map(len, cells), default=0) + 4
    return "\n".join("".join(cell.ljust(wide) for cell in cells[n : n + 3]).rstrip() for n in range(0, len(cells), 3))


def neighbours(act: Activations, projection: Projection, token: int) -> str:
    """Of one token, layer by layer, the token that is nearest in the picture and the one that is nearest in the full space.

    The activations are those of one text that the picture was made of. ValueError for a token that is not in the picture.
    """
    if token not in projection.places:
        raise ValueError(f"token {token} is not in the picture; it has {projection.places[0]} to {projection.places[-1]}")
    at = projection.places.index(token)
    lines = [f"{'layer':<8}{'nearest in the picture':<26}nearest in all {act.hidden_states.shape[-1]} dimensions"]
    for layer, drawn in enumerate(projection.coordinates):
        full = act.hidden(layer)[0, list(projection.places)].double()
        names = [projection.labels[_nearest(points, at)] for points in (drawn, full)]
        lines.append(f"{layer:<8}{names[0]:<26}{names[1]}")
    return "\n".join(lines)


def _nearest(points: torch.Tensor, at: int) -> int:
    distances = (points - points[at]).norm(dim=1)
    distances[at] = torch.inf
    return int(distances.argmin())
