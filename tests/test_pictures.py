"""What pictures of attributions and filters say: the question, the unit, the layer."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

import pellucid as pl
from pellucid.attribution import Attribution
from pellucid.evidence import Evidence, Trust
from pellucid.measurement import Interval
from pellucid.pictures.attention import draw_attention, draw_head_statistics, draw_overview
from pellucid.pictures.images import draw_filters, draw_where, filter_names, map_rows
from tests.networks import seeded, smooth_cnn


@pytest.fixture(scope="module")
def model() -> pl.ImageClassifier:
    return pl.ImageClassifier(
        seeded(smooth_cnn()),
        size=(32, 32),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        labels=["cup", "crab", "dog", "cat", "pie"],
    )


@pytest.fixture(scope="module")
def images(model):
    return model.read([np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)])


def said(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def on(a: Attribution) -> Trust:
    one = Evidence("holds up", 0.1, "error", None, Interval(2.1, 1.0, 3.0), 1.0, 0.1, 20.0, a.work)
    return Trust((one,), a.work)


def test_a_sheet_of_several_questions_says_which_row_answers_which(model, images):
    why, rather = (pl.explain(model, images, method="saliency", target="cup", against=other) for other in (None, "dog"))
    text = said(pl.draw(model, images, [rather, why]))
    assert text.count("cup ") == 2
    assert text.count("rather than dog") == 1
    both = said(pl.draw(model, images, [rather, rather]))
    assert both.count("cup ") == both.count("rather than dog") == 1


def test_what_a_map_gains_over_random_orders_has_its_unit(model, images):
    why, rather = (pl.explain(model, images, method="saliency", target="cup", against=other) for other in (None, "dog"))
    assert "2.1 probability over random order" in said(pl.draw(model, images, why, evidence=on(why)))
    assert "2.1 logit over random order" in said(pl.draw(model, images, rather, evidence=on(rather)))
    sheet = said(pl.draw(model, images, [why, rather], evidence=[on(why), on(rather)]))
    assert "2.1 probability over random" in sheet
    assert "2.1 logit over random" in sheet


def test_attention_says_which_text_and_how_its_heads_are_put_together():
    encoder = pl.load("minilm")
    tokens = encoder.read("The bank was steep.")
    act = encoder.activations(tokens)
    every = [pl.attend(act, n) for n in (1, 2)]
    named = "“The bank was steep.”\nminilm: 7 tokens: [CLS] · The · bank · was · steep · . · [SEP]"
    assert named in said(draw_overview(every, model="minilm"))
    assert named in said(draw_head_statistics(pl.head_statistics(act), tokens=tokens, model="minilm"))
    assert "“The bank was steep.”" in said(draw_attention(every[0]))
    assert "attention weight, sum of 12 heads" in said(draw_attention(every[0], "heat"))
    assert "attention weight, mean of 2 heads" in said(draw_attention(pl.attend(act, 1, [0, 1], combine="mean"), "heat"))
    assert "attention weight\n" in said(draw_attention(pl.attend(act, 1, [3]), "heat")) + "\n"


def test_a_rectified_map_is_not_called_a_magnitude(model, images):
    a = pl.explain(model, images, method="grad_cam", layer="3")
    text = said(pl.draw(model, images, a)).replace("\n", " ")
    assert "only what speaks for the target" in text
    assert "magnitude" not in text
    assert "1 forward pass and 1 backward pass, layer 3" in text
    assert "magnitude, no sign" in said(pl.draw(model, images, pl.explain(model, images, method="saliency")))


def test_the_error_is_said_once_and_all_bars_stand_at_one_height(model, images):
    a = pl.explain(model, images, method="lime", samples=60, segments=9)
    figure = pl.draw(model, images, a)
    text = said(figure)
    assert text.count(a.error_name) == text.count("R2") == 1
    bars = [axes.get_position().y0 for axes in figure.axes if str(axes.get_label()).endswith("legend")]
    assert len(bars) == 2
    assert bars[0] == bars[1]


def test_where_nothing_is_left_to_err_about_the_fit_stands_alone(model, images):
    a = pl.explain(model, images, method="kernel_shap", segmentation="grid", segments=6)
    assert not a.error.any()
    captions = map_rows(a, images)[-1].captions
    assert all(re.fullmatch(r"R2 -?[\d.]+", caption) for caption in captions)


def test_pictures_of_filters_name_the_layer_and_of_the_last_one_the_classes(model, images):
    assert "3: where its filters fire" in said(draw_where(model, images, "3", [0, 1]))
    assert filter_names(model, "3", [0, 2]) == ["filter 0", "filter 2"]
    names = filter_names(model, "7", [0, 2])
    assert names == ["filter 0, cup", "filter 2, dog"]
    assert all(name in said(draw_filters(pl.filters(model, "7", [0, 2], steps=2), names=names)) for name in names)
