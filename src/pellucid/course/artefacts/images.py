"""What is explained of photographs: maps as the lab draws them, LIME's superpixels, and a method's own error."""

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from pellucid.course.artefacts import Axis, Entry, Value, artefact, scaled, seeds, shifted

if TYPE_CHECKING:
    from pellucid.course.workshop import Workshop
    from pellucid.inputs.image import Images
    from pellucid.models.image import ImageClassifier

VERSION = 1
"""Counts up whenever the same explanation would be kept with other contents."""


class AttributionEntry(Entry):
    """A method at the settings that students use; what is not said is the method's default."""

    method: str
    config: dict[str, bool | int | float | str] = Field(default_factory=dict)
    target: int | str = "predicted"
    """`predicted`, `second` (the likeliest class after it), or a class by number or label."""
    against: int | str | None = None
    """`second`, or a class: why the target rather than that one."""
    weights: Literal["learned", "random"] = "learned"
    """`random`: the same method for the same class on a network that has learned nothing; the seed draws its weights."""
    first_seed: int = Field(default=0, ge=0)
    """Seed of the base run; another one makes a second series of runs to compare the first with."""
    percentile: float = Field(default=99.5, gt=50, le=100)
    """Of the magnitudes: where the colours end. The lab draws all that is stronger alike."""

    @model_validator(mode="after")
    def _known(self) -> "AttributionEntry":
        from pellucid.registry import validated

        method = _method(self.method)
        if "seed" in self.config:
            raise ValueError("config holds a seed; runs draw with seeds of their own, the base run with first_seed")
        try:
            validated(self.method, method.options, self.config)
        except TypeError as error:  # which pydantic would let through, without the line
            raise ValueError(str(error)) from None
        return self

    def option(self, name: str) -> Any:
        """What an option of the method is set to; None where it has no such option."""
        field = _method(self.method).options.model_fields.get(name)
        return None if field is None else self.config.get(name, field.default)

    @property
    def draws(self) -> bool:
        """Whether another seed may give another map."""
        from pellucid.inputs.baselines import RANDOM

        own = self.option("seed") is not None and (
            self.option("samples") is not None or self.option("baseline") in RANDOM or self.method == "random"
        )
        return own or self.weights == "random"


def _method(name: str) -> Any:
    from pellucid.methods import methods

    try:
        return methods[name]
    except KeyError as error:
        raise ValueError(str(error)) from None


def explaining(entry: AttributionEntry) -> list[Axis]:
    """Another seed where there is chance, a quarter more and less work, the picture read by another filter, and for what draws
    nothing the network in another precision, since that is all that moves it from machine to machine."""
    found = seeds(entry.seeds) if entry.draws else []
    for name in ("samples", "steps"):
        if entry.option(name) is not None:
            found += scaled(name)
    if not entry.draws:
        found.append(Axis("precision float64", {"precision": "float64"}))
    return [*found, Axis("resize bilinear", {"resize": "bilinear"})]


def drawing(entry: AttributionEntry) -> list[Axis]:
    """The same, and the end of the colours a percentile lower and higher."""
    return [*explaining(entry), *shifted("clip", 1, "percentile")]


def explained(entry: AttributionEntry, axis: Axis, workshop: "Workshop") -> dict[str, Value]:
    """By image: the `map` (raw, channels folded), `signed`, `target`, `error`, and of LIME `segments` and `weights`."""
    model, images = network(entry, axis, workshop), read(entry, axis, workshop)
    targets = _targets(entry, workshop)
    options = {**entry.config, **_changed(entry, axis)}
    found: dict[str, Value] = {}
    for n, id in enumerate(workshop.ids(entry)):
        one = images[n]
        what = {
            "made": "explanation", "version": VERSION, "model": called(entry, axis, workshop), "picture": hashed(one),
            "method": entry.method, "options": dict(sorted(options.items())), "target": targets[n][0], "against": targets[n][1],
        }  # fmt: skip
        found[id] = workshop.keep(what, _explaining(model, one, entry.method, targets[n], options))
    return found


def _explaining(
    model: "Callable[[], ImageClassifier]", one: "Images", method: str, target: tuple[int, int | None], options: dict[str, Any]
) -> Callable[[], Value]:
    def make() -> Value:
        from pellucid.explain import explain

        made = explain(model(), one, method=method, target=target[0], against=target[1], **options)
        kept: dict[str, Value] = {
            "map": made.map()[0].numpy(), "signed": int(made.signed), "target": target[0], "error": float(made.error[0])
        }  # fmt: skip
        if "segments" in made.extras:
            kept |= {"segments": made.segments[0].numpy().astype(np.int16), "weights": made.segment_weights[0].numpy()}
        return kept

    return make


def classifier(entry: Entry, workshop: "Workshop") -> "ImageClassifier":
    """The entry's network as it is. ValueError for one that reads no images."""
    from pellucid.models.image import ImageClassifier

    model = workshop.model(entry.model)
    if not isinstance(model, ImageClassifier):
        raise ValueError(f"the model {entry.model!r} reads text; name one that reads images")
    return model


def network(entry: AttributionEntry, axis: Axis, workshop: "Workshop") -> "Callable[[], ImageClassifier]":
    """Gives the network that is explained in this run: built only where something is to be made with it."""

    def build() -> "ImageClassifier":
        model = classifier(entry, workshop)
        if entry.weights == "random":
            model = _unlearned(model, _seed(entry, axis))
        return precise(model) if axis.get("precision") == "float64" else model

    return build


@lru_cache(maxsize=8)  # 20 MB each; the runs of several methods go through the same seeds
def _unlearned(model: "ImageClassifier", seed: int) -> "ImageClassifier":
    from pellucid.models.randomized import randomized

    # subtle: a copy for so few passes would take longer to prepare than it saves
    return replace(randomized(model, seed), prepare=False, engine="torch")


@lru_cache(maxsize=2)
def precise(model: "ImageClassifier") -> "ImageClassifier":
    """The network in double precision."""
    return replace(model, module=deepcopy(model.module).double(), prepare=False, engine="torch")


def read(entry: Entry, axis: Axis, workshop: "Workshop") -> "Images":
    """The entry's images as the network reads them in this run."""
    images = workshop.images(entry)
    if axis.get("resize") != "bilinear":
        return images
    return replace(classifier(entry, workshop), interpolation="bilinear").read(list(images.sources))


def _targets(entry: AttributionEntry, workshop: "Workshop") -> list[tuple[int, int | None]]:
    """Target and contrast of each image, those of the base run: what students ask about stays the same class."""
    model, images = classifier(entry, workshop), workshop.images(entry)
    found: list[tuple[int, int | None]] = []
    for n in range(len(images)):
        one = images[n]
        what = {"made": "ranking", "version": VERSION, "model": model.fingerprint, "picture": hashed(one)}
        first, second = workshop.keep(what, lambda one=one: model.logits(one.features)[0].topk(2).indices.numpy()).tolist()
        known = {"predicted": first, "second": second}
        target, against = (
            None if wanted is None else known[wanted] if wanted in known else model.class_index(wanted)
            for wanted in (entry.target, entry.against)
        )
        assert target is not None
        found.append((target, against))
    return found


def _seed(entry: AttributionEntry, axis: Axis) -> int:
    return entry.first_seed + int(axis.get("seed", 0))


def _changed(entry: AttributionEntry, axis: Axis) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if entry.option("seed") is not None:
        changed["seed"] = _seed(entry, axis)
    for name in ("samples", "steps"):
        if axis.get(name) is not None and entry.option(name) is not None:
            count = round(entry.option(name) * axis.get(name))
            changed[name] = count + count % 2 if entry.option("antithetic") else max(1, count)
    return changed


def called(entry: AttributionEntry, axis: Axis, workshop: "Workshop") -> dict[str, Value]:
    """What decides the network of a run, for `keep`."""
    random = {"random": _seed(entry, axis)} if entry.weights == "random" else {}
    return {"fingerprint": classifier(entry, workshop).fingerprint, "precision": axis.get("precision", "float32"), **random}


def hashed(one: "Images") -> str:
    return hashlib.sha256(one.features.numpy().tobytes()).hexdigest()


# ------------------------------------------------------------------------------------------------ kinds


@artefact("attribution", entry=AttributionEntry, axes=drawing, kept=False)
def attribution(entry: AttributionEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, the map as the lab draws it: channels folded, in the method's unit, cut off where its colours end."""
    percentile = min(100.0, entry.percentile + axis.get("clip", 0))
    return {id: drawn(one["map"], percentile) for id, one in explained(entry, axis, workshop).items()}


def drawn(scores: np.ndarray, percentile: int | float) -> np.ndarray:
    """Scores cut off at that percentile of their magnitudes: the smallest limit that leaves no larger share beyond it."""
    magnitudes = np.sort(np.abs(scores), axis=None)
    limit = magnitudes[int(np.ceil(percentile / 100 * (magnitudes.size - 1)))] or magnitudes[-1]
    return np.clip(scores, -limit, limit)


@artefact("superpixels", entry=AttributionEntry, axes=explaining, kept=False)
def superpixels(entry: AttributionEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, LIME's `segments` (the superpixel of each pixel, from 0) and their `weights`."""
    return {
        id: {"segments": one["segments"], "weights": one["weights"]} for id, one in segmented(entry, axis, workshop).items()
    }


def segmented(entry: AttributionEntry, axis: Axis, workshop: "Workshop") -> dict[str, Value]:
    if entry.method != "lime":
        raise ValueError(f"method {entry.method!r} cuts no superpixels; LIME does")
    return explained(entry, axis, workshop)


@artefact("own_error", entry=AttributionEntry, axes=explaining, kept=False)
def own_error(entry: AttributionEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, the error that the method tells of itself, as the lab shows it: the completeness gap of integrated gradients,
    the relative error of LIME and SmoothGrad."""
    return {id: float(one["error"]) for id, one in explained(entry, axis, workshop).items()}
