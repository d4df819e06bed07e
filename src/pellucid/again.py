"""An attribution computed again, on other images or another network: what metrics of stability compare it with."""

from dataclasses import replace
from typing import Any

from pellucid.attribution import Attribution
from pellucid.inputs.image import Images
from pellucid.methods import methods
from pellucid.models.image import ImageClassifier
from pellucid.stream import bounded, drain


def again(model: ImageClassifier, inputs: Images, attribution: Attribution, **changed: Any) -> Attribution:
    """The same method with the same targets and options, but for those `changed`, and as many steps of its stream.

    ValueError for scores that no method made, which cannot be made again.
    """
    if not attribution.method:
        raise ValueError("these scores were made by hand; this metric runs the method again, so it needs one of pl.methods")
    method = methods[attribution.method]
    stream = method.stream(model, inputs, attribution.target, **{**attribution.options, **changed})
    return replace(drain(bounded(stream, steps=attribution.step or None)), view=attribution.view, against=attribution.against)
