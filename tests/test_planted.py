"""Planted truth: the networks know their rule, by the planted pixels and no others."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import pellucid as pl
from pellucid.evidence import LEARNED
from pellucid.inputs.augment import generator
from pellucid.inputs.image import normalised
from pellucid.models.learned import order
from pellucid.models.randomized import randomized
from pellucid.planted import Plant, grown_from, plant, plants
from pellucid.planted.evidence import evidence
from pellucid.planted.rules import RULES
from pellucid.planted.scenes import Scenes, as_bytes


@pytest.fixture(scope="module")
def garden() -> Mapping[str, Plant]:
    return {name: plant(name) for name in plants}


@pytest.mark.parametrize("name", RULES)
def test_the_others_of_a_scene_differ_inside_the_mask_alone(name: str) -> None:
    scenes = RULES[name].draw(generator(1), 40)
    for other, target in zip(scenes.others, scenes.other_target, strict=True):
        changed = (other != scenes.values).any(1)
        assert changed.flatten(1).any(1).all()
        assert not (changed & ~scenes.mask).any()
        assert (target != scenes.target).all()


@pytest.mark.parametrize("name", RULES)
def test_the_pictures_hold_bytes(name: str) -> None:
    values = RULES[name].draw(generator(1), 10).values * 255
    torch.testing.assert_close(values, values.round(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", plants)
def test_its_weights_are_in_the_order_that_learning_gives(garden: Mapping[str, Plant], name: str) -> None:
    """Trained for seconds, and told at once from the same network with its weights drawn anew."""
    model = garden[name].model
    assert order(model.module) > 1.5 * LEARNED
    for seed in range(3):
        assert order(randomized(model, seed).module) < 4


def test_every_corner_carries_a_mark_and_every_cell_a_shape() -> None:
    marks, shapes = (RULES[name].draw(generator(2), 1500).mask for name in ("watermark", "shape"))
    assert set(_quarter(marks)) == {0, 1, 2, 3}
    assert shapes.any(0).all()


def _quarter(mask: Tensor) -> list[int]:
    rows, columns = mask.any(2).float().argmax(1), mask.any(1).float().argmax(1)
    half = mask.shape[-1] // 2
    return (2 * (rows > half) + (columns > half)).tolist()


@pytest.mark.parametrize("name", plants)
def test_the_network_knows_the_rule(garden: Mapping[str, Plant], name: str) -> None:
    one = garden[name]
    assert one.accuracy >= 0.98
    assert len(one.images) == len(one.mask) == 16
    assert torch.equal(one.model.targets(one.images), one.target)
    assert torch.equal(one.images.pixels.movedim(-1, 1).float() / 255, one.scenes.values)
    assert 0.01 < one.mask.float().mean() < 0.15


@pytest.mark.parametrize("name", plants)
def test_it_answers_by_the_mask_and_by_nothing_else(garden: Mapping[str, Plant], name: str) -> None:
    one = garden[name]
    assert one.share >= 0.95
    half = one.evidence.intact / 2
    assert (one.evidence.replaced <= half).all()
    assert (one.evidence.elsewhere > half).all()
    assert (one.evidence.transplanted > half).all()
    again = evidence(one.model, one.scenes, generator(3))  # other places elsewhere
    assert again.share >= 0.9
    torch.testing.assert_close(again.replaced, one.evidence.replaced)


@pytest.mark.parametrize("name", plants)
def test_pixels_beside_the_mask_prove_nothing(garden: Mapping[str, Plant], name: str) -> None:
    one = garden[name]
    side = one.mask.shape[-1]
    moved = evidence(one.model, replace(one.scenes, mask=one.mask.roll(side // 2, 1 + (name == "place"))), generator(3))
    assert moved.share < 0.3  # not 0: a mask of two marks may come to lie on one of them


@pytest.mark.parametrize("name", plants)
def test_networks_with_random_weights_prove_nothing(garden: Mapping[str, Plant], name: str) -> None:
    for control in garden[name].controls:
        assert control.fingerprint != garden[name].model.fingerprint
        assert evidence(control, garden[name].scenes, generator(3)).share < 0.5


def test_a_network_that_answers_by_something_else_is_found_out() -> None:
    def brighter_when_marked(source: torch.Generator, count: int) -> Scenes:
        scenes = RULES["watermark"].draw(source, count)
        return replace(scenes, values=as_bytes(scenes.values + 0.3))

    with pytest.raises(RuntimeError, match=r"the network of 'watermark' answers only .* of .* images by the planted cause"):
        grown_from(replace(RULES["watermark"], draw=brighter_when_marked, steps=30))


def test_each_mark_of_the_conjunction_is_needed(garden: Mapping[str, Plant]) -> None:
    one = garden["conjunction"]
    for other in one.scenes.others:
        features = normalised(other, one.model.mean, one.model.std)
        assert (one.model.logits(features).argmax(1) == 0).all()


def test_the_same_disc_in_another_place_is_of_another_class(garden: Mapping[str, Plant]) -> None:
    one = garden["place"]
    moved = one.images.features.roll(24, 3)  # left and right thirds change places, whole
    swapped = torch.where((one.target == 0)[:, None, None, None], moved, one.images.features.roll(-24, 3))
    assert (one.model.logits(swapped).argmax(1) == 1 - one.target).float().mean() >= 0.95


@pytest.mark.parametrize("name", plants)
def test_logits_hold_nothing_that_is_common_to_all_classes(garden: Mapping[str, Plant], name: str) -> None:
    for model in (garden[name].model, *garden[name].controls):
        sums = model.logits(garden[name].images.features).sum(1)
        torch.testing.assert_close(sums, torch.zeros(len(sums)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("baseline", ["black", "blur"])
def test_integrated_gradients_finds_the_watermark(garden: Mapping[str, Plant], baseline: str) -> None:
    one = garden["watermark"]
    mass = pl.methods["integrated_gradients"](one.model, one.images, one.target, baseline=baseline, steps=16).map().abs()
    share = (mass * one.mask).sum((1, 2)) / mass.sum((1, 2))
    assert (share > 3 * one.mask.float().mean((1, 2))).all()


def test_the_same_seed_gives_the_same_weights_and_the_process_is_left_as_it_was() -> None:
    short = replace(RULES["place"], steps=40)
    first = grown_from(short)
    torch.rand(5)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with torch.inference_mode():
        again = grown_from(short)
        assert torch.is_inference_mode_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    assert not any(parameter.is_inference() or parameter.requires_grad for parameter in again.model.module.parameters())
    assert again.model.fingerprint == first.model.fingerprint
    assert [one.fingerprint for one in again.controls] == [one.fingerprint for one in first.controls]
    assert len({one.fingerprint for one in (again.model, *again.controls)}) == 4
    assert torch.equal(again.images.features, first.images.features)
    assert torch.equal(again.evidence.elsewhere, first.evidence.elsewhere)


def test_another_seed_draws_other_pictures() -> None:
    assert not torch.equal(RULES["shape"].draw(generator(0), 1).values, RULES["shape"].draw(generator(1), 1).values)


def test_what_there_is_not_is_said() -> None:
    with pytest.raises(KeyError, match=r"no plant named 'watermarks'.*did you mean 'watermark'"):
        plant("watermarks")
    with pytest.raises(ValueError, match="seed is -1; at least 0"):
        plant("place", -1)
