import copy
import math
from collections.abc import Iterator

import pytest
import torch

import pellucid as pl
from pellucid.analysis.head_effect import HeadEffect, head_effect
from tests import encoders
from tests.encoders import SENTENCES

QUESTION, CONTEXT = "who wrote the long letter?", "the young queen wrote the letter in 1905."
GUESS = "the queen [MASK] the long [MASK]."


@pytest.fixture(scope="module", params=["bert", "distilbert"])
def reader(request: pytest.FixtureRequest) -> pl.TextEncoder:
    made = encoders.tiny(request.param, "ForQuestionAnswering")
    with torch.no_grad():  # as its weights are drawn, all places are almost equally likely, and a head moves little
        made.module.get_parameter("qa_outputs.weight").mul_(30)
    return made


@pytest.fixture(scope="module")
def guesser() -> pl.TextEncoder:
    return encoders.tiny("bert", "ForMaskedLM")


def without(encoder: pl.TextEncoder, layer: int, head: int) -> pl.TextEncoder:
    """The same with the columns that read this head's output set to zero by hand."""
    made = pl.TextEncoder(copy.deepcopy(encoder.module), encoder.tokenizer, name="changed")
    size = encoder.hidden_size // encoder.heads
    with torch.no_grad():
        made.projections[layer - 1].get_parameter("weight")[:, head * size : (head + 1) * size] = 0
    return made


def test_taking_out_a_head_is_setting_its_columns_to_zero_by_hand(reader: pl.TextEncoder):
    found = head_effect(reader, QUESTION, CONTEXT)
    tokens = reader.read(QUESTION, CONTEXT)
    whole = reader.outputs(tokens)
    for layer in (1, 3):
        for head in (0, 2):
            changed = without(reader, layer, head).outputs(tokens)
            for at, name in enumerate(("start", "end")):
                p, q = whole[name][0].double().softmax(-1).tolist(), changed[name][0].double().softmax(-1).tolist()
                bits = sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True))
                place = found.positions[at]
                assert float(found.divergence[at, layer - 1, head]) == pytest.approx(bits, rel=1e-3, abs=1e-9)
                assert float(found.change[at, layer - 1, head]) == pytest.approx(q[place] - p[place], rel=1e-3, abs=1e-7)
                drop = math.log2(p[place] / q[place])
                assert float(found.drop[at, layer - 1, head]) == pytest.approx(drop, rel=1e-3, abs=1e-6)
                assert float(found.probability[at]) == pytest.approx(p[place], rel=1e-5)
    assert found.effect.max() > 1e-5
    torch.testing.assert_close(found.effect, (found.divergence[0] + found.divergence[1]) / 2)


def test_a_head_that_nothing_reads_has_an_effect_of_exactly_zero(reader: pl.TextEncoder):
    found = head_effect(without(reader, 2, 1), QUESTION, CONTEXT, at_once=5)
    for values in (found.divergence, found.drop, found.change):
        assert not values[:, 1, 1].any()
        assert (values != 0).sum() == 2 * 11


def test_masked_words_by_hand(guesser: pl.TextEncoder):
    found = head_effect(guesser, GUESS)
    tokens = guesser.read(GUESS)
    assert found.positions == (3, 6)
    whole = guesser.outputs(tokens)["words"][0, [3, 6]].double().softmax(-1)
    changed = without(guesser, 2, 3).outputs(tokens)["words"][0, [3, 6]].double().softmax(-1)
    bits = (whole * (whole / changed).log2()).sum(-1)
    torch.testing.assert_close(found.divergence[:, 1, 3], bits, rtol=1e-3, atol=1e-9)
    top = whole.argmax(-1)
    rows = torch.arange(2)
    torch.testing.assert_close(found.probability, whole[rows, top], rtol=1e-5, atol=0)
    torch.testing.assert_close(found.change[:, 1, 3], (changed - whole)[rows, top], rtol=1e-3, atol=1e-7)
    assert found.choices == tuple(guesser.tokenizer.decode([int(n)]).strip() for n in top)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta"])
def test_the_class_of_a_text_by_hand(kind: str):
    sorter = encoders.tiny(kind, "ForSequenceClassification")
    found, tokens = head_effect(sorter, SENTENCES[0]), sorter.read(SENTENCES[0])
    whole = sorter.outputs(tokens)["classes"][0].double().softmax(-1)
    keep = torch.ones(3, 1, 4)
    keep[1, 0, 3] = 0
    changed = sorter.outputs(tokens, keep)["classes"][0].double().softmax(-1)
    assert (found.task, found.positions, found.choices) == ("classification", (0,), (f"LABEL_{int(whole.argmax())}",))
    bits = float((whole * (whole / changed).log2()).sum())
    assert float(found.divergence[0, 1, 3]) == pytest.approx(bits, rel=1e-3, abs=1e-9)
    assert float(found.probability[0]) == pytest.approx(float(whole.max()), rel=1e-5)
    weights = sorter.activations(tokens).attentions[1, 0, 3, 0]
    assert float(found.attention[1, 3]) == pytest.approx(float(weights[~tokens.special[0]].sum()), rel=1e-5)
    assert found.unit == "bits, KL(whole || without the head)"


@pytest.mark.parametrize("labels", [1, 3])
def test_of_several_labels_at_once_each_is_a_distribution_by_itself(labels: int):
    module = encoders.module("bert", "ForSequenceClassification")
    module.classifier, module.num_labels = torch.nn.Linear(32, labels), labels
    module.config.problem_type = "multi_label_classification"
    module.config.id2label = dict(enumerate(["toxic", "insult", "threat"]))
    with torch.no_grad():  # none is likely, so that it is likelier of each that it does not hold
        module.classifier.bias.copy_(torch.tensor([-3.0, -2.0, -4.0])[:labels])
        module.classifier.weight.mul_(0.1)
    moderator = pl.TextEncoder(module.eval(), encoders.tokenizer("bert"), name="moderator")
    found, tokens = head_effect(moderator, SENTENCES[0]), moderator.read(SENTENCES[0])
    keep = torch.ones(3, 1, 4)
    keep[1, 0, 3] = 0
    p, q = (moderator.outputs(tokens, kept)["labels"][0].double().sigmoid() for kept in (None, keep))
    best = int(p.argmax())
    assert (found.task, found.choices) == ("classification", (("toxic", "insult", "threat")[best],))
    assert float(found.probability[0]) == pytest.approx(float(p[best]), rel=1e-5)
    assert float(found.change[0, 1, 3]) == pytest.approx(float(q[best] - p[best]), rel=1e-2, abs=1e-7)
    bits = float((p * (p / q).log2() + (1 - p) * ((1 - p) / (1 - q)).log2()).sum())
    assert float(found.divergence[0, 1, 3]) == pytest.approx(bits, rel=1e-2, abs=1e-9)
    assert found.unit == "bits, KL(whole || without the head), summed over the labels"


def test_a_token_hidden_later_counts_as_masked(guesser: pl.TextEncoder):
    tokens = guesser.read("the queen wrote the long letter.").hidden(0, [3, 6], guesser.tokenizer.mask_token_id)
    torch.testing.assert_close(head_effect(guesser, tokens).divergence, head_effect(guesser, GUESS).divergence)


@pytest.mark.parametrize("at_once", [1, 5, 12, 100])
def test_it_does_not_depend_on_how_many_heads_a_pass_takes_out(guesser: pl.TextEncoder, at_once: int):
    shares: list[float] = []
    found = head_effect(guesser, GUESS, at_once=at_once, progress=shares.append)
    torch.testing.assert_close(found.drop, head_effect(guesser, GUESS).drop, rtol=1e-3, atol=1e-5)
    assert len(shares) == found.passes == 1 + math.ceil(12 / min(at_once, 12))
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_some_layers_and_heads_are_those_of_all(guesser: pl.TextEncoder):
    whole = head_effect(guesser, GUESS)
    some = head_effect(guesser, GUESS, layers=[-1, 1], heads=[2, 0])
    assert (some.layers, some.heads) == ((3, 1), (2, 0))
    torch.testing.assert_close(some.drop, whole.drop[:, [2, 0]][:, :, [2, 0]], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(some.attention, whole.attention[[2, 0]][:, [2, 0]])
    with pytest.raises(IndexError, match="no layer 4"):
        head_effect(guesser, GUESS, layers=[4])
    with pytest.raises(IndexError, match="no head 7"):
        head_effect(guesser, GUESS, heads=[7])
    with pytest.raises(ValueError, match="at_once=0; at least one head a pass"):
        head_effect(guesser, GUESS, at_once=0)


def test_a_text_in_a_batch_gives_what_it_gives_alone(guesser: pl.TextEncoder):
    tokens = guesser.read([GUESS, SENTENCES[1] + " [MASK]"])
    torch.testing.assert_close(head_effect(guesser, tokens).drop, head_effect(guesser, GUESS).drop, rtol=1e-3, atol=1e-5)


def test_what_attention_suggests_is_the_mean_share_to_ordinary_tokens(reader: pl.TextEncoder):
    found = head_effect(reader, QUESTION, CONTEXT, span=(8, 10))
    activations = reader.activations(QUESTION, CONTEXT)
    special = activations.tokens.special[0].tolist()
    weights = activations.attentions[1, 0, 2, 8:11].tolist()
    expected = sum(w for row in weights for w, is_special in zip(row, special, strict=True) if not is_special) / 3
    assert float(found.attention[1, 2]) == pytest.approx(expected, rel=1e-5)


def test_rank_correlation_equals_scipys():
    from scipy.stats import spearmanr

    found = made(torch.tensor([[3.0, 1.0, 2.0, 2.0]]), torch.tensor([[0.1, 0.2, 0.2, 0.9]]))
    expected = spearmanr([3, 1, 2, 2], [0.1, 0.2, 0.2, 0.9]).statistic  # pyright: ignore[reportAttributeAccessIssue]
    assert found.spearman == pytest.approx(expected)
    assert made(torch.tensor([[3.0, 1.0]]), torch.tensor([[0.1, 0.2]])).spearman == pytest.approx(-1)
    assert math.isnan(made(torch.zeros(1, 2), torch.tensor([[0.1, 0.2]])).spearman)


def made(effect: torch.Tensor, attention: torch.Tensor) -> HeadEffect:
    tokens = encoders.tiny().read("the bank")
    grid = effect[None].double()
    heads = tuple(range(effect.shape[1]))
    return HeadEffect(
        "masked_words", tokens, (1,), heads, (1,), ("the",), torch.ones(1).double(), grid, grid, grid, attention.float(), 1
    )


def test_the_answer_is_the_one_given_else_the_known_one_else_the_best_in_the_context(reader: pl.TextEncoder):
    tokens = reader.read(QUESTION, CONTEXT)
    found = head_effect(reader, tokens, layers=[1], heads=[0])
    (best,) = pl.answer(reader, tokens, threshold=1e9)
    assert found.positions == (best.first, best.last)
    assert all(tokens.parts[0, at] == 1 for at in found.positions)
    assert head_effect(reader, tokens.answered([(8, 9)]), layers=[1], heads=[0]).positions == (8, 9)
    assert head_effect(reader, tokens.answered([(8, 9)]), layers=[1], heads=[0], span=(9, 9)).positions == (9, 9)
    with pytest.raises(ValueError, match=r"no answer from token 9 to 99; the text has \d+ tokens, from 0"):
        head_effect(reader, tokens, span=(9, 99))


def test_what_is_missing_is_said(tiny: pl.TextEncoder, reader: pl.TextEncoder, guesser: pl.TextEncoder):
    for texts in ((GUESS,), (QUESTION, CONTEXT)):
        with pytest.raises(
            ValueError,
            match=r"tiny bert has no head for question answering, masked words or classes of texts, so it answers nothing .*; "
            r"load one that has such a head, as 'minilm-qa', 'minilm-mlm' or the folder of a model ForSequenceClassification",
        ):
            head_effect(tiny, *texts)
    with pytest.raises(ValueError, match="needs a question and its context; one text was given"):
        head_effect(reader, QUESTION)
    with pytest.raises(ValueError, match="no token of the text is masked"):
        head_effect(guesser, "the queen wrote.")


@pytest.fixture
def untouched(reader: pl.TextEncoder) -> Iterator[pl.TextEncoder]:
    reader.activations(
        QUESTION, CONTEXT
    )  # transformers hangs hooks of its own on the first module that is asked for attentions
    before = copy.deepcopy(reader.module.state_dict())
    hooks = hooks_of(reader)
    yield reader
    assert all(torch.equal(value, before[name]) for name, value in reader.module.state_dict().items())
    assert all(p.grad is None for p in reader.module.parameters())
    assert hooks_of(reader) == hooks


def hooks_of(encoder: pl.TextEncoder) -> list[int]:
    return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in encoder.module.modules()]


def test_nothing_is_left_behind(untouched: pl.TextEncoder):
    head_effect(untouched, QUESTION, CONTEXT)

    def cancel(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        head_effect(untouched, QUESTION, CONTEXT, progress=cancel)


def test_a_passs_logits_are_bounded(monkeypatch: pytest.MonkeyPatch, guesser: pl.TextEncoder):
    from pellucid.analysis import head_effect as module

    length = guesser.read(GUESS).lengths[0]
    monkeypatch.setattr(module, "MOST_LOGITS", 4 * length * int(guesser.config.vocab_size))
    assert head_effect(guesser, GUESS).passes == 1 + 3
