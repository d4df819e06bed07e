"""The same numbers as captum's integrated gradients, on three small networks."""

from typing import Any

import pytest
import torch
from captum.attr import IntegratedGradients

import pellucid as pl
from pellucid.inputs.baselines import Baseline, make_baseline
from pellucid.inputs.paths import Rule
from tests.conftest import pictures

TARGET = torch.tensor([2, 0, 1])
RULES: dict[Rule, str] = {
    "left": "riemann_left",
    "right": "riemann_right",
    "midpoint": "riemann_middle",
    "trapezoid": "riemann_trapezoid",
    "gauss_legendre": "gausslegendre",
}


def captum(model: pl.ImageClassifier, images: pl.Images, start: torch.Tensor, multiply: bool = True, **options: Any) -> Any:
    """In batches as large as ours, and on copies: captum hands in leaves, which no in-place module may touch."""
    method = IntegratedGradients(lambda x: model.module(x.clone()), multiply_by_inputs=multiply)
    return method.attribute(images.features, start, TARGET, internal_batch_size=30, **options)


def assert_equal(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """To 1e-4 relative, of each score or of a thousandth of the largest: float32 sums are no better below that."""
    torch.testing.assert_close(ours, theirs.detach().float(), rtol=1e-4, atol=1e-7 * float(theirs.abs().max()))
    assert theirs.abs().max() > 1e-4


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("baseline", ["black", "white", "blur", "uniform"])
def test_every_rule(small_network: pl.ImageClassifier, rule: Rule, baseline: Baseline) -> None:
    images = pictures(small_network)
    start = make_baseline(images, baseline)
    for steps in (5, 50):
        ours = pl.methods["integrated_gradients"](small_network, images, TARGET, rule=rule, baseline=baseline, steps=steps)
        theirs = captum(small_network, images, start, n_steps=steps, method=RULES[rule])
        if rule == "trapezoid":
            # captum gives n points the weight 1 / n, the ends half of it, which sums to (n - 1) / n; the trapezoid rule's
            # weights sum to 1, so that a linear network is exact
            theirs = theirs * steps / (steps - 1)
        assert_equal(ours.scores, theirs)


@pytest.mark.parametrize("rule", ["left", "gauss_legendre"])
def test_without_the_factor(small_network: pl.ImageClassifier, rule: Rule) -> None:
    images = pictures(small_network)
    start = make_baseline(images, "black")
    ours = pl.methods["integrated_gradients"](small_network, images, TARGET, rule=rule, steps=10, multiply=False)
    assert_equal(ours.scores, captum(small_network, images, start, multiply=False, n_steps=10, method=RULES[rule]))


def test_its_completeness_gap_is_captums_delta(small_network: pl.ImageClassifier) -> None:
    images = pictures(small_network)
    start = make_baseline(images, "white")
    ours = pl.methods["integrated_gradients"](small_network, images, TARGET, steps=8, rule="midpoint", baseline="white")
    _, delta = captum(small_network, images, start, n_steps=8, method="riemann_middle", return_convergence_delta=True)
    torch.testing.assert_close(ours.extras["completeness_gap"], delta.float(), rtol=1e-2, atol=1e-5)
