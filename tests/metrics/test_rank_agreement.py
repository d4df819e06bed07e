"""Rank agreement: complete where methods must agree, absent for noise, and honest about methods that cannot join."""

from dataclasses import replace

import pytest
import torch

import pellucid as pl
from pellucid.metrics.rank_agreement import light
from pellucid.ranks import spearman, top_overlap
from pellucid.registry import UnknownName
from tests.conftest import pictures


def test_methods_that_are_the_same_on_a_linear_network_agree(linear):
    images = pictures(linear)
    a = pl.explain(linear, images, method="input_x_gradient")
    m = pl.measure(linear, images, replace(a, method="mine"), metric="rank_agreement", others="input_x_gradient")
    assert m.values.tolist() == [1, 1, 1]
    assert m.extras["top_overlap"].tolist() == [[1]] * 3


def test_noise_agrees_with_nothing(relu):
    images = pictures(relu)
    m = pl.measure(relu, images, pl.explain(relu, images, method="random"), metric="rank_agreement")
    assert m.values.abs().max() < 0.25
    assert m.notes["others"] == "saliency, integrated_gradients, grad_cam"
    assert m.higher_is_better is None


def test_is_the_mean_over_the_other_methods_of_magnitudes(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="saliency")
    m = pl.measure(relu, images, a, metric="rank_agreement", others="saliency, integrated_gradients,edges", samples=5)
    others = [pl.explain(relu, images, method="integrated_gradients", steps=5), pl.explain(relu, images, method="edges")]
    expected = torch.stack([spearman(a.map().abs(), other.map().abs()) for other in others], 1)
    overlap = torch.stack([top_overlap(a.map().abs(), other.map().abs(), 0.1) for other in others], 1)
    torch.testing.assert_close(m.extras["correlations"], expected)
    torch.testing.assert_close(m.extras["top_overlap"], overlap)
    torch.testing.assert_close(m.values, expected.mean(1))
    assert m.notes["others"] == "integrated_gradients, edges"
    assert m.work.backwards == 3 * 5


def test_the_target_is_that_of_the_map(relu):
    images = pictures(relu)
    a = pl.explain(relu, images, method="integrated_gradients", target=4, steps=16)
    m = pl.measure(relu, images, replace(a, method="mine"), metric="rank_agreement", others="integrated_gradients")
    assert m.values.tolist() == [1, 1, 1]


def test_contrasts_are_explained_by_logits(relu):
    images = pictures(relu, 1)
    a = pl.explain(relu, images, method="saliency", target=1, against=2)
    m = pl.measure(relu, images, a, metric="rank_agreement", others="occlusion")
    assert m.values.isfinite().all()
    assert light(pl.methods["lime"], 16, contrast=True) == {"output": "logit", "samples": 16}


def test_work_is_bounded_within_what_a_method_takes():
    assert light(pl.methods["lime"], 3, contrast=False) == {"samples": 10}
    assert light(pl.methods["integrated_gradients"], 100_000, contrast=False) == {"steps": 1000}
    assert light(pl.methods["saliency"], 16, contrast=False) == {}


def test_a_method_that_cannot_explain_the_network_is_left_out(linear):
    images = pictures(linear)
    a = pl.explain(linear, images, method="saliency")
    m = pl.measure(linear, images, a, metric="rank_agreement")
    assert m.notes["others"] == "integrated_gradients"
    assert "Grad-CAM is for convolutional networks" in m.notes["without grad_cam"]
    assert m.values.isfinite().all()
    assert m.work.fraction == 1
    m = pl.measure(linear, images, a, metric="rank_agreement", others="grad_cam")
    assert m.values.isnan().all()
    assert m.notes["no value"]


def test_a_constant_map_has_no_value_and_counts_nowhere(relu):
    images = pictures(relu)
    flat = relu.read([torch.full((3, 16, 16), 0.5)] * 3)
    a = pl.explain(relu, images, method="saliency")
    constant = replace(a, scores=torch.zeros_like(a.scores))
    assert pl.measure(relu, images, constant, metric="rank_agreement").values.isnan().all()
    m = pl.measure(relu, flat, a, metric="rank_agreement", others="edges,integrated_gradients")
    assert m.extras["correlations"][:, 0].isnan().all()
    torch.testing.assert_close(m.values, m.extras["correlations"][:, 1])


def test_names_are_checked_before_any_work(relu):
    images = pictures(relu, 1)
    a = pl.explain(relu, images, method="saliency")
    with pytest.raises(UnknownName, match="no method named 'grad-cam'"):
        pl.measure(relu, images, a, metric="rank_agreement", others="lime,grad-cam")
    m = pl.measure(relu, images, a, metric="rank_agreement", others="saliency")
    assert m.values.isnan().all()
    assert m.notes["no value"] == "others='saliency' names no method besides saliency"


def test_an_answer_comes_with_every_answer_of_another_method_and_settles_with_the_last(relu):
    images = pictures(relu, 1)
    a = pl.explain(relu, images, method="saliency")
    names = ("smoothgrad", "integrated_gradients")
    answers = list(pl.metrics["rank_agreement"].stream(relu, images, a, others=",".join(names), samples=80))
    each = [
        len(list(pl.explain_stream(relu, images, method=name, **light(pl.methods[name], 80, contrast=False)))) for name in names
    ]
    assert min(each) > 1
    assert len(answers) == sum(each)
    assert [m.worst_error for m in answers] == [torch.inf] * (len(answers) - 1) + [0]
    fractions = [m.work.fraction for m in answers]
    assert fractions == sorted(fractions)
    assert fractions[each[0] - 1] == 0.5
    passes = [m.work.backwards for m in answers]
    assert passes == sorted(passes)
    assert passes[-1] == 160
