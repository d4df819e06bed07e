"""Pictures in a batch: the maps of a few of them as rows."""

import hashlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from pellucid.attribution import Attribution, Work
from pellucid.batch.plan import Settings
from pellucid.batch.rows import WITHOUT, Answered, Asked, Row
from pellucid.evidence import Evidence
from pellucid.explain import explain, record
from pellucid.inputs.image import Images
from pellucid.inputs.photograph import PictureFile
from pellucid.models.errors import first_line
from pellucid.models.image import ImageClassifier
from pellucid.request import Request
from pellucid.trust import trust


def content_of_file(content: bytes) -> str:
    """What a row calls a picture's file."""
    return hashlib.sha256(content).hexdigest()


def read_picture(model: ImageClassifier, request: Request, file: PictureFile) -> Asked:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        images = model.read(file)
    changed = "; ".join(dict.fromkeys(str(one.message) for one in heard))
    return Asked(request, images, content_of_file(file.content), changed)


def picture_rows(model: ImageClassifier, part: Sequence[Asked], settings: Settings, records: bool) -> list[Answered]:
    """Of requests that differ in nothing but their picture."""
    asked = part[0].request
    each = [one.images for one in part if one.images is not None]
    images = _joined(each)
    options: dict[str, Any] = dict(asked.options) if asked.seed is None else {**asked.options, "seed": asked.seed}
    start = time.monotonic()
    a = explain(
        model, images, method=asked.method, target=None if asked.target is None else asked.target[0], against=asked.against,
        tolerance=settings.tolerance, deadline=settings.deadline, **options,
    )  # fmt: skip
    seconds = (time.monotonic() - start) / len(part)
    probabilities = model.on("torch").values(images.features, a.target, "probability")
    evidence = _evidence(model, images, a) if settings.trust else [(None, "")] * len(part)
    share = Work(round(a.work.forwards / len(part)), round(a.work.backwards / len(part)), a.work.fraction)
    found = []
    for n, (one, (proof, without)) in enumerate(zip(part, evidence, strict=True)):
        alone = replace(a[n], work=share)
        proof = None if proof is None else replace(proof, cost=share)
        target = int(alone.target)
        row = Row.of(
            one.request, one, proof, {**alone.notes, WITHOUT: without},
            context=None,
            target=target,
            label=model.labels[target],
            probability=float(probabilities[n]),
            map=alone.map()[0].numpy(),
            tokens=None,
            unit=alone.unit,
            error=float(alone.error),
            error_name=alone.error_name,
            fingerprint=model.fingerprint,
            engine=model.engine,
            forwards=share.forwards,
            backwards=share.backwards,
            seconds=seconds,
        )  # fmt: skip
        kept = None
        if records:
            told = () if proof is None else (proof.to_json(),)
            kept = replace(record(model, each[n], alone), evidence=told).to_bytes()
        found.append(Answered(one.request, row, kept))
    return found


def _evidence(model: ImageClassifier, images: Images, a: Attribution) -> list[tuple[Evidence | None, str]]:
    """On each map, or why there is none."""
    try:
        return [(one, "") for one in trust(model, images, a).evidence]
    except Exception as error:  # whatever: somebody's network, run with random weights
        if len(a) == 1:
            return [(None, first_line(error))]
        return [one for n in range(len(a)) for one in _evidence(model, images[n], a[n])]


def _joined(several: Sequence[Images]) -> Images:
    first = several[0]
    return Images(
        torch.cat([one.features for one in several]), torch.cat([one.pixels for one in several]),
        tuple(name for one in several for name in one.names), tuple(name for one in several for name in one.sources),
        first.mean, first.std,
    )  # fmt: skip
