"""Rank agreement with other methods. Krishna et al., The disagreement problem, 2022, https://arxiv.org/abs/2202.01602"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import torch
from jaxtyping import Float32
from pydantic import Field
from torch import Tensor

from pellucid.attribution import Attribution, Work
from pellucid.inputs.image import Images
from pellucid.measurement import Measurement
from pellucid.methods import methods
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier
from pellucid.ranks import spearman, top_overlap
from pellucid.stream import Method

TOP = 0.1
"""Share of the pixels that count as a map's highest."""


@metrics.register(higher_is_better=None, unit="rank correlation")
def rank_agreement(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    others: Annotated[
        str, Field(min_length=1, description="Methods to compare with, with commas between them; itself does not count.")
    ] = "saliency,integrated_gradients,grad_cam",
    samples: Annotated[
        int, Field(ge=1, le=100_000, description="Samples or steps of the other methods, where they have such an option.")
    ] = 16,
) -> Iterator[Measurement]:
    """How alike the map and those of other methods order the pixels by magnitude: 1 the same, 0 unrelated, below 0 opposed.

    The mean rank correlation over the other methods, run with their defaults but for `samples` (never fewer than a method
    takes at least), for the same target. Magnitudes are compared, since not every map has signs. Methods that agree may be
    wrong together, and where they disagree it does not say which is wrong, so neither direction is good as such.

    `extras`, `batch other`: `correlations`, and `top_overlap`, the share of a map's highest tenth of pixels that is in the
    other's; by chance 0.1. `notes["others"]` names the methods in that order. A method that cannot explain this network is
    left out, with a note; so is a constant map, such as one of Grad-CAM's in which nothing speaks for the target. NaN where no
    other is left, or the map itself is constant.

    KeyError for a method that does not exist, before any work.
    """
    names = list(dict.fromkeys(name.strip() for name in others.split(",") if name.strip()))
    chosen = {name: methods[name] for name in names}
    chosen.pop(attribution.method, None)
    magnitudes = attribution.map().abs()
    correlations, overlaps = torch.zeros(len(inputs), 0), torch.zeros(len(inputs), 0)
    notes: dict[str, str] = {}
    compared: list[str] = []
    work = Work(0, 0, 0.0)
    if not chosen:
        nothing = torch.full((len(inputs),), torch.nan)
        reason = f"others={others!r} names no method besides {attribution.method}"
        yield Measurement(nothing, nothing, nothing, Work(0, 0, 1.0), notes={"no value": reason})
        return
    for number, (name, method) in enumerate(chosen.items()):
        spent, known, shared = work, correlations, overlaps
        try:
            options = light(method, samples, attribution.against is not None)
            # every answer of the other method is one here, so that no step takes as long as a method
            for other in method.stream(model, inputs, attribution.target, **options):
                more, share = other.work, (number + other.work.fraction) / len(chosen)
                work = Work(spent.forwards + more.forwards, spent.backwards + more.backwards, share)
                theirs = other.map().abs()
                known = torch.cat([correlations, spearman(magnitudes, theirs)[:, None]], 1)
                shared = torch.cat([overlaps, top_overlap(magnitudes, theirs, TOP)[:, None]], 1)
                if more.fraction < 1:
                    yield _measured(known, shared, [*compared, name], notes, work)
        except (ValueError, KeyError) as error:
            notes[f"without {name}"] = str(error)
        else:
            compared.append(name)
            correlations, overlaps = known, shared
        work = Work(work.forwards, work.backwards, (number + 1) / len(chosen))
        yield _measured(correlations, overlaps, compared, notes, work)


def _measured(
    correlations: Float32[Tensor, "batch other"],
    overlaps: Float32[Tensor, "batch other"],
    compared: Sequence[str],
    notes: Mapping[str, str],
    work: Work,
) -> Measurement:
    value = correlations.nanmean(1)
    said = {**notes, "others": ", ".join(compared)}
    if bool(value.isnan().any()):
        said["no value"] = "the map is constant, or every other one is"
    error = torch.full_like(value, torch.inf if work.fraction < 1 else 0)  # a mean over some says nothing of all
    extras = {"correlations": correlations, "top_overlap": overlaps}
    return Measurement(value, value, value, work, extras=extras, notes=said, error=error)


def light(method: Method[..., Attribution], samples: int, contrast: bool) -> dict[str, Any]:
    """Options that bound the method's work, and let it explain a difference of two logits where that is the question."""
    fields = method.options.model_fields
    options: dict[str, Any] = {"output": "logit"} if contrast and "output" in fields else {}
    for name in ("samples", "steps"):
        if name in fields:
            least = next((int(bound.ge) for bound in fields[name].metadata if hasattr(bound, "ge")), 1)
            most = next((int(bound.le) for bound in fields[name].metadata if hasattr(bound, "le")), samples)
            options[name] = min(max(samples, least), most)
    return options
