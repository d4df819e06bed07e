"""Training on Food-11: the course's network from nothing, or a last layer on `imagenet`'s features."""

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from pellucid.inputs.augment import generator
from pellucid.inputs.food11 import CATEGORIES, SPLITS, Food11, Photo, Skipped, read_food11
from pellucid.inputs.photograph import open_photograph
from pellucid.models.load import load, state_dict, untrained
from pellucid.registry import UnknownName, unknown
from pellucid.train.data import Examples, Features, Photographs
from pellucid.train.features import FeatureStore
from pellucid.train.loop import Recipe, Run, fit, prepare, scored
from pellucid.train.progress import Progress, Result

Architecture = Literal["food11-cnn", "food11-head"]
RECIPES = {
    "food11-cnn": Recipe("food11-cnn", epochs=60, batch=32, rate=5e-4),
    "food11-head": Recipe("food11-head", epochs=40, batch=64, rate=2e-3),
}
"""What is done where nothing else is asked for."""
HEAD = "_fc."
"""What EfficientNet-Lite0 calls its last layer."""
LOOKED_AT = 64
"""Photographs that are looked at between two reports."""


def recipe_for(architecture: str, **changed: float | int | None) -> Recipe:
    """The recipe for `food11-cnn` or `food11-head`, with what is not None changed. KeyError for another architecture."""
    if architecture not in RECIPES:
        raise UnknownName(unknown("architecture to train", architecture, RECIPES))
    return replace(RECIPES[architecture], **{name: value for name, value in changed.items() if value is not None})


def train_food11(
    folder: str | Path, out: str | Path, recipe: Recipe, *, resume: bool = False, device: str = "cpu"
) -> Generator[Progress, None, Result]:
    """Trains on the Food-11 photographs in `folder` (see `read_food11`), yielding its progress; the last one has the result.

    `out` gets `checkpoint.pth`, the weights that did best on the validation photographs, for `load(path,
    architecture=recipe.architecture)`, and `last.pth`, with which `resume=True` goes on. Where there are evaluation photographs
    the result has the score on them, taken once, at the end. Photographs that cannot be read are left out and named in
    `skipped` of the result. Raises what `read_food11` and `fit` raise, and ValueError for a device that is not there.
    """
    out = Path(out)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"there is no device {device!r} here: {str(error).splitlines()[0]}") from None
    recipe_for(recipe.architecture)
    named = read_food11(folder)
    prepare(out, resume=resume)  # before minutes are spent on reading
    data = yield from readable(named)
    with torch.random.fork_rng(devices=[]):  # fresh weights are drawn from the global generator
        torch.manual_seed(generator(recipe.seed).initial_seed())
        network = untrained(recipe.architecture)
    if recipe.architecture == "food11-cnn":
        module, run = network.module, Run(out, data.digest, CATEGORIES)
        examples: list[Examples] = [Photographs(photos, network) for _, photos in data.splits()]
    else:
        module, run = network.module.get_submodule(HEAD.rstrip(".")), _head_run(out, data)
        store, examples = FeatureStore(out, load("imagenet")), []
        for photos in (photos for _, photos in data.splits() if photos):
            examples.append(Features((yield from store.compute(photos)), _labels(photos)))
    module.to(device)
    result = yield from fit(module, examples[0], examples[1], recipe, run, resume=resume)
    if data.evaluation:
        run.restore(module, state_dict(result.checkpoint))
        score = yield from scored(module, examples[2], len(CATEGORIES), recipe.batch)
        result = replace(result, evaluation=score)
    result = replace(result, skipped=data.skipped, absent=data.absent)
    yield Progress("done", recipe.epochs, recipe.epochs, recipe.epochs, recipe.epochs, result=result)
    return result


def readable(data: Food11) -> Generator[Progress, None, Food11]:
    """The data set without the photographs that cannot be decoded, which are added to its `skipped`.

    ValueError when no photograph is left to train or to validate on.
    """

    def reason(photo: Photo) -> str | None:
        try:
            open_photograph(photo.path)
        except (ValueError, OSError) as error:
            return str(error).removeprefix(f"{str(photo.path)!r} ")
        return None

    photos = [photo for _, split in data.splits() for photo in split]
    bad: list[Skipped] = []
    for start in range(0, len(photos), LOOKED_AT):
        part = photos[start : start + LOOKED_AT]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            bad += [Skipped(photo.path, why) for photo, why in zip(part, pool.map(reason, part), strict=True) if why]
        yield Progress("reading", start + len(part), len(photos))
    data = data.without(bad)
    for split in SPLITS[:2]:
        if not getattr(data, split):
            raise ValueError(f"none of the {split} photographs in {str(data.folder)!r} can be read; the first: {bad[0].reason}")
    return data


def _head_run(out: Path, data: Food11) -> Run:
    """A run that trains the last layer alone and saves it with the rest of `imagenet`."""
    frozen = {name: tensor for name, tensor in load("imagenet").module.state_dict().items() if not name.startswith(HEAD)}
    return Run(out, data.digest, CATEGORIES, frozen, HEAD)


def _labels(photos: tuple[Photo, ...]) -> torch.Tensor:
    return torch.tensor([photo.label for photo in photos], dtype=torch.int64)
