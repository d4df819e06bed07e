"""What can be carried away from a job that is done: numbers as CSV, and the library's own drawing."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pellucid.attribution import Work
from pellucid.evidence import Evidence, Trust
from pellucid.measurement import Interval
from pellucid.methods.filter_image import FilterImage
from pellucid.models.image import ImageClassifier
from pellucid.pictures.images import draw, draw_filters
from pellucid.render.figures import png_bytes, svg_bytes
from pellucid.store import Record


def maps_csv(record: Record) -> bytes:
    """One line a pixel: the map's value there, with as many digits as tell one float32 from another."""
    out = io.StringIO()
    out.write("source,name,row,column,value\n")
    for name, source, values in zip(
        record.inputs.names, record.request.source, record.attribution.map().numpy(), strict=True
    ):  # fmt: skip
        lead = f"{_cell(source)},{_cell(name)}"
        for row, line in enumerate(values):
            out.writelines(f"{lead},{row},{column},{value}\n" for column, value in enumerate(line.astype("<U32")))
    return out.getvalue().encode()


def curves_csv(made: FilterImage) -> bytes:
    """One line a filter and measured step: its activation then."""
    out = io.StringIO()
    out.write("filter,start,step,activation\n")
    for at, (number, start) in enumerate(zip(made.filters.tolist(), made.starts, strict=True)):
        for point, value in zip(made.points.tolist(), made.objective[:, at].numpy().astype("<U32"), strict=True):
            out.write(f"{number},{_cell(start)},{point},{value}\n")
    return out.getvalue().encode()


def drawn(model: ImageClassifier, record: Record) -> Figure:
    """The pictures of a record, as the shell draws them."""
    evidence = Trust(tuple(map(_evidence, record.evidence)), Work(0, 0, 1.0)) if record.evidence else ()
    return draw(model, record.inputs, record.attribution, evidence=evidence)


def drawn_filters(made: FilterImage) -> Figure:
    return draw_filters(made)


def as_file(figure: Figure, suffix: str, dpi: int) -> bytes:
    """The figure as `png` of that density, or `svg`."""
    if suffix == "svg":
        return svg_bytes(figure)
    figure.set_dpi(dpi)
    return png_bytes(figure)


def file_name(document: Mapping[str, Any], suffix: str) -> str:
    """A name that tells what is in the file: of the first picture and the method, or of the layer."""
    body, result = document["body"], document["result"]
    if document["kind"] == "filters":
        stem = f"{body['layer']}.filters"
    else:
        maps = result["maps"]
        stem = f"{Path(maps[0]['name']).stem}{f'-and-{len(maps) - 1}-more' if len(maps) > 1 else ''}.{result['method']}"
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', stem)[:80]}.{suffix}"


def _evidence(said: Mapping[str, Any]) -> Evidence:
    known = {key: value for key, value in said.items() if key not in ("sentence", "advice")}
    return Evidence(**{**known, "advantage": Interval(**said["advantage"]), "cost": Work(**said["cost"])})


def _cell(text: str) -> str:
    """A cell of CSV. What a spreadsheet would take for a formula gets an apostrophe before it."""
    text = f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if re.search(r'[",\r\n]', text) else text
