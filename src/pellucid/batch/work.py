"""Requests about a few pictures, answered: a row each, or why there is none."""

import hashlib
import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch

from pellucid.attribution import Attribution, Work
from pellucid.batch.plan import Settings, alike
from pellucid.batch.rows import Row
from pellucid.evidence import Evidence
from pellucid.explain import explain, record
from pellucid.inputs.image import Images
from pellucid.inputs.photograph import PictureFile
from pellucid.models.errors import first_line
from pellucid.models.image import ImageClassifier
from pellucid.registry import Contradiction
from pellucid.request import Request
from pellucid.strict_json import finite
from pellucid.trust import trust

CHANGED, WITHOUT = "picture", "no evidence"
"""Notes of a row: what of its picture was changed to be read, and why there is no evidence."""


@final
@dataclass(frozen=True)
class Failure:
    """A request that has no row, and why."""

    request: Request
    error: str


@final
@dataclass(frozen=True, eq=False)
class Answered:
    """A request's row, and its record where that was asked for."""

    request: Request
    row: Row
    record: bytes | None = None


@final
@dataclass(frozen=True, eq=False)
class Chunk:
    """Requests about a few pictures, and the files of these by their names."""

    requests: Sequence[Request]
    files: Mapping[str, PictureFile]

    @classmethod
    def read(cls, requests: Sequence[Request]) -> "tuple[Chunk, list[Failure]]":
        """The requests with their files, and those whose file cannot be read."""
        files: dict[str, PictureFile] = {}
        unread: dict[str, str] = {}
        for source in dict.fromkeys(request.source[0] for request in requests):
            try:
                files[source] = PictureFile.read(source)
            except (ValueError, OSError) as error:
                unread[source] = str(error)
        able = [request for request in requests if request.source[0] in files]
        return cls(able, files), [Failure(r, unread[r.source[0]]) for r in requests if r.source[0] in unread]

    def one_by_one(self) -> "list[Chunk]":
        """A chunk for each picture."""
        return [Chunk([r for r in self.requests if r.source[0] == name], {name: file}) for name, file in self.files.items()]


@final
@dataclass(frozen=True, eq=False)
class _Asked:
    """A request with its picture as the network reads it."""

    request: Request
    images: Images
    content: str
    changed: str
    """What of the picture was changed to be read; mostly nothing."""


def answers(
    models: Mapping[str, ImageClassifier], chunk: Chunk, settings: Settings, records: bool = False
) -> Iterator[Answered | Failure]:
    """Of each request, by the networks of those names.

    What somebody's network does is a failure of the request. A contradiction among options is raised: it is one of every
    picture.
    """
    for together in alike(chunk.requests):
        able: list[_Asked] = []
        for request in together:
            try:
                able.append(_read(models[request.model], request, chunk.files[request.source[0]]))
            except (ValueError, OSError) as error:
                yield Failure(request, str(error))
        model = models[together[0].model]
        for part in [[one] for one in able] if settings.alone else [able]:
            yield from _answered(model, part, settings, records)


def content_name(content: bytes) -> str:
    """What a row calls a picture's file."""
    return hashlib.sha256(content).hexdigest()


def _read(model: ImageClassifier, request: Request, file: PictureFile) -> _Asked:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        images = model.read(file)
    changed = "; ".join(dict.fromkeys(str(one.message) for one in heard))
    return _Asked(request, images, content_name(file.content), changed)


def _answered(
    model: ImageClassifier, part: Sequence[_Asked], settings: Settings, records: bool
) -> Iterator[Answered | Failure]:
    """Together, or one by one where one of them spoils it for the others."""
    try:
        yield from _together(model, part, settings, records) if part else ()
    except Contradiction:
        raise
    except Exception as error:  # whatever: somebody's network
        if len(part) == 1:
            told = str(error) if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {first_line(error)}"
            yield Failure(part[0].request, told)
        else:
            for one in part:
                yield from _answered(model, [one], settings, records)


def _together(model: ImageClassifier, part: Sequence[_Asked], settings: Settings, records: bool) -> list[Answered]:
    asked = part[0].request  # which differs from the others in its picture alone
    images = _joined([one.images for one in part])
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
        row = _row(model, one, alone, proof, without, float(probabilities[n]), seconds)
        kept = None
        if records:
            told = () if proof is None else (proof.to_json(),)
            kept = replace(record(model, one.images, alone), evidence=told).to_bytes()
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


def _row(
    model: ImageClassifier, one: _Asked, a: Attribution, proof: Evidence | None, without: str, probability: float,
    seconds: float,
) -> Row:  # fmt: skip
    request, target = one.request, int(a.target)
    said = {**a.notes, **({CHANGED: one.changed} if one.changed else {}), **({WITHOUT: without} if without else {})}
    return Row(
        key=request.key,
        source=request.source[0],
        method=request.method,
        target=target,
        label=model.labels[target],
        against=request.against,
        probability=probability,
        map=a.map()[0].numpy(),
        unit=a.unit,
        error=float(a.error),
        error_name=a.error_name,
        verdict=None if proof is None else proof.verdict,
        advantage=None if proof is None else proof.advantage.value,
        advantage_low=None if proof is None else proof.advantage.low,
        advantage_high=None if proof is None else proof.advantage.high,
        randomised=None if proof is None else proof.randomised,
        evidence=None if proof is None else _json(proof.to_json()),
        model=request.model,
        fingerprint=model.fingerprint,
        engine=model.engine,
        options=_json(request.options),
        seed=request.seed,
        notes=_json(said),
        forwards=a.work.forwards,
        backwards=a.work.backwards,
        seconds=seconds,
        content=one.content,
        request=_json(request.model_dump(mode="json")),
    )


def _joined(several: Sequence[Images]) -> Images:
    first = several[0]
    return Images(
        torch.cat([one.features for one in several]), torch.cat([one.pixels for one in several]),
        tuple(name for one in several for name in one.names), tuple(name for one in several for name in one.sources),
        first.mean, first.std,
    )  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(finite(value), ensure_ascii=False, sort_keys=True, allow_nan=False)
