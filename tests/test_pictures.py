"""What pictures of attributions and filters say: the question, the unit, the layer."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import pellucid as pl
from pellucid.attribution import Attribution
from pellucid.measurement import Interval
from pellucid.pictures.attention import draw_attention, draw_head_statistics, draw_overview
from pellucid.trust import Evidence, Trust
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
