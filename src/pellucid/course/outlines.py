"""The course's masks: the outlines that ship, an author's pictures, or polygons in a JSON file of the same form."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pellucid.inputs.image import Images
from pellucid.inputs.masks import Masks, as_read, rasterised, subject_mask
from pellucid.inputs.photograph import open_photograph
from pellucid.models.image import ImageClassifier


def masks_of(inputs: Images, model: ImageClassifier, given: str = "") -> Masks:
    """The subject of each image as the network reads it.

    `given` is what `subject_mask` takes, or the path of a JSON that has, by file name, an object with `polygons` in shares of
    width and height. Raises FileNotFoundError where nothing is there, ValueError for a JSON of another form.
    """
    if not given or not given.lower().endswith(".json"):
        return subject_mask(inputs, model._box, given)
    outlines = _read(Path(given))
    values, missing = [], []
    for name, source in zip(inputs.names, inputs.sources, strict=True):
        outline = outlines.get(Path(name).name)
        seen = torch.zeros(model.size, dtype=torch.bool)
        if outline is not None:
            drawn = rasterised(outline["polygons"], *open_photograph(source)[0].size)
            seen = as_read(drawn, model._box, model.size)
        values.append(seen)
        missing.append(
            "" if seen.any() else f"{Path(given).name!r} has no outline of it" if outline is None else "it is cut off"
        )
    return Masks(torch.stack(values), tuple(missing), inputs.names)


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"no file of outlines at {str(path)!r}")
    try:
        outlines = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: {"polygons": [[(float(x), float(y)) for x, y in polygon] for polygon in one["polygons"]]}
            for name, one in outlines.items()
            if name != "without"
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f'{str(path)!r} is no JSON of outlines ({error}); its form is {{"cat.jpg": {{"polygons": [[[0.1, 0.2], ...]]}}}}'
        ) from None
