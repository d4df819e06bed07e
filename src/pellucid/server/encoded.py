"""Attributions, filters and tensors as JSON: numbers as they are, maps as base64 of their bytes, pictures as data URLs."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pellucid.attribution import Attribution
from pellucid.inputs.image import Images
from pellucid.methods.filter_image import FilterImage
from pellucid.methods.filter_maps import Excitements, FilterMaps, Patch
from pellucid.models.image import ImageClassifier
from pellucid.pictures.images import scale_of
from pellucid.strict_json import finite

THUMBNAIL = 28
"""Places of a layer's thumbnail, at most, along a side."""
MOST = 4096
"""Numbers of an extra that are told one by one; what is larger is a tensor for computing, not for showing."""


def explain_step(model: ImageClassifier, images: Images, a: Attribution, seconds: int | float) -> dict[str, Any]:
    """One answer of an explanation: `bodies.ExplainStep`."""
    maps = a.map()
    return finite({
        "step": a.step, "fraction": a.work.fraction, "seconds": round(seconds, 3), "work": vars(a.work),
        "error": a.error.tolist(), "error_name": a.error_name, "unit": a.unit, "signed": a.signed, "reduction": a.reduction,
        "scale": scale_of(a), "target": a.target.tolist(), "labels": [model.labels[i] for i in a.target.tolist()],
        "against": a.against, "method": a.method, "options": dict(a.options), "view": dict(a.view), "notes": dict(a.notes),
        "maps": [
            {"name": name, "source": source, "height": one.shape[0], "width": one.shape[1], "data": packed(one, "<f4"),
             "low": float(one.min()), "high": float(one.max())}
            for name, source, one in zip(images.names, images.sources, maps, strict=True)
        ],
        "extras": _extras(images, a),
    })  # fmt: skip


def _extras(images: Images, a: Attribution) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in a.extras.items():
        if name == "segments":
            told[name] = [packed(one, "<i4") for one in value]
        elif name == "baseline" and value.shape == images.features.shape:
            shown = (images.displayed(value).clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, -1)
            told["baselines"] = [data_url(one.expand(*one.shape[:2], 3)) for one in shown]
        elif value.numel() <= MOST:
            told[name] = value.tolist()
    return told


def filters_step(made: FilterImage, seconds: int | float) -> dict[str, Any]:
    """One answer of filters: `bodies.FiltersStep`."""
    return finite({
        "step": made.step, "fraction": made.work.fraction, "seconds": round(seconds, 3), "layer": made.layer,
        "filters": made.filters.tolist(), "objectives": made.final_objective.tolist(),
        "curves": {"points": made.points.tolist(), "values": made.objective.T.tolist()}, "error": made.error.tolist(),
        "dead": made.dead.tolist(), "starts": list(made.starts), "images": [data_url(one) for one in made.images],
    })  # fmt: skip


def firing(
    maps: FilterMaps, patches: Sequence[Sequence[Patch]], sources: Sequence[str], made: Excitements, images: Excitements
) -> dict[str, Any]:
    """Where filters fire on the first of these images, their strongest patches in all, and how the made pictures compare:
    `bodies.Firing`."""
    return finite({
        "source": sources[0], "name": maps.names[0],
        "maps": [
            {"filter": int(f), "height": one.shape[0], "width": one.shape[1], "data": packed(one, "<f4"),
             "low": float(one.min()), "high": float(one.max()), "peak": float(peak)}
            for f, one, peak in zip(maps.filters, maps.activations[0], maps.peak[0], strict=True)
        ],
        "patches": [
            [{"source": sources[p.image], "name": p.name, "value": p.value, "box": list(p.box), "image": data_url(p.crop)}
             for p in found]
            for found in patches
        ],
        "made": _excited(made.raised, made.peak),
        "photographs": _excited(*(one.amax(0) for one in (images.raised, images.peak))),
        "beats_images": (made.raised > images.raised.amax(0)).tolist(),
    })  # fmt: skip


def _excited(raised: Tensor, peak: Tensor) -> list[dict[str, float]]:
    return [{"raised": float(of), "peak": float(at)} for of, at in zip(raised, peak, strict=True)]


def layer_thumbnail(layer: str, response: Tensor) -> dict[str, Any]:
    """`bodies.LayerThumbnail`: at most `THUMBNAIL` places a side, each the mean of those that it stands for."""
    height, width = (min(side, THUMBNAIL) for side in response.shape)
    small = torch.nn.functional.adaptive_avg_pool2d(response[None], (height, width))[0]
    least, most = small.aminmax()
    shown = ((small - least) / (most - least).clamp(min=1e-30) * 255).round().to(torch.uint8)
    return {"layer": layer, "height": height, "width": width, "data": packed(shown, "u1")}


def packed(values: Tensor, kind: str) -> str:
    """The numbers row by row in base64; `kind` is NumPy's name of their type, byte order included."""
    array = np.ascontiguousarray(values.detach().cpu().numpy().astype(kind))
    return base64.b64encode(array.tobytes()).decode("ascii")


def data_url(pixels: Tensor) -> str:
    """Height width 3, as a PNG in a data URL."""
    return "data:image/png;base64," + base64.b64encode(png(Image.fromarray(pixels.numpy()))).decode("ascii")


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)  # subtle: four times as fast as the default, and a tenth larger
    return buffer.getvalue()
