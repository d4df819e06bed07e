"""`explain` and `measure`: the one place where model, source, method or metric, and limits meet."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pellucid.again import check_explained, with_targets
from pellucid.attribution import TOLERANCE, Attribution, tolerance_notes
from pellucid.groups import answers
from pellucid.inputs.photograph import open_photograph, remember
from pellucid.measurement import Measurement
from pellucid.methods import methods
from pellucid.metrics import Metric, metrics
from pellucid.models.image import ImageClassifier, Target
from pellucid.models.kinds import check_classifier
from pellucid.models.load import load_classifier
from pellucid.registry import Contradiction
from pellucid.request import Request
from pellucid.store import Record
from pellucid.stream import Method, bounded, drain


def explain(
    model: ImageClassifier | str | Path,
    source: Any,
    *,
    method: str,
    target: Target = None,
    against: str | int | None = None,
    preset: str | None = None,
    tolerance: float | None = None,
    deadline: float | None = None,
    progress: Callable[[Attribution], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options: Any,
) -> Attribution:
    """The attribution of each image in `source` for `target` (label, number, or one an image; by default the predicted class).

    `against` asks why the target rather than that class: the difference of the two logits is explained. `preset` names a set of
    options of the method, which `options` may override. `tolerance` stops as soon as every image's error estimate is that
    small, and lifts the method's bound on its work unless the bound was given, to what `pl.methods[method].budget()` says: the
    error may still be larger then, and `notes["tolerance"]` says so; where it is what to expect over samples, the work goes on
    to four fifths of the tolerance, so that it holds in 90 of 100 runs. `deadline` is a number of seconds from this call on,
    reading the pictures and predicting their classes included: no step is begun that would not fit, and the best answer so far
    is given. Only reading the pictures and the first step, about the first of them, are waited for however long they take.
    Several images take turns then, and a class is predicted when the first turn of its image comes (beside `against` before all
    else); where the time is up before that, images score 0, their error is infinite, their target, if it was to be predicted,
    is -1, and `notes["unanswered"]` says how many they are. Many images, more than 22 at 224 x 224, are explained a group at a
    time, so that the memory for what a method sums up does not grow with them; each group has its images' share of the time
    there is. `progress` is called with every answer; `cancelled` is asked after each.
    """
    stream = explain_stream(
        model, source, method=method, target=target, against=against, preset=preset, tolerance=tolerance, deadline=deadline,
        cancelled=cancelled, **options,
    )  # fmt: skip
    found = drain(stream, progress)
    if tolerance is None or not (notes := tolerance_notes(tolerance, found.error, found.error_name)):
        return found
    extras = {TOLERANCE: torch.tensor(tolerance, dtype=torch.float64)} if len(found) > 1 else {}
    return replace(found, notes={**found.notes, **notes}, extras={**found.extras, **extras})


def explain_stream(
    model: ImageClassifier | str | Path,
    source: Any,
    *,
    method: str,
    target: Target = None,
    against: str | int | None = None,
    preset: str | None = None,
    tolerance: float | None = None,
    deadline: float | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options: Any,
) -> Generator[Attribution, None, None]:
    """Every answer of `explain`, each better than the last; closing the generator stops the work.

    Of many images see `groups.answers`: those whose turn has not come score 0 and have an infinite error, and an earlier answer
    shares its tensors with the later ones.
    """
    start = monotonic()
    chosen = methods[method]
    model = model if isinstance(model, ImageClassifier) else load_classifier(model)
    model.check_mode()
    images = model.read(source)
    model = model.rather_than(against)
    indices = None
    if target is not None or deadline is None or against is not None:
        indices = model.targets(images, target)
        _check_contrast(model, indices)
    view = {} if preset is None else chosen.preset(preset).view
    options = settled(chosen, options, preset=preset, tolerance=tolerance, contrast=model.against is not None)
    stream = answers(
        chosen, model, images, indices, options,
        tolerance=tolerance, margin=chosen.margin, deadline=deadline, since=start, cancelled=cancelled,
    )  # fmt: skip

    def finished() -> Generator[Attribution, None, None]:
        with closing(stream):
            for answer in stream:
                yield replace(answer, view=view, against=model.against)

    return finished()


def measure(
    model: ImageClassifier | str | Path,
    source: Any,
    attribution: Attribution,
    *,
    metric: str,
    tolerance: float | None = None,
    deadline: float | None = None,
    progress: Callable[[Measurement], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options: Any,
) -> Measurement:
    """What a metric says of the attribution of each image in `source`, which must be the images that were explained.

    `tolerance` stops as soon as no value's 95 % interval reaches further than that to either side, nor that of its advantage
    over chance where chance is measured; a value that is not one before all is done, such as a largest, is waited for.
    `deadline`, `progress` and `cancelled` are those of `explain`. Raises ValueError where images and attribution do not belong
    together.
    """
    start = monotonic()
    chosen = metrics[metric]
    model = model if isinstance(model, ImageClassifier) else load_classifier(model)
    model.check_mode()
    images = model.read(source)
    check_explained(images, attribution)
    attribution = with_targets(model, images, attribution)
    options = {name: by_name(chosen, name, value) for name, value in options.items()}
    stream = chosen.stream(model.rather_than(attribution.against), images, attribution, **options)
    return drain(bounded(stream, tolerance=tolerance, deadline=deadline, cancelled=cancelled, since=start), progress)


def _check_contrast(model: ImageClassifier, target: Tensor) -> None:
    """ValueError where a class would be explained rather than itself: its scores would be 0 everywhere."""
    if model.against is not None and (same := (target == model.against).nonzero().flatten().tolist()):
        raise ValueError(
            f"target and against are both {model.labels[model.against]!r} for image {same[0]}: the difference of the two is 0 "
            "everywhere; name two classes"
        )


def settled(
    method: Method[..., Attribution],
    options: Mapping[str, Any],
    *,
    preset: str | None = None,
    tolerance: float | None = None,
    contrast: bool = False,
) -> dict[str, Any]:
    """The options that are asked for when these are given beside a preset, a tolerance, or a class to set against."""
    preset_options = {} if preset is None else method.preset(preset).options
    options = {name: by_name(method, name, value) for name, value in {**preset_options, **options}.items()}
    options = for_contrast(method, options) if contrast else options
    return options if tolerance is None else {**method.budget(), **options}


def by_name(method: Method[..., Attribution] | Metric[...], option: str, value: Any) -> Any:
    """The option's value; where it is a picture or a label map handed in from Python, a name under which it is found again."""
    field = method.options.model_fields.get(option)
    extra = field.json_schema_extra if field is not None else None
    kind = extra.get("format") if isinstance(extra, dict) else None
    if kind not in ("image", "labels") or isinstance(value, str):
        return value
    if kind == "image" and isinstance(value, Image.Image):
        value, _ = open_photograph(value)  # upright and RGB: in a record it becomes an array, which has no palette or EXIF
    return remember(value)


def for_contrast(method: Method[..., Attribution], options: dict[str, Any]) -> dict[str, Any]:
    """Options for explaining a difference of two logits; Contradiction when they ask for another output."""
    if "output" not in method.options.model_fields:
        return options
    if options.get("output", "logit") != "logit":
        raise Contradiction(f"against explains the difference of two logits; output={options['output']!r} does not go with it")
    return {**options, "output": "logit"}


def record(model: ImageClassifier, source: Any, attribution: Attribution) -> Record:
    """What `replay` needs to run this attribution again: the request with its target and all of its options, and the pixels.

    `source` is what was explained. ValueError where images and attribution do not belong together.
    """
    check_classifier(model)
    images = model.read(source)
    check_explained(images, attribution)
    request = Request(
        model=model.name,
        source=images.sources,
        target=tuple(attribution.target.tolist()),
        against=attribution.against,
        method=attribution.method,
        options={k: v for k, v in attribution.options.items() if k != "seed"},
        seed=attribution.seed,
    )
    return Record(request, attribution, images, model.fingerprint)
