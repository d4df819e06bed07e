"""What the network answers to changed photographs: without superpixels, without a map's first pixels, under noise."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pellucid.course.artefacts import Axis, Entry, Value, artefact, scaled, seeds
from pellucid.course.artefacts.images import (
    VERSION,
    AttributionEntry,
    called,
    classifier,
    explained,
    explaining,
    hashed,
    network,
    read,
    segmented,
)

if TYPE_CHECKING:
    from pellucid.attribution import Attribution
    from pellucid.course.workshop import Workshop
    from pellucid.inputs.image import Images
    from pellucid.models.image import ImageClassifier


class RemovalEntry(AttributionEntry):
    """LIME's superpixels, and how many of the strongest are hidden or kept, as in the lab's superpixel panel."""

    sign: Literal["positive", "negative", "both"] = "positive"
    action: Literal["remove", "keep"] = "remove"
    most: int = Field(default=20, ge=1)


@artefact("removal", entry=RemovalEntry, axes=explaining, kept=False)
def removal(entry: RemovalEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, with the 0, 1, 2, ... strongest superpixels removed (or alone kept): the probability of the `target`, and that
    of the likeliest `other` class."""
    model, images = network(entry, axis, workshop), read(entry, axis, workshop)
    kept: dict[str, Value] = {}
    for n, (id, one) in enumerate(segmented(entry, axis, workshop).items()):
        shown = visible(one["weights"], int(one["segments"].max()) + 1, entry.sign, entry.action, entry.most)
        what = {
            "made": "removal", "version": VERSION, "model": called(entry, axis, workshop), "picture": hashed(images[n]),
            "segments": hashlib.sha256(one["segments"].tobytes()).hexdigest(), "shown": np.packbits(shown).tobytes().hex(),
            "rows": len(shown), "target": int(one["target"]), "hide": entry.option("hide"),
        }  # fmt: skip
        kept[id] = workshop.keep(what, _removing(model, images[n], one, shown, entry.option("hide")))
    return kept


def _removing(
    model: "Callable[[], ImageClassifier]", one: "Images", found: Mapping[str, Any], shown: np.ndarray, hide: Any
) -> Callable[[], Value]:
    def make() -> Value:
        import torch

        from pellucid.inputs.perturb import fill, perturbed

        labels = torch.from_numpy(found["segments"].astype(np.int64))
        pictures = perturbed(one.features[0], fill(one, labels, hide), labels, torch.from_numpy(shown))
        probabilities = model().logits(pictures).softmax(1)
        own = int(found["target"])
        target = probabilities[:, own].clone()
        probabilities[:, own] = -1
        return {"target": target.numpy(), "other": probabilities.amax(1).numpy()}

    return make


def visible(weights: np.ndarray, count: int, sign: str, action: str, most: int) -> np.ndarray:
    """Which superpixels are visible with the 0 to `most` strongest removed, or alone kept: by magnitude, of that sign only.

    Where fewer have that sign, all of those.
    """
    order = np.argsort(-np.abs(weights[:count]), kind="stable")
    right = {"positive": weights > 0, "negative": weights < 0, "both": weights != 0}[sign]
    order = [k for k in order if right[k]]
    rows = np.full((most + 1, count), action == "remove")
    for n in range(most + 1):
        rows[n, order[:n]] = action == "keep"
    return rows


class DeletionEntry(AttributionEntry):
    """A map, and how pixels are removed in its order."""

    order_steps: int = Field(default=10, ge=2)
    orders: int = Field(default=9, ge=2)
    """Random orders that it is compared with; the least that the lab takes is 9."""


def deleting(entry: DeletionEntry) -> Sequence[Axis]:
    """Random orders have a seed, whether or not the method has one."""
    return [*seeds(entry.seeds), *(axis for axis in explaining(entry) if "seed" not in axis.setting)]


@artefact("deletion", entry=DeletionEntry, axes=deleting, kept=False)
def deletion(entry: DeletionEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, how much lower the probability of the target is, on average, while pixels are blurred in the order of the map
    than while they are in random orders (`advantage`, as the lab shows it); and the two curves, `own` and `random`."""
    model, images = network(entry, axis, workshop), read(entry, axis, workshop)
    kept: dict[str, Value] = {}
    for n, (id, one) in enumerate(explained(entry, axis, workshop).items()):
        options = {"steps": entry.order_steps, "orders": entry.orders, "null": "pixels", "seed": int(axis.get("seed", 0))}
        what = {
            "made": "deletion", "version": VERSION, "model": called(entry, axis, workshop), "picture": hashed(images[n]),
            "map": hashlib.sha256(one["map"].tobytes()).hexdigest(), "signed": int(one["signed"]), "target": int(one["target"]),
            **options,
        }  # fmt: skip
        kept[id] = workshop.keep(what, _deleting(model, images[n], one, options))
    return kept


def _deleting(
    model: "Callable[[], ImageClassifier]", one: "Images", found: Mapping[str, Any], options: dict[str, Any]
) -> Callable[[], Value]:
    def make() -> Value:
        from pellucid.explain import measure

        measured = measure(model(), one, folded(found), metric="deletion", **options)
        extras = measured.extras
        return {
            "advantage": float(extras["advantage"][0]), "own": extras["curve"][0].numpy(),
            "random": extras["chance_curves"][0].mean(0).numpy(),
        }  # fmt: skip

    return make


def folded(found: Mapping[str, Any]) -> "Attribution":
    """The attribution that a kept explanation was, as far as the order of its pixels goes."""
    import torch

    from pellucid.attribution import Attribution, Work

    return Attribution(
        scores=torch.from_numpy(found["map"])[None, None],
        target=torch.tensor([int(found["target"])]),
        error=torch.tensor([float(found["error"])]),
        work=Work(0, 0, 1.0),
        unit="",
        signed=bool(found["signed"]),
    )


class NoisyEntry(Entry):
    """Copies of the images with the noise that SmoothGrad adds."""

    noise: float = Field(gt=0, le=1)
    """Standard deviation, as a share of the image's value range."""
    samples: int = Field(default=50, ge=2)


@artefact("noisy", entry=NoisyEntry, axes=lambda entry: [*seeds(entry.seeds), *scaled("samples")])
def noisy(entry: NoisyEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, of the noisy copies that SmoothGrad would average, the mean `probability` of the class that the clean image is
    taken for, and the share that is `changed` to another class."""
    from pellucid.methods.smoothgrad import noise_deviation, noisy_copies

    model, images = classifier(entry, workshop), workshop.images(entry)
    samples = round(entry.samples * axis.get("samples", 1))
    target = model.targets(images)
    found: dict[str, Value] = {}
    for n, id in enumerate(workshop.ids(entry)):
        one = images[n]
        deviation = noise_deviation(one.value_range, entry.noise, "share")
        copies = noisy_copies(one.features, deviation, samples, int(axis.get("seed", 0)))
        probabilities = np.concatenate([model.logits(part).softmax(1).numpy() for part, _ in copies])
        found[id] = {
            "probability": float(probabilities[:, int(target[n])].mean()),
            "changed": float((probabilities.argmax(1) != int(target[n])).mean()),
        }
    return found
